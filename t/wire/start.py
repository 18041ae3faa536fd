"""How the server starts and stops: one clear line and the right exit status for what cannot work, nothing half-started."""

import os
import signal
import socket
import stat
import tempfile
import unittest

from holdfast_test import Server, free_port, main, run_server_once, skip_all

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

    def test_it_can_be_started_again_at_once_on_the_same_port(self):
        with Server() as server:
            with server.connect() as client:
                client.ask(b"get a\r\n", b"END\r\n")
            for _ in range(3):
                server.restart()


if "--port" not in run_server_once("-h").stdout:
    skip_all("the server takes no flags yet")
main()
