"""Two real servers on one real MariaDB: sessions go from one to the other, and what a stop, a crash or an outage does to that."""

import signal
import time
import unittest

from database_servers import MariaDb
from holdfast_test import Server, main, wait_until

BOUND_S = 3.0  # poll interval, stall limit and a busy machine
RULE = "--session-rule=prefix=s: action=error budget=2s"


class TwoNodes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.database = MariaDb().set_up()

    @classmethod
    def tearDownClass(cls):
        cls.database.close()

    def setUp(self):
        self.database.sql("DELETE FROM sessions; DELETE FROM nodes;", "holdfast")
        self.servers = [self.node(), self.node()]
        self.a, self.b = (server.connect() for server in self.servers)

    def tearDown(self):
        for connection in (self.a, self.b):
            connection.close()
        for server in self.servers:
            server.close()

    def node(self, *arguments):
        return Server(f"--sessions={self.database.url}", RULE, "--journal={state}/journal", "--session-immediate-writes=1",
                      "--drain-timeout=5", *arguments, environment=self.database.environment)

    def login(self, connection, key, value):
        connection.ask(b"add %s 0 1000 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n")

    def change(self, connection, key, value):
        connection.ask(b"set %s 0 1000 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n")

    def read(self, connection, key, value):
        connection.ask(b"get %s\r\n" % key, b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(value), value))

    def rows(self, key):
        return self.database.sql(f"SELECT data FROM sessions WHERE sid = '{key}' AND state = 0", "holdfast").strip()

    def in_database(self, key):
        wait_until(lambda: self.rows(key) != "", 10, f"{key} is in the database")

    def stat(self, server, name):
        return int(server.stats("sessions")[name])

    def test_they_have_numbers_of_their_own(self):
        numbers = {self.stat(server, "node") for server in self.servers}
        self.assertEqual(len(numbers), 2)
        self.assertNotIn(0, numbers)

    def test_what_one_has_not_written_yet_the_other_reads(self):
        self.login(self.a, b"s:1", b"one")
        self.in_database("s:1")
        self.change(self.a, b"s:1", b"two")
        self.assertEqual(self.rows("s:1"), "one")
        self.read(self.b, b"s:1", b"two")
        self.assertEqual(self.stat(self.servers[0], "yields"), 1)
        self.assertEqual(self.stat(self.servers[1], "maybe_stale"), 0)

    def test_a_session_goes_to_and_fro(self):
        self.login(self.a, b"s:1", b"0")
        self.in_database("s:1")
        for i in range(1, 30):
            here = self.b if i % 2 else self.a
            self.read(here, b"s:1", b"%d" % (i - 1))
            self.change(here, b"s:1", b"%d" % i)

    def test_a_logout_holds_on_the_other(self):
        self.login(self.a, b"s:1", b"one")
        self.in_database("s:1")
        self.read(self.b, b"s:1", b"one")
        self.a.ask(b"delete s:1\r\n", b"DELETED\r\n")
        time.sleep(BOUND_S)
        self.b.ask(b"get s:1\r\n", b"END\r\n")

    def test_a_stopped_server_serves_nothing_old(self):
        self.login(self.a, b"s:1", b"one")
        self.in_database("s:1")
        self.servers[0].signal(signal.SIGSTOP)
        time.sleep(2)
        self.read(self.b, b"s:1", b"one")
        self.change(self.b, b"s:1", b"two")
        self.servers[0].signal(signal.SIGCONT)
        self.read(self.a, b"s:1", b"two")
        self.assertGreaterEqual(self.stat(self.servers[0], "stops"), 1)

    def test_a_killed_servers_session_is_taken_over_and_its_journal_brings_the_rest(self):
        self.login(self.a, b"s:1", b"one")
        self.in_database("s:1")
        self.change(self.a, b"s:1", b"two")
        self.servers[0].kill()
        self.a.close()
        self.read(self.b, b"s:1", b"one")
        self.assertEqual(self.stat(self.servers[1], "maybe_stale"), 1)
        self.servers[0].start()
        self.a = self.servers[0].connect()
        wait_until(lambda: self.rows("s:1") == "two", 10, "the journal's value is in the database")
        time.sleep(BOUND_S)
        self.read(self.b, b"s:1", b"two")

    def test_a_journal_that_was_away_for_long_brings_no_deleted_session_back(self):
        self.a.close()
        self.b.close()
        for server in self.servers:
            server.close()
        self.servers = [self.node("--tombstone-life=60", "--session-grace=1", "--reaper-interval=1") for _ in range(2)]
        self.a, self.b = (server.connect() for server in self.servers)
        self.database.sql("UPDATE lease SET until = 0", "holdfast")
        for key in ("s:1", "s:2"):
            self.login(self.a, key.encode(), b"one")
            self.in_database(key)
            self.change(self.a, key.encode(), b"two")
        self.servers[0].kill()
        self.a.close()
        self.b.ask(b"delete s:1\r\n", b"DELETED\r\n")
        wait_until(lambda: self.database.sql("SELECT count(*) FROM sessions WHERE sid = 's:1' AND state = 1", "holdfast").strip() == "1",
                   10, "the delete is in the database")
        wait_until(lambda: self.database.sql("SELECT count(*) FROM sessions WHERE sid = 's:1'", "holdfast").strip() == "0",
                   120, "the database has forgotten the delete")

        self.servers[0].start()
        self.a = self.servers[0].connect()
        wait_until(lambda: self.rows("s:2") == "two", 10, "what has a row is written")
        wait_until(lambda: self.stat(self.servers[0], "quarantined") == 1, 10, "what has none is held back")
        self.assertEqual(self.stat(self.servers[0], "quarantined_without_row"), 1)
        self.assertEqual(self.rows("s:1"), "")
        self.a.ask(b"get s:1\r\n", b"END\r\n")
        self.assertIn("reason=without_row rule=s: size=3 ", "".join(self.a.stats("quarantine").values()))
        self.assertIn("--tombstone-life", self.servers[0].stderr())
        self.login(self.a, b"s:1", b"new")
        wait_until(lambda: self.rows("s:1") == "new", 10, "a login takes its place")
        self.assertEqual(self.stat(self.servers[0], "quarantined"), 0)

    def test_both_serve_what_they_have_while_the_database_is_away(self):
        self.login(self.a, b"s:1", b"one")
        self.login(self.b, b"s:2", b"two")
        self.in_database("s:1")
        self.in_database("s:2")
        self.database.kill()
        try:
            time.sleep(BOUND_S)
            self.read(self.a, b"s:1", b"one")
            self.read(self.b, b"s:2", b"two")
            self.a.ask(b"get s:2\r\n", b"SERVER_ERROR the session database cannot be asked\r\n")
            self.change(self.a, b"s:3", b"made meanwhile")
            self.assertGreaterEqual(self.stat(self.servers[0], "serving_unverified"), 1)
        finally:
            self.database.start()
        self.in_database("s:3")
        self.read(self.b, b"s:3", b"made meanwhile")
        self.assertEqual(self.stat(self.servers[0], "provisional_won"), 1)

    def test_one_of_them_sweeps_and_when_it_dies_the_other(self):
        for server in self.servers:
            server.close()
        self.servers = [self.node("--reaper-interval=4", "--session-grace=1") for _ in range(2)]
        self.database.sql("UPDATE lease SET until = 0", "holdfast")

        def expire(count):
            values = ", ".join(f"('old:{i}', 1, 1, 0, 1, 1, 0, 0, 0, 1, '')" for i in range(count))
            self.database.sql("INSERT INTO sessions (sid, version, born, floor, touched, expires_at, state, flags, owner, updated_at, "
                              f"data) VALUES {values}", "holdfast")
            wait_until(lambda: self.database.sql("SELECT count(*) FROM sessions WHERE sid LIKE 'old:%'", "holdfast").strip() == "0", 60,
                       "expired rows are gone")

        expire(250)
        by_number = {self.stat(server, "node"): server for server in self.servers}
        sweeper = by_number[int(self.database.sql("SELECT holder FROM lease WHERE name = 'reaper'", "holdfast"))]
        other, = (server for server in self.servers if server is not sweeper)
        self.assertEqual((self.stat(sweeper, "reaped"), self.stat(other, "reaped")), (250, 0))
        for _ in range(2):  # the next intervals: it stays with the same one
            expire(10)
        self.assertEqual(self.stat(other, "reaped"), 0)
        sweeper.kill()
        expire(10)
        self.assertEqual(self.stat(other, "reaped"), 10)

    def test_who_does_not_know_the_token_is_told_nothing(self):
        self.login(self.a, b"s:1", b"one")
        self.a.ask(b"session_yield guess 3 733a31\r\n", b"DENIED\r\n")
        self.read(self.a, b"s:1", b"one")


main()
