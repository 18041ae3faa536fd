"""Runs a client library's repertoire: one program for each client, one scenario a test, each against the real server.

A program is called as PROGRAM HOST PORT PREFIX SCENARIO, begins all its keys with PREFIX, and ends with 0, or with a line on
stderr that says what was wrong. Every client runs twice: with ordinary keys, and with keys that are sessions, which must make no
difference to it.
"""

import contextlib
import subprocess
from concurrent.futures import ThreadPoolExecutor

from holdfast_test import Server

SCENARIO_TIMEOUT_S = 60
SCENARIOS_AT_A_TIME = 4


class Repertoire:
    """Mix with unittest.TestCase; each name in scenarios becomes a test. A few of them are played at a time: some have to wait."""

    program = ()
    scenarios = ()
    prefix = "c:"

    def __init_subclass__(cls):
        super().__init_subclass__()
        for scenario in cls.scenarios:
            setattr(cls, f"test_{scenario}", lambda self, scenario=scenario: self.expect_success(scenario))

    @classmethod
    def setUpClass(cls):
        cls.server = cls.enterClassContext(Server("-m", "64", "--session-rule=prefix=s:", sessions=True))
        threads = cls.enterClassContext(ThreadPoolExecutor(SCENARIOS_AT_A_TIME))
        cls.played = {scenario: threads.submit(cls.play, scenario) for scenario in cls.scenarios}

    @classmethod
    def arguments(cls):
        return "127.0.0.1", str(cls.server.port), cls.prefix

    @classmethod
    def play(cls, scenario):
        return subprocess.run([*cls.program, *cls.arguments(), scenario], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=SCENARIO_TIMEOUT_S, check=False)

    def expect_success(self, scenario):
        done = self.played[scenario].result()
        self.assertEqual(done.returncode, 0, done.stdout)


class OnSessions:
    """Mix in before a Repertoire: its keys are sessions."""

    prefix = "s:"


class GroupKeys:
    """Keys that have a master key (a group) lie on the server of the master key, and one multiget brings them all; mix with
    unittest.TestCase. The program is called with three servers as HOST:PORT, and keeps the keys g:GROUP:NUMBER, with themselves as
    their values, for some groups and numbers."""

    groups, numbers = range(40), range(10)

    def expect_groups_together(self, *program):
        with contextlib.ExitStack() as stack:
            servers = [stack.enter_context(Server("-m", "64")) for _ in range(3)]
            done = subprocess.run([*program, *(f"127.0.0.1:{server.port}" for server in servers)], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SCENARIO_TIMEOUT_S, check=False)
            self.assertEqual(done.returncode, 0, done.stdout)
            homes = [self.home_of(group, servers) for group in self.groups]
        self.assertEqual(set(homes), {0, 1, 2}, "no server may be without a group")

    def home_of(self, group, servers):
        """The number of the one server that has all keys of a group."""
        keys = [f"g:{group}:{number}".encode() for number in self.numbers]
        counts = []
        for server in servers:
            with server.connect() as connection:
                connection.send(b"get " + b" ".join(keys) + b"\r\n")
                counts.append(connection.read_until(b"END\r\n").count(b"VALUE "))
        self.assertEqual(sorted(counts), [0, 0, len(keys)], f"keys of group {group} on each server")
        return counts.index(len(keys))
