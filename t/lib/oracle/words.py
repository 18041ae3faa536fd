"""What all grammars choose from: keys, values, numbers; mostly right, sometimes at an edge, sometimes wrong."""

KEYS = [b"a", b"b", b"c", b"key:1", b"key:2", b"n" * 250]
ODD_KEYS = [b"0", b"noreply", b"k\x01\x7f", b"tab\tkey", "schl\u00fcssel".encode(), b"\xff\x80\xfe", b"END", b"get", b"x" * 249]
BAD_KEYS = [b"x" * 251, b"y" * 300]

# From 2^63 on memcached looks for a minus sign behind the end of a stored number, and finds one in what lay there before. The edge
# at 2^64 is in t/wire/text.py.
NUMBERS = [b"0", b"1", b"9", b"10", b"99", b"4294967295", b"9007199254740992"]
NO_NUMBERS = [b"18446744073709551616", b"-1", b"12x", b"x", b"0x10", b"1.5", b"1e3", b"+5", b"007", b"99999999999999999999999"]

# No lifetime that ends while a stream runs: those are in streams of their own. 1000000000 is in 2001, 2000000000 in 2033.
EXPTIMES = [b"0", b"0", b"0", b"100", b"2592000", b"2592001", b"1000000000", b"-1", b"2000000000", b"-2592001"]
BAD_EXPTIMES = [b"x", b"1x", b"9999999999999999999999", b"1.5", b"0x1", b"9223372036854775808"]

CLIENT_FLAGS = [b"0", b"0", b"0", b"1", b"65535", b"4294967295"]
BAD_CLIENT_FLAGS = [b"-1", b"x", b"1x", b"99999999999999999999"]

# Around the buffers of either server: 2048, 16 KiB, 64 KiB pages, chains, 1 MiB items.
EDGE_SIZES = [0, 1, 2, 2046, 2047, 2048, 8100, 8192, 16300, 16384, 16400, 32768, 65536, 70000, 131072, 300000]


def chance(random, per_cent):
    return random.random() * 100 < per_cent


def key(random, bad=True):
    roll = random.random()
    if roll < 0.9 or not bad and roll < 0.98:
        return random.choice(KEYS)
    return random.choice(ODD_KEYS if roll < 0.98 or not bad else BAD_KEYS)


def value(random):
    roll = random.random()
    if roll < 0.35:
        return random.choice(NUMBERS)
    if roll < 0.4:
        return random.choice([b" 7", b"7 ", b"12 x", b"abc", b"END\r\n", b"3\r\n", b"", b"+1", b"-5", b"00012"])
    if roll < 0.93:
        size = random.randrange(40)
        return bytes(random.choices(b"abcdefgh \r\n\0\xff0123", k=size)).lstrip() + b"!" * (size % 7 == 0)
    size = random.choice(EDGE_SIZES[:9]) if roll < 0.99 else random.choice(EDGE_SIZES)
    return (b"%d|" % random.randrange(10**6) * (size // 3 + 1))[:size]


def number(random, right_per_cent=92):
    if chance(random, right_per_cent):
        return random.choice(NUMBERS) if chance(random, 50) else b"%d" % random.randrange(1, 1000)
    return random.choice(NO_NUMBERS)


def exptime(random, right_per_cent=97):
    return random.choice(EXPTIMES if chance(random, right_per_cent) else BAD_EXPTIMES)


def client_flags(random, right_per_cent=97):
    return random.choice(CLIENT_FLAGS if chance(random, right_per_cent) else BAD_CLIENT_FLAGS)
