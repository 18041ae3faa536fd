"""Random streams, each made from its seed and nothing else."""

import random as random_module
import re

from oracle import binary_grammar, meta_grammar, text_grammar
from oracle.stream import Step, Stream, Wild, literal
from oracle.words import chance

SPLITS = ["whole"] * 6 + ["cuts"] * 2 + ["bytes"]


def mixed(random):
    """A text connection may mix both text protocols."""
    return (text_grammar if chance(random, 50) else meta_grammar).request(random)


REQUESTS = {"text": text_grammar.request, "meta": meta_grammar.request, "mixed": mixed, "binary": binary_grammar.request}
NAMES = ["text"] * 4 + ["meta"] * 4 + ["mixed"] * 2 + ["binary"] * 4


def mutate(random, requests):
    """The bytes of all requests as one, with some changed, dropped or sent twice. No long keys,
    long lines or base64: see differences.py."""
    data = bytearray(b"".join(literal(request) for request in requests if len(literal(request)) < 240 and b" b" not in literal(request)))
    data += b"mn\r\n"
    for _ in range(random.choice([1, 1, 2, 5])):
        at = random.randrange(len(data))
        what = random.randrange(4)
        if what == 0:
            data[at] = random.choice(b"\r\n \x80\xff09aZA")
        elif what == 1:
            del data[at:at + random.choice([1, 2, 10])]
        elif what == 2:
            data[at:at] = random.choice([b"\r\n", b" ", b"\n", b"\r", b"get a\r\n", b"+"])
        else:
            data[at:at] = data[at:at + random.randrange(30)]
    data = re.sub(rb"\r(?!\n)|\0", b"", bytes(data))  # to memcached a lone \r and a \0 end a number
    return [(line,) for line in re.split(rb"(?<=\n)", data) if line]


ARITHMETIC = re.compile(rb" *(ma|incr|decr) |\x80[\x05\x06\x15\x16]", re.DOTALL)


def pause_before_arithmetic(stream):
    """While memcached is still sending a value it does not write a new number in its place, but makes a new item: other bytes of
    padding, another h. So what was asked before is answered first."""
    steps = []
    for step in stream.steps:
        for request in step.requests:
            pauses = ARITHMETIC.match(literal(request)) and not isinstance(request, Wild)
            if not steps or steps[-1].connection != step.connection or pauses:
                steps.append(Step(step.connection, []))
            steps[-1].requests.append(request)
    stream.steps = steps


def tame(stream):
    """Moves wild requests to the end of the stream."""
    wild = []
    for step in stream.steps:
        wild += [request for request in step.requests if isinstance(request, Wild)]
        step.requests = [request for request in step.requests if not isinstance(request, Wild)]
    stream.steps[-1].requests += wild


def make(seed, index):
    """Stream number index of the run with this seed."""
    random = random_module.Random(f"{seed}:{index}")
    name = random.choice(NAMES)
    request = REQUESTS[name]
    count = random.choice([5, 20, 40])
    stream = Stream(f"stream {index} of seed {seed} ({name})", name == "binary", [], random.choice(SPLITS))
    if chance(random, 20):  # races: what one connection saw the other changes
        for _ in range(random.randrange(3, 12)):
            stream.steps.append(Step(random.randrange(2), [request(random) for _ in range(random.randrange(1, 4))]))
        stream.name += " on two connections"
    else:
        # A first step of its own shows the cas values that the second may use.
        first = [request(random) for _ in range(count // 2)]
        second = [request(random) for _ in range(count // 2)]
        if chance(random, 8) and name != "binary":
            stream.mutated = True
            stream.name += ", bytes changed"
            stream.steps = [Step(0, mutate(random, first + second))]
        else:
            stream.steps = [Step(0, first), Step(0, second)] if chance(random, 70) else [Step(0, first + second)]
    tame(stream)
    if not stream.mutated:
        pause_before_arithmetic(stream)
    return stream, [random.random() for _ in range(random.randrange(1, 5))]
