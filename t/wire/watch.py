"""watch: what happens, as lines, and nobody is slowed down by it."""

import re
import socket
import time
import unittest

from holdfast_test import Server, main, wait_until


class Watcher:
    """A connection that watches."""

    def __init__(self, server, kinds=b""):
        self.connection = server.connect()
        self.connection.ask(b"watch" + (b" " + kinds if kinds else b"") + b"\r\n", b"OK\r\n")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()

    def next(self):
        """The next line as (type, fields)."""
        line = self.connection.read_until(b"\n").decode().rstrip("\n")
        words = [word.split("=", 1) for word in line.split(" ")]
        if words[0][0] == "skipped":
            return "skipped", dict(words)
        assert [word[0] for word in words[:3]] == ["ts", "gid", "type"], line
        return words[2][1], dict(words[3:])


class Lines(unittest.TestCase):
    def test_fetchers_see_every_read(self):
        with Server() as server, server.connect() as client, Watcher(server) as watcher:
            client.ask(b"set a 0 0 3\r\nabc\r\nget a b\r\n", b"STORED\r\nVALUE a 0 3\r\nabc\r\nEND\r\n")
            kind, fields = watcher.next()
            self.assertEqual((kind, fields["key"], fields["status"], fields["size"]), ("item_get", "a", "found", "3"))
            self.assertGreater(int(fields["clsid"]), 0)
            self.assertGreater(int(fields["cfd"]), 0)
            kind, fields = watcher.next()
            self.assertEqual((kind, fields["key"], fields["status"], fields["clsid"]), ("item_get", "b", "not_found", "0"))

    def test_a_miss_says_why(self):
        with Server() as server, server.connect() as client, Watcher(server, b"fetchers") as watcher:
            client.ask(b"set old 0 -1 1\r\nx\r\nset flushed 0 0 1\r\nx\r\n", b"STORED\r\nSTORED\r\n")
            client.ask(b"get old\r\nflush_all\r\nget flushed\r\n", b"END\r\nOK\r\nEND\r\n")
            self.assertEqual([watcher.next()[1]["status"] for _ in range(2)], ["expired", "flushed"])

    def test_mutations_see_every_store_and_its_outcome(self):
        with Server() as server, server.connect() as client, Watcher(server, b"mutations") as watcher:
            client.send(b"set a 0 50 1\r\nx\r\nadd a 0 0 1\r\nx\r\ncas a 0 0 1 999999\r\nx\r\ncas b 0 0 1 9\r\nx\r\nappend a 0 0 2\r\nyz\r\n"
                        b"ms m 2\r\nab\r\nreplace b 0 0 1\r\nx\r\nset big 0 0 2000000\r\n" + b"x" * 2000000 + b"\r\nmn\r\n")
            client.read_until(b"MN\r\n")
            seen = [(fields["key"], fields["cmd"], fields["status"], fields["ttl"], fields["size"])
                    for kind, fields in (watcher.next() for _ in range(8))]
            self.assertEqual(seen, [("a", "set", "stored", "50", "1"), ("a", "add", "not_stored", "0", "1"), ("a", "cas", "exists", "0", "1"),
                                    ("b", "cas", "not_found", "0", "1"), ("a", "append", "stored", "0", "3"), ("m", "set", "stored", "0", "2"),
                                    ("b", "replace", "not_stored", "0", "1"), ("big", "set", "too_large", "0", "2000000")])

    def test_deletions(self):
        with Server() as server, server.connect() as client, Watcher(server, b"deletions") as watcher:
            client.ask(b"set a 0 0 1\r\nx\r\nset b 0 0 1\r\nx\r\ndelete a\r\ndelete a\r\nmd b\r\n", b"STORED\r\nSTORED\r\nDELETED\r\nNOT_FOUND\r\nHD\r\n")
            self.assertEqual([(fields["key"], fields["cmd"]) for kind, fields in (watcher.next(), watcher.next())], [("a", "delete"), ("b", "md")])

    def test_evictions(self):
        with Server("-m", "8") as server, server.connect() as client, Watcher(server, b"evictions") as watcher:
            value = b"x" * 2000
            for number in range(6000):
                client.send(b"set key%d 0 0 2000 noreply\r\n%s\r\n" % (number, value))
            client.ask(b"mn\r\n", b"MN\r\n")
            kind, fields = watcher.next()
            self.assertEqual(kind, "eviction")
            self.assertRegex(fields["key"], r"^key\d+$")
            self.assertEqual((fields["fetch"], fields["ttl"], fields["size"]), ("no", "-1", "2000"))

    def test_connections(self):
        with Server() as server, Watcher(server, b"connevents") as watcher:
            with server.connect() as client:
                port = str(client.socket.getsockname()[1])
                client.ask(b"mn\r\n", b"MN\r\n")
                while True:
                    kind, fields = watcher.next()
                    if fields["rport"] == port:
                        break
                self.assertEqual((kind, fields["rip"], fields["transport"]), ("conn_new", "127.0.0.1", "tcp"))
            while True:
                kind, fields = watcher.next()
                if fields["rport"] == port:
                    break
            self.assertEqual((kind, fields["reason"]), ("conn_close", "normal"))

    def test_keys_are_encoded_and_those_of_sessions_are_not_shown(self):
        with Server(sessions=True) as server, server.connect() as client, Watcher(server, b"mutations") as watcher:
            client.ask(b"set a%b=\xc3\xa9 0 0 1\r\nx\r\nset rack:session:alice 0 100 1\r\nx\r\n", b"STORED\r\nSTORED\r\n")
            self.assertEqual(watcher.next()[1]["key"], "a%25b%3D%C3%A9")
            self.assertRegex(watcher.next()[1]["key"], r"^~[0-9a-f]{8}$")

    def test_numbers_rise_and_times_are_in_order(self):
        with Server("-t", "4") as server, Watcher(server, b"mutations") as watcher:
            clients = [server.connect() for _ in range(4)]
            for number in range(50):
                for client in clients:
                    client.send(b"set k%d 0 0 1 noreply\r\nx\r\n" % number)
            lines = [watcher.connection.read_until(b"\n") for _ in range(200)]
            numbers = [int(re.search(rb"gid=(\d+)", line)[1]) for line in lines]
            self.assertEqual(numbers, sorted(set(numbers)))
            self.assertTrue(all(re.match(rb"ts=\d+\.\d{6} ", line) for line in lines))
            for client in clients:
                client.close()


class Limits(unittest.TestCase):
    def test_a_word_that_is_no_kind_is_refused(self):
        with Server() as server, server.connect() as client:
            client.ask(b"watch nothing\r\nwatch fetchers nothing\r\n", b"ERROR\r\nERROR\r\n")

    def test_kinds_that_do_not_happen_here_are_accepted(self):
        with Server() as server, Watcher(server, b"sysevents rawcmds proxyreqs proxyevents proxyuser") as watcher:
            watcher.connection.expect_silence()

    def test_W_refuses_watchers(self):
        with Server("-W") as server, server.connect() as client:
            client.ask(b"watch\r\n", b"CLIENT_ERROR watch commands not allowed\r\n")

    def test_twenty_watch_and_the_next_is_refused_until_one_goes(self):
        with Server() as server, server.connect() as client:
            watchers = [Watcher(server) for _ in range(20)]
            self.assertEqual(client.stats()["log_watchers"], "20")
            client.ask(b"watch\r\n", b"WATCHER_TOO_MANY log watcher limit reached\r\n")
            watchers.pop().connection.close()
            client.ask(b"get a\r\n", b"END\r\n")
            wait_until(lambda: client.stats()["log_watchers"] == "19", what="one has gone")
            Watcher(server).connection.close()
            for watcher in watchers:
                watcher.connection.close()

    def test_a_watcher_that_does_not_read_misses_lines_and_slows_nobody(self):
        with Server("-t", "1", "-o", "watcher_logbuf_size=64") as server, server.connect() as client, socket.socket() as stalled:
            stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stalled.settimeout(20)
            stalled.connect(server.address())
            stalled.sendall(b"watch mutations\r\n")
            self.assertEqual(stalled.recv(4), b"OK\r\n")
            before = server.resident_bytes()

            def skipped():
                client.send(b"".join(b"set %s%d 0 0 1 noreply\r\nx\r\n" % (b"k" * 200, number) for number in range(500)))
                client.ask(b"mn\r\n", b"MN\r\n")
                return int(client.stats()["log_watcher_skipped"]) > 0
            wait_until(skipped, what="lines are skipped")
            server.assert_grown_less(before, 16 << 20)
            # Once it reads again it is told.
            text = b""
            while b"skipped=" not in text:
                text += stalled.recv(1 << 16)
                client.ask(b"set again 0 0 1\r\nx\r\n", b"STORED\r\n")
            stats = client.stats()
            self.assertGreater(int(stats["log_watcher_sent"]), 0)
            self.assertGreater(int(stats["log_worker_written"]), 0)

    def test_a_ring_that_is_full_drops_and_counts(self):
        with Server("-t", "1", "-o", "worker_logbuf_size=4") as server, server.connect() as client, Watcher(server, b"mutations"):
            client.send(b"".join(b"set %s%d 0 0 1 noreply\r\nx\r\n" % (b"k" * 200, number) for number in range(3000)))
            client.ask(b"mn\r\n", b"MN\r\n")
            stats = client.stats()
            self.assertGreater(int(stats["log_worker_dropped"]), 0)
            self.assertEqual(int(stats["log_worker_dropped"]) + int(stats["log_worker_written"]), 3000)

    def test_nothing_is_written_when_nobody_watches(self):
        with Server() as server, server.connect() as client:
            client.ask(b"set a 0 0 1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")
            self.assertEqual(client.stats()["log_worker_written"], "0")


main()
