"""Random requests of the classic text protocol."""

from oracle import words
from oracle.stream import Cas, Wild
from oracle.words import chance

STORES = [b"set", b"set", b"set", b"add", b"replace", b"append", b"prepend", b"cas", b"cas"]
RETRIEVALS = [b"get", b"get", b"gets", b"gets", b"gat", b"gats"]


def join(random, parts):
    """A line of these words; now and then with the spaces and line ends that memcached lets pass."""
    parts = [part for part in parts if part is not None]
    line = []
    for index, part in enumerate(parts):
        if index:
            line.append(b" " if not chance(random, 1) else b"  ")
        line.append(part)
    if chance(random, 0.5):
        line.insert(0, b" ")
    if chance(random, 1):
        line.append(b" ")
    line.append(b"\r\n" if not chance(random, 2) else b"\n")
    return tuple(line)


def noreply(random):
    return b"noreply" if chance(random, 12) else None


def maybe_spoil(random, parts, per_cent=3):
    """A word too many, too few, or of another kind."""
    if not chance(random, per_cent):
        return parts
    parts = list(parts)
    what = random.randrange(4)
    if what == 0 and len(parts) > 1:
        del parts[random.randrange(1, len(parts)):]
    elif what == 1:
        parts.append(random.choice([b"noreply", b"extra", b"0", b"1 2 3"]))
    elif what == 2 and len(parts) > 1:
        parts[random.randrange(1, len(parts))] = random.choice([b"", b"x", b"-1", b"0", b"noreply"])
    else:
        parts[0] = random.choice([b"GET", b"Set", b"gett", b"bogus", b"x", b"", b"sets", b"incrr", b"gat ", b"m", b"mx"])
    return parts


def store(random):
    command = random.choice(STORES)
    value = words.value(random)
    right = 97 if len(value) < 2000 else 100  # what follows a bad line is taken for a line, and a long line ends the connection
    size = len(value)
    terminator = b"\r\n"
    kind = tuple
    if chance(random, 2):
        value = b"some data"
        kind = Wild
        size = random.choice([size + 1, size - 1, size + 2, -1])
    elif chance(random, 1):
        kind = Wild
        terminator = random.choice([b"\n", b"", b"\r", b"xx", b"\r\r\n"])
    key = words.key(random, bad=len(value) < 2000)
    parts = [command, key, words.client_flags(random, right), words.exptime(random, right), b"%d" % size]
    if command == b"cas":
        parts.append(words.number(random, right) if chance(random, 20) else Cas(key, age=random.randrange(2)))
    parts.append(noreply(random))
    if len(value) < 2000:
        parts = maybe_spoil(random, parts)
    return kind((*join(random, parts), value, terminator))


def retrieve(random, keys=None):
    command = random.choice(RETRIEVALS)
    parts = [command]
    if command.startswith(b"gat"):
        parts.append(words.exptime(random))
    # Only get and gets may be longer than 2048 bytes.
    counts = [1, 1, 1, 2, 3, 7] + [30] * (not command.startswith(b"gat"))
    parts += [words.key(random, bad=False) for _ in range(keys or random.choice(counts))]
    if not command.startswith(b"gat") and chance(random, 2):
        parts[1] = random.choice(words.BAD_KEYS)  # what stands before it memcached has already taken for read
    return join(random, maybe_spoil(random, parts, 1) if len(parts) < 8 else parts)


def arithmetic(random):
    return join(random, maybe_spoil(random, [random.choice([b"incr", b"decr"]), words.key(random), words.number(random), noreply(random)]))


def touch(random):
    return join(random, maybe_spoil(random, [b"touch", words.key(random), words.exptime(random), noreply(random)]))


def delete(random):
    parts = [b"delete", words.key(random), random.choice([None, None, None, b"0", b"1"]) if chance(random, 10) else None, noreply(random)]
    return join(random, maybe_spoil(random, parts))


def control(random):
    parts = random.choice([
        [b"version"], [b"verbosity", b"0"], [b"verbosity", b"1", b"noreply"], [b"verbosity", b"0", b"0"], [b"flush_all"],
        [b"flush_all", b"0"], [b"flush_all", b"-1"], [b"flush_all", b"noreply"], [b"flush_all", b"0", b"noreply"],
        [b"flush_all", b"x"], [b"stats reset"], [b"mn"], [b"shutdown"], [b"verbosity"],
        [b"verbosity", b"x"],
    ])
    return join(random, maybe_spoil(random, parts, 1))


def garbage(random):
    return (random.choice([
        b"\r\n", b"\n", b"x\r\n", b" \r\n", b"\0\r\n", b"\xff\xfe\r\n", b"get\r\n", b"set\r\n", b"bogus\r\n", b"\r\r\n",
        b"get " + b"k" * 251 + b"\r\n", b"gets\r\n", b"gat 0\r\n", b"incr a\r\n", b"set a 0 0 1 x y\r\nx\r\n", b"touch a\r\n", b"delete\r\n", b"cas a 0 0 1\r\n",
        b"set a 0 0\r\n", b"bogus a b c\r\n", b"getx a\r\n", b"\x01\x02\r\n", b"\t\r\n", b"set a 0 0 -1\r\n", b"cas a 0 0 1 x\r\nx\r\n",
        b"set " + b"z" * 251 + b" 0 0 3\r\nabc\r\n", b"add a 0 0 1 noreply\r\nabc\r\n",
    ]),)


def request(random):
    roll = random.random()
    if roll < 0.40:
        return store(random)
    if roll < 0.66:
        return retrieve(random)
    if roll < 0.79:
        return arithmetic(random)
    if roll < 0.86:
        return touch(random)
    if roll < 0.92:
        return delete(random)
    if roll < 0.97:
        return control(random)
    return garbage(random)
