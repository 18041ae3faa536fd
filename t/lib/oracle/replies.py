"""Cuts what a server answered into tokens.

A token is bytes, which must be equal, or a Number, which is a cas value or a time: of cas values only must agree which are the
same, and times may be a second or two apart. Values are passed over by their length, so nothing in them is taken for a reply.
"""

import dataclasses
import math
import re
import struct

CAS = "cas"    # must be the same where it is the same on the other server
TIME = "time"  # may differ by TIME_SLACK, and what the stream took; -1 (never) must be equal
IDLE = "idle"  # since the last access, which Holdfast keeps in steps: one more or less than memcached's time is none
LEFT = "left"  # the time of "me", which memcached 1.6.18 shows below zero
ANY = "any"    # chunk sizes, the version

TIME_SLACK = 2
IDLE_STEP = 8


@dataclasses.dataclass(frozen=True)
class Number:
    kind: str
    value: int


META_FLAG_KINDS = {ord("c"): CAS, ord("t"): TIME, ord("l"): IDLE}
DEBUG_FIELD_KINDS = {b"exp": LEFT, b"la": IDLE, b"cas": CAS, b"cls": ANY, b"size": ANY}


def _number(text):
    return int(text) if re.fullmatch(rb"-?\d+", text) else None


def _meta_flags(words):
    for word in words:
        kind = META_FLAG_KINDS.get(word[0])
        number = _number(word[1:]) if kind else None
        yield word if number is None else word[:1]
        if number is not None:
            yield Number(kind, number)


def _debug_fields(words):
    for word in words:
        name, _, value = word.partition(b"=")
        number = _number(value)
        if name in DEBUG_FIELD_KINDS and number is not None:
            yield name
            yield Number(DEBUG_FIELD_KINDS[name], number)
        else:
            yield word


def text_tokens(data):
    """Tokens of a text or meta reply stream, and pairs (key, cas) as they come."""
    tokens, seen = [], []
    at = 0
    while at < len(data):
        end = data.find(b"\r\n", at)
        if end < 0:
            tokens.append(data[at:])
            break
        line = data[at:end]
        at = end + 2
        words = line.split(b" ")
        size = None
        if words[0] == b"VALUE" and len(words) in (4, 5):
            size = _number(words[3])
            tokens += words[:4]
            if len(words) == 5:
                tokens.append(Number(CAS, int(words[4])))
                seen.append((words[1], int(words[4])))
        elif words[0] == b"VA" and len(words) > 1:
            size = _number(words[1])
            tokens += words[:2]
            tokens += _meta_flags(word for word in words[2:] if word)
        elif words[0] == b"HD":
            tokens.append(b"HD")
            tokens += _meta_flags(word for word in words[1:] if word)
        elif words[0] == b"ME" and len(words) > 2:
            tokens += words[:2]
            tokens += _debug_fields(words[2:])
        elif words[0] == b"VERSION":
            tokens.append(b"VERSION")
        else:
            tokens.append(line)
        tokens.append(b"\r\n")
        if words[0] in (b"HD", b"VA"):
            note_meta_cas(words, seen)
        if size is not None:
            tokens.append(data[at:at + size])
            at += size
    return tokens, seen


def note_meta_cas(words, seen):
    flags = {word[:1]: word[1:] for word in words[1:] if word}
    if b"k" in flags and b"c" in flags and flags[b"c"].isdigit():
        seen.append((flags[b"k"], int(flags[b"c"])))


def binary_tokens(data):
    """The same of a binary reply stream. A key's cas is known when the reply names the key, or its opaque does (see binary_grammar)."""
    tokens, seen = [], []
    at = 0
    while len(data) - at >= 24:
        magic, opcode, key_size, extras_size, data_type, status, body_size, opaque, cas = struct.unpack_from(">BBHBBHIIQ", data, at)
        body = data[at + 24:at + 24 + body_size]
        at += 24 + body_size
        if opcode == 0x0B and status == 0:
            body, body_size = b"the version", 0
        tokens.append(b"packet magic=%#x opcode=%#x key=%d extras=%d type=%d status=%#x body=%d opaque=%#x cas=" % (
            magic, opcode, key_size, extras_size, data_type, status, body_size, opaque))
        tokens.append(Number(CAS, cas))
        tokens.append(body)
        if cas != 0:
            seen.append((b"opaque%d" % (opaque & 0xFFFF), cas))
    if at < len(data):
        tokens.append(data[at:])
    return tokens, seen


class Matcher:
    """Says whether two token lists agree. Remembers which cas value of one server is which of the other."""

    def __init__(self, seconds=0):
        """seconds: how long the servers took for it all. A machine that is busy may let one of them wait, not the other."""
        self.time_slack = TIME_SLACK + math.floor(seconds)
        self.theirs_of_ours = {0: 0}
        self.ours_of_theirs = {0: 0}

    def _same(self, ours, theirs):
        if isinstance(ours, bytes) or isinstance(theirs, bytes):
            return ours == theirs
        if ours.kind != theirs.kind or ours.kind == ANY:
            return ours.kind == theirs.kind
        if ours.kind == IDLE:
            return ours.value % IDLE_STEP == 0 and abs(ours.value - theirs.value) <= IDLE_STEP + self.time_slack
        if ours.kind == LEFT:
            return abs(abs(ours.value) - abs(theirs.value)) <= self.time_slack
        if ours.kind == TIME:
            if theirs.value >= 2**31:  # memcached counts below zero without a sign
                return ours.value == 0
            never = ours.value == -1 or theirs.value == -1
            return ours.value == theirs.value if never else abs(ours.value - theirs.value) <= self.time_slack
        return (self.theirs_of_ours.setdefault(ours.value, theirs.value) == theirs.value and
                self.ours_of_theirs.setdefault(theirs.value, ours.value) == ours.value)

    def first_difference(self, ours, theirs, accept=lambda ours, theirs: False):
        """The index of the first token that differs, or None."""
        for index in range(max(len(ours), len(theirs))):
            if index >= len(ours) or index >= len(theirs):
                return index
            if not self._same(ours[index], theirs[index]) and not accept(ours[index], theirs[index]):
                return index
        return None
