"""Every statistic of memcached 1.6.45: the same names and no others, and the same values where they mean the same; what means something
else, or cannot happen here, is named in doc/compatibility.md."""

import os
import re
import struct
import time
import unittest

from holdfast_test import Server, main, server_program, source_path, wait_until

# `stats`, by what holds for the value: the same as memcached's after the same commands; one that only has to make sense; or one with a
# row in doc/compatibility.md.
SAME = """max_connections rejected_connections pointer_size cmd_get cmd_set cmd_flush cmd_touch cmd_meta get_hits
    get_misses get_expired get_flushed delete_misses delete_hits incr_misses incr_hits decr_misses decr_hits cas_misses cas_hits
    cas_badval touch_hits touch_misses store_too_large store_no_memory auth_cmds auth_errors bytes_read limit_maxbytes
    accepting_conns listen_disabled_num time_in_listen_disabled_us threads curr_items evictions reclaimed expired_unfetched
    evicted_unfetched hash_is_expanding log_worker_dropped log_worker_written log_watcher_skipped log_watcher_sent log_watchers
    lru_crawler_running malloc_fails slab_reassign_running""".split()
OTHER = """pid uptime time version libevent rusage_user rusage_system reserved_fds bytes_written conn_yields bytes
    total_items""".split()
DOCUMENTED = """curr_connections total_connections connection_structures response_obj_oom response_obj_count response_obj_bytes read_buf_count read_buf_bytes
    read_buf_bytes_free read_buf_oom hash_power_level hash_bytes slab_reassign_rescues slab_reassign_chunk_rescues
    slab_reassign_inline_reclaim slab_reassign_busy_items slab_reassign_busy_deletes slab_reassign_busy_nomem
    slab_reassign_last_busy_status slabs_moved lru_crawler_starts lru_maintainer_juggles unexpected_napi_ids round_robin_fallback
    slab_global_page_pool evicted_active crawler_reclaimed crawler_items_checked lrutail_reflocked moves_to_cold moves_to_warm
    moves_within_lru direct_reclaims lru_bumps_dropped""".split()
ITEMS = """number number_hot number_warm number_cold age_hot age_warm age mem_requested evicted evicted_nonzero evicted_time outofmemory
    tailrepairs reclaimed expired_unfetched evicted_unfetched evicted_active crawler_reclaimed crawler_items_checked
    lrutail_reflocked moves_to_cold moves_to_warm moves_within_lru direct_reclaims hits_to_hot hits_to_warm hits_to_cold
    hits_to_temp""".split()
SLABS = """chunk_size chunks_per_page total_pages total_chunks used_chunks free_chunks free_chunks_end get_hits cmd_set delete_hits
    incr_hits decr_hits cas_hits cas_badval touch_hits""".split()
# Not in 1.6.18, or gone since.
NEWER = {"slab_reassign_busy_nomem", "slab_reassign_last_busy_status"}
OLDER = {"slab_reassign_evictions_nomem"}

MEMCACHED = os.environ.get("MEMCACHED_BIN", "/usr/bin/memcached")


def packet(opcode, key=b"", extras=b"", value=b"", cas=0):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(key) + len(extras) + len(value), 0, cas) + extras + key + value


def binary_stats(client, group):
    client.send(packet(0x10, group))
    rows = {}
    while True:
        head = client.read(24)
        key_size, status, body_size = struct.unpack(">2xHxxHI", head[:12])
        body = client.read(body_size)
        if status != 0 or not key_size:
            return status, rows
        rows[body[:key_size].decode()] = body[key_size:].decode()


def work(server):
    """Commands of all kinds, so that every counter of commands has a value of its own."""
    with server.connect() as client:
        client.ask(b"set a 0 0 1\r\nx\r\n" * 3 + b"set n 0 0 2\r\n10\r\nadd a 0 0 1\r\nx\r\nreplace zz 0 0 1\r\nx\r\n",
                   b"STORED\r\n" * 4 + b"NOT_STORED\r\n" * 2)
        client.ask(b"append a 0 0 1\r\ny\r\nprepend zz 0 0 1\r\ny\r\n", b"STORED\r\nNOT_STORED\r\n")
        client.send(b"get a n b c d e f\r\ngets a\r\n")
        client.read_until(b"END\r\n")
        cas = client.read_until(b"END\r\n").split()[4]
        client.ask(b"cas a 0 0 1 " + cas + b"\r\nz\r\ncas a 0 0 1 " + cas + b"\r\nz\r\n" + b"cas zz 0 0 1 1\r\nz\r\n" * 3,
                   b"STORED\r\nEXISTS\r\n" + b"NOT_FOUND\r\n" * 3)
        client.ask(b"incr n 5\r\nincr n 5\r\nincr zz 1\r\ndecr n 1\r\ndecr n 1\r\ndecr n 1\r\ndecr zz 1\r\ndecr zz 2\r\n",
                   b"15\r\n20\r\nNOT_FOUND\r\n19\r\n18\r\n17\r\nNOT_FOUND\r\nNOT_FOUND\r\n")
        client.ask(b"touch a 100\r\ntouch zz 1\r\ntouch zz 1\r\ngat 100 a zz\r\n",
                   b"TOUCHED\r\nNOT_FOUND\r\nNOT_FOUND\r\nVALUE a 0 1\r\nz\r\nEND\r\n")
        client.ask(b"set d1 0 0 1\r\nx\r\ndelete d1\r\ndelete d1\r\ndelete d2\r\n", b"STORED\r\nDELETED\r\nNOT_FOUND\r\nNOT_FOUND\r\n")
        client.ask(b"mg a v\r\nmg zz v\r\nms m 2\r\nab\r\nma n\r\nmd m\r\nmn\r\n", b"VA 1\r\nz\r\nEN\r\nHD\r\nHD\r\nHD\r\nMN\r\n")
        client.ask(b"set old 0 -1 1\r\nx\r\nget old\r\n", b"STORED\r\nEND\r\n")
        client.ask(b"set big 0 0 2000000\r\n" + b"x" * 2000000 + b"\r\n", b"SERVER_ERROR object too large for cache\r\n")
    with server.connect() as client:
        for request in (packet(1, b"bin", bytes(8), b"value"), packet(0, b"bin"), packet(0, b"zz"), packet(4, b"bin"), packet(0x1c, b"a", bytes(4))):
            client.send(request)
            client.read(struct.unpack(">I", client.read(24)[8:12])[0])
    with server.connect() as client:
        client.ask(b"set f 0 0 1\r\nx\r\n", b"STORED\r\n")
        time.sleep(1.1)
        client.ask(b"flush_all\r\nget f\r\nset g 0 0 1\r\nx\r\n", b"OK\r\nEND\r\nSTORED\r\n")


class Names(unittest.TestCase):
    def test_stats_has_memcacheds_names_and_no_others(self):
        with Server() as server, server.connect() as client:
            self.assertEqual(set(client.stats()), set(SAME + OTHER + DOCUMENTED))
        with Server("-o", "idle_timeout=100,no_maxconns_fast") as server:
            self.assertEqual(set(server.stats()), set(SAME + OTHER + DOCUMENTED) - {"rejected_connections"} | {"idle_kicks"})

    def test_items_and_slabs_have_memcacheds_names(self):
        with Server() as server, server.connect() as client:
            self.assertEqual(client.stats("items"), {})
            self.assertEqual(client.stats("slabs"), {"active_slabs": "0", "total_malloced": "0"})
            client.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
            self.assertEqual(list(client.stats("items")), [f"items:1:{name}" for name in ITEMS])
            self.assertEqual(list(client.stats("slabs")), [f"1:{name}" for name in SLABS] + ["active_slabs", "total_malloced"])

    def test_what_means_something_else_is_documented(self):
        with open(source_path("doc", "compatibility.md")) as file:
            text = file.read()
        for name in DOCUMENTED:
            self.assertIn(f"`{name}`", text)

    @unittest.skipUnless(os.access(MEMCACHED, os.X_OK), "no memcached to compare with")
    def test_the_lists_are_those_of_memcached(self):
        with Server(program=MEMCACHED) as server, server.connect() as client:
            self.assertEqual(set(client.stats()) - OLDER, set(SAME + OTHER + DOCUMENTED) - NEWER)
            client.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
            self.assertEqual(list(client.stats("items")), [f"items:1:{name}" for name in ITEMS])
            self.assertEqual(list(client.stats("slabs"))[:-2], [f"1:{name}" for name in SLABS])


class Values(unittest.TestCase):
    @unittest.skipUnless(os.access(MEMCACHED, os.X_OK), "no memcached to compare with")
    def test_counters_agree_with_memcached(self):
        values = []
        for program in (server_program(), MEMCACHED):
            with Server(program=program) as server, server.connect() as client:
                work(server)
                wait_until(lambda: client.stats()["curr_connections"] in ("1", "2"), what="the others have gone")
                values.append(client.stats())
        ours, theirs = values
        # reclaimed and curr_items depend on when a dead item is noticed.
        differing = {name: (ours[name], theirs[name]) for name in SAME if ours[name] != theirs[name]}
        # 1.6.18 counts me alone as a meta command.
        for name in ("cmd_meta", "curr_items", "reclaimed", "expired_unfetched", "bytes_read"):
            differing.pop(name, None)
        self.assertEqual(differing, {})

    def test_counters_of_commands(self):
        with Server() as server, server.connect() as client:
            work(server)
            stats = client.stats()
            expected = {"get_expired": 1, "get_flushed": 1, "cas_hits": 1, "cas_badval": 1, "cas_misses": 3, "incr_misses": 1, "decr_hits": 3,
                        "decr_misses": 2, "store_too_large": 1, "cmd_flush": 1, "cmd_meta": 6, "auth_cmds": 0, "auth_errors": 0,
                        "store_no_memory": 0, "touch_misses": 3, "delete_misses": 2}
            self.assertEqual({name: int(stats[name]) for name in expected}, expected)
            self.assertEqual(int(stats["get_hits"]) + int(stats["get_misses"]), int(stats["cmd_get"]))
            self.assertEqual(int(stats["touch_hits"]) + int(stats["touch_misses"]), int(stats["cmd_touch"]))

    def test_the_process_and_its_connections(self):
        with Server("-c", "77", "-t", "3") as server:
            first, second = server.connect(), server.connect()
            first.ask(b"mn\r\n", b"MN\r\n")
            second.ask(b"mn\r\n", b"MN\r\n")
            stats = first.stats()
            self.assertEqual((stats["pid"], stats["max_connections"], stats["threads"]), (str(server.pid), "77", "3"))
            self.assertLess(abs(int(stats["time"]) - time.time()), 3)
            self.assertLess(int(stats["uptime"]), 60)
            self.assertEqual(stats["curr_connections"], stats["connection_structures"])
            self.assertGreaterEqual(int(stats["curr_connections"]), 2)
            self.assertGreaterEqual(int(stats["total_connections"]), 2)
            self.assertRegex(stats["rusage_user"], r"^\d+\.\d{6}$")
            self.assertRegex(stats["rusage_system"], r"^\d+\.\d{6}$")
            self.assertRegex(stats["libevent"], r"^\d+\.\d+\.")
            # Counted once the socket has taken it, when the reply may have been read already.
            wait_until(lambda: int(first.stats()["bytes_written"]) > 8, what="both replies are counted")
            self.assertGreater(int(stats["reserved_fds"]), 0)
            self.assertGreaterEqual(int(stats["read_buf_count"]), 1)
            self.assertEqual(int(stats["read_buf_bytes"]), int(stats["read_buf_count"]) * 16384)
            first.close()
            second.close()

    def test_memory_that_is_full(self):
        with Server("-m", "16", "-t", "2") as server, server.connect() as client:
            value = b"v" * 1000
            for number in range(60_000):
                client.send(b"set key%d 0 %d 1000 noreply\r\n%s\r\n" % (number, 1000 * (number % 2), value))
                if number % 100 == 0:
                    client.send(b"get key%d\r\n" % (number - number % 1000))
                    client.read_until(b"END\r\n")
            client.ask(b"mn\r\n", b"MN\r\n")
            stats, items, slabs = client.stats(), client.stats("items"), client.stats("slabs")
            for name in ("evictions", "evicted_unfetched", "slabs_moved", "direct_reclaims", "moves_to_warm", "slab_reassign_rescues"):
                self.assertGreater(int(stats[name]), 0, name)
            self.assertGreaterEqual(int(stats["direct_reclaims"]), int(stats["evictions"]))
            self.assertLessEqual(int(stats["bytes"]) + int(stats["hash_bytes"]), 16 << 20)
            self.assertGreater(2 ** (int(stats["hash_power_level"]) + 1), int(stats["curr_items"]))
            self.assertEqual(stats["total_items"], "60000")
            largest = max({name.split(":")[1] for name in items}, key=lambda number: int(items[f"items:{number}:number"]))
            of = {name: int(items[f"items:{largest}:{name}"]) for name in ITEMS}
            self.assertEqual(of["number"], of["number_hot"] + of["number_warm"])
            self.assertEqual(of["evicted"], int(stats["evictions"]))
            self.assertEqual(of["evicted_unfetched"], int(stats["evicted_unfetched"]))
            self.assertGreater(of["evicted_nonzero"], 0)
            self.assertLess(of["evicted_nonzero"], of["evicted"])
            self.assertGreater(of["moves_to_warm"], 0)
            self.assertEqual(of["mem_requested"], of["number"] * int(slabs[f"{largest}:chunk_size"]))
            self.assertEqual(int(slabs[f"{largest}:used_chunks"]) + int(slabs[f"{largest}:free_chunks"]), int(slabs[f"{largest}:total_chunks"]))
            self.assertLess(abs(of["number"] - int(stats["curr_items"])), 500)  # those that readers may still see
            self.assertGreaterEqual(int(slabs["total_malloced"]), int(stats["bytes"]))

    def test_out_of_memory_is_counted_by_class(self):
        with Server("-m", "8", "-M", "-t", "1") as server, server.connect() as client:
            refused = 0
            for number in range(12_000):
                client.send(b"set key%d 0 0 1000\r\n" % number + b"v" * 1000 + b"\r\n")
                refused += client.read_line() != b"STORED"
            stats, items = client.stats(), client.stats("items")
            self.assertEqual(int(stats["store_no_memory"]), refused)
            self.assertGreater(sum(int(value) for name, value in items.items() if name.endswith(":outofmemory")), 0)

    def test_reset_begins_anew(self):
        with Server("-D", ":") as server, server.connect() as client:
            client.ask(b"set a:b 0 0 1\r\nx\r\nget a:b\r\nstats reset\r\n", b"STORED\r\nVALUE a:b 0 1\r\nx\r\nEND\r\nRESET\r\n")
            stats = client.stats()
            self.assertEqual((stats["cmd_get"], stats["cmd_set"], stats["total_items"], stats["curr_items"]), ("0", "0", "0", "1"))
            client.ask(b"stats detail dump\r\n", b"END\r\n")


class Groups(unittest.TestCase):
    def test_conns_shows_listeners_and_connections(self):
        with Server("-t", "2") as server, server.connect() as idle, server.connect() as client:
            idle.ask(b"mn\r\n", b"MN\r\n")
            rows = client.stats("conns")
            by_fd = {}
            for name, value in rows.items():
                number, field = name.split(":", 1)
                by_fd.setdefault(int(number), {})[field] = value
            listening = [row for row in by_fd.values() if row["state"] == "conn_listening"]
            self.assertEqual([row["addr"] for row in listening], [f"tcp:127.0.0.1:{server.port}"])
            for connection in (idle, client):
                row = next(row for row in by_fd.values() if row["addr"] == "tcp:127.0.0.1:%d" % connection.socket.getsockname()[1])
                self.assertEqual(row["listen_addr"], f"tcp:127.0.0.1:{server.port}")
                self.assertIn(row["state"], ("conn_read", "conn_nread", "conn_parse_cmd", "conn_io_queue"))
                self.assertLess(int(row["secs_since_last_cmd"]), 20)

    def test_conns_of_a_unix_socket(self):
        with Server("-s", "{state}/socket") as server, server.connect() as client:
            values = client.stats("conns").values()
            self.assertTrue(any(value.startswith("unix:") and value.endswith("/socket") for value in values), values)

    def test_sizes_are_counted_on_request(self):
        with Server() as server:
            self.assertEqual(server.stats("sizes"), {"sizes_status": "disabled"})
        with Server("-o", "track_sizes") as server, server.connect() as client:
            for number in range(100):
                client.ask(b"set small%d 0 0 1\r\nx\r\nset large%d 0 0 500\r\n%s\r\n" % (number, number, b"x" * 500), b"STORED\r\nSTORED\r\n")
            sizes = {int(size): int(count) for size, count in client.stats("sizes").items()}
            self.assertEqual(sorted(sizes.values()), [100, 100])
            self.assertTrue(all(size % 32 == 0 for size in sizes))
            status, rows = 0, {}
            with server.connect() as binary:
                status, rows = binary_stats(binary, b"sizes")
            self.assertEqual((status, {int(size): int(count) for size, count in rows.items()}), (0, sizes))

    def test_cachedump_lists_a_class(self):
        with Server() as server, server.connect() as client:
            client.ask(b"set a 0 0 3\r\nabc\r\nset b 0 100 1\r\nx\r\n", b"STORED\r\nSTORED\r\n")
            client.send(b"stats cachedump 1 0\r\n")
            lines = sorted(client.read_until(b"END\r\n").split(b"\r\n")[:-2])
            self.assertEqual(lines[0], b"ITEM a [3 b; 0 s]")
            when = int(re.fullmatch(rb"ITEM b \[1 b; (\d+) s\]", lines[1])[1])
            self.assertLess(abs(when - time.time() - 100), 5)
            client.send(b"stats cachedump 1 1\r\n")
            self.assertEqual(client.read_until(b"END\r\n").count(b"ITEM"), 1)
            client.ask(b"stats cachedump\r\n", b"CLIENT_ERROR bad command line\r\n")
            client.ask(b"stats cachedump 1\r\n", b"CLIENT_ERROR bad command line\r\n")
            client.ask(b"stats cachedump x y\r\n", b"CLIENT_ERROR bad command line format\r\n")
            client.ask(b"stats cachedump 256 0\r\n", b"CLIENT_ERROR Illegal slab id\r\n")

    def test_cachedump_ends_at_two_megabytes(self):
        with Server("-m", "64") as server, server.connect() as client:
            for number in range(12_000):
                client.send(b"set %s%d 0 0 1 noreply\r\nx\r\n" % (b"k" * 230, number + 10000))
            client.ask(b"mn\r\n", b"MN\r\n")
            size_class = next(name.split(":")[1] for name in client.stats("items") if name.endswith(":number"))
            client.send(b"stats cachedump %s 0\r\n" % size_class.encode())
            size = len(client.read_until(b"END\r\n"))
            self.assertLessEqual(size, (2 << 20) + 5)
            self.assertGreater(size, (2 << 20) - 300)

    def test_detail_counts_by_prefix(self):
        work = b"set a:1 0 0 1\r\nx\r\nget a:1 a:2\r\nget b:x:y c\r\ndelete a:1\r\nincr a:9 1\r\nmg a:7 v\r\n"
        answer = b"STORED\r\nVALUE a:1 0 1\r\nx\r\nEND\r\nEND\r\nDELETED\r\nNOT_FOUND\r\nEN\r\n"
        dump = b"PREFIX a get 3 hit 1 set 1 del 1\r\nPREFIX b get 1 hit 0 set 0 del 0\r\nEND\r\n"
        with Server("-t", "1") as server, server.connect() as client:
            client.ask(work + b"stats detail dump\r\n", answer + b"END\r\n")
            client.ask(b"stats detail on\r\n" + work + b"stats detail off\r\n" + b"get a:1\r\n" + b"stats detail dump\r\n",
                       b"OK\r\n" + answer + b"OK\r\nEND\r\n" + dump)
            self.assertEqual(client.stats("settings")["detail_enabled"], "no")
            client.ask(b"stats detail\r\nstats detail x\r\n", b"CLIENT_ERROR usage: stats detail on|off|dump\r\n" * 2)
            with server.connect() as binary:
                self.assertEqual(binary_stats(binary, b"detail dump"), (0, {"detail": dump.decode().removesuffix("END\r\n")}))
        with Server("-D", "/", "-t", "3") as server:
            clients = [server.connect() for _ in range(6)]
            for client in clients:
                client.ask(b"get p/1 q:2\r\n", b"END\r\n")
            clients[0].ask(b"stats detail dump\r\n", b"PREFIX p get 6 hit 0 set 0 del 0\r\nEND\r\n")
            self.assertEqual(clients[0].stats("settings")["detail_enabled"], "yes")
            for client in clients:
                client.close()

    def test_detail_knows_so_many_prefixes_and_no_more(self):
        with Server("-t", "1", "-D", ":") as server, server.connect() as client:
            for start in range(0, 66_000, 1000):
                client.send(b"".join(b"mg p%d:x q v\r\n" % number for number in range(start, start + 1000)) + b"mn\r\n")
                client.expect(b"MN\r\n")
            client.send(b"stats detail dump\r\n")
            self.assertEqual(client.read_until(b"END\r\n").count(b"PREFIX "), 65536)

    def test_groups_that_do_not_exist(self):
        with Server() as server, server.connect() as client:
            for group in (b"extstore", b"proxy", b"proxyfuncs", b"proxybe", b"nothing"):
                client.ask(b"stats " + group + b"\r\n", b"ERROR\r\n")

    def test_binary_has_the_groups_that_memcached_has(self):
        with Server() as server, server.connect() as client, server.connect() as text:
            text.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
            for group in (b"", b"settings", b"items", b"slabs"):
                status, rows = binary_stats(client, group)
                self.assertEqual((status, set(rows)), (0, set(text.stats(group.decode()))))
            self.assertEqual(binary_stats(client, b"nothing")[0], 1)


main()
