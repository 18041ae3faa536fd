"""pylibmc (Python on libmemcached) does its repertoire over both protocols."""

import time
import unittest

from holdfast_test import Server, main, skip_all

try:
    import pylibmc
except ImportError:
    skip_all("pylibmc is not installed (Debian: python3-pylibmc)")

MEGABYTE = 1 << 20
ALL_BYTES = bytes(range(256))


class Pylibmc:
    prefix = "c:"
    binary = False

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("-m", "64", "--session-rule=prefix=s:", sessions=True))

    def setUp(self):
        self.client = self.connect()

    def connect(self, **behaviors):
        client = pylibmc.Client([f"127.0.0.1:{self.server.port}"], binary=self.binary, behaviors={"cas": True, "receive_timeout": 20_000_000, **behaviors})
        self.addCleanup(client.disconnect_all)
        return client

    def key(self, name):
        return f"{self.prefix}{self._testMethodName[5:]}:{name}"

    def test_store_and_fetch(self):
        a, b = self.key("a"), self.key("b")
        self.assertIsNone(self.client.get(a))
        self.assertTrue(self.client.set(a, "one"))
        self.assertEqual(self.client.get(a), "one")
        self.assertIn(a, self.client)
        self.assertFalse(self.client.add(a, "two"))
        self.assertTrue(self.client.replace(a, "three"))
        self.assertEqual(self.client[a], "three")
        if self.binary:
            with self.assertRaises(pylibmc.NotFound):
                self.client.replace(b, "one")
        else:
            self.assertFalse(self.client.replace(b, "one"))
        self.assertTrue(self.client.add(b, "two"))
        self.assertTrue(self.client.delete(a))
        self.assertFalse(self.client.delete(a))
        self.assertIsNone(self.client.get(a))

    def test_objects_come_back_as_they_were(self):
        values = [0, -7, 2**70, 1.5, True, None, "", "Grüße 世界 🦀", b"\0\r\n", [1, {"two": (3,)}], "compress me " * 10_000]
        for number, value in enumerate(values):
            self.assertTrue(self.client.set(self.key(number), value, min_compress_len=1000))
            self.assertEqual(self.client.get(self.key(number)), value)

    def test_append_and_prepend(self):
        key = self.key("a")
        self.assertFalse(self.client.append(key, "!"))
        self.assertFalse(self.client.prepend(key, "!"))
        self.client.set(key, "b")
        self.assertTrue(self.client.append(key, "c"))
        self.assertTrue(self.client.prepend(key, "a"))
        self.assertEqual(self.client.get(key), "abc")

    def test_cas(self):
        key = self.key("a")
        self.assertEqual(self.client.gets(key), (None, None))
        self.client.set(key, "one")
        value, token = self.client.gets(key)
        self.assertEqual(value, "one")
        self.assertTrue(self.client.cas(key, "two", token))
        self.assertFalse(self.client.cas(key, "three", token))
        self.assertEqual(self.client.get(key), "two")
        self.client.delete(key)
        with self.assertRaises(pylibmc.NotFound):
            self.client.cas(key, "four", token)

    def test_incr_and_decr(self):
        key = self.key("a")
        with self.assertRaises(pylibmc.NotFound):
            self.client.incr(key, 1)
        self.client.set(key, 10)
        self.assertEqual(self.client.incr(key, 5), 15)
        self.assertEqual(self.client.decr(key, 6), 9)
        self.assertEqual(self.client.decr(key, 100), 0)
        self.client.set(self.key("b"), 20)
        self.client.incr_multi([key, self.key("b")], delta=3)
        self.assertEqual([int(self.client.get(name)) for name in (key, self.key("b"))], [3, 23])

    def test_touch_and_expiry(self):
        names = {name: self.key(name) for name in ("short", "touched", "for_ever", "date")}
        for name, expiry in (("short", 2), ("touched", 2), ("for_ever", 0), ("date", int(time.time()) + 100)):
            self.assertTrue(self.client.set(names[name], name, time=expiry))
        if self.binary:  # in text, the library does not read the answer to a touch
            self.assertTrue(self.client.touch(names["touched"], 100))
            self.assertFalse(self.client.touch(self.key("missing"), 100))
        else:
            self.client.set(names["touched"], "touched", time=100)
        time.sleep(3.2)
        found = self.client.get_multi(list(names.values()))
        self.assertEqual(sorted(found.values()), ["date", "for_ever", "touched"])

    def test_multiget(self):
        values = {self.key(number): f"value{number}" for number in range(2000)}
        self.assertEqual(self.client.set_multi(values), [])
        self.assertEqual(self.client.get_multi([self.key(number) for number in range(4000)]), values)
        self.assertTrue(self.client.delete_multi([self.key(number) for number in range(0, 2000, 2)]))
        self.assertEqual(len(self.client.get_multi(list(values))), 1000)
        self.assertEqual(self.client.add_multi({self.key(0): "new"}), [])
        self.assertEqual(self.client.get_multi(["a", "b"], key_prefix=self.key("none:")), {})

    def test_values_of_every_length_and_byte(self):
        key = self.key("a")
        for size in [*range(0, 300), 1000, 8000, 8192, 16384, 65536, 131072, 500000, MEGABYTE - 500]:
            value = (ALL_BYTES * (size // 256 + 1))[:size]
            self.assertTrue(self.client.set(key, value))
            self.assertEqual(self.client.get(key), value)

    def test_a_too_large_value_is_refused_and_the_connection_goes_on(self):
        key = self.key("a")
        with self.assertRaises(pylibmc.TooBig):
            self.client.set(key, b"x" * (2 * MEGABYTE))
        self.assertIsNone(self.client.get(key))
        self.assertTrue(self.client.set(key, "small"))
        self.assertEqual(self.client.get(key), "small")

    def test_keys_of_250_bytes_and_unicode(self):
        longest = self.key("k" * 250)[:250]
        names = [longest, self.key("会话:用户"), self.key("emoji-🦀"), self.key("a.b/c?d=e&f#g%20")]
        for name in names:
            self.assertTrue(self.client.set(name, name))
        for name in names:
            self.assertEqual(self.client.get(name), name)
        with self.assertRaises(ValueError):
            self.client.set(longest + "k", "x")

    def test_without_replies_and_buffered(self):
        client = self.connect(_noreply=True)
        for number in range(1000):
            client.set(self.key("a"), number)
        for number in range(100):
            client.set(self.key(number), number)
        client.disconnect_all()
        for _ in range(200):
            if self.client.get(self.key(99)) == 99:
                break
            time.sleep(0.05)
        self.assertEqual(self.client.get_multi([self.key("a"), self.key(99)]), {self.key("a"): 999, self.key(99): 99})

    def test_pools_and_clones(self):
        pool = pylibmc.ThreadMappedPool(self.client)
        with pool.reserve() as client:
            self.assertTrue(client.set(self.key("a"), "one"))
        self.assertEqual(self.client.clone().get(self.key("a")), "one")

    def test_stats(self):
        (_, stats), = self.client.get_stats()
        self.assertGreater(int(stats["pid"]), 0)


class Text(Pylibmc, unittest.TestCase):
    pass


class Binary(Pylibmc, unittest.TestCase):
    binary = True


class TextOnSessions(Text):
    prefix = "s:"


class BinaryOnSessions(Binary):
    prefix = "s:"


if __name__ == "__main__":
    main()
