"""What operators say by telnet: memory, lists of keys, watchers, shutdown; what tunes memcached's LRU and slabs is answered."""

import os
import re
import socket
import time
import unittest

from holdfast_test import Server, main, server_program, wait_until

OK = b"OK\r\n"
ERROR = b"ERROR\r\n"


def read_stream(client, end):
    """Everything up to and including the line `end`, as lines."""
    lines = []
    while True:
        line = client.read_until(b"\n").rstrip(b"\r\n")
        lines.append(line)
        if line == end:
            return lines


def keys_of_metadump(lines):
    return {re.match(rb"key=(\S+) ", line)[1] for line in lines[:-1]}


def fill(client, count, size, prefix="key", first=0):
    value = b"v" * size
    for start in range(first, first + count, 500):
        batch = b"".join(b"set %s%d 0 0 %d noreply\r\n%s\r\n" % (prefix.encode(), number, size, value)
                         for number in range(start, min(start + 500, first + count)))
        client.send(batch)
    client.ask(b"mn\r\n", b"MN\r\n")


class Answers(unittest.TestCase):
    def test_commands_for_lru_and_slabs_are_answered_as_by_memcached(self):
        answers = [
            (b"lru", ERROR), (b"lru tune 10 20 0.1 2.0", OK), (b"lru tune 50 50 0.1 2.0", b"ERROR hot and warm pcts must not exceed 80\r\n"),
            (b"lru tune 10 20 0 0", b"ERROR hot/warm age factors must be greater than 0\r\n"), (b"lru tune 1 2 3", ERROR), (b"lru mode flat", OK),
            (b"lru mode segmented", OK), (b"lru mode round", ERROR), (b"lru temp_ttl 10", OK), (b"lru temp_ttl -1", OK), (b"lru temp_ttl x", ERROR),
            (b"lru spin 1", ERROR), (b"slabs", ERROR), (b"slabs reassign 1 2", b"NOSPARE source class has no spare pages\r\n"),
            (b"slabs reassign 1 1", b"SAME src and dst class are identical\r\n"), (b"slabs reassign 1", ERROR),
            (b"slabs reassign 0 1", b"BADCLASS invalid src or dst class id\r\n"), (b"slabs reassign 1 900", b"BADCLASS invalid src or dst class id\r\n"),
            (b"slabs reassign x y", b"CLIENT_ERROR bad command line format\r\n"), (b"slabs automove", ERROR), (b"slabs automove 0", OK),
            (b"slabs automove 2", OK), (b"slabs automove 3", ERROR), (b"slabs automove x", b"CLIENT_ERROR bad command line format\r\n"),
            (b"slabs automove ratio 0.5", OK), (b"slabs automove freeratio 0.1", OK), (b"slabs automove window 10", OK),
            (b"slabs automove window 1", b"CLIENT_ERROR automove window too low or too high\r\n"),
            (b"slabs automove window 1801", b"CLIENT_ERROR automove window too low or too high\r\n"), (b"slabs move 1", ERROR),
            (b"lru_crawler", ERROR), (b"lru_crawler metadump", ERROR), (b"lru_crawler metadump x", b"BADCLASS invalid class id\r\n"),
            (b"lru_crawler metadump 0", b"BADCLASS invalid class id\r\n"), (b"lru_crawler mgdump 900", b"BADCLASS invalid class id\r\n"),
            (b"lru_crawler sleep 1000000", OK), (b"lru_crawler sleep 1000001", b"CLIENT_ERROR sleep must be one second or less\r\n"),
            (b"lru_crawler sleep x", b"CLIENT_ERROR bad command line format\r\n"), (b"lru_crawler tocrawl 5", OK),
            (b"lru_crawler tocrawl x", b"CLIENT_ERROR bad command line format\r\n"), (b"lru_crawler crawl x", b"BADCLASS invalid class id\r\n"),
            (b"lru_crawler enable", b"ERROR failed to start lru crawler thread\r\n"), (b"lru_crawler disable", OK), (b"lru_crawler disable", OK),
            (b"lru_crawler crawl all", b"CLIENT_ERROR lru crawler disabled\r\n"), (b"lru_crawler metadump all", b"CLIENT_ERROR lru crawler disabled\r\n"),
            (b"lru_crawler enable", OK), (b"lru_crawler sing", ERROR), (b"lru_crawler sing 1", ERROR),
            (b"refresh_certs", b"Error TLS not enabled\r\n"), (b"shutdown", b"SERVER_ERROR: shutdown not enabled\r\n"),
            (b"extstore item_age 5", ERROR), (b"misbehave", ERROR), (b"verbosity 1", OK), (b"verbosity 9", OK), (b"verbosity 0", OK),
        ]
        with Server() as server, server.connect() as client:
            for request, answer in answers:
                with self.subTest(request=request):
                    client.ask(request + b"\r\n", answer)

    def test_noreply_hides_the_answer(self):
        with Server() as server, server.connect() as client:
            client.ask(b"cache_memlimit 64 noreply\r\nlru mode flat noreply\r\nverbosity 0 noreply\r\nmn\r\n", b"MN\r\n")


class Crawl(unittest.TestCase):
    def test_a_crawl_takes_what_has_expired(self):
        with Server("-m", "64") as server, server.connect() as client:
            client.send(b"".join(b"set gone%d 0 1 1 noreply\r\nx\r\n" % number for number in range(2000)))
            client.ask(b"set stays 0 100 1\r\nx\r\n", b"STORED\r\n")
            time.sleep(2.1)

            def crawled():
                client.send(b"lru_crawler crawl all\r\n")
                client.read_line()
                return client.stats()["curr_items"] == "1"
            wait_until(crawled, what="expired items are gone")
            stats = client.stats()
            self.assertEqual(stats["crawler_reclaimed"], "2000")
            self.assertGreaterEqual(int(stats["crawler_items_checked"]), 2000)
            self.assertGreaterEqual(int(stats["lru_crawler_starts"]), 1)


class Dump(unittest.TestCase):
    def test_metadump_lists_every_key_once(self):
        with Server("-m", "64") as server, server.connect() as client:
            fill(client, 20000, 20)
            for which in (b"all", b"hash"):
                client.send(b"lru_crawler metadump " + which + b"\r\n")
                lines = read_stream(client, b"END")
                self.assertEqual(len(lines), 20001)
                self.assertEqual(keys_of_metadump(lines), {b"key%d" % number for number in range(20000)})
            client.ask(b"get key7\r\n", b"VALUE key7 0 20\r\n" + b"v" * 20 + b"\r\nEND\r\n")

    def test_a_line_of_metadump_tells_what_is_known(self):
        with Server() as server, server.connect() as client:
            client.ask(b"set caf%c3%a9:\xc3\xa9 7 100 3\r\nabc\r\nget caf%c3%a9:\xc3\xa9\r\n", b"STORED\r\nVALUE caf%c3%a9:\xc3\xa9 7 3\r\nabc\r\nEND\r\n")
            client.send(b"lru_crawler metadump all\r\n")
            line = read_stream(client, b"END")[0]
            known = re.fullmatch(rb"key=caf%25c3%25a9%3A%C3%A9 exp=(\d+) la=(\d+) cas=(\d+) fetch=yes cls=(\d+) size=(\d+) flags=7", line)
            self.assertIsNotNone(known, line)
            self.assertLess(abs(int(known[1]) - time.time() - 100), 5)
            self.assertLess(abs(int(known[2]) - time.time()), 12)

    def test_classes_choose_what_is_listed(self):
        with Server() as server, server.connect() as client:
            client.ask(b"set small 0 0 1\r\nx\r\nset large 0 0 900\r\n" + b"x" * 900 + b"\r\n", b"STORED\r\nSTORED\r\n")
            client.send(b"lru_crawler metadump all\r\n")
            classes = {key: re.search(rb"cls=(\d+)", line)[1] for line in read_stream(client, b"END")[:-1]
                       for key in [re.match(rb"key=(\S+)", line)[1]]}
            self.assertNotEqual(classes[b"small"], classes[b"large"])
            client.send(b"lru_crawler metadump " + classes[b"large"] + b"\r\n")
            self.assertEqual(keys_of_metadump(read_stream(client, b"END")), {b"large"})
            client.send(b"lru_crawler mgdump " + classes[b"small"] + b"," + classes[b"large"] + b"\r\n")
            self.assertEqual(set(read_stream(client, b"EN")), {b"mg small", b"mg large", b"EN"})

    def test_mgdump_gives_lines_that_can_be_sent_back(self):
        with Server() as server, server.connect() as client:
            client.ask(b"ms YSBi 1 b\r\nx\r\nms plain 1\r\ny\r\n", b"HD\r\nHD\r\n")  # "a b"
            client.send(b"lru_crawler mgdump all\r\n")
            lines = read_stream(client, b"EN")
            self.assertEqual(set(lines), {b"mg YSBi b", b"mg plain", b"EN"})
            for line in lines[:-1]:
                client.ask(line + b"\r\n", b"HD\r\n")

    def test_a_stalled_dump_holds_up_nobody_and_a_second_one_is_told_so(self):
        with Server("-t", "1", "-m", "256") as server, server.connect() as client:
            fill(client, 150000, 20)
            with socket.socket() as stalled:
                stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                stalled.connect(server.address())
                stalled.sendall(b"lru_crawler metadump all\r\n")
                wait_until(lambda: client.stats()["lru_crawler_running"] == "1", what="the dump runs")
                client.ask(b"lru_crawler metadump all\r\n", b"BUSY currently processing crawler request\r\n")
                # Its reader sleeps; writes and their memory go on.
                fill(client, 50000, 20)
                client.ask(b"get key1\r\n", b"VALUE key1 0 20\r\n" + b"v" * 20 + b"\r\nEND\r\n")
            wait_until(lambda: client.stats()["lru_crawler_running"] == "0", what="the dump ends with its reader")
            client.send(b"lru_crawler metadump all\r\n")
            self.assertGreaterEqual(len(read_stream(client, b"END")), 150001)

    def test_requests_behind_a_dump_are_answered_after_it(self):
        with Server() as server, server.connect() as client:
            client.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
            client.send(b"lru_crawler mgdump all\r\nget a\r\nlru_crawler mgdump all\r\nmn\r\n")
            client.expect(b"mg a\r\nEN\r\nVALUE a 0 1\r\nx\r\nEND\r\nmg a\r\nEN\r\nMN\r\n")

    def test_a_dump_of_nothing_is_only_its_end(self):
        with Server() as server, server.connect() as client:
            client.ask(b"lru_crawler metadump all\r\nlru_crawler mgdump hash\r\nstats cachedump 1 0\r\n", b"END\r\nEN\r\nEND\r\n")

    def test_keys_of_sessions_are_secrets(self):
        for options, secret in (((), True), (("--list-sessions",), False)):
            with Server(*options, sessions=True) as server, server.connect() as client:
                client.ask(b"set rack:session:alice 0 100 1\r\nx\r\nset page 0 0 1\r\nx\r\n", b"STORED\r\nSTORED\r\n")
                listed = {b"page"} if secret else {b"page", b"rack%3Asession%3Aalice"}
                client.send(b"lru_crawler metadump all\r\n")
                self.assertEqual(keys_of_metadump(read_stream(client, b"END")), listed)
                client.send(b"lru_crawler mgdump all\r\n")
                self.assertEqual(len(read_stream(client, b"EN")), len(listed) + 1)
                text = b""
                for size_class in range(1, 40):
                    client.send(b"stats cachedump %d 0\r\n" % size_class)
                    text += b"\n".join(read_stream(client, b"END"))
                self.assertEqual(b"alice" in text, not secret)
                self.assertIn(b"ITEM page [1 b; 0 s]", text)

    def test_X_refuses_what_lists_keys(self):
        with Server("-X") as server, server.connect() as client:
            client.ask(b"lru_crawler metadump all\r\n", b"ERROR metadump not allowed\r\n")
            client.ask(b"lru_crawler mgdump all\r\n", b"ERROR key dump not allowed\r\n")
            client.ask(b"stats cachedump 1 0\r\n", b"CLIENT_ERROR stats cachedump not allowed\r\n")
            client.ask(b"stats detail on\r\n", b"CLIENT_ERROR stats detail not allowed\r\n")
            client.ask(b"stats detail dump\r\n", b"CLIENT_ERROR stats detail not allowed\r\n")


class MemoryLimit(unittest.TestCase):
    def test_wrong_limits_are_refused_in_memcacheds_words(self):
        with Server() as server, server.connect() as client:
            client.ask(b"cache_memlimit\r\n", ERROR)
            client.ask(b"cache_memlimit x\r\n", ERROR)
            client.ask(b"cache_memlimit -1\r\n", ERROR)
            client.ask(b"cache_memlimit 1 2 3\r\n", ERROR)
            client.ask(b"cache_memlimit 7\r\n", b"MEMLIMIT_TOO_SMALL cannot set maxbytes to less than 8m\r\n")
            client.ask(b"cache_memlimit 1000000001\r\n", b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n")
            for number in (1 << 32, 100_000_000_000, (1 << 64) - 1):  # bytes, by mistake
                client.ask(b"cache_memlimit %d\r\n" % number, b"MEMLIMIT_ADJUST_FAILED input value is megabytes not bytes\r\n")
            client.ask(b"cache_memlimit %d\r\n" % (1 << 64), ERROR)
            client.ask(b"cache_memlimit 1000000000\r\n", b"MEMLIMIT_ADJUST_FAILED out of bounds or unable to adjust\r\n")
            self.assertEqual(client.stats()["limit_maxbytes"], str(64 << 20))

    def test_memory_is_given_back_and_what_was_used_last_stays(self):
        with Server("-m", "256", "-t", "2") as server, server.connect() as client:
            fill(client, 200_000, 1000)
            full = server.resident_bytes()
            self.assertGreater(full, 180 << 20)
            client.ask(b"cache_memlimit 32\r\n", OK)
            self.assertEqual(client.stats()["limit_maxbytes"], str(32 << 20))
            self.assertEqual(client.stats("settings")["maxbytes"], str(32 << 20))
            wait_until(lambda: client.stats()["slab_reassign_running"] == "0", what="memory is given back")
            stats = client.stats()
            self.assertLessEqual(int(stats["bytes"]), 32 << 20)
            self.assertGreater(int(stats["curr_items"]), 10_000)
            self.assertGreater(int(stats["evictions"]), 100_000)
            if not server.is_sanitized():
                self.assertLess(server.resident_bytes(), 64 << 20)
            client.ask(b"get key199999\r\n", b"VALUE key199999 0 1000\r\n" + b"v" * 1000 + b"\r\nEND\r\n")
            fill(client, 60_000, 1000)
            self.assertLessEqual(int(client.stats()["bytes"]), 32 << 20)

    def test_a_higher_limit_is_there_at_once(self):
        with Server("-m", "16", "-t", "2") as server, server.connect() as client:
            fill(client, 40_000, 1000)
            self.assertGreater(int(client.stats()["evictions"]), 0)
            client.ask(b"cache_memlimit 64\r\n", OK)
            client.ask(b"flush_all\r\nstats reset\r\n", b"OK\r\nRESET\r\n")
            fill(client, 40_000, 1000)
            stats = client.stats()
            self.assertEqual(stats["limit_maxbytes"], str(64 << 20))
            self.assertGreater(int(stats["bytes"]), 40 << 20)

    def test_without_evictions_nothing_is_dropped_for_a_lower_limit(self):
        with Server("-m", "64", "-M") as server, server.connect() as client:
            fill(client, 30_000, 1000)
            before = client.stats()["curr_items"]
            client.ask(b"cache_memlimit 16\r\n", OK)
            time.sleep(1)
            self.assertEqual(client.stats()["curr_items"], before)
            for number in range(2000):  # the last pages that are free
                client.send(b"set more%d 0 0 1000\r\n" % number + b"x" * 1000 + b"\r\n")
                if client.read_line() != b"STORED":
                    break
            client.ask(b"set more 0 0 1000\r\n" + b"x" * 1000 + b"\r\n", b"SERVER_ERROR out of memory storing object\r\n")

    def test_sessions_that_are_not_written_survive_a_lower_limit(self):
        with Server("-m", "64", sessions=True) as server, server.connect() as client:
            client.send(b"".join(b"set rack:session:%d 0 1000 500 noreply\r\n%s\r\n" % (number, b"s" * 500) for number in range(5000)))
            client.ask(b"cache_memlimit 16\r\nmn\r\n", b"OK\r\nMN\r\n")
            fill(client, 30_000, 1000)
            for number in range(0, 5000, 37):
                client.ask(b"get rack:session:%d\r\n" % number, b"VALUE rack:session:%d 0 500\r\n%s\r\nEND\r\n" % (number, b"s" * 500))


class Flush(unittest.TestCase):
    def test_a_time_beyond_32_bits_has_passed(self):
        with Server() as server, server.connect() as client:
            client.ask(b"set a 0 0 1\r\nx\r\nflush_all 4000000000\r\nget a\r\n", b"STORED\r\nOK\r\nEND\r\n")

    def test_sixteen_and_more_flushes_at_once_bring_nothing_back(self):
        with Server("-t", "4") as server:
            clients = [server.connect() for _ in range(4)]
            for _ in range(40):
                clients[0].ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
                for client in clients:
                    client.send(b"flush_all\r\n" * 5)
                for client in clients:
                    client.expect(OK * 5)
                clients[0].ask(b"get a\r\n", b"END\r\n")
            for client in clients:
                client.close()


class DebugTime(unittest.TestCase):
    def test_time_stands_and_jumps_in_builds_with_checks_and_in_no_others(self):
        with open(os.path.join(os.path.dirname(server_program()), "Makefile")) as file:
            with_checks = "-DNDEBUG" not in re.search(r"^VARIANT_CPPFLAGS = (.*)$", file.read(), re.MULTILINE)[1]
        with Server() as server, server.connect() as client:
            client.ask(b"set hour 0 3600 1\r\nx\r\n", b"STORED\r\n")
            if not with_checks:
                client.ask(b"debugtime p\r\ndebugtime r\r\ndebugtime 3601\r\n", ERROR * 3)
                client.ask(b"get hour\r\n", b"VALUE hour 0 1\r\nx\r\nEND\r\n")
                return
            client.ask(b"debugtime\r\ndebugtime x\r\ndebugtime -1\r\ndebugtime 4294967296\r\ndebugtime 1 2\r\n", ERROR * 5)
            client.ask(b"debugtime p\r\n", OK)
            client.ask(b"set short 0 1 1\r\nx\r\n", b"STORED\r\n")
            time.sleep(2.5)
            client.ask(b"get short\r\n", b"VALUE short 0 1\r\nx\r\nEND\r\n")
            client.ask(b"debugtime 2\r\nget short\r\nget hour\r\n", OK + b"END\r\nVALUE hour 0 1\r\nx\r\nEND\r\n")
            client.ask(b"debugtime r\r\ndebugtime 3600\r\nget hour\r\n", OK + OK + b"END\r\n")
            self.assertGreaterEqual(int(server.stats()["uptime"]), 3602)


class Shutdown(unittest.TestCase):
    def test_shutdown_ends_the_server_when_allowed(self):
        for request in (b"shutdown\r\n", b"shutdown graceful\r\n"):
            with Server("-A") as server, server.connect() as client:
                client.ask(b"shutdown now\r\n", b"CLIENT_ERROR invalid shutdown mode\r\n")
                client.send(request)
                client.expect_closed()
                self.assertEqual(server.wait(), 0)


main()
