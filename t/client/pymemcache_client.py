"""pymemcache (Python, text protocol) does its repertoire."""

import importlib.util
import time
import unittest

from holdfast_test import Server, main, skip_all

if importlib.util.find_spec("pymemcache") is None:
    skip_all("pymemcache is not installed (Debian: python3-pymemcache)")

from pymemcache.client.base import Client, PooledClient  # pylint: disable=wrong-import-position
from pymemcache.exceptions import MemcacheClientError, MemcacheIllegalInputError, MemcacheServerError

MEGABYTE = 1 << 20
ALL_BYTES = bytes(range(256))


class Pymemcache(unittest.TestCase):
    prefix = "c:"
    after_flush = None

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("-m", "64", "--session-rule=prefix=s:", sessions=True))

    def setUp(self):
        self.client = self.connect()

    def connect(self, **options):
        client = Client(("127.0.0.1", self.server.port), timeout=20, connect_timeout=20, default_noreply=False, encoding="utf-8",
                        allow_unicode_keys=True, key_prefix=f"{self.prefix}{self._testMethodName}:", **options)
        self.addCleanup(client.close)
        return client

    def test_store_and_fetch(self):
        self.assertIsNone(self.client.get("a"))
        self.assertTrue(self.client.set("a", b"one"))
        self.assertEqual(self.client.get("a"), b"one")
        self.assertFalse(self.client.add("a", b"two"))
        self.assertTrue(self.client.replace("a", b"three"))
        self.assertEqual(self.client.get("a"), b"three")
        self.assertFalse(self.client.replace("b", b"one"))
        self.assertTrue(self.client.add("b", b"two"))
        self.assertTrue(self.client.delete("a"))
        self.assertFalse(self.client.delete("a"))
        self.assertIsNone(self.client.get("a"))

    def test_values_of_every_length_and_byte(self):
        for size in [*range(0, 300), 1000, 8000, 8192, 16384, 65536, 131072, 500000, MEGABYTE - 500]:
            value = (ALL_BYTES * (size // 256 + 1))[:size]
            self.assertTrue(self.client.set("a", value))
            self.assertEqual(self.client.get("a"), value)

    def test_a_too_large_value_is_refused_and_the_connection_goes_on(self):
        with self.assertRaises(MemcacheServerError):
            self.client.set("a", b"x" * (MEGABYTE + 1))
        self.assertIsNone(self.client.get("a"))
        self.assertTrue(self.client.set("a", b"small"))
        self.assertEqual(self.client.get("a"), b"small")

    def test_append_and_prepend(self):
        self.assertFalse(self.client.append("a", b"!"))
        self.assertFalse(self.client.prepend("a", b"!"))
        self.client.set("a", b"b")
        self.assertTrue(self.client.append("a", b"c"))
        self.assertTrue(self.client.prepend("a", b"a"))
        self.assertEqual(self.client.get("a"), b"abc")

    def test_cas(self):
        self.assertEqual(self.client.gets("a"), (None, None))
        self.assertIsNone(self.client.cas("a", b"x", b"1"))
        self.client.set("a", b"one")
        value, token = self.client.gets("a")
        self.assertEqual(value, b"one")
        self.assertTrue(self.client.cas("a", b"two", token))
        self.assertFalse(self.client.cas("a", b"three", token))
        self.assertEqual(self.client.get("a"), b"two")

    def test_cas_counts_right_when_clients_race(self):
        others = [self.connect() for _ in range(4)]
        self.client.set("a", b"0")
        for _ in range(50):
            seen = [other.gets("a") for other in others]
            stored = [other.cas("a", str(int(value) + 1).encode(), token) for other, (value, token) in zip(others, seen)]
            self.assertEqual(stored, [True, False, False, False])
        self.assertEqual(self.client.get("a"), b"50")

    def test_incr_and_decr(self):
        self.assertIsNone(self.client.incr("a", 1))
        self.client.set("a", b"10")
        self.assertEqual(self.client.incr("a", 5), 15)
        self.assertEqual(self.client.decr("a", 6), 9)
        self.assertEqual(self.client.decr("a", 100), 0)
        self.client.set("a", str((1 << 64) - 1).encode())
        self.assertEqual(self.client.incr("a", 1), 0)
        self.client.set("a", b"ten")
        with self.assertRaises(MemcacheClientError):
            self.client.incr("a", 1)

    def test_touch_and_expiry(self):
        for key in ("short", "touched"):
            self.client.set(key, key.encode(), expire=2)
        self.client.set("for_ever", b"1", expire=0)
        self.client.set("past", b"1", expire=-1)
        self.client.set("date", b"1", expire=int(time.time()) + 100)
        self.assertTrue(self.client.touch("touched", 100))
        self.assertFalse(self.client.touch("missing", 100))
        self.assertIsNone(self.client.get("past"))
        time.sleep(3.2)
        found = self.client.get_many(["short", "touched", "for_ever", "date"])
        self.assertEqual(sorted(found), ["date", "for_ever", "touched"])

    def test_multiget(self):
        values = {f"key{number}": b"%d" % number for number in range(2000)}
        self.assertEqual(self.client.set_many(values), [])
        found = self.client.get_many([f"key{number}" for number in range(0, 4000)])
        self.assertEqual(found, values)
        self.assertEqual(len(self.client.gets_many(list(values))), 2000)
        self.client.delete_many([f"key{number}" for number in range(0, 2000, 2)])
        self.assertEqual(len(self.client.get_many(values)), 1000)

    def test_noreply(self):
        for number in range(1000):
            self.client.set("a", b"%d" % number, noreply=True)
        self.client.incr("a", 1, noreply=True)
        self.client.touch("a", 100, noreply=True)
        self.client.append("a", b"0", noreply=True)
        self.client.add("b", b"b", noreply=True)
        self.client.delete("b", noreply=True)
        self.assertEqual(self.client.get_many(["a", "b"]), {"a": b"10000"})

    def test_keys_of_250_bytes_and_unicode(self):
        room = 250 - len(self.client.key_prefix)
        names = ["k" * room, "é" * (room // 2), "会话:用户", "emoji-🦀", "a.b/c?d=e&f#g%20"]
        for number, name in enumerate(names):
            self.assertTrue(self.client.set(name, b"%d" % number))
        self.assertEqual(self.client.get_many(names), {name: b"%d" % number for number, name in enumerate(names)})
        with self.assertRaises(MemcacheIllegalInputError):
            self.client.set("k" * (room + 1), b"x")

    def test_unicode_values(self):
        text = "Grüße, мир, 世界 🦀"
        self.client.set("a", text)
        self.assertEqual(self.client.get("a").decode(), text)

    def test_flags_come_back(self):
        class Serde:
            def serialize(self, key, value):
                return value, 0

            def deserialize(self, key, value, flags):
                return flags, value
        client = self.connect(serde=Serde())
        for flags in (0, 1, 65535, 65536, (1 << 32) - 1):
            self.assertTrue(client.set("a", b"x", flags=flags))
            self.assertEqual(client.get("a"), (flags, b"x"))

    def test_a_pool_of_connections(self):
        pool = PooledClient(("127.0.0.1", self.server.port), max_pool_size=4, key_prefix=self.client.key_prefix, timeout=20)
        for number in range(100):
            pool.set("a", b"%d" % number, noreply=False)
            self.assertEqual(pool.get("a"), b"%d" % number)
        pool.quit()

    def test_stats_and_version(self):
        stats = self.client.stats()
        self.assertEqual(stats[b"pid"], self.server.pid)
        self.assertRegex(self.client.version().decode(), r"^\d+\.\d+\.\d+")

    def test_flush_all(self):
        self.client.set("a", b"1")
        self.assertTrue(self.client.flush_all())
        self.assertEqual(self.client.get("a"), self.after_flush)


class PymemcacheOnSessions(Pymemcache):
    """The same with keys that are sessions. A flush leaves those."""
    prefix = "s:"
    after_flush = b"1"


if __name__ == "__main__":
    main()
