"""Random requests of the binary protocol. The low 16 bits of the opaque say which key it is, so that a reply's cas finds its key."""

import struct

from oracle import words
from oracle.stream import Cas, Wild
from oracle.words import chance

GETS = [0x00, 0x09, 0x0C, 0x0D]
TOUCHES = [0x1C, 0x1D, 0x1E, 0x23, 0x24]
STORES = [0x01, 0x02, 0x03, 0x11, 0x12, 0x13]
EXTENDS = [0x0E, 0x0F, 0x19, 0x1A]
DELETES = [0x04, 0x14]
ARITHMETICS = [0x05, 0x06, 0x15, 0x16]
FLUSHES = [0x08, 0x18]
BARE = [0x0A, 0x0B]
QUITS = [0x07, 0x17]
SASL = [0x20, 0x21, 0x22]
UNKNOWN = [0x1B, 0x1F, 0x25, 0x30, 0x40, 0x7F, 0x80, 0xFF]

EXPIRIES = [0, 0, 0, 100, 2592000, 2592001, 1000000000, 2000000000, 0xFFFFFFFF]
KEYS = words.KEYS + words.ODD_KEYS + [b"nul\0key", b"sp ace"]


def packet(opcode, key=b"", extras=b"", value=b"", opaque=0, cas=0, **wrong):
    """The parts of a packet; wrong overrides fields of the header."""
    head = struct.pack(">BBHBBHII", wrong.get("magic", 0x80), opcode, wrong.get("key_size", len(key)), wrong.get("extras_size", len(extras)),
                       wrong.get("data_type", 0), wrong.get("reserved", 0), wrong.get("body_size", len(extras) + len(key) + len(value)), opaque)
    return head, struct.pack(">Q", cas) if isinstance(cas, int) else cas, extras + key + value


def pick_key(random):
    index = random.randrange(len(words.KEYS)) if not chance(random, 10) else random.randrange(len(KEYS))
    return KEYS[index], random.randrange(1, 0x7000) << 16 | index


def compare_cas(random, opaque):
    if not chance(random, 25):
        return 0
    return random.randrange(1, 2**64) if chance(random, 10) else Cas(b"opaque%d" % (opaque & 0xFFFF), binary=True, age=random.randrange(2))


def number(random):
    return random.choice([0, 1, 5, 10, 2**32, 2**53]) if chance(random, 60) else random.randrange(1000)


def right(random):
    """A request as the protocol wants it."""
    key, opaque = pick_key(random)
    roll = random.random()
    if roll < 0.25:
        return packet(random.choice(GETS), key, opaque=opaque)
    if roll < 0.33:
        return packet(random.choice(TOUCHES), key, struct.pack(">I", random.choice(EXPIRIES)), opaque=opaque)
    if roll < 0.58:
        extras = struct.pack(">II", random.choice([0, 0, 1, 0xFFFFFFFF]), random.choice(EXPIRIES))
        return packet(random.choice(STORES), key, extras, words.value(random), opaque, compare_cas(random, opaque))
    if roll < 0.68:
        return packet(random.choice(EXTENDS), key, value=words.value(random), opaque=opaque, cas=compare_cas(random, opaque))
    if roll < 0.75:
        return packet(random.choice(DELETES), key, opaque=opaque, cas=compare_cas(random, opaque))
    if roll < 0.90:
        extras = struct.pack(">QQI", number(random), number(random), random.choice(EXPIRIES))
        return packet(random.choice(ARITHMETICS), key, extras, opaque=opaque, cas=compare_cas(random, opaque))
    if roll < 0.93:
        extras = random.choice([b"", bytes(4)])
        return packet(random.choice(FLUSHES), extras=extras, opaque=opaque)
    if roll < 0.97:
        return packet(random.choice(BARE), opaque=opaque)
    if roll < 0.98:
        return packet(0x10, random.choice([b"reset", b"bogus"]), opaque=opaque)
    return packet(random.choice(UNKNOWN + SASL), opaque=opaque)


def wrong(random):
    """A request that lies or has what its opcode does not take."""
    key, opaque = pick_key(random)
    extras = random.choice([b"", bytes(4), bytes(8), bytes(20)])
    value = random.choice([b"", b"v", b"value"])
    opcode = random.choice(GETS + TOUCHES + STORES + EXTENDS + DELETES + ARITHMETICS + FLUSHES + BARE + SASL + UNKNOWN + [0x10])
    if opcode in SASL:
        key = b"PLAIN"
    lie = random.choice(["", "key_size", "extras_size", "body_size", "data_type", "reserved", "magic", "long_key"])
    if opcode in TOUCHES + [0x10]:  # of these memcached does not look at the lengths, and takes what is left for the next packet
        key, extras, value = (b"reset", b"", b"") if opcode == 0x10 else (key, bytes(4), b"")
        lie = random.choice(["", "data_type", "reserved", "magic"])
    if lie == "long_key":
        return packet(opcode, random.choice(words.BAD_KEYS), extras, value, opaque)
    lies = {"key_size": [0, 1, 251, 300, 65535], "extras_size": [0, 1, 4, 8, 20, 255], "body_size": [0, 1, 3, 24, 1000],
            "data_type": [1, 255], "reserved": [1, 65535], "magic": [0x81, 0x00, 0x67, 0xFF]}
    return packet(opcode, key, extras, value, opaque, **({lie: random.choice(lies[lie])} if lie else {}))


def request(random):
    return right(random) if not chance(random, 1.5) else Wild(wrong(random))
