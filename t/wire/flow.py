#!/usr/bin/python3
"""How requests may arrive and replies be fetched: in any pieces, thousands at once, by clients that stop reading or sending."""

import re
import threading
import time
import unittest

from holdfast_test import Server, main, server_program, wait_until

MEGABYTE = 1 << 20


def is_sanitized():
    with open(server_program(), "rb") as program:
        code = program.read()
    return b"__asan_init" in code or b"__tsan_init" in code


SANITIZED = is_sanitized()


def rss_bytes(server):
    """0 under a sanitizer, whose own memory says nothing: what is held against a limit there is only that it works."""
    if SANITIZED:
        return 0
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) * 1024


class Flow(unittest.TestCase):
    def test_a_dialogue_may_come_byte_by_byte(self):
        with Server() as server, server.connect() as connection:
            connection.send_slowly(b"set k 0 0 5\r\nhello\r\nget k nothing\r\nincr k 1\r\nmg k v\r\n")
            connection.expect(b"STORED\r\nVALUE k 0 5\r\nhello\r\nEND\r\n"
                              b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\nVA 5\r\nhello\r\n")

    def test_ten_thousand_requests_may_come_at_once(self):
        with Server("-t", "1") as server, server.connect() as connection:
            requests = b"".join(b"set k%d 0 0 4\r\n%04d\r\nget k%d\r\n" % (i, i, i) for i in range(5000))
            replies = b"".join(b"STORED\r\nVALUE k%d 0 4\r\n%04d\r\nEND\r\n" % (i, i) for i in range(5000))
            sender = threading.Thread(target=connection.send, args=(requests,))
            sender.start()
            connection.expect(replies)
            sender.join()

    def test_a_multiget_of_a_hundred_thousand_keys_takes_bounded_memory(self):
        with Server("-t", "1", "-m", "64") as server, server.connect() as connection:
            connection.ask(b"set k 0 0 1000\r\n" + b"x" * 1000 + b"\r\n", b"STORED\r\n")
            before = rss_bytes(server)
            sender = threading.Thread(target=connection.send, args=(b"get" + b" k" * 100000 + b"\r\n",))
            sender.start()
            time.sleep(0.5)  # not read: 100 MB of reply wait
            self.assertLess(rss_bytes(server) - before, 20 * MEGABYTE)
            one = b"VALUE k 0 1000\r\n" + b"x" * 1000 + b"\r\n"
            for _ in range(100):
                connection.expect(one * 1000)
            connection.expect(b"END\r\n")
            sender.join()

    def test_a_reader_that_stops_costs_bounded_memory_and_nobody_else_anything(self):
        with Server("-t", "1", "-m", "64") as server, server.connect() as other:
            other.ask(b"set big 0 0 1000000\r\n" + b"x" * 1000000 + b"\r\n", b"STORED\r\n")
            before = rss_bytes(server)
            stopped = [server.connect() for _ in range(20)]
            for connection in stopped:
                connection.send(b"get big\r\n" * 100)
            for _ in range(200):
                other.ask(b"set k 0 0 1\r\nx\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
            self.assertLess(rss_bytes(server) - before, 20 * 3 * MEGABYTE)
            # What they were promised is still right.
            stopped[0].expect((b"VALUE big 0 1000000\r\n" + b"x" * 1000000 + b"\r\nEND\r\n") * 3)
            for connection in stopped:
                connection.close()

    def test_stalled_uploads_stay_within_connection_memory(self):
        with Server("-t", "1", "-m", "64", "--connection-memory=8m") as server:
            before = rss_bytes(server)
            stalled = []
            for i in range(40):
                connection = server.connect()
                connection.send(b"set up%d 0 0 1000000\r\n" % i + b"x" * 900000)
                stalled.append(connection)
            with server.connect() as other:
                wait_until(lambda: int(other.stats()["bytes_read"]) > 8 * MEGABYTE)
                other.ask(b"set k 0 0 1\r\nx\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
            self.assertLess(rss_bytes(server) - before, 16 * MEGABYTE)
            for connection in stalled:
                connection.close()

    def test_a_busy_pipeline_does_not_starve_the_others(self):
        with Server("-t", "1", "-R", "20") as server, server.connect() as busy, server.connect() as quiet:
            stop = threading.Event()

            def read():
                while not stop.is_set() and busy._fill():
                    busy.buffer.clear()

            def send():
                try:
                    while not stop.is_set():
                        busy.send(b"get nothing\r\n" * 5000)
                except OSError:
                    pass

            threads = [threading.Thread(target=read, daemon=True), threading.Thread(target=send, daemon=True)]
            for thread in threads:
                thread.start()
            slowest = 0
            for _ in range(100):
                begin = time.monotonic()
                quiet.ask(b"mn\r\n", b"MN\r\n")
                slowest = max(slowest, time.monotonic() - begin)
            stop.set()
            self.assertLess(slowest, 1.0)
            busy.socket.shutdown(2)
            for thread in threads:
                thread.join()

    def test_connections_over_the_limit_are_told_so(self):
        with Server("-c", "10") as server:
            kept = [server.connect() for _ in range(9)]
            for connection in kept:
                connection.ask(b"mn\r\n", b"MN\r\n")
            last = server.connect()
            last.ask(b"mn\r\n", b"MN\r\n")
            with server.connect() as over:
                over.expect(b"ERROR Too many open connections\r\n")
                over.expect_closed()
            last.close()
            wait_until(lambda: int(kept[0].stats()["curr_connections"]) == 9)
            with server.connect() as again:
                again.ask(b"mn\r\n", b"MN\r\n")
            self.assertEqual(kept[0].stats()["rejected_connections"], "1")
            for connection in kept:
                connection.close()

    def test_a_unix_socket_serves_with_its_permissions(self):
        with Server("-s", "{state}/s.sock", "-a", "0770") as server, server.connect() as connection:
            connection.ask(b"mn\r\n", b"MN\r\n")
            import os
            self.assertEqual(os.stat(server.unix_path).st_mode & 0o777, 0o770)

    def test_without_evictions_a_full_server_says_so_and_keeps_what_it_has(self):
        with Server("-M", "-m", "8", "-t", "1") as server, server.connect() as connection:
            stored = 0
            for i in range(20000):
                connection.send(b"set k%d 0 0 1000\r\n%s\r\n" % (i, b"x" * 1000))
                answer = connection.read_line()
                if answer != b"STORED":
                    break
                stored += 1
            self.assertEqual(answer, b"SERVER_ERROR out of memory storing object")
            self.assertGreater(stored, 5000)
            self.assertEqual(connection.stats()["evictions"], "0")
            connection.ask(b"get k0\r\n", b"VALUE k0 0 1000\r\n" + b"x" * 1000 + b"\r\nEND\r\n")
            connection.ask(b"delete k0\r\n", b"DELETED\r\n")

    def test_memory_stays_within_the_limit_whatever_is_stored(self):
        with Server("-m", "32", "-t", "1") as server, server.connect() as connection:
            for size in (100, 10000, 300):
                for batch in range(20):
                    connection.send(b"".join(b"set s%d:%d:%d 0 0 %d noreply\r\n%s\r\n" % (size, batch, i, size, b"x" * size)
                                             for i in range(4_000_000 // size)))
                connection.ask(b"mn\r\n", b"MN\r\n")
            self.assertLess(rss_bytes(server), 32 * MEGABYTE + 28 * MEGABYTE)
            self.assertEqual(connection.stats()["store_no_memory"], "0")


if __name__ == "__main__":
    main()
