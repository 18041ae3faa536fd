"""Requests and streams.

A request is a tuple of parts: bytes, or a Cas, which stands for the cas value that the server in question gave a key last. A
stream is a list of steps; a step is some requests for one of its connections. All but the last step of a stream end with a
barrier, so that what a connection asks is done before the next one asks.
"""

import dataclasses
import re
import struct

BARRIER_KEY = b"~barrier"
BINARY_BARRIER_OPAQUE = 0xBA000000
NO_CAS = 999999999  # for a key whose cas was not seen: no item has it


@dataclasses.dataclass(frozen=True)
class Cas:
    """The cas value of key, as the server gave it `age` changes ago; in decimal digits, or as eight bytes."""
    key: bytes
    binary: bool = False
    age: int = 0

    def resolve(self, seen):
        values = seen.get(self.key, ())
        value = values[-1 - self.age] if len(values) > self.age else NO_CAS
        return struct.pack(">Q", value) if self.binary else b"%d" % value


class Wild(tuple):
    """A request behind which nobody knows where the next begins. It belongs into a stream's last step, for a barrier may be lost."""


def resolve(request, seen):
    """The request's bytes for a server whose cas values were `seen`."""
    return b"".join(part if isinstance(part, bytes) else part.resolve(seen) for part in request)


def literal(request):
    """The request's bytes with no cas value known: to look at, and to find known differences by."""
    return resolve(request, {})


def barrier(number, binary):
    """A request that is answered whatever happened before, and how."""
    if binary:
        opaque = BINARY_BARRIER_OPAQUE + number
        return (struct.pack(">BBHBBHIIQ", 0x80, 0x0A, 0, 0, 0, 0, 0, opaque, 0),
                struct.pack(">BBHBBHIIQ", 0x81, 0x0A, 0, 0, 0, 0, 0, opaque, 0))
    return b"ms %s 0 O%d\r\n\r\n" % (BARRIER_KEY, number), b"HD O%d\r\n" % number


def show(data):
    """The bytes as Python writes them, a run of the same as its length."""
    return re.sub(r"((?:[^\\]|\\x..|\\.){1,7}?)\1{9,}", lambda run: f"<{run[1]} x {len(run[0]) // len(run[1])}>", repr(data))


@dataclasses.dataclass
class Step:
    connection: int
    requests: list


@dataclasses.dataclass
class Stream:
    name: str
    binary: bool
    steps: list
    split: str = "whole"   # how it is sent: "whole", "bytes" (one at a time), "cuts" (cut at a few places)
    mutated: bool = False  # bytes were changed, so that nobody knows where its requests begin
    pause_s: float = 0.0   # before the last step: items expire

    def may_end_early(self):
        """Its last request may lack its end."""
        return self.mutated or any(isinstance(request, Wild) for request in self.steps[-1].requests)

    def connections(self):
        return 1 + max(step.connection for step in self.steps)

    def describe(self):
        lines = [f"{self.name}, sent {self.split}"]
        for step in self.steps:
            for request in step.requests:
                lines.append(f"  [{step.connection}] " + show(literal(request)))
        return "\n".join(lines)
