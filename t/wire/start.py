"""How the server starts and stops: one clear line and the right exit status for what cannot work, nothing half-started."""

import os
import pwd
import signal
import socket
import stat
import tempfile
import unittest

from holdfast_test import Connection, Server, free_port, main, run_server_once, skip_all, wait_until

AS_ROOT = ["-u", "root"] if os.geteuid() == 0 else []


class Refusals(unittest.TestCase):
    def expect_refusal(self, status, words, *arguments):
        """One line on stderr that holds all the words, this exit status, nothing on stdout."""
        result = run_server_once(*arguments, *AS_ROOT)
        self.assertEqual(result.returncode, status, result.stderr)
        self.assertEqual(len(result.stderr.strip().splitlines()), 1, result.stderr)
        self.assertEqual(result.stdout, "")
        for word in words:
            self.assertIn(word, result.stderr)

    def test_an_unknown_flag_is_a_usage_error(self):
        self.expect_refusal(64, ["no-such-flag"], "--no-such-flag")

    def test_a_number_that_is_none_is_a_usage_error(self):
        self.expect_refusal(64, ["many"], "-t", "many")

    def test_a_flag_without_its_value_is_a_usage_error(self):
        self.expect_refusal(64, [], "-p")

    def test_what_cannot_be_is_named_with_what_could(self):
        for arguments, words in ((["-p", "70000"], ["-p", "70000", "65535"]), (["-m", "0"], ["-m", "'0'"]), (["-I", "10"], ["-I", "1k", "1g"]),
                                 (["-I", "64m"], ["-I", "half", "-m"]), (["-t", "0"], ["-t", "192"]), (["-c", "0"], ["-c"]), (["-R", "0"], ["-R"]),
                                 (["-a", "9"], ["-a", "octal"]), (["-f", "0.5"], ["-f"]), (["-n", "-1"], ["-n"]), (["-B", "udp"], ["-B", "ascii"]),
                                 (["-o", "bogus"], ["bogus", "--help"]), (["extra"], ["extra", "--help"]), (["-p", "0"], ["-s"]), (["-z"], ["-z", "--help"])):
            with self.subTest(arguments):
                self.expect_refusal(64, words, *arguments)

    def test_places_that_are_not_there_are_named(self):
        for arguments, words in ((["-s", "/nonexistent/socket"], ["/nonexistent/socket"]),
                                 (["-p", free_port(), "-P", "/nonexistent/pid"], ["/nonexistent/pid", "-P"]),
                                 (["-p", free_port(), "-l", "no.such.name.invalid"], ["no.such.name.invalid", "-l"])):
            with self.subTest(arguments):
                self.expect_refusal(1, words, *arguments)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody")
    def test_root_must_say_whom_to_become(self):
        for arguments, words in (([], ["-u"]), (["-u", "nobody-of-that-name"], ["nobody-of-that-name"])):
            result = run_server_once("-p", free_port(), *arguments)
            self.assertEqual(result.returncode, 64, result.stderr)
            for word in words:
                self.assertIn(word, result.stderr)

    def test_security_that_does_not_work_yet_is_refused(self):
        for arguments in (["-S"], ["-Y", "/dev/null"], ["-Z"]):
            with self.subTest(arguments[0]):
                self.expect_refusal(64, [], *arguments)

    def test_a_port_in_use_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            self.expect_refusal(1, [str(port)], "-p", port)

    def test_a_database_directory_that_is_not_there_is_named(self):
        self.expect_refusal(1, ["/nonexistent/directory"], "-p", free_port(), "--sessions=sqlite:/nonexistent/directory/sessions.db")

    def test_a_corrupt_database_is_named_and_left_as_found(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "sessions.db")
            damage = b"SQLite format 3\0" + os.urandom(8192)
            with open(path, "wb") as file:
                file.write(damage)
            self.expect_refusal(1, [path], "-p", free_port(), f"--sessions=sqlite:{path}")
            with open(path, "rb") as file:
                self.assertEqual(file.read(), damage)
            self.assertEqual(os.listdir(directory), ["sessions.db"])


class Starts(unittest.TestCase):
    def test_version_and_help_end_well(self):
        for flag, word in (("-V", "holdfast"), ("-h", "--memory-limit")):
            result = run_server_once(flag)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertIn(word, result.stdout)

    def test_a_udp_port_is_accepted_with_a_warning_and_not_opened(self):
        with Server("-U", "11211") as server, server.connect() as client:
            client.ask(b"get a\r\n", b"END\r\n")
            self.assertIn("UDP", server.stderr())

    def test_without_l_only_the_loopback_address_is_served(self):
        with Server() as server:
            wildcard = f"00000000:{server.port:04X}"
            with open("/proc/net/tcp") as file:
                self.assertFalse(wildcard in file.read(), "it listens on every address")

    def test_the_ports_are_told_in_the_file_that_memcacheds_variable_names(self):
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "ports")
            with Server("-l", "127.0.0.1,[::1]", environment={"MEMCACHED_PORT_FILENAME": path}) as server:
                with open(path) as file:
                    self.assertEqual(file.read(), f"TCP INET: {server.port}\nTCP INET6: {server.port}\n")
                self.assertEqual(os.listdir(directory), ["ports"])
            result = run_server_once("-p", free_port(), *AS_ROOT, environment={"MEMCACHED_PORT_FILENAME": "/nonexistent/ports"})
            self.assertEqual(result.returncode, 1)
            self.assertIn("/nonexistent/ports (MEMCACHED_PORT_FILENAME)", result.stderr)

    def test_a_mark_for_the_firewall_is_set_or_the_start_refused(self):
        with socket.socket() as probe:
            try:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, 7)
            except OSError:
                result = run_server_once("-p", free_port(), "-o", "sock_cookie_id=7", *AS_ROOT)
                self.assertEqual(result.returncode, 1)
                self.assertIn("sock_cookie_id", result.stderr)
                return
        with Server("-o", "sock_cookie_id=7") as server, server.connect() as client:
            client.ask(b"mn\r\n", b"MN\r\n")

    def test_a_unix_socket_has_the_mode_that_was_asked_for(self):
        with Server("-s", "{state}/socket", "-a", "0600") as server, server.connect() as client:
            client.ask(b"get a\r\n", b"END\r\n")
            self.assertEqual(stat.S_IMODE(os.stat(server.unix_path).st_mode), 0o600)

    def test_signals_stop_it_with_clients_connected(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Server() as server, server.connect() as idle, server.connect() as halfway:
                halfway.send(b"set a 0 0 10\r\n12345")
                server.signal(number)
                self.assertEqual(server.wait(), 0, server.stderr())
                idle.expect_closed()

    @unittest.skipUnless(os.geteuid() == 0, "only root can become somebody")
    def test_root_becomes_the_user_it_was_told_for_good(self):
        user = pwd.getpwnam("nobody")
        with Server("-u", "nobody") as server, server.connect() as client:
            client.ask(b"get a\r\n", b"END\r\n")
            for task in os.listdir(f"/proc/{server.pid}/task"):
                with open(f"/proc/{server.pid}/task/{task}/status") as file:
                    ids = dict(line.split(":", 1) for line in file)
                self.assertEqual(set(ids["Uid"].split()), {str(user.pw_uid)})
                self.assertEqual(set(ids["Gid"].split()), {str(user.pw_gid)})

    def test_in_the_background_it_answers_once_the_command_returns(self):
        with tempfile.TemporaryDirectory() as directory:
            port, pid_file = free_port(), os.path.join(directory, "pid")
            result = run_server_once("-d", "-P", pid_file, "-p", port, *AS_ROOT)
            self.assertEqual(result.returncode, 0, result.stderr)
            with open(pid_file) as file:
                pid = int(file.read())
            try:
                with Connection(("127.0.0.1", port)) as client:
                    client.ask(b"mn\r\n", b"MN\r\n")
                    self.assertEqual(client.stats()["pid"], str(pid))
                self.assertNotEqual(os.getsid(pid), os.getsid(0))
            finally:
                os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not os.path.exists(pid_file), what="the pid file goes")
            wait_until(lambda: not os.path.exists(f"/proc/{pid}"), what="the process ends")

    def test_in_the_background_what_fails_is_still_told(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            result = run_server_once("-d", "-p", taken.getsockname()[1], *AS_ROOT)
            self.assertEqual(result.returncode, 1)
            self.assertIn(str(taken.getsockname()[1]), result.stderr)

    def test_a_socket_that_a_killed_server_left_is_taken_over_and_one_in_use_is_not(self):
        with Server("-s", "{state}/socket") as server:
            server.kill()
            server.start()
            with server.connect() as client:
                client.ask(b"mn\r\n", b"MN\r\n")
            second = run_server_once("-s", server.unix_path, *AS_ROOT)
            self.assertEqual(second.returncode, 1)
            self.assertIn(server.unix_path, second.stderr)
            with server.connect() as client:
                client.ask(b"mn\r\n", b"MN\r\n")
            server.stop()
            self.assertFalse(os.path.exists(server.unix_path))

    def test_one_protocol_may_be_all_that_is_spoken(self):
        noop = b"\x80\x0a" + bytes(22)
        with Server("-B", "binary") as server, server.connect() as client, server.connect() as other:
            client.ask(noop, b"\x81\x0a")
            other.send(b"mn\r\n" + bytes(30))
            other.expect_closed()
        with Server("-B", "ascii") as server, server.connect() as client:
            client.ask(b"\x80\x0b" + bytes(22) + b"\r\nmn\r\n", b"ERROR\r\nMN\r\n")
            self.assertEqual(client.stats("settings")["binding_protocol"], "ascii")

    def test_help_names_every_option_that_works(self):
        text = run_server_once("--help").stdout
        for flag in "pslacmtICMfnRBbvduPVhkrF":
            self.assertRegex(text, rf"(?m)^ *-{flag}\b", flag)

    def test_it_can_be_started_again_at_once_on_the_same_port(self):
        with Server() as server:
            with server.connect() as client:
                client.ask(b"get a\r\n", b"END\r\n")
            for _ in range(3):
                server.restart()


if "--port" not in run_server_once("-h").stdout:
    skip_all("the server takes no flags yet")
main()
