"""Rare requests on sessions that are not simply in memory, on the real server with a real file, with exact answers.

Each request of special_cases.py is asked of a session in every state: evicted to the database, in memory, newer in memory than in
the database, deleted a moment ago, deleted before the last start, and one that never was; and the same again while the database
can be neither read nor written. What is there afterwards is looked at, and looked at again after a restart.
"""

import contextlib
import re
import sqlite3
import struct
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from database_away import database_away
from holdfast_test import Server, main, shorten, wait_until
from special_cases import (CASES, DELETE, GETKQ, LARGEST, NO_CAS, NONE, NOOP, NOT_STORED, SET, UNAVAILABLE, UNCHANGED, Session, fill,
                           limit_for, packet, pattern, reply)

# As long as nobody tells otherwise a change stays in memory: that makes a session dirty for as long as wanted.
# The writer window outlasts the test also where that takes long.
SETTINGS = ("-m", "512", "-t", "2", "--sync-interval=1h", "--session-immediate-writes=0",
            "--session-rule=prefix=s: action=error budget=300ms window=1h", "--session-rule=prefix=c: action=close budget=300ms window=1h",
            "--session-rule=prefix=t: policy=strict action=error budget=30s window=1h")
LIFE_S = 20000
OLD = Session(b"old", 1)
AT_A_TIME = 64
LATE_S = 5  # a busy machine; all of a hundred would be 15 s
CLOSED = b"(closed)"
TEXT_END = (b"mn\r\n", b"MN\r\n")
BINARY_END = (packet(NOOP, opaque=0x4D4E4D4E), packet(NOOP, opaque=0x4D4E4D4E).replace(b"\x80", b"\x81", 1))

# How a session can lie. Those of the second line live.
STATES = ("never", "deleted", "deleted_before_start",
          "evicted", "in_memory", "dirty")
UNKNOWN_WHEN_AWAY = ("never", "deleted_before_start", "evicted")


def exchange(server, request, end=TEXT_END):
    """All that is answered to a request, on a connection of its own; CLOSED behind it if the server closed."""
    with server.connect() as connection:
        try:
            connection.send(request + end[0])
            answer = connection.read_until(end[1])
        except (AssertionError, ConnectionError) as error:
            if "closed" not in str(error) and not isinstance(error, ConnectionError):
                raise
            return bytes(connection.buffer) + CLOSED
        return answer[:-len(end[1])]


def store(server, sessions):
    """Sets them all, {key: Session}, over one connection. Returns their cas numbers."""
    numbers = {}
    with server.connect() as connection:
        for key, session in sessions.items():
            connection.send(packet(SET, key, session.flags.to_bytes(4, "big") + LIFE_S.to_bytes(4, "big"), session.value))
            head = connection.read(24)
            if head[6:8] != b"\0\0":
                raise AssertionError(f"set {key!r}: {head!r} {connection.read(int.from_bytes(head[8:12], 'big'))!r}")
            numbers[key] = int.from_bytes(head[16:24], "big")
    return numbers


def found(server, key):
    """The session as a Session, or None."""
    if len(key) > 180:  # base64 would be too long for a key
        answer = exchange(server, b"mg %s v f t\r\n" % key)
    else:
        answer = exchange(server, fill(b"mg %(b)s b v f t\r\n", key))
    if answer == b"EN\r\n":
        return None
    head, _, rest = answer.partition(b"\r\n")
    match = re.fullmatch(rb"VA (\d+) f(\d+) t(-?\d+)(?: [WXZ])*", head)
    if match is None:
        raise AssertionError(f"{key!r}: {answer!r}")
    size, flags, ttl = map(int, match.groups())
    if len(rest) != size + 2:
        raise AssertionError(f"{key!r}: {len(rest)} bytes instead of {size + 2}")
    return Session(rest[:-2], flags, ttl)


def is_as(wanted, got, key):
    """Whether a session is what it should be."""
    if wanted is None or got is None:
        return wanted is got
    if wanted is LARGEST:
        return got.flags == 9 and got.value == b"x" * limit_for(key, 9)
    in_time = wanted.ttl in (None, got.ttl) or wanted.ttl > 0 and wanted.ttl - 100 <= got.ttl <= wanted.ttl
    return (got.value, got.flags) == (wanted.value, wanted.flags) and in_time


class Story:
    """Every case in every state, on one server: prepared, asked, looked at, restarted, looked at again."""

    def __init__(self, server, prefix, states):
        self.server, self.prefix, self.states = server, prefix, states
        self.answers, self.afterwards, self.after_restart, self.numbers = {}, {}, {}, {}
        self.keys = {(case.name, state): self.key(case, state) for case in CASES.values() for state in states}

    def key(self, case, state):
        begin = self.prefix + b"%d.%d:" % (list(CASES).index(case.name), STATES.index(state))
        return begin + case.key[:250 - len(begin)]

    def sessions(self, *states):
        return {key: CASES[name].was for (name, state), key in self.keys.items() if state in states}

    def prepare(self):
        """Brings sessions into all states that need the database; those of "deleted" are left to make_recent."""
        first = self.sessions("evicted", "in_memory", "deleted", "deleted_before_start")
        # Nobody's session begins empty: that would be PHP's reservation.
        store(self.server, {key: OLD for key, session in first.items() if session.value == b""})
        self.numbers = store(self.server, first | {key: OLD for key in self.sessions("dirty")})
        self.delete("deleted_before_start")
        self.server.restart()
        for key in self.sessions("in_memory", "deleted", "dirty"):
            if found(self.server, key) is None:
                raise AssertionError(f"{key!r} was lost in the restart")
        if "dirty" in self.states:
            self.make_dirty()

    def make_dirty(self):
        dirty = self.sessions("dirty")
        self.numbers |= store(self.server, dirty)
        may_be_written = sum(session.value == b"" for session in dirty.values())  # a session that was emptied is written at once
        if int(self.server.stats("sessions")["dirty_items"]) < len(dirty) - may_be_written:
            raise AssertionError("dirty sessions were written at once: nothing is shown of them")

    def delete(self, state):
        with self.server.connect() as connection:
            for key in self.sessions(state):
                connection.send(packet(DELETE, key))
                if connection.read(24)[6:8] != b"\0\0":
                    raise AssertionError(f"delete {key!r} failed")

    def ask(self):
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            asked = {place: threads.submit(self.ask_one, CASES[place[0]], key) for place, key in self.keys.items()}
            self.answers = {place: answer.result() for place, answer in asked.items()}

    def ask_one(self, case, key):
        return exchange(self.server, fill(case.request, key, self.numbers.get(key, NO_CAS)), BINARY_END if case.is_binary else TEXT_END)

    def look(self):
        """What is there now; an exception where that cannot be said."""
        with ThreadPoolExecutor(AT_A_TIME) as threads:
            looked = {place: threads.submit(found, self.server, key) for place, key in self.keys.items()}
            return {place: look.exception() or look.result() for place, look in looked.items()}


class Special:
    """A test for each case; mix with unittest.TestCase. prepared() makes cls.story."""

    def __init_subclass__(cls):
        super().__init_subclass__()
        for name in CASES:
            setattr(cls, "test_" + name, lambda self, name=name: self.check(CASES[name]))

    def check(self, case):
        for state in self.story.states:
            with self.subTest(state=state):
                place = (case.name, state)
                key = self.story.keys[place]
                self.check_answer(case, state, key, self.story.answers[place])
                self.check_session(self.afterwards(case, state), self.story.afterwards[place], key, "afterwards")
                self.check_session(self.durable(case, state), self.story.after_restart[place], key, "after a restart")

    def check_answer(self, case, state, key, answer):
        expected = self.expected(case, state)
        if not pattern(expected, key).fullmatch(answer):
            self.fail(f"{shorten(fill(case.request, key))}\nexpected {pattern(expected, key).pattern!r}\n     got {shorten(answer)}")

    def check_session(self, wanted, got, key, when):
        if isinstance(got, Exception):
            raise got
        self.assertTrue(is_as(wanted, got, key), f"{when}: expected {shorten(repr(wanted).encode())}, got {shorten(repr(got).encode())}")

    def expected(self, case, state):
        return case.live if state in ("evicted", "in_memory", "dirty") else case.missing

    def afterwards(self, case, state):
        if state == "never":
            return case.made
        if state.startswith("deleted"):
            return case.after_delete
        return case.was if case.then is UNCHANGED else case.then

    def durable(self, case, state):
        made = self.afterwards(case, state)
        return made if state in ("evicted", "in_memory", "dirty") else case.durable(made)


class DatabaseThere(Special, unittest.TestCase):
    prefix, states = b"s:", STATES

    @classmethod
    def setUpClass(cls):
        server = cls.enterClassContext(Server(*SETTINGS, sessions=True))
        cls.story = Story(server, cls.prefix, cls.states)
        cls.story.prepare()
        cls.story.delete("deleted")
        cls.story.ask()
        cls.story.afterwards = cls.story.look()
        server.restart()
        cls.story.after_restart = cls.story.look()


class Strict(DatabaseThere):
    """Written before it is answered: the same, but nothing is stored in memory alone, and no set is dropped behind a STORED."""

    prefix, states = b"t:", tuple(state for state in STATES if state != "dirty")

    def expected(self, case, state):
        expected = super().expected(case, state)
        is_late = state.startswith("deleted") and case.is_blind_set and case.after_delete is NONE and case.then is not NONE
        if not is_late:
            return expected
        if case.is_binary:
            return reply(case.request(b"", 0)[1], NOT_STORED)
        if expected == b"":
            return b"NS\r\n" if case.name.startswith("ms") else b""
        return expected.replace(b"HD", b"NS") if expected.startswith(b"HD") else b"NOT_STORED\r\n"

    def durable(self, case, state):
        return self.afterwards(case, state)


class DatabaseAway(Special, unittest.TestCase):
    """What is in memory is answered as ever; of the rest neither a hit nor a miss is said."""

    prefix, states = b"s:", STATES

    @classmethod
    def setUpClass(cls):
        server = cls.enterClassContext(Server(*SETTINGS, sessions=True))
        cls.story = Story(server, cls.prefix, cls.states)
        cls.story.prepare()
        with database_away(server.database):
            cls.story.delete("deleted")
            cls.story.ask()
        wait_until(lambda: server.stats("sessions")["provisional"] == "0", what="all provisional sets are settled")
        cls.story.afterwards = cls.story.look()
        server.restart()
        cls.story.after_restart = cls.story.look()

    def expected(self, case, state):
        if state not in UNKNOWN_WHEN_AWAY:
            return super().expected(case, state)
        return case.live if case.is_blind_set else case.unknown

    def afterwards(self, case, state):
        if state not in UNKNOWN_WHEN_AWAY:
            return super().afterwards(case, state)
        if case.is_blind_set:
            return self.settled(case, state)
        if state != "evicted":
            return None
        return case.was if case.then_unknown is UNCHANGED else case.then_unknown


    def settled(self, case, state):
        """What a set that was stored provisionally has come to: it wins but over a delete, and not when it is empty."""
        if state == "evicted":
            is_empty = case.then is not None and case.then is not LARGEST and case.then.value == b""
            return case.was if is_empty else case.then
        return case.made if state == "never" else None


class DatabaseAwayAndRuleSaysClose(DatabaseAway):
    """The connection is closed without a word where "error" would have said one."""

    prefix, states = b"c:", ("evicted", "dirty")

    def expected(self, case, state):
        if state == "evicted" and case.needs_database:
            return re.compile(re.escape(CLOSED))
        return super().expected(case, state)


NAMES = [b"s:%d" % index for index in range(100)]
LIVING = NAMES[::2]


def text_value(key):
    return re.escape(b"VALUE %s 7 5\r\nv:one\r\n" % key)


def text_value_with_cas(key):
    return re.escape(b"VALUE %s 7 5 " % key) + rb"\d+" + re.escape(b"\r\nv:one\r\n")


def meta_value(key):
    return re.escape(b"VA 5 k%s\r\nv:one\r\n" % key)


def binary_value(key):
    return re.escape(struct.pack(">BBHBBHII", 0x81, GETKQ, len(key), 4, 0, 0, 9 + len(key), 0)) + b".{8}" + re.escape(b"\0\0\0\x07" + key + b"v:one")


def each(template):
    return lambda keys: b"".join(template % key for key in keys)


def get_line(verb):
    return lambda keys: verb + b" " + b" ".join(keys) + b"\r\n"


# How many keys are asked for at once, what a living one is answered, and what stands at the end of all.
WAYS = {
    "get": (get_line(b"get"), text_value, b"END\r\n", TEXT_END),
    "gets": (get_line(b"gets"), text_value_with_cas, b"END\r\n", TEXT_END),
    "gat": (get_line(b"gat 20000"), text_value, b"END\r\n", TEXT_END),
    "mg": (each(b"mg %s q k v\r\n"), meta_value, b"", TEXT_END),
    "getkq": (lambda keys: b"".join(packet(GETKQ, key) for key in keys), binary_value, b"", BINARY_END),
}


class HundredKeys(unittest.TestCase):
    """Half of the keys that are asked for have a session."""

    def setUp(self):
        self.server = self.enterContext(Server(*SETTINGS, sessions=True))
        store(self.server, dict.fromkeys(LIVING, Session()))

    def expect(self, way, keys, living, refused=None):
        request, value, end, sentinel = WAYS[way]
        got = exchange(self.server, request(keys), sentinel)
        wanted = b"".join(map(value, living)) + (re.escape(end) if refused is None else refused)
        self.assertTrue(re.fullmatch(wanted, got, re.S), f"expected {wanted}, got {got}")

    def expect_all_ways(self, living=LIVING):
        for way in WAYS:
            with self.subTest(way=way):
                self.expect(way, NAMES, living)

    def test_in_memory(self):
        self.expect_all_ways()

    def test_evicted(self):
        for way in WAYS:
            with self.subTest(way=way):
                self.server.restart()
                self.expect(way, NAMES, LIVING)

    def test_some_in_memory(self):
        for way in WAYS:
            with self.subTest(way=way):
                self.server.restart()
                for key in NAMES[::3]:
                    found(self.server, key)
                self.expect(way, NAMES, LIVING)

    def test_dirty(self):
        self.server.restart()
        store(self.server, dict.fromkeys(LIVING, OLD))
        store(self.server, dict.fromkeys(LIVING, Session()))
        self.assertGreaterEqual(int(self.server.stats("sessions")["dirty_items"]), len(LIVING))
        self.expect_all_ways()
        with database_away(self.server.database):
            for way in WAYS:
                self.expect(way, LIVING, LIVING)

    def test_half_of_them_deleted(self):
        with self.server.connect() as connection:
            for key in LIVING[::2]:
                connection.ask(b"delete %s\r\n" % key, b"DELETED\r\n")
        self.expect_all_ways(LIVING[1::2])
        self.server.restart()
        self.expect_all_ways(LIVING[1::2])

    def test_half_of_them_deleted_with_the_database_away(self):
        with database_away(self.server.database):
            with self.server.connect() as connection:
                for key in LIVING[::2]:
                    connection.ask(b"delete %s\r\n" % key, b"DELETED\r\n")
            for way in WAYS:
                with self.subTest(way=way):
                    self.expect(way, LIVING, LIVING[1::2])

    def test_half_of_them_missing_with_the_database_away(self):
        """One get ends where nothing is known. Of many the others go on, and what has stood behind one that was refused does not
        wait for as long again."""
        refused = {"mg": re.escape(UNAVAILABLE), "getkq": self.refused_in_binary()}
        with database_away(self.server.database):
            for way, (request, value, end, sentinel) in WAYS.items():
                with self.subTest(way=way):
                    begun = time.monotonic()
                    got = exchange(self.server, request(NAMES), sentinel)
                    took_s = time.monotonic() - begun
                    if way in refused:
                        wanted = b"".join(value(key) + refused[way] for key in LIVING)
                    else:
                        wanted = value(LIVING[0]) + re.escape(UNAVAILABLE)
                    self.assertTrue(re.fullmatch(wanted, got, re.S), f"expected {wanted}, got {got}")
                    self.assertGreater(took_s, 0.29)
                    self.assertLess(took_s, 0.3 + 0.5 + LATE_S)

    def test_what_comes_after_a_refusal_waits_anew(self):
        with database_away(self.server.database), self.server.connect() as connection:
            for count in (3, 1, 2):
                begun = time.monotonic()
                connection.ask(b"mg s:1 v\r\n" * count, UNAVAILABLE * count)
                self.assertGreater(time.monotonic() - begun, 0.29)
            begun = time.monotonic()
            connection.send(b"mg s:1 v\r\n")
            time.sleep(0.2)
            connection.ask(b"mg s:1 v\r\n", UNAVAILABLE * 2)
            self.assertGreater(time.monotonic() - begun, 0.49)

    def refused_in_binary(self):
        return re.escape(struct.pack(">BBHBBHIIQ", 0x81, GETKQ, 0, 0, 0, 0x84, 36, 0, 0) + UNAVAILABLE[13:-2])

    def test_database_away(self):
        self.server.restart()
        known, unknown = LIVING[:10], LIVING[10]
        for key in known:
            found(self.server, key)
        refused = {"getkq": self.refused_in_binary()}
        with database_away(self.server.database):
            for way in WAYS:
                with self.subTest(way=way):
                    self.expect(way, [*known, unknown], known, refused.get(way, re.escape(UNAVAILABLE)))


class Numbers(unittest.TestCase):
    """A session's cas number is its version: it outlives eviction and restart."""

    def setUp(self):
        self.server = self.enterContext(Server(*SETTINGS, sessions=True))
        self.connection = self.enterContext(self.server.connect())
        self.connection.ask(b"set s:a 7 20000 5\r\nv:one\r\n", b"STORED\r\n")
        self.cas = self.see()

    def restart(self):
        self.connection.close()
        self.server.restart()
        self.connection = self.enterContext(self.server.connect())

    def see(self):
        self.connection.send(b"mg s:a c\r\n")
        return int(self.connection.read_line().split(b" c")[1])

    def test_cas_of_an_evicted_session(self):
        self.restart()
        self.connection.ask(b"cas s:a 7 20000 3 %d\r\ntwo\r\n" % (self.cas + 1), b"EXISTS\r\n")
        self.connection.ask(b"cas s:a 7 20000 3 %d\r\ntwo\r\n" % self.cas, b"STORED\r\n")
        self.connection.ask(b"cas s:a 7 20000 5 %d\r\nthree\r\n" % self.cas, b"EXISTS\r\n")
        self.assertGreater(self.see(), self.cas)
        self.restart()
        self.connection.ask(b"get s:a\r\n", b"VALUE s:a 7 3\r\ntwo\r\nEND\r\n")

    def test_a_touch_keeps_it(self):
        self.connection.ask(b"touch s:a 3000\r\n", b"TOUCHED\r\n")
        self.assertEqual(self.see(), self.cas)
        self.restart()
        self.assertEqual(self.see(), self.cas)

    def test_meta_c_of_an_evicted_session(self):
        self.restart()
        self.connection.ask(b"ms s:a 3 C%d MA s\r\ntwo\r\n" % self.cas, b"HD s8\r\n")
        self.restart()
        self.connection.ask(b"md s:a C%d\r\n" % self.cas, b"EX\r\n")
        self.connection.ask(b"md s:a C%d\r\n" % self.see(), b"HD\r\n")
        self.restart()
        self.connection.ask(b"mg s:a\r\n", b"EN\r\n")

    def test_binary_cas_of_an_evicted_session(self):
        self.restart()
        self.connection.send(packet(SET, b"s:a", struct.pack(">II", 1, 0), b"two", cas=self.cas + 1))
        self.assertEqual(self.connection.read(24)[6:8], b"\0\2")
        self.connection.read(len(b"Data exists for key."))
        self.connection.send(packet(SET, b"s:a", struct.pack(">II", 1, 0), b"two", cas=self.cas))
        self.assertEqual(self.connection.read(24)[6:8], b"\0\0")

    def test_cas_of_a_deleted_session_and_of_the_next_one(self):
        self.connection.ask(b"delete s:a\r\n", b"DELETED\r\n")
        self.connection.ask(b"cas s:a 7 20000 3 %d\r\ntwo\r\n" % self.cas, b"NOT_FOUND\r\n")
        self.connection.ask(b"add s:a 7 20000 3\r\nnew\r\n", b"STORED\r\n")
        self.connection.ask(b"cas s:a 7 20000 3 %d\r\ntwo\r\n" % self.cas, b"EXISTS\r\n")


class Keys(unittest.TestCase):
    def test_keys_that_differ_in_a_blank_a_nul_or_a_high_byte_are_different(self):
        keys = {b"s:x" + end: Session(b"%d" % number, number) for number, end in enumerate(
            (b"", b" ", b"  ", b"\0", b"\0\0", b" \0", b"\0 ", b"\xff", b"\xff ", b"\t", b"\r\n", b"X", b"'", b"%", b"_", "é".encode()))}
        with Server(*SETTINGS, sessions=True) as server:
            store(server, keys)
            for _ in range(2):
                for key, session in keys.items():
                    got = found(server, key)
                    self.assertEqual((got.value, got.flags), (session.value, session.flags), key)
                server.restart()
            with contextlib.closing(sqlite3.connect(server.database)) as database:
                rows = dict(database.execute("SELECT sid, data FROM sessions WHERE typeof(sid) = 'blob'"))
            self.assertEqual(rows, {key: session.value for key, session in keys.items()})


if __name__ == "__main__":
    main()
