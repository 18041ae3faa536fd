"""holdfast-cli against real servers."""
import os
import subprocess
import sys
import unittest

from holdfast_test import Server, main

PROGRAM = os.path.join(os.path.dirname(os.path.abspath(os.environ.get("HOLDFAST_BIN", "./holdfast"))), "holdfast-cli")
if not os.path.exists(PROGRAM):
    print(f"{PROGRAM} is not there")
    sys.exit(77)


def cli(*words, servers=None, stdin=None):
    environment = dict(os.environ)
    environment.pop("HOLDFAST_SERVERS", None)
    if servers:
        environment["HOLDFAST_SERVERS"] = servers
    done = subprocess.run([PROGRAM, *words], capture_output=True, input=stdin, env=environment, timeout=60)
    return done.returncode, done.stdout, done.stderr.decode()


class CommandLine(unittest.TestCase):
    def setUp(self):
        self.servers = [self.enterContext(Server()) if hasattr(self, "enterContext") else self.open(Server())
                        for _ in range(2)]
        self.list = ",".join(f"127.0.0.1:{server.port}" for server in self.servers)

    def open(self, context):
        self.addCleanup(context.__exit__, None, None, None)
        return context.__enter__()

    def test_sets_gets_and_deletes(self):
        self.assertEqual(cli("set", "a", "one", servers=self.list)[0], 0)
        self.assertEqual(cli("-s", self.list, "get", "a"), (0, b"one", ""))
        self.assertEqual(cli("set", "b", "--flags=7", "-e", "100", servers=self.list, stdin=b"two\r\n\0")[0], 0)
        code, out, err = cli("get", "a", "b", "absent", servers=self.list)
        self.assertEqual((code, out), (1, b"a 0 3\none\nb 7 6\ntwo\r\n\0\n"))
        self.assertIn("not found", err)
        self.assertEqual(cli("delete", "a", "b", servers=self.list)[0], 0)
        self.assertEqual(cli("delete", "a", servers=self.list)[0], 1)

    def test_says_what_became_of_a_session(self):
        with Server("--session-rule=prefix=s:", sessions=True) as server:
            with server.connect() as connection:
                connection.ask(b"set s:1 0 1000 1\r\nx\r\ndelete s:1\r\n", b"STORED\r\nDELETED\r\n")
            code, out, _ = cli("why", "s:1", servers=f"127.0.0.1:{server.port}")
            self.assertEqual(code, 0)
            self.assertRegex(out.decode(), f"^127.0.0.1:{server.port}: It was deleted at 20.* by a request from 127.0.0.1:")

    def test_shows_statistics_and_versions_of_all_servers(self):
        code, out, _ = cli("stats", servers=self.list)
        self.assertEqual(code, 0)
        for server in self.servers:
            self.assertIn(f"127.0.0.1:{server.port} curr_items 0".encode(), out)
        self.assertEqual(len(cli("version", servers=self.list)[1].splitlines()), 2)

    def test_shows_who_has_a_key_and_what_a_change_moves(self):
        code, out, _ = cli("ring", "foo", "key2", "-r", "ketama", servers="10.0.0.1,10.0.0.2,10.0.0.3")
        self.assertEqual((code, out), (0, b"foo 10.0.0.3\nkey2 10.0.0.2\n"))
        code, out, _ = cli("ring", servers="a,b")
        self.assertEqual(code, 0)
        self.assertEqual(len(out.splitlines()), 2)
        code, out, _ = cli("ring", "--without", "10.0.0.3", "-r", "ketama", "foo", servers="10.0.0.1,10.0.0.2,10.0.0.3")
        self.assertEqual(code, 0)
        self.assertRegex(out.decode(), r"^foo 10.0.0.3 -> 10.0.0.[12]\n3\d\.\d\d% of all keys would move; 3\d\.\d\d% have to\n$")
        self.assertEqual(cli("ring", "--without", "c", servers="a,b")[0], 64)

    def test_a_server_that_is_away_is_named(self):
        code, _, err = cli("get", "a", servers="127.0.0.1:1")
        self.assertEqual(code, 2)
        self.assertIn("127.0.0.1:1: unreachable", err)

    def test_bench_runs(self):
        code, out, err = cli("bench", "--seconds", "1", "--threads", "2", "--multiget=5", servers=self.list)
        self.assertEqual(code, 0, err)
        self.assertIn(b"keys    ", out)

    def test_a_wrong_command_line_is_refused(self):
        for words in ([], ["fly"], ["get"], ["set"], ["--fly", "x", "get", "a"], ["-f", "x", "set", "a", "b"], ["-t"],
                      ["bench", "--threads", "0"], ["version", "x"]):
            code, _, err = cli(*words)
            self.assertEqual(code, 64, words)
            self.assertIn("--help", err)
        self.assertIn(b"ring [KEY...]", cli("--help")[1])
        self.assertIn(b".SH COMMANDS", cli("--man")[1])


main()
