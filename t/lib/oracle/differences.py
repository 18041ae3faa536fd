"""The known differences: where Holdfast does not answer what memcached 1.6.18 answers, and why.

"1.6.45" is the newest memcached, whose answer is ours where the two versions disagree. The random grammars leave out what differs, but
for the LINES and for those DIFFERENCES that have a pattern; t/wire/differential.py asks all of them, so that this list stays true.
"""

import dataclasses
import re

from oracle.binary_grammar import packet


@dataclasses.dataclass(frozen=True)
class Line:
    """Holdfast says one of `ours` where memcached 1.6.18 says `theirs`. requests: some that make them do so."""
    name: str
    reason: str
    theirs: bytes
    ours: tuple
    requests: tuple

    def is_expected(self, side, reply):
        """side is "ours" or "theirs"."""
        return reply in [line + b"\r\n" for line in (self.ours if side == "ours" else (self.theirs,))]


@dataclasses.dataclass(frozen=True)
class Difference:
    """Requests that are answered in another way. Both answers are regular expressions. pattern finds such requests in a stream."""
    name: str
    reason: str
    requests: tuple
    theirs: bytes
    ours: bytes
    pattern: bytes = None

    def matches(self, request):
        return self.pattern is not None and re.fullmatch(self.pattern, request, re.DOTALL) is not None

    def is_expected(self, side, reply):
        """side is "ours" or "theirs"."""
        return re.fullmatch(getattr(self, side), reply, re.DOTALL) is not None


BAD_LINE = b"CLIENT_ERROR bad command line format"
LONG_KEY = b"x" * 251
STORED = b"set a 0 0 1\r\nx\r\n"


def join(*request):
    return b"".join(request)


LINES = [
    Line("a command without its arguments", "1.6.45 names the mistake", b"ERROR", (BAD_LINE,),
         (b"x\r\n", b"\r\n", b"get\r\n", b"gets\r\n", b"gat\r\n", b"set a 0 0\r\n", b"cas a 0 0 1\r\n", b"incr a\r\n", b"touch a\r\n",
          b"delete\r\n", b"mg\r\n", b"ms\r\n", b"md\r\n", b"ma\r\n", b"verbosity\r\n")),
    Line("shutdown without -A", "1.6.45 says whose error it is", b"ERROR: shutdown not enabled", (b"SERVER_ERROR: shutdown not enabled",),
         (b"shutdown\r\n", b"shutdown graceful\r\n")),
    Line("too many flags of ms, md and ma", "1.6.45 says it of all in the words that 1.6.18 has for mg", b"CLIENT_ERROR options flags too long",
         (b"CLIENT_ERROR options flags are too long",), (b"md a" + b" k" * 20 + b"\r\n", b"ma a" + b" k" * 20 + b"\r\n")),
    Line("a wrong flag of md", "1.6.45 says which mistake it is, as it does for mg and ms", b"CLIENT_ERROR invalid or duplicate flag",
         (b"CLIENT_ERROR invalid flag", b"CLIENT_ERROR duplicate flag", b"CLIENT_ERROR error decoding key",
          b"CLIENT_ERROR incorrect length for M token", b"CLIENT_ERROR invalid numeric delta value",
          b"CLIENT_ERROR invalid numeric initial value", b"CLIENT_ERROR opaque token too long",
          b"CLIENT_ERROR bad token in command line format", BAD_LINE),
         (b"md a z\r\n", b"md a q q\r\n", b"md ==== b\r\n", b"md a Tx\r\n", b"md a Fx\r\n")),
]

# Wrong in memcached, and not copied.
BUGS = [
    Difference("answers taken back", "of pipelined requests, when a later get has a key that is too long",
               (b"touch a 0\r\nget " + LONG_KEY + b"\r\n", b"touch a 0\r\ngets b " + LONG_KEY + b"\r\n"),
               BAD_LINE + b"\r\n", b"(NOT_FOUND\r\n)?" + BAD_LINE + b"\r\n", rb" *gets? .*[^ ]{251}.*"),
    Difference("answers dropped", "when the connection ends within a later request", (b"touch a 0\r\nset b 0 0 10\r\nhalf",), b"", b"NOT_FOUND\r\n"),
    Difference("a gat that is refused", "has already touched the keys in front of the wrong one",
               (STORED + b"gat -1 a " + LONG_KEY + b"\r\nget a\r\n",),
               BAD_LINE + b"\r\nEND\r\n", b"STORED\r\n" + BAD_LINE + b"\r\nVALUE a 0 1\r\nx\r\nEND\r\n"),
    Difference("a refused opaque", "does not keep mg and ma from being executed", (b"mg a N0 O" + b"o" * 32 + b"\r\nget a\r\n",),
               b"CLIENT_ERROR opaque token too long\r\nVALUE a 0 0\r\n\r\nEND\r\n", b"CLIENT_ERROR opaque token too long\r\nEND\r\n"),
    Difference("a second flush_all", "with a time brings back what the first took", (STORED + b"flush_all\r\nflush_all 1000\r\nget a\r\n",),
               b"STORED\r\nOK\r\nOK\r\nVALUE a 0 1\r\nx\r\nEND\r\n", b"STORED\r\nOK\r\nOK\r\nEND\r\n"),
    Difference("client flags of 33 bits", "are cut to 32, and the value stored", (b"set a 4294967296 0 2\r\nxy\r\n",),
               b"STORED\r\n", BAD_LINE + b"\r\nERROR\r\n"),
    Difference("a time after 2038", "has passed", (b"set a 0 4000000000 1\r\nx\r\nmg a\r\n",), b"STORED\r\nEN\r\n", b"STORED\r\nHD\r\n"),
    Difference("a lifetime that has passed", "is shown as a large number", (STORED + b"mg a T-1 t\r\n",), rb"STORED\r\nHD t4294\d+\r\n", b"STORED\r\nHD t0\r\n"),
    Difference("exp of me", "is below zero", (b"set a 0 100 1\r\nx\r\nme a\r\n",), rb"STORED\r\nME a exp=-\d+ .*", rb"STORED\r\nME a exp=\d+ .*"),
    Difference("a word with a zero or a tab", "ends there when it is a number", (b"touch a 0\0x\r\n", b"touch a 0\tx\r\n"),
               b"NOT_FOUND\r\n", b"CLIENT_ERROR invalid exptime argument\r\n"),
    Difference("a value of blanks alone", "is read beyond its end for a number", (b"set a 0 0 1\r\n \r\nincr a 1\r\n",),
               b"STORED\r\n.*", b"STORED\r\nCLIENT_ERROR cannot increment or decrement non-numeric value\r\n"),
    Difference("base64 with other letters", "decodes: they are passed over", (b"mg key:2 b\r\n", b"mg YQ==YQ== b\r\n"),
               b"EN\r\n", b"CLIENT_ERROR error decoding key\r\n"),
    Difference("a key in base64 made by N", "forgets that it is one, and breaks the reply", (b"mg bGluZQ0K b N0 k\r\n",),
               b"HD kline\r\n W\r\n", b"HD kbGluZQ0K b W\r\n"),
    Difference("a key in base64 asked for without", "is shown in base64, as it was stored", (b"ms Yg== 0 b\r\n\r\nmg b k\r\n",),
               b"HD\r\nHD kYg== b\r\n", b"HD\r\nHD kb\r\n"),
    Difference("ma that creates", "says so in spite of q", (b"ma a N0 q\r\n",), b"HD\r\n", b""),
    Difference("T of ma", "is lost when the number has to be written anew", (b"set a 0 0 1\r\n9\r\nma a T100\r\nmg a t\r\n",),
               b"STORED\r\nHD\r\nHD t-1\r\n", b"STORED\r\nHD\r\nHD t100\r\n"),
    Difference("binary packets with lengths that lie", "are not all noticed", (join(*packet(0x1C, b"a", bytes(8))),),
               b"\x81\x1c.*", b"\x81\x1c\0\0\0\0\0\4.*"),
]

# What memcached learned between 1.6.18 and 1.6.45.
NEWER = [
    Difference("gat without a key", "1.6.45 names the mistake", (b"gat 0\r\n", b"gats 10\r\n"), b"END\r\n", BAD_LINE + b"\r\n",
               rb" *gats? +[^ \r\n]+ *\r?\n"),
    Difference("the meta flag E", "is younger", (b"ms a 0 E5 c\r\n\r\nmg a c\r\n",),
               b"CLIENT_ERROR invalid flag\r\nEN\r\n", b"HD c5\r\nHD c5\r\n"),
    Difference("E of md and ma", "is younger", (b"md a E5\r\n", b"ma a E5\r\n"), b"CLIENT_ERROR invalid or duplicate flag\r\n", b"NF\r\n"),
    Difference("x of md", "is younger", (STORED + b"md a x\r\nget a\r\n",),
               b"STORED\r\nCLIENT_ERROR invalid or duplicate flag\r\nVALUE a 0 1\r\nx\r\nEND\r\n", b"STORED\r\nHD\r\nVALUE a 0 0\r\n\r\nEND\r\n"),
    Difference("N of ms", "is younger", (b"ms a 1 MA N100\r\nx\r\n",), b"NS\r\n", b"HD\r\n"),
    Difference("s of ms", "is younger", (b"ms a 1 s\r\nx\r\n",), b"HD\r\n", b"HD s1\r\n"),
    Difference("C of mg", "is younger", (b"ms a 0 c I\r\n\r\nmg a C0 v\r\n",), rb"HD c\d+\r\nVA 0\r\n\r\n", rb"HD c\d+\r\nVA 0\r\n\r\n"),
    Difference("a binary body over 1 GiB", "is refused in other words", (join(*packet(0xFF, b"a", body_size=2**31)),),
               b"\x81\xff\0\0\0\0\0\x81.*", b"\x81\xff\0\0\0\0\0\4.*"),
]

NEWER += [
    Difference("slabs automove", "misreads window and freeratio", (b"slabs automove window 10\r\n", b"slabs automove freeratio 0.1\r\n"),
               BAD_LINE + b"\r\n", b"OK\r\n"),
    Difference("mgdump", "is younger", (b"set a 0 0 1\r\nx\r\nlru_crawler mgdump all\r\n",), b"STORED\r\nERROR\r\n",
               b"STORED\r\nmg a\r\nEN\r\n"),
    Difference("watch deletions", "is younger", (b"watch deletions\r\n",), b"ERROR\r\n", b"OK\r\n"),
]

# Ours.
CHOICES = [
    Difference("a long line that is no get", "ends the connection, wherever its packets are cut: memcached asks whether the end has come",
               (b"bogus " + b"x" * 2100 + b"\r\nmn\r\n",), b"ERROR\r\nMN\r\n", b""),
    Difference("commands for extstore", "there is none", (b"extstore item_age 5\r\n",), b"OK\r\n", b"ERROR\r\n"),
    Difference("the limit of memory", "cannot be raised beyond what was reserved", (b"cache_memlimit 100000000\r\n",), b"OK\r\n",
               b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n"),
]

DIFFERENCES = BUGS + NEWER + CHOICES


def find(request):
    """The known difference that a request runs into, or None."""
    for difference in DIFFERENCES:
        if difference.matches(request):
            return difference
    return None


ACCEPTED = {(ours, line.theirs) for line in LINES for ours in line.ours}


def accept(ours, theirs):
    """Whether one token may take the place of another."""
    return (ours, theirs) in ACCEPTED


def accept_mutated(ours, theirs):
    """The same for a stream whose requests nobody knows, so that find() does not either."""
    if theirs == b"END":
        return ours == BAD_LINE
    if theirs == b"CLIENT_ERROR options flags are too long":  # 1.6.18 counts one word more
        return ours.startswith(b"CLIENT_ERROR ")
    if theirs == b"CLIENT_ERROR invalid flag":  # a letter that is younger than 1.6.18, in a line made by accident
        return True
    return accept(ours, theirs)
