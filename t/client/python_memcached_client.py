"""python-memcached (text protocol) does its repertoire, with master keys on three servers."""

import contextlib
import time
import unittest

from holdfast_test import Server, main, skip_all

try:
    import memcache
except ImportError:
    skip_all("python-memcached is not installed (Debian: python3-memcache)")

MEGABYTE = 1 << 20
ALL_BYTES = bytes(range(256))


class PythonMemcached(unittest.TestCase):
    prefix = "c:"

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("-m", "64", "--session-rule=prefix=s:", sessions=True))

    def setUp(self):
        self.client = self.connect()

    def connect(self, **options):
        client = memcache.Client([f"127.0.0.1:{self.server.port}"], socket_timeout=20, cache_cas=True, **options)
        self.addCleanup(client.disconnect_all)
        return client

    def key(self, name):
        return f"{self.prefix}{self._testMethodName[5:]}:{name}"

    def test_store_and_fetch(self):
        a, b = self.key("a"), self.key("b")
        self.assertIsNone(self.client.get(a))
        self.assertTrue(self.client.set(a, "one"))
        self.assertEqual(self.client.get(a), "one")
        self.assertFalse(self.client.add(a, "two"))
        self.assertTrue(self.client.replace(a, "three"))
        self.assertEqual(self.client.get(a), "three")
        self.assertFalse(self.client.replace(b, "one"))
        self.assertTrue(self.client.add(b, "two"))
        self.assertEqual(self.client.delete(a), 1)
        self.assertIsNone(self.client.get(a))
        self.assertEqual(self.client.delete(a), 1)  # it does not tell NOT_FOUND apart

    def test_objects_come_back_as_they_were(self):
        client = self.connect(server_max_value_length=10 * MEGABYTE)
        values = [0, -7, 2**70, 1.5, True, "", "Grüße 世界 🦀", b"\0\r\n", [1, {"two": (3,)}], "compress me " * 10_000]
        for number, value in enumerate(values):
            self.assertTrue(client.set(self.key(number), value, min_compress_len=1000))
            self.assertEqual(client.get(self.key(number)), value)

    def test_append_and_prepend(self):
        key = self.key("a")
        self.assertFalse(self.client.append(key, "!"))
        self.assertFalse(self.client.prepend(key, "!"))
        self.client.set(key, "b")
        self.assertTrue(self.client.append(key, "c"))
        self.assertTrue(self.client.prepend(key, "a"))
        self.assertEqual(self.client.get(key), "abc")

    def test_cas(self):
        key, other = self.key("a"), self.connect()
        self.client.set(key, "one")
        self.assertEqual((self.client.gets(key), other.gets(key)), ("one", "one"))
        self.assertTrue(self.client.cas(key, "two"))
        self.assertFalse(other.cas(key, "three"))
        self.assertEqual(self.client.get(key), "two")

    def test_incr_and_decr(self):
        key = self.key("a")
        self.assertIsNone(self.client.incr(key))
        self.client.set(key, 10)
        self.assertEqual(self.client.incr(key, 5), 15)
        self.assertEqual(self.client.decr(key, 6), 9)
        self.assertEqual(self.client.decr(key, 100), 0)

    def test_touch_and_expiry(self):
        for name, expiry in (("short", 2), ("touched", 2), ("for_ever", 0), ("date", int(time.time()) + 100)):
            self.assertTrue(self.client.set(self.key(name), name, time=expiry))
        self.assertTrue(self.client.touch(self.key("touched"), 100))
        time.sleep(3.2)
        found = self.client.get_multi(["short", "touched", "for_ever", "date"], key_prefix=self.key(""))
        self.assertEqual(sorted(found), ["date", "for_ever", "touched"])

    def test_multiget(self):
        values = {f"key{number}": f"value{number}" for number in range(2000)}
        self.assertEqual(self.client.set_multi(values, key_prefix=self.key("")), [])
        self.assertEqual(self.client.get_multi([f"key{number}" for number in range(4000)], key_prefix=self.key("")), values)
        self.assertTrue(self.client.delete_multi([f"key{number}" for number in range(0, 2000, 2)], key_prefix=self.key("")))
        self.assertEqual(len(self.client.get_multi(list(values), key_prefix=self.key(""))), 1000)

    def test_values_of_every_length_and_byte(self):
        key = self.key("a")
        for size in [*range(0, 300), 1000, 8000, 8192, 16384, 65536, 131072, 500000, MEGABYTE - 500]:
            value = (ALL_BYTES * (size // 256 + 1))[:size]
            self.assertTrue(self.client.set(key, value))
            self.assertEqual(self.client.get(key), value)

    def test_a_too_large_value_is_refused_and_the_connection_goes_on(self):
        key, client = self.key("a"), self.connect(server_max_value_length=10 * MEGABYTE)
        self.assertFalse(client.set(key, b"x" * (2 * MEGABYTE)))
        self.assertIsNone(client.get(key))
        self.assertTrue(client.set(key, "small"))
        self.assertEqual(client.get(key), "small")

    def test_keys_of_250_bytes_and_unicode(self):
        longest = self.key("k" * 250)[:250]
        names = [longest, self.key("会话:用户"), self.key("emoji-🦀"), self.key("a.b/c?d=e&f#g%20")]
        for name in names:
            self.assertTrue(self.client.set(name, name))
        self.assertEqual(self.client.get_multi(names), {name: name for name in names})
        with self.assertRaises(memcache.Client.MemcachedKeyLengthError):
            self.client.set(longest + "k", "x")

    def test_noreply(self):
        for number in range(1000):
            self.client.set(self.key("a"), number, noreply=True)
        self.client.append(self.key("a"), "0", noreply=True)
        self.client.add(self.key("b"), "b", noreply=True)
        self.client.delete(self.key("b"), noreply=True)
        self.assertEqual(self.client.get_multi(["a", "b"], key_prefix=self.key("")), {"a": 9990})

    def test_stats(self):
        (_, stats), = self.client.get_stats()
        self.assertGreater(int(stats["pid"]), 0)


class OnSessions(PythonMemcached):
    prefix = "s:"


class MasterKeys(unittest.TestCase):
    """(number, key): the number chooses the server."""

    def test_keys_of_one_number_lie_on_one_server(self):
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(Server("-m", "64")) for _ in range(3)]
            client = memcache.Client([f"127.0.0.1:{server.port}" for server in servers], socket_timeout=20)
            for group in range(30):
                keys = [(group, f"g:{group}:{number}") for number in range(20)]
                for number, key in enumerate(keys[:10]):
                    self.assertTrue(client.set(key, number))
                self.assertEqual(client.get_multi(keys), {key: number for number, (_, key) in enumerate(keys[:10])})
                self.assertEqual(client.get(keys[7]), 7)
            client.disconnect_all()
            self.assertEqual([int(server.stats()["curr_items"]) for server in servers], [100, 100, 100])


if __name__ == "__main__":
    main()
