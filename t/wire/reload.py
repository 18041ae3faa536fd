"""SIGHUP: a right configuration changes the running server as far as that can be, a wrong one changes nothing."""

import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

from holdfast_test import Server, main, run_server_once, server_program, wait_until


class Reload(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "h.conf")
        self.write("")

    def write(self, text, mode=0o600):
        with open(self.path, "w") as file:
            file.write(text)
        os.chmod(self.path, mode)

    def hup(self, server, text=None):
        """SIGHUP with this file; what the server says to it."""
        if text is not None:
            self.write(text)
        before = len(server.stderr())
        server.signal(signal.SIGHUP)
        # The last line comes after whatever else is said.
        wait_until(lambda: re.search(r"SIGHUP: (done|nothing is changed): .*\n", server.stderr()[before:]), what="an answer to SIGHUP")
        said = [line for line in server.stderr()[before:].splitlines() if "SIGHUP" in line]
        return "\n".join(said)

    def test_every_reloadable_option_changes_and_shows(self):
        """Those that the manual calls changeable: each is changed, none needs a restart."""
        values = {"busy-poll": ("50", None, None), "conn-limit": ("500", "maxconns", "500"), "connection-memory": ("32m", None, None), "disable-flush-all": ("yes", "flush_enabled", "no"),
                  "disable-dumping": ("yes", "dump_enabled", "no"), "disable-watch": ("yes", None, None),
                  "enable-shutdown": ("yes", "shutdown_command", "yes"), "idle_timeout": ("77", "idle_timeout", "77"),
                  "max-reqs-per-event": ("9", "reqs_per_event", "9"), "maxconns_fast": ("no", "maxconns_fast", "no"),
                  "drain-timeout": ("5", None, None), "memory-limit": ("32", "maxbytes", str(32 << 20)), "verbose": ("1", "verbosity", "1")}
        page = subprocess.run([server_program(), "--man=holdfast.conf"], capture_output=True, text=True).stdout.replace("\\-", "-")
        reloadable = [re.match(r"\\fB(\S+)\\fR", entry).group(1) for entry in page.split(".TP\n")[1:] if "SIGHUP changes it in" in entry]
        self.assertGreater(len(reloadable), 8)
        self.assertEqual([name for name in reloadable if name not in values], [])
        with Server("--config", self.path) as server:
            said = self.hup(server, "".join(f"{name} = {values[name][0]}\n" for name in reloadable))
            self.assertIn(f"done: {len(reloadable)} changed, 0 need a restart, 0 refused", said)
            for name in reloadable:
                self.assertRegex(said, rf"changed: {name} = {values[name][0]} \(file {re.escape(self.path)}:\d+\), was ")
            settings = server.stats("settings")
            for name in reloadable:
                if values[name][1]:
                    self.assertEqual(settings[values[name][1]], values[name][2], name)
            said = self.hup(server)
            self.assertIn("as before", said)
            # And back.
            self.hup(server, "")
            self.assertEqual(server.stats("settings")["reqs_per_event"], "20")

    def test_what_needs_a_restart_is_named_and_left(self):
        with Server("--config", self.path) as server:
            said = self.hup(server, "threads = 3\nlisten = 127.0.0.2\nmax-reqs-per-event = 9\n")
            self.assertIn("needs a restart: listen = 127.0.0.2", said)
            self.assertIn("threads = 3 (file", said)
            self.assertIn("changed: max-reqs-per-event = 9", said)
            settings = server.stats("settings")
            self.assertEqual((settings["num_threads"], settings["reqs_per_event"]), ("4", "9"))

    def test_a_wrong_file_changes_nothing(self):
        with Server("--config", self.path) as server, server.connect() as client:
            before = server.stats("settings")
            for text, words in (("max-reqs-per-event = 9\nthreads = many\n", [":2: threads", "'many'"]), ("nonsense = 1\n", [":1: unknown option"]),
                                ("threads = 1\nthreads = 1\n", ["given twice"]), ("max-item-size = 512m\n", ["half"])):
                said = self.hup(server, text)
                for word in ["nothing is changed", *words]:
                    self.assertIn(word, said)
            os.unlink(self.path)
            self.assertIn("No such file", self.hup(server))
            os.mkfifo(self.path, 0o600)  # to wait for a writer would be to wait for ever
            self.assertIn("it is a pipe", self.hup(server))
            os.unlink(self.path)
            self.write("threads = 4\n", 0o666)
            self.assertIn("chmod o-w", self.hup(server))
            self.assertEqual(server.stats("settings"), before)
            client.ask(b"mn\r\n", b"MN\r\n")

    def test_a_flag_still_overrides_the_file(self):
        with Server("--config", self.path, "-R", "33") as server:
            self.assertIn("as before", self.hup(server, "max-reqs-per-event = 9\n"))
            self.assertEqual(server.stats("settings")["reqs_per_event"], "33")

    def test_without_a_file_nothing_is_to_be_done(self):
        with Server() as server:
            self.assertIn("as before", self.hup(server))

    def test_the_limit_of_connections_moves_and_wakes_who_waits(self):
        self.write("conn-limit = 2\nmaxconns_fast = no\n")
        with Server("--config", self.path) as server, server.connect() as first:
            # The listener may not have the place of the connection back yet by which start() saw that it accepts.
            first.ask(b"mn\r\n", b"MN\r\n")
            wait_until(lambda: first.stats()["curr_connections"] == "1")
            with server.connect() as second, server.connect() as third:
                second.ask(b"mn\r\n", b"MN\r\n")
                third.send(b"mn\r\n")
                third.expect_silence()
                self.assertIn("changed: conn-limit = 3", self.hup(server, "conn-limit = 3\nmaxconns_fast = no\n"))
                third.expect(b"MN\r\n")
                self.assertEqual(first.stats()["max_connections"], "3")
                self.hup(server, "conn-limit = 1\nmaxconns_fast = yes\n")
                with server.connect() as fourth:
                    fourth.expect(b"ERROR Too many open connections\r\n")
                    fourth.expect_closed()
                third.ask(b"mn\r\n", b"MN\r\n")  # who is there stays

    def test_an_idle_timeout_begins_and_ends(self):
        with Server("--config", self.path) as server, server.connect() as idle, server.connect() as watcher:
            idle.ask(b"mn\r\n", b"MN\r\n")
            watcher.ask(b"watch connevents\r\n", b"OK\r\n")
            self.hup(server, "idle_timeout = 1\n")
            idle.expect_closed()
            # Who watches is not idle.
            while b"reason=idle_timeout" not in watcher.read_until(b"\n"):
                pass
            self.hup(server, "")
            with server.connect() as other:
                other.ask(b"mn\r\n", b"MN\r\n")
                time.sleep(3)
                other.ask(b"mn\r\n", b"MN\r\n")

    def test_a_stop_takes_as_long_as_was_said_last(self):
        self.write("drain-timeout = 600\n")
        with Server("--session-rule=prefix=s: policy=session action=wait", "--config", self.path, sessions=True) as server:
            with server.connect() as client:
                os.rename(server.database, server.database + ".away")
                client.ask(b"set s:a 0 1000 1\r\nx\r\n", b"STORED\r\n")
            self.hup(server, "drain-timeout = 1\n")
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(), 0)
            self.assertIn("1 sessions could not be written within 1 s (--drain-timeout): they stay in the journal", server.stderr())
            os.rename(server.database + ".away", server.database)

    def test_memory_that_cannot_be_had_is_refused_alone(self):
        with Server("--config", self.path, "--max-item-size=1k") as server:
            said = self.hup(server, "memory-limit = 60000000\nmax-reqs-per-event = 9\n")
            self.assertIn("not changed: memory-limit = 60000000", said)
            self.assertIn("changed: max-reqs-per-event = 9", said)
            settings = server.stats("settings")
            self.assertEqual((settings["maxbytes"], settings["reqs_per_event"]), (str(64 << 20), "9"))

    def test_flush_all_can_be_forbidden_and_allowed(self):
        with Server("--config", self.path) as server, server.connect() as client:
            client.ask(b"flush_all\r\n", b"OK\r\n")
            self.hup(server, "disable-flush-all = yes\n")
            client.ask(b"flush_all\r\n", b"CLIENT_ERROR flush_all not allowed\r\n")
            self.hup(server, "")
            client.ask(b"flush_all\r\n", b"OK\r\n")


if "--check-config" not in run_server_once("-h").stdout:
    raise SystemExit("the server has no --check-config")
main()
