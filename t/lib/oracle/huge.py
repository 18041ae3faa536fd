"""Streams of many thousands of keys, whose replies are larger than any buffer."""

from oracle.binary_grammar import packet
from oracle.stream import Step, Stream

KEYS = 20000


def stored(index):
    return index % 3 == 0


def value(index):
    return b"%d," % index * (index % 40)


def key(index):
    return b"huge:%d" % index


def text():
    sets = [(b"set %b %d 0 %d noreply\r\n%b\r\n" % (key(i), i, len(value(i)), value(i)),) for i in range(KEYS) if stored(i)]
    keys = b" ".join(key(i) for i in range(KEYS))
    gets = [(b"get " + keys + b"\r\n",), (b"gets " + keys + b"\r\n",)]
    return Stream("get and gets of many keys", False, [Step(0, sets), Step(0, gets)])


def meta():
    sets = [(b"ms %b %d F%d q\r\n%b\r\n" % (key(i), len(value(i)), i, value(i)),) for i in range(KEYS) if stored(i)]
    gets = [(b"mg %b k f s v q\r\n" % key(i),) for i in range(KEYS)] + [(b"mn\r\n",)] + [(b"mg %b k O%d\r\n" % (key(i), i),) for i in range(KEYS)]
    return Stream("mg of many keys", False, [Step(0, sets), Step(0, gets)])


def binary():
    sets = [packet(0x11, key(i), bytes(8), value(i), opaque=i) for i in range(KEYS) if stored(i)]
    gets = [packet(0x0D, key(i), opaque=i) for i in range(KEYS)] + [packet(0x0A)] + [packet(0x0C, key(i), opaque=i) for i in range(KEYS)]
    return Stream("getkq and getk of many keys", True, [Step(0, sets), Step(0, gets)])
