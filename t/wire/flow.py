#!/usr/bin/python3
"""How requests may arrive and replies be fetched: in any pieces, thousands at once, by clients that stop reading or sending."""

import contextlib
import resource
import socket
import threading
import time
import unittest

from holdfast_test import Server, main, wait_until

MEGABYTE = 1 << 20


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
            before = server.resident_bytes()
            sender = threading.Thread(target=connection.send, args=(b"get" + b" k" * 100000 + b"\r\n",))
            sender.start()
            time.sleep(0.5)  # not read: 100 MB of reply wait
            server.assert_grown_less(before, 20 * MEGABYTE)
            one = b"VALUE k 0 1000\r\n" + b"x" * 1000 + b"\r\n"
            for _ in range(100):
                connection.expect(one * 1000)
            connection.expect(b"END\r\n")
            sender.join()

    def test_a_reader_that_stops_costs_bounded_memory_and_nobody_else_anything(self):
        with Server("-t", "1", "-m", "64") as server, server.connect() as other:
            other.ask(b"set big 0 0 1000000\r\n" + b"x" * 1000000 + b"\r\n", b"STORED\r\n")
            before = server.resident_bytes()
            stopped = [server.connect() for _ in range(20)]
            for connection in stopped:
                connection.send(b"get big\r\n" * 100)
            for _ in range(200):
                other.ask(b"set k 0 0 1\r\nx\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
            server.assert_grown_less(before, 20 * 3 * MEGABYTE)
            # What they were promised is still right.
            stopped[0].expect((b"VALUE big 0 1000000\r\n" + b"x" * 1000000 + b"\r\nEND\r\n") * 3)
            for connection in stopped:
                connection.close()

    def test_stalled_uploads_stay_within_connection_memory(self):
        with Server("-t", "1", "-m", "64", "--connection-memory=8m") as server:
            before = server.resident_bytes()
            stalled = []
            for i in range(40):
                connection = server.connect()
                connection.send(b"set up%d 0 0 1000000\r\n" % i + b"x" * 900000)
                stalled.append(connection)
            with server.connect() as other:
                wait_until(lambda: int(other.stats()["bytes_read"]) > 8 * MEGABYTE)
                other.ask(b"set k 0 0 1\r\nx\r\nget k\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
            server.assert_grown_less(before, 16 * MEGABYTE)
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
            server.assert_grown_less(0, 32 * MEGABYTE + 28 * MEGABYTE)
            self.assertEqual(connection.stats()["store_no_memory"], "0")

    def test_what_has_expired_gives_its_memory_back_within_seconds(self):
        with Server("-m", "64", "-t", "1") as server, server.connect() as connection:
            connection.send(b"".join(b"set k%d 0 %d 300 noreply\r\n%s\r\n" % (i, 1 + i % 2, b"x" * 300) for i in range(60_000)))
            connection.ask(b"set stays 0 600 1\r\nx\r\n", b"STORED\r\n")
            wait_until(lambda: connection.stats()["curr_items"] == "1", 15, "memory is given back")
            self.assertLess(int(connection.stats()["bytes"]), 1000)

    def test_hundreds_of_connections_are_served(self):
        with Server("-c", "900", "-t", "4") as server:
            connections = [server.connect() for _ in range(800)]
            for number, connection in enumerate(connections):
                connection.send(b"set c%d 0 0 4\r\n%04d\r\nget c%d\r\n" % (number, number, (number + 400) % 800))
            for connection in connections:
                connection.expect(b"STORED\r\n")
            for number, connection in enumerate(connections):
                other = (number + 400) % 800
                if connection.read_line() != b"END":
                    connection.expect(b"%04d\r\nEND\r\n" % other)
            self.assertEqual(server.stats()["curr_connections"], "801")
            for connection in connections:
                connection.close()
            wait_until(lambda: server.stats()["curr_connections"] == "1")

    def test_ten_thousand_idle_connections_take_512_bytes_each(self):
        connections, others = 10_000, 300
        if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < connections + 2 * others:
            self.skipTest("too few files may be open (ulimit -Hn)")
        resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
        with Server("-c", str(connections + others)) as server:
            with contextlib.ExitStack() as stack:
                def crowd(count):
                    for _ in range(count):
                        stack.enter_context(server.connect()).ask(b"mn\r\n", b"MN\r\n")
                crowd(others - 10)
                before = server.resident_bytes()
                crowd(connections)
                server.assert_grown_less(before, connections * 512)
                self.assertGreaterEqual(int(server.stats()["curr_connections"]), connections + others - 10)
            wait_until(lambda: int(server.stats()["curr_connections"]) < 5, what="all places are given back")

    def test_clients_that_leave_within_a_request_leave_nothing_behind(self):
        with Server("-t", "1", "-m", "64") as server, server.connect() as other:
            other.ask(b"set big 0 0 500000\r\n" + b"b" * 500000 + b"\r\n", b"STORED\r\n")
            for half in (b"set left 0 0 1000000\r\n" + b"x" * 700000, b"get big", b"set left 0 0 10\r\nhalf", b"get big\r\n" * 50, b"ms left 100 T0\r\n",
                         b"\x80\x01\0\4\x08\0\0\0\0\1\0\0" + bytes(20) + b"left" + b"x" * 40000, b"get" + b" big" * 300):
                for _ in range(5):
                    with server.connect() as client:
                        client.send(half)
            other.ask(b"get left\r\n", b"END\r\n")
            wait_until(lambda: other.stats()["curr_connections"] == "1")

    def test_a_slow_upload_ends_well_beside_others(self):
        with Server("-t", "1") as server, server.connect() as slow, server.connect() as other:
            value = bytes(i * 7 % 256 for i in range(200000))
            slow.send(b"set slow 5 0 200000\r\n")
            for start in range(0, 200000, 10000):
                slow.send(value[start:start + 10000])
                other.ask(b"set k 0 0 1\r\nx\r\nget slow k\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\n")
            slow.send(b"\r")
            other.ask(b"get slow\r\n", b"END\r\n")
            slow.ask(b"\nget slow\r\n", b"STORED\r\nVALUE slow 5 200000\r\n" + value + b"\r\nEND\r\n")

    def test_a_value_read_slowly_stays_what_it_was_when_it_was_asked_for(self):
        with Server("-t", "1", "-m", "32") as server, server.connect() as slow, server.connect() as other:
            old = b"o" * 1000000
            other.ask(b"set big 0 0 1000000\r\n" + old + b"\r\n", b"STORED\r\n")
            slow.send(b"get big\r\n" * 20)
            slow.expect(b"VALUE big 0 1000000\r\n" + old + b"\r\nEND\r\n")
            # The memory that held it is filled with others' data meanwhile.
            for number in range(60):
                other.ask(b"set new%d 0 0 1000000\r\n" % number + b"n" * 1000000 + b"\r\n", b"STORED\r\n")
            other.ask(b"set big 0 0 1000000\r\n" + b"w" * 1000000 + b"\r\n", b"STORED\r\n")
            for _ in range(19):
                if slow.read_line() == b"END":
                    continue  # evicted before it was asked for
                value = slow.read(1000000)
                self.assertIn(value, (old, b"w" * 1000000))
                slow.expect(b"\r\nEND\r\n")

    def test_half_read_replies_stay_right_while_their_pages_are_cleaned_and_moved(self):
        """Long values are lent to the socket from the store's pages, short ones copied: of both, a reader has fetched a part."""
        with Server("-t", "1", "-m", "16") as server, server.connect() as other:
            sizes = {b"short:%d" % i: 300 + i for i in range(30)} | {b"long:%d" % i: 40_000 + 1000 * i for i in range(5)}

            def store(mark):
                """The parts of a reply that shows them."""
                parts = []
                for key, size in sizes.items():
                    value = ((key + mark) * size)[:size]
                    other.ask(b"set %b 0 0 %d\r\n%b\r\n" % (key, size, value), b"STORED\r\n")
                    parts.append(b"VALUE %b 0 %d\r\n%b\r\n" % (key, size, value))
                return parts + [b"END\r\n"]

            parts = store(b"=")
            before, request = b"".join(parts), b"get " + b" ".join(sizes) + b"\r\n"
            with contextlib.ExitStack() as stack:
                slow = [stack.enter_context(server.connect()) for _ in range(5)]
                for number, client in enumerate(slow):
                    client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 16)
                    client.send(request * 20)
                    client.expect(before[:30_000 * number])
                # What is read now and then is kept, so its pages are not dropped but copied, again and again.
                turn = 0
                while int(other.stats()["slabs_moved"]) < 3000:
                    other.send(b"".join(b"set churn:%d:%d 0 0 %d noreply\r\n%b\r\n" % (turn, i, 900 + turn % 7 * 800, b"c" * (900 + turn % 7 * 800))
                                        for i in range(200)))
                    other.ask(request, before)
                    turn += 1
                # A reply that was begun before the values changed is ended with the new ones.
                either = list(zip(parts, store(b"+")))
                for number, client in enumerate(slow):
                    client.expect(before[30_000 * number:])
                    for _ in range(19):
                        for part in either:
                            self.assertIn(client.read(len(part[0])), part)

    def test_under_eviction_a_client_reads_its_own_value_or_none(self):
        with Server("-t", "4", "-m", "16") as server:
            failures = []

            def work(number):
                size = (40, 900, 5000, 30000)[number % 4]
                with server.connect() as client:
                    for batch in range(12):
                        keys = [b"w%d:%d" % (number, i) for i in range(batch * 40, batch * 40 + 80)]
                        client.send(b"".join(b"set %b 0 0 %d noreply\r\n%b\r\n" % (key, size, (key + b",") * (size // (len(key) + 1)) +
                                                                                 b"." * (size % (len(key) + 1))) for key in keys))
                        client.send(b"get " + b" ".join(keys) + b"\r\n")
                        while True:
                            line = client.read_line()
                            if line == b"END":
                                break
                            key = line.split()[1]
                            value = client.read(size + 2)
                            if value != (key + b",") * (size // (len(key) + 1)) + b"." * (size % (len(key) + 1)) + b"\r\n":
                                failures.append((key, value[:80]))

            threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(failures, [])
            stats = server.stats()
            self.assertGreater(int(stats["evictions"]), 0)
            self.assertEqual(stats["store_no_memory"], "0")


if __name__ == "__main__":
    main()
