#!/usr/bin/python3
"""Requests that wait for a database that does not answer: nobody else waits with them, and none for longer than it is told to."""

import contextlib
import time
import unittest

from database_away import database_away
from holdfast_test import Server, main, wait_until

CROWD = 200
UNAVAILABLE = b"SERVER_ERROR the session database cannot be asked\r\n"


def statistic(connection, name):
    return int(connection.stats("sessions")[name])


@contextlib.contextmanager
def crowd(server, size=CROWD):
    """Connections, each of which has asked for a session that is not in memory."""
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(server.connect()) for _ in range(size)]
        for number, connection in enumerate(waiting):
            connection.send(b"get s:%d\r\n" % number)
        yield waiting


class Parking(unittest.TestCase):
    def test_the_only_worker_serves_the_cache_while_hundreds_wait(self):
        with Server("-t", "1", "--session-rule=prefix=s: action=error budget=30s", sessions=True) as server:
            with server.connect() as plain, contextlib.ExitStack() as away:
                away.enter_context(database_away(server.database))
                with crowd(server) as waiting:
                    wait_until(lambda: statistic(plain, "parked") == CROWD, what="all wait")
                    for number in range(100):
                        plain.ask(b"set c:%d 0 0 1\r\nx\r\nget c:%d\r\n" % (number, number),
                                  b"STORED\r\nVALUE c:%d 0 1\r\nx\r\nEND\r\n" % number)
                    self.assertEqual(statistic(plain, "parked"), CROWD)
                    for connection in (waiting[0], waiting[-1]):
                        connection.expect_silence()
                    wait_until(lambda: statistic(plain, "database_away_s") >= 2, what="it is away for more than a second")
                    away.close()
                    for connection in waiting:
                        connection.expect(b"END\r\n")
                    self.assertEqual(statistic(plain, "parked"), 0)
                    self.assertEqual(statistic(plain, "database_away_s"), 0)

    def test_each_is_told_when_its_budget_is_over_and_not_before(self):
        budget_s = 1
        with Server("-t", "1", f"--session-rule=prefix=s: action=error budget={budget_s}s", sessions=True) as server:
            with server.connect() as plain, database_away(server.database):
                begun = time.monotonic()
                with crowd(server) as waiting:
                    waiting[0].expect(UNAVAILABLE)
                    self.assertGreaterEqual(time.monotonic() - begun, budget_s)
                    for connection in waiting[1:]:
                        connection.expect(UNAVAILABLE)
                    self.assertEqual(statistic(plain, "parked"), 0)
                    self.assertEqual(statistic(plain, "loads_unavailable"), CROWD)

    def test_one_more_than_may_wait_is_told_at_once(self):
        with Server("-t", "1", "--session-parked-max=16", "--session-rule=prefix=s: action=error budget=30s", sessions=True) as server:
            with server.connect() as plain, contextlib.ExitStack() as away:
                away.enter_context(database_away(server.database))
                with crowd(server, 16) as waiting:
                    wait_until(lambda: statistic(plain, "parked") == 16, what="all wait")
                    plain.ask(b"get s:further\r\n", UNAVAILABLE)
                    self.assertEqual(statistic(plain, "loads_refused"), 1)
                    away.close()
                    for connection in waiting:
                        connection.expect(b"END\r\n")


main()
