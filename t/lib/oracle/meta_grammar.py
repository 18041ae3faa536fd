"""Random requests of the meta protocol."""

import base64

from oracle import words
from oracle.stream import Cas, Wild
from oracle.words import chance

# For each command: the flags that mean something to it, each as likely as it stands here.
# Younger than memcached 1.6.18 are E everywhere, C of mg, x of md, N and s of ms; and its T of ma comes to nothing when the number
# is rewritten, its q of ma hides too little, its N, MA, MP and its ma forget the b. What they do is told in t/wire/meta.py.
USEFUL = {b"mg": b"bcfhklNOqRstTuv" + b"vvkkcc", b"ms": b"bcCFIkMOqT" + b"cckMT", b"md": b"bCIkOqT" + b"kC", b"ma": b"cCDJkMNOtv" + b"ccvkDM"}
ALL = b"bcCDfFhIJklLMOPqRtuv"
BARE = b"bcfhIklqstuvx"


def token(random, flag, command, key, wrong):
    """A flag with what has to follow it, or with something else."""
    letter = bytes([flag])
    if wrong and chance(random, 30):
        return letter + random.choice([b"", b"x", b"-1", b"99999999999999999999", b"1x", b"0"])
    if flag in BARE:
        return letter if not wrong else letter + random.choice([b"", b"1", b"abc"])
    if flag in b"TN":
        return letter + words.exptime(random, 99 if not wrong else 60)
    if flag == ord("R"):
        return letter + random.choice([b"0", b"30", b"1000", b"-1"])
    if flag == ord("C"):
        return letter, (words.number(random) if chance(random, 15) else Cas(key, age=random.randrange(2)))
    if flag in b"DJ":
        return letter + words.number(random, 99 if not wrong else 50)
    if flag == ord("F"):
        return letter + words.client_flags(random, 99 if not wrong else 50)
    if flag == ord("M"):
        modes = [b"E", b"A", b"P", b"R", b"S"] if command == b"ms" else [b"I", b"+", b"D", b"-"]
        return letter + (random.choice(modes) if not wrong else random.choice([b"", b"X", b"EE", b"e", b"i", b"a", b"s"]))
    if flag == ord("O"):
        # With one that is too long memcached refuses the request, but unless it is ms executes it all the same.
        size = random.choice([1, 4, 31, 32, 33]) if wrong and command == b"ms" else random.choice([1, 4, 8])
        return letter + b"q" * size
    return letter + random.choice([b"", b"1", b"/path"])  # L, P


def flags(random, command, key, wrong):
    """The flags, each as a tuple of parts."""
    pool = ALL if wrong and chance(random, 30) else USEFUL[command]
    count = random.choice([0, 1, 2, 3, 4, 6])
    chosen = []
    for flag in random.choices(pool, k=count):
        if flag not in chosen or wrong and chance(random, 20):
            chosen.append(flag)
    if ord("N") in chosen and ord("b") in chosen:
        chosen.remove(ord("b"))
    if command == b"ms" and ord("M") in chosen and ord("b") in chosen:
        chosen.remove(ord("M"))
    if wrong and chance(random, 10):
        chosen = [ord("k")] * 22
    parts = [token(random, flag, command, key, wrong) for flag in chosen]
    parts = [part if isinstance(part, tuple) else (part,) for part in parts]
    if wrong and chance(random, 20):
        parts.append((random.choice([b"!", b"z", b"Z", b"\x7f", b"\xff", b"0", b"-"]),))
    return chosen, parts


def command_key(random, chosen, wrong):
    """The key as it goes on the line: encoded if the b flag is there, now and then not."""
    if wrong and chance(random, 50):
        return random.choice([b"====", b"YQ=", b"Y", b"YWJ\xff", b"a b", b"x" * 251])
    return base64.b64encode(random.choice([b"sp ace", b"\0\1\2", b"line\r\n", b"\xff" * 180, b"b" * 186]))


def request(random):
    roll = random.random()
    if roll < 0.02:
        return random.choice([b"mn\r\n", b"mn\n", b"mn \r\n", b"mn x\r\n"]),
    if roll < 0.04:
        return b"me ", words.key(random), random.choice([b"", b" v", b" k"]), b"\r\n"
    if roll < 0.05:
        return random.choice([b"mg\r\n", b"ms\r\n", b"md\r\n", b"ma\r\n", b"me\r\n", b"ms a\r\n", b"ms a S1\r\nx\r\n", b"ms a x\r\n", b"ms a -1\r\n", b"mx a\r\n", b"mg  \r\n"]),
    command = random.choice([b"mg", b"mg", b"mg", b"ms", b"ms", b"ms", b"md", b"ma"])
    value = words.value(random) if command == b"ms" else b""
    wrong = chance(random, 5) and len(value) < 2000
    key = words.key(random, bad=False)
    chosen, parts = flags(random, command, key, wrong)
    if ord("b") in chosen:
        key = command_key(random, chosen, wrong)
    line = [command, b" ", key]
    kind = tuple
    if command == b"ms":
        size = len(value)
        terminator = b"\r\n"
        if chance(random, 1.5):
            kind = Wild
            value = b"some data"
            size = random.choice([len(value), len(value) + 1, len(value) - 1, -1])
            terminator = random.choice([b"\r\n", b"\n", b"", b"x\r\n"])
        line += [b" ", b"%d" % size]
    for part in parts:
        line += [b" ", *part]
    line.append(b"\r\n" if not chance(random, 2) else b"\n")
    if command == b"ms":
        line += [value, terminator]
    return kind(line)
