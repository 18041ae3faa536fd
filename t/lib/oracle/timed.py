"""Streams in which items expire: lifetimes of a second and others, and every command on what is left of them."""

import struct

from oracle.binary_grammar import packet
from oracle.stream import Step, Stream

PAUSE_S = 2.3  # the clocks of both servers tick once a second, and not together
LIFETIMES = [b"1", b"0", b"100", b"-1"]


def text():
    """For each command on an expired item a key of its own, for each way to get a lifetime another."""
    births = [b"set %b 0 %b 1\r\n5\r\n", b"set %b 0 0 1\r\n5\r\ntouch %b %b\r\n", b"add %b 0 50 1\r\n5\r\ngat %b %b\r\n",
              b"ms %b 1 T%b\r\n5\r\n", b"set %b 0 0 1\r\n5\r\nmg %b T%b v\r\n", b"set %b 0 0 1\r\n5\r\nappend %b 0 %b 1\r\n5\r\n"]
    uses = [b"get %b\r\n", b"gets %b\r\n", b"gat 0 %b\r\n", b"incr %b 1\r\n", b"touch %b 0\r\n", b"delete %b\r\n", b"add %b 0 0 1\r\n6\r\n",
            b"replace %b 0 0 1\r\n6\r\n", b"append %b 0 0 1\r\n6\r\n", b"cas %b 0 0 1 1\r\n6\r\n", b"mg %b v t\r\n", b"md %b\r\n", b"ma %b v\r\n",
            b"ms %b 1 MR\r\n6\r\n", b"me %b\r\n", b"mg %b N100 v\r\n", b"mg %b R30 t\r\n"]
    first, second = [], []
    for b, birth in enumerate(births):
        for lifetime in LIFETIMES:
            for u, use in enumerate(uses):
                key = b"timed:%d:%b:%d" % (b, lifetime, u)
                arguments = [key, lifetime] if birth.count(b"%b") == 2 else ([key, lifetime, key] if b"gat" in birth else [key, key, lifetime])
                first.append((birth % tuple(arguments),))
                second += [(use % key,), (b"mg %b v t\r\n" % key,)]
    return Stream("text items that expire", False, [Step(0, first), Step(0, second)], pause_s=PAUSE_S)


def binary():
    first, second = [], []
    for lifetime in (1, 0, 100):
        for u in range(8):
            key = b"binary:%d:%d" % (lifetime, u)
            expiry = struct.pack(">I", lifetime)
            births = [packet(0x01, key, bytes(4) + expiry, b"5")]
            if u % 2:
                births = [packet(0x01, key, bytes(8), b"5"), packet(0x1C if u % 4 == 1 else 0x1D, key, expiry)]
            delta = struct.pack(">QQI", 1, 10, 0xFFFFFFFF)
            uses = [packet(0x00, key), packet(0x0C, key), packet(0x05, key, delta), packet(0x04, key), packet(0x02, key, bytes(8), b"6"),
                    packet(0x03, key, bytes(8), b"6"), packet(0x0E, key, value=b"6"), packet(0x1D, key, bytes(4))]
            first += births
            second += [uses[u], packet(0x0C, key)]
    return Stream("binary items that expire", True, [Step(0, first), Step(0, second)], pause_s=PAUSE_S)


def flush():
    """What a delayed flush takes and what it leaves. To memcached a delay of a second is none."""
    first = [b"set flush:a 0 0 1\r\nx\r\n", b"flush_all 3\r\n", b"get flush:a\r\n", b"set flush:b 0 0 1\r\nx\r\n", b"get flush:b\r\n"]
    second = [b"get flush:a flush:b\r\n", b"set flush:c 0 0 1\r\nx\r\n", b"get flush:c\r\n", b"add flush:a 0 0 1\r\ny\r\n", b"get flush:a\r\n"]
    return Stream("a delayed flush", False, [Step(0, [(line,) for line in first]), Step(0, [(line,) for line in second])], pause_s=PAUSE_S + 1)
