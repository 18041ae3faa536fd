#!/usr/bin/python3
"""How soon a new login is in the database, when there is nothing else to write."""

import sqlite3
import time
import unittest

from holdfast_test import Server, main

LOGINS = 200
SOON_S = 0.05


class FirstLogin(unittest.TestCase):
    def delays(self, server):
        """Seconds from a login's answer until another connection to the file sees its row; sorted."""
        rows = sqlite3.connect(f"file:{server.database}?mode=ro", uri=True, isolation_level=None)
        delays = []
        with server.connect() as client:
            for number in range(LOGINS):
                name = b"s:login%d" % number
                client.ask(b"get %s\r\n" % name, b"END\r\n")
                client.ask(b"set %s 0 1000 1024\r\n%s\r\n" % (name, b"x" * 1024), b"STORED\r\n")
                answered = time.monotonic()
                while not rows.execute("SELECT 1 FROM sessions WHERE sid = ? AND state = 0", (name,)).fetchone():
                    self.assertLess(time.monotonic() - answered, 10, f"{name} is not in the database")
                    time.sleep(0.0005)
                delays.append(time.monotonic() - answered)
                time.sleep(number % 7 / 1000)
        return sorted(delays)

    def test_a_new_login_is_in_the_database_at_once(self):
        with Server("--session-rule=prefix=s:", sessions=True) as server:
            delays = self.delays(server)
            print(f"login to row: p50 {delays[LOGINS // 2] * 1000:.1f} ms, p90 {delays[LOGINS * 9 // 10] * 1000:.1f} ms, "
                  f"p99 {delays[LOGINS * 99 // 100] * 1000:.1f} ms")
            # Of the 99th percentile that is promised on an idle machine; tests share theirs.
            self.assertLess(delays[LOGINS * 9 // 10], SOON_S)


main()
