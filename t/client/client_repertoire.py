"""Runs a client library's repertoire: one program for each client, one scenario a test, each against the real server.

A program is called as PROGRAM HOST PORT PREFIX SCENARIO, begins all its keys with PREFIX, and ends with 0, or with a line on
stderr that says what was wrong. Every client runs twice: with ordinary keys, and with keys that are sessions, which must make no
difference to it.
"""

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
    def play(cls, scenario):
        return subprocess.run([*cls.program, "127.0.0.1", str(cls.server.port), cls.prefix, scenario], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=SCENARIO_TIMEOUT_S, check=False)

    def expect_success(self, scenario):
        done = self.played[scenario].result()
        self.assertEqual(done.returncode, 0, done.stdout)


class OnSessions:
    """Mix in before a Repertoire: its keys are sessions."""

    prefix = "s:"
