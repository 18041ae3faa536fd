"""Every option of memcached 1.6.45 (t/lib/memcached_options.tsv): it works with the same default and the same meaning, or is
accepted with one line, or refused; and what differs is in doc/compatibility.md."""

import os
import re
import signal
import socket
import tempfile
import time
import unittest

from holdfast_test import Connection, Server, free_port, main, run_server_once, source_path, wait_until

AS_ROOT = ["-u", "root"] if os.geteuid() == 0 else []


class Option:
    def __init__(self, line):
        self.flag, self.name, self.value, self.kind, self.setting, self.default = [None if word == "-" else word for word in line.split("\t")]
        self.extended = self.flag == "-o" and self.name != "extended"  # -o is itself an option

    def spellings(self):
        """The ways to give it, as lists of arguments."""
        if self.extended:
            return [["-o", self.name if self.value is None else f"{self.name}={self.value}"]]
        ways = [[self.flag] if self.value is None else [self.flag, self.value]]
        if self.name:
            ways.append([f"--{self.name}"] if self.value is None else [f"--{self.name}={self.value}"])
            ways.append([f"--{self.name.replace('-', '_')}"] + ([] if self.value is None else [self.value]))
        return ways

    def shown(self):
        """What a warning or an error calls it."""
        return f"-o {self.name}" if self.extended else self.flag


def read_table():
    with open(source_path("t", "lib", "memcached_options.tsv")) as file:
        return [Option(line.rstrip("\n")) for line in file if not line.startswith("#")]


TABLE = read_table()
OPTIONS = [option for option in TABLE if option.flag]
ORDERS = ("-h", "-i", "-V")

# Where it is tested that an option means the same: file and test. Those of this file are below.
MEANING = {
    "-p": "start.py test_a_port_in_use_is_named", "-U": "options.py test_a_udp_port_alone_names_the_tcp_port",
    "-s": "flow.py test_a_unix_socket_serves_with_its_permissions", "-a": "start.py test_a_unix_socket_has_the_mode_that_was_asked_for",
    "-A": "control.py test_shutdown_ends_the_server_when_allowed", "-l": "listen.py test_several_addresses_are_served",
    "-d": "start.py test_in_the_background_it_answers_once_the_command_returns", "-r": "options.py test_core_files_may_be_written",
    "-u": "start.py test_root_becomes_the_user_it_was_told_for_good", "-m": "flow.py test_memory_stays_within_the_limit_whatever_is_stored",
    "-M": "flow.py test_without_evictions_a_full_server_says_so_and_keeps_what_it_has", "-c": "flow.py test_connections_over_the_limit_are_told_so",
    "-k": "options.py test_memory_is_locked", "-v": "options.py test_more_is_said_when_asked",
    "-h": "start.py test_version_and_help_end_well", "-i": "options.py test_orders_print_and_end", "-V": "start.py test_version_and_help_end_well",
    "-P": "start.py test_in_the_background_it_answers_once_the_command_returns", "-f": "options.py test_chunk_sizes_follow_f_and_n",
    "-n": "options.py test_chunk_sizes_follow_f_and_n", "-L": "options.py test_all_memory_is_taken_at_the_start",
    "-D": "stats.py test_detail_counts_by_prefix", "-t": "options.py test_as_many_workers_as_asked", "-R": "options.py test_turns_end_for_the_sake_of_others",
    "-C": "options.py test_without_cas_there_are_no_numbers", "-b": "options.py test_so_many_may_wait_to_be_accepted",
    "-B": "start.py test_one_protocol_may_be_all_that_is_spoken", "-I": "options.py test_items_may_be_as_large_as_said",
    "-F": "reload.py test_flush_all_can_be_forbidden_and_allowed", "-X": "control.py test_X_refuses_what_lists_keys",
    "-W": "watch.py test_W_refuses_watchers", "-o": "options.py test_o_takes_several_and_may_be_repeated",
    "-o maxconns_fast": "flow.py test_connections_over_the_limit_are_told_so",
    "-o no_maxconns_fast": "reload.py test_the_limit_of_connections_moves_and_wakes_who_waits",
    "-o idle_timeout": "reload.py test_an_idle_timeout_begins_and_ends",
    "-o read_buf_mem_limit": "options.py test_the_limit_of_read_buffers_is_that_of_connections",
    "-o watcher_logbuf_size": "watch.py test_a_watcher_that_does_not_read_misses_lines_and_slows_nobody",
    "-o worker_logbuf_size": "watch.py test_a_ring_that_is_full_drops_and_counts", "-o track_sizes": "stats.py test_sizes_are_counted_on_request",
    "-o sock_cookie_id": "start.py test_a_mark_for_the_firewall_is_set_or_the_start_refused",
    "-o modern": "options.py test_no_modern_lets_connections_wait", "-o no_modern": "options.py test_no_modern_lets_connections_wait",
    "-o no_drop_privileges": "options.py test_what_works_is_taken_in_silence",
}


def check(*arguments):
    with tempfile.TemporaryDirectory() as directory:
        return run_server_once("--check-config", *[argument.replace("{state}", directory) for argument in arguments])


def compatibility():
    with open(source_path("doc", "compatibility.md")) as file:
        return file.read()


class Table(unittest.TestCase):
    def test_what_works_is_taken_in_silence(self):
        for option in OPTIONS:
            for arguments in option.spellings() if option.kind == "works" and option.flag not in ORDERS else []:
                with self.subTest(arguments):
                    result = check(*arguments)
                    self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_what_means_nothing_here_is_accepted_and_named(self):
        document = compatibility()
        for option in OPTIONS:
            for arguments in option.spellings() if option.kind == "ignored" else []:
                with self.subTest(arguments):
                    result = check(*arguments)
                    self.assertEqual(result.returncode, 0, result.stderr)
                    self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
                    self.assertIn(arguments[0].split("=")[0] if not option.extended else option.shown(), result.stderr)
                    self.assertIn("no effect", result.stderr)
            if option.kind == "ignored":
                self.assertTrue(self.is_documented(option, document), f"{option.shown()} is not in doc/compatibility.md")

    def test_what_asks_for_more_than_there_is_is_refused(self):
        document = compatibility()
        for option in OPTIONS:
            for arguments in option.spellings() if option.kind == "refused" else []:
                with self.subTest(arguments):
                    result = check(*arguments)
                    self.assertEqual(result.returncode, 64, result.stdout)
                    self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
            if option.kind == "refused":
                self.assertTrue(self.is_documented(option, document), f"{option.shown()} is not in doc/compatibility.md")

    def is_documented(self, option, document):
        name = re.sub("^no_", "", option.name) if option.extended else option.flag
        return re.search(rf"`(-o )?(no_)?{re.escape(name)}`", document)

    def test_all_that_have_no_effect_together_bring_one_line(self):
        arguments = [argument for option in OPTIONS if option.kind == "ignored" for argument in option.spellings()[0]]
        result = check(*arguments)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1)
        for option in OPTIONS:
            if option.kind == "ignored":
                # What stands with no_ as well is one option, given twice.
                self.assertRegex(result.stderr, option.shown().replace("-o no_", "-o (no_)?"))

    def test_help_names_every_one(self):
        text = run_server_once("-h").stdout
        for option in OPTIONS:
            name = option.name if option.extended else option.flag
            if option.extended and name.startswith("no_") and name not in ("no_hashexpand", "no_chunked_items"):
                name = name[3:]
            self.assertRegex(text, rf"(?m)(^|[ :]){re.escape(name)}([ ,=\n\[]|$)", name)

    def test_settings_have_every_name_with_the_same_default_or_a_documented_one(self):
        document = compatibility()
        with Server() as server:
            ours = server.stats("settings")
            for option in TABLE:
                if option.setting is None:
                    continue
                self.assertIn(option.setting, ours)
                default = option.default if option.setting != "tcpport" else str(server.port)
                if ours[option.setting] != default:
                    self.assertRegex(document, rf"`{option.setting}[` ]", f"{option.setting} is {ours[option.setting]}, in memcached {default}")

    def test_limits_are_taken_at_their_edges_and_refused_beyond(self):
        """What memcached takes and means something is taken: the rest is refused, with what would be right."""
        for flag, good, bad in (("-c", ["1", "10000000"], ["0", "-1", "10000001", "x", ""]), ("-b", ["0", "2147483647"], ["-1", "2147483648"]),
                                ("-R", ["1", "2147483647"], ["0", "-1", "2147483648"]), ("-t", ["1", "192"], ["0", "193"]),
                                ("-n", ["1", "4096", "2000000"], ["-1"]), ("-f", ["1.01", "100"], ["1", "-2", "nan", "inf"]),
                                ("-m", ["1", "1g"], ["0", "-1", "67108865", "1.5"]), ("-I", ["1k", "1024", "32m"], ["1023", "33m", "1025m", "1.5m"]),
                                ("-a", ["0", "0777"], ["8", "1777"]), ("-D", [":", "#", " "], ["", "ab"]), ("-p", ["-1", "1", "65535"], ["-2", "65536", "0"]),
                                ("-U", ["0"], ["-1", "65536"]), ("-B", ["auto", "ascii", "binary"], ["udp", "ASCII"]),
                                ("--connection-memory", ["1m"], ["1048575", "0"])):
            for value in good:
                with self.subTest(f"{flag} {value}"):
                    result = check(flag, value)
                    self.assertEqual((result.returncode, result.stderr), (0, ""))
            for value in bad:
                with self.subTest(f"{flag} {value}"):
                    result = check(flag, value)
                    self.assertEqual((result.returncode, len(result.stderr.splitlines())), (64, 1), result.stderr)
        for name, good, bad in (("idle_timeout", ["0", "1", "4294967295"], ["-1", "4294967296"]), ("read_buf_mem_limit", ["0", "1"], ["-1"]),
                                ("watcher_logbuf_size", ["4", "1048576"], ["3", "1048577"]), ("worker_logbuf_size", ["4", "1048576"], ["3", "1048577"]),
                                ("sock_cookie_id", ["0", "4294967295"], ["-1", "4294967296"])):
            for value in good:
                self.assertEqual(check("-o", f"{name}={value}").stderr, "", f"{name}={value}")
            for value in bad:
                self.assertEqual(check("-o", f"{name}={value}").returncode, 64, f"{name}={value}")

    def test_what_is_no_option_ends_the_start(self):
        for arguments, words in ((["start"], ["'start'", "not an option"]), (["-x"], ["-x", "unknown"]), (["--threds", "2"], ["did you mean --threads?"]),
                                 (["--idle-timeout=5"], ["did you mean -o idle_timeout?"]), (["-t"], ["missing"]), (["-o", "maxconns_fst"], ["did you mean -o maxconns_fast?"]),
                                 (["-t", "2x"], ["'2x'"])):
            result = check(*arguments)
            self.assertEqual((result.returncode, result.stdout, len(result.stderr.splitlines())), (64, "", 1), result.stderr)
            for word in words:
                self.assertIn(word, result.stderr)

    def test_a_beginning_of_a_long_name_is_enough(self):
        for arguments in (["--conn", "5"], ["--mem=64"] , ["--thr", "2"], ["--disable-f"]):
            result = check(*arguments)
            # "--mem" could be memory-limit or memory-file.
            self.assertEqual(result.returncode, 64 if arguments == ["--mem=64"] else 0, result.stderr)

    def test_each_option_that_works_has_a_test_of_its_meaning(self):
        for option in OPTIONS:
            if option.kind != "works":
                continue
            where = MEANING[option.shown()].split()
            path = source_path("t", "wire", where[0])
            with open(path) as file:
                if len(where) > 1:
                    self.assertIn(f"def {where[1]}(", file.read(), option.shown())


class Meaning(unittest.TestCase):
    def test_a_udp_port_alone_names_the_tcp_port(self):
        port = free_port()
        result = run_server_once("--dump-config", "-U", port)
        self.assertRegex(result.stdout, rf"(?m)^port = {port} ")
        result = run_server_once("--dump-config", "-U", port, "-p", "11300")
        self.assertRegex(result.stdout, r"(?m)^port = 11300 ")

    def test_o_takes_several_and_may_be_repeated(self):
        result = run_server_once("--dump-config", "-o", "idle_timeout=5,no_maxconns_fast", "--extended=track_sizes", "-otemporary_ttl=3,,modern")
        for line in ("idle_timeout = 5", "maxconns_fast = no", "track_sizes = yes"):
            self.assertIn(line, result.stdout)
        for value, words in (("idle_timeout", ["missing"]), ("idle_timeout=x", ["'x'"]), ("maxcons_fast", ["did you mean -o maxconns_fast?"]),
                             ("threads=3", ["unknown"])):
            result = check("-o", value)
            self.assertEqual(result.returncode, 64)
            for word in words:
                self.assertIn(word, result.stderr)

    def test_orders_print_and_end(self):
        for order in ORDERS:
            result = run_server_once(order)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertTrue(result.stdout)

    def test_no_modern_lets_connections_wait(self):
        for arguments, expected in ((["-o", "modern"], "yes"), (["-o", "no_modern"], "no"), (["-o", "no_modern,maxconns_fast"], "yes")):
            result = run_server_once("--dump-config", *arguments)
            self.assertRegex(result.stdout, rf"(?m)^maxconns_fast = {expected} ")

    def test_the_limit_of_read_buffers_is_that_of_connections(self):
        for arguments, expected in ((["-o", "read_buf_mem_limit=16"], "16m"), (["-o", "read_buf_mem_limit=16", "--connection-memory=8m"], "8m"),
                                    (["-o", "read_buf_mem_limit=0"], "256m")):
            result = run_server_once("--dump-config", *arguments)
            self.assertRegex(result.stdout, rf"(?m)^connection-memory = {expected} ")

    @staticmethod
    def status(server, name):
        with open(f"/proc/{server.pid}/status") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith(name + ":"))

    def test_memory_is_locked(self):
        result = run_server_once("-k", "-p", free_port(), "-t", "many")
        with Server("-k", "-m", "8", start=False) as server:
            try:
                server.start()
            except AssertionError:
                self.assertIn("(-k)", server.stderr())
                self.assertEqual(server.process.returncode, 1)
                server.process = None
                return
            if not server.is_sanitized():  # their mlockall() does nothing
                self.assertGreater(int(self.status(server, "VmLck").split()[0]), 8 << 10)

    def test_core_files_may_be_written(self):
        with Server("-r") as server:
            with open(f"/proc/{server.pid}/limits") as file:
                limits = next(line for line in file if line.startswith("Max core file size")).split()
            self.assertEqual(limits[-3], limits[-2])

    def test_as_many_workers_as_asked(self):
        with Server("-t", "7") as server:
            def workers():
                names = []
                for task in os.listdir(f"/proc/{server.pid}/task"):
                    with open(f"/proc/{server.pid}/task/{task}/comm") as file:
                        names.append(file.read().strip())
                return sum(name.startswith("worker") for name in names)

            # A thread takes its name when it first runs, which may be after the server began to answer.
            wait_until(lambda: workers() >= 7, what="seven threads called worker")
            self.assertEqual(workers(), 7)
            self.assertEqual(server.stats()["threads"], "7")

    def test_more_is_said_when_asked(self):
        self.assertEqual(check("-vvvv", "--verbose").returncode, 0)
        with Server("-vv") as server, server.connect() as client:
            self.assertEqual(client.stats("settings")["verbosity"], "2")
            client.ask(b"verbosity 1\r\n", b"OK\r\n")
            self.assertEqual(client.stats("settings")["verbosity"], "1")

    def test_chunk_sizes_follow_f_and_n(self):
        def sizes(*arguments):
            with Server(*arguments) as server, server.connect() as client:
                found = set()
                for size in range(1, 900, 7):
                    client.ask(f"set k 0 0 {size}\r\n{'x' * size}\r\n".encode(), b"STORED\r\n")
                    client.send(b"me k\r\n")
                    found.add(int(re.search(rb" size=(\d+)", client.read_line()).group(1)))
                return sorted(found)
        ours, coarse, wide = sizes(), sizes("-f", "2"), sizes("-f", "1.5", "-n", "500")
        self.assertLess(len(coarse), len(ours) / 2, coarse)
        for smaller, larger in zip(coarse[1:], coarse[2:]):
            self.assertAlmostEqual(larger / smaller, 2, delta=0.2)
        self.assertGreaterEqual(wide[0], 500)
        self.assertEqual(len(sizes("-n", "2000000")), 1)  # more than a page has

    @staticmethod
    def halt(server):
        """Returns when every thread has stopped."""
        def stopped(task):
            with open(f"/proc/{server.pid}/task/{task}/stat") as file:
                return file.read().rsplit(")", 1)[1].split()[0] == "T"
        server.signal(signal.SIGSTOP)
        wait_until(lambda: all(stopped(task) for task in os.listdir(f"/proc/{server.pid}/task")), what="the server stops")

    def test_turns_end_for_the_sake_of_others(self):
        requests = 2000
        for limit in ("1", "20", "1073741824"):
            with self.subTest(limit), Server("-t", "1", "-R", limit) as server:
                clients = [server.connect() for _ in range(3)]
                for client in clients:
                    client.ask(b"mn\r\n", b"MN\r\n")
                self.halt(server)  # so that all of it is there when it goes on
                for client in clients:
                    client.send(b"mn\r\n" * requests)
                server.signal(signal.SIGCONT)
                for client in clients:
                    client.expect(b"MN\r\n" * requests)
                    client.close()
                yields = int(server.stats()["conn_yields"])
                if limit == "1":
                    self.assertGreater(yields, 0)
                if len(limit) > 2:
                    self.assertEqual(yields, 0)

    def test_a_multiget_is_one_request_of_a_turn(self):
        with Server("-t", "1", "-R", "2") as server:
            clients = [server.connect() for _ in range(3)]
            for client in clients:
                client.ask(b"mn\r\n", b"MN\r\n")
            self.halt(server)
            for client in clients:
                client.send(b"get" + b" nothing" * 200 + b"\r\n")
            server.signal(signal.SIGCONT)
            for client in clients:
                client.expect(b"END\r\n")
                client.close()
            self.assertEqual(int(server.stats()["conn_yields"]), 0)

    def test_without_cas_there_are_no_numbers(self):
        with Server("-C") as server, server.connect() as client:
            client.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
            client.ask(b"gets a\r\n", b"VALUE a 0 1 0\r\nx\r\nEND\r\n")

    def test_items_may_be_as_large_as_said(self):
        for arguments, bytes_max in ((["-I", "2k"], 2 << 10), (["-I", "2m"], 2 << 20), (["-I", "20m"], 20 << 20)):
            with self.subTest(arguments), Server(*arguments) as server, server.connect() as client:
                self.assertEqual(server.stats("settings")["item_size_max"], str(bytes_max))
                fits = bytes_max - 56 - 2 - 2 - 8
                client.ask(b"set a 0 0 %d\r\n%s\r\n" % (fits, b"x" * fits), b"STORED\r\n")
                client.ask(b"set a 0 0 %d\r\n%s\r\n" % (bytes_max, b"x" * bytes_max), b"SERVER_ERROR object too large for cache\r\n")

    def test_all_memory_is_taken_at_the_start(self):
        with Server("-m", "100") as lazy, Server("-m", "100", "-L") as eager:
            self.assertLess(lazy.resident_bytes(), 60 << 20)
            self.assertGreater(eager.resident_bytes(), 100 << 20)
            with eager.connect() as client:
                client.ask(b"set a 0 0 1\r\nx\r\nget a\r\n", b"STORED\r\nVALUE a 0 1\r\nx\r\nEND\r\n")

    def test_so_many_may_wait_to_be_accepted(self):
        def connected(backlog, least):
            with Server("-b", backlog) as server:
                with server.connect() as client:
                    client.ask(b"mn\r\n", b"MN\r\n")  # whoever came before has been accepted
                self.halt(server)
                sockets = []
                try:
                    for _ in range(100):
                        attempt = socket.socket()
                        attempt.setblocking(False)
                        attempt.connect_ex(("127.0.0.1", server.port))
                        sockets.append(attempt)
                    def established():
                        return sum(1 for attempt in sockets if attempt.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO) == 1)
                    wait_until(lambda: established() >= least, what="connections in the backlog")
                    time.sleep(0.1)
                    return established()
                finally:
                    for attempt in sockets:
                        attempt.close()
                    server.signal(signal.SIGCONT)
        self.assertLess(connected(1, 1), 5)
        self.assertIn(connected(40, 40), range(40, 44))

    def test_more_connections_than_files_allowed_are_refused_at_the_start(self):
        result = run_server_once("-c", "10000000", "-p", free_port(), *AS_ROOT)
        self.assertEqual(result.returncode, 1, result.stderr)
        for word in ("files open", "-c"):
            self.assertIn(word, result.stderr)
        self.assertEqual(check("-c", "10000001").returncode, 64)

    def test_one_connection_may_be_all(self):
        with Server("-c", "1") as server:
            wait_until(lambda: self.only_one(server), what="one connection is served")

    def only_one(self, server):
        """The place of the connection by which the start was seen comes back a moment later."""
        with server.connect() as first:
            first.send(b"mn\r\n")
            if first.read_line() != b"MN":
                return False
            with server.connect() as second:
                second.expect(b"ERROR Too many open connections\r\n")
                second.expect_closed()
            first.ask(b"mn\r\n", b"MN\r\n")
        return True


main()
