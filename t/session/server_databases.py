"""The whole server on MariaDB and on PostgreSQL: sessions outlive restarts, kill -9 and an outage of the database."""

import os
import tempfile
import time
import unittest

from database_servers import PASSWORD, MariaDb, Postgres
from holdfast_test import Server, main, wait_until

DRAIN_TIMEOUT_S = 5
KEY = b"memc.sess.key.alice"


def value_of(data):
    return b"VALUE " + KEY + b" 7 %d\r\n" % len(data) + data + b"\r\nEND\r\n"


class Story:
    """Mixed into a test case for each kind of database."""

    def setUp(self):
        self.database = self.kind().set_up()
        self.addCleanup(self.database.close)
        password = os.path.join(self.database.directory, "password")
        with open(password, "w") as file:
            file.write(PASSWORD + "\n")
        self.server = Server(f"--sessions={self.database.url}", f"--database-password-file={password}", "--journal={state}/journal",
                             "--sync-interval=1s", f"--drain-timeout={DRAIN_TIMEOUT_S}s")
        self.addCleanup(self.server._clean_up)

    def set(self, data):
        with self.server.connect() as client:
            client.ask(b"set " + KEY + b" 7 0 %d\r\n" % len(data) + data + b"\r\n", b"STORED\r\n")

    def expect(self, data):
        with self.server.connect() as client:
            client.ask(b"get " + KEY + b"\r\n", value_of(data) if data is not None else b"END\r\n")

    def rows(self):
        return self.database.sql("SELECT count(*) FROM sessions WHERE state = 0", "holdfast").strip()

    def test_a_session_outlives_everything_but_its_logout(self):
        self.set(b"\x00\xff'first \\ value")
        wait_until(lambda: self.rows() == "1", what="the row is in the database")
        self.server.restart()
        self.expect(b"\x00\xff'first \\ value")

        self.set(b"second")
        self.server.kill()
        self.server.start()
        self.expect(b"second")

        self.database.kill()
        self.set(b"while the database is away")
        self.expect(b"while the database is away")
        time.sleep(5)
        self.database.start()
        wait_until(lambda: int(self.server.stats("sessions")["dirty_items"]) == 0, 60, "all is written after the outage")
        self.server.kill()
        self.server.start()
        self.expect(b"while the database is away")

        self.database.kill()
        self.set(b"written into the journal alone")
        self.server.kill()
        self.database.start()
        self.server.start()
        self.expect(b"written into the journal alone")

        with self.server.connect() as client:
            client.ask(b"delete " + KEY + b"\r\n", b"DELETED\r\n")
        self.server.restart()
        self.expect(None)
        self.server.stop()
        self.assertNotIn(PASSWORD, self.server.stderr())

    def test_a_database_that_hangs_delays_nobody_else(self):
        self.set(b"v")
        wait_until(lambda: self.rows() == "1", what="the row is in the database")
        self.database.pause()
        began = time.monotonic()
        with self.server.connect() as client:
            client.ask(b"set cache:key 0 0 1\r\nx\r\n", b"STORED\r\n")
            client.ask(b"get cache:key\r\n", b"VALUE cache:key 0 1\r\nx\r\nEND\r\n")
        self.expect(b"v")
        self.assertLess(time.monotonic() - began, 2)
        self.database.resume()
        self.server.stop()

    def test_a_stop_waits_for_a_database_that_hangs_no_longer_than_it_was_told(self):
        self.set(b"v")
        wait_until(lambda: self.rows() == "1", what="the row is in the database")
        self.database.pause()
        try:
            self.set(b"w")
            began = time.monotonic()
            self.server.stop()
            self.assertLess(time.monotonic() - began, DRAIN_TIMEOUT_S + 4)
        finally:
            self.database.resume()
        self.assertIn("1 sessions could not be written", self.server.stderr())
        self.server.start()
        self.expect(b"w")
        self.server.stop()


class OnMariaDb(Story, unittest.TestCase):
    kind = MariaDb

    def test_a_value_that_the_database_does_not_take_is_refused_and_the_old_one_stays(self):
        self.set(b"old")
        self.database.sql("SET GLOBAL max_allowed_packet = 1048576")
        self.database.sql("KILL USER holdfast")
        self.set(b"old again")  # to notice that the connection is gone
        wait_until(lambda: int(self.server.stats("sessions")["dirty_items"]) == 0, 60, "it is connected again")
        large = bytes(600_000)
        with self.server.connect() as client:
            client.ask(b"set " + KEY + b" 0 0 %d\r\n" % len(large) + large + b"\r\n", b"SERVER_ERROR object too large for cache\r\n")
            client.ask(b"set cache:key 0 0 %d\r\n" % len(large) + large + b"\r\n", b"STORED\r\n")
        self.expect(b"old again")
        self.assertEqual(self.server.stats("sessions")["refused_too_large"], "1")
        self.server.stop()


class OnPostgres(Story, unittest.TestCase):
    kind = Postgres


main()
