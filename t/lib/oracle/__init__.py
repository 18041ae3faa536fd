"""The differential test: the same byte streams to Holdfast and to memcached, and what they answer.

    stream.py       requests, streams of them, and how they are sent
    text_grammar.py, meta_grammar.py, binary_grammar.py
                    make random requests, right ones and wrong ones
    replies.py      cuts a reply stream into tokens, so that cas values, times and the version can be compared as such
    differences.py  the known differences, each with its reason
    pair.py         the two servers, and one stream through both
    shrink.py       makes a stream that differs short
"""
