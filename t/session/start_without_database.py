"""A server that has known its database server once starts without it: the cache is served, sessions are answered as while the
database is away, and nothing that was acknowledged before or meanwhile is lost."""

import signal
import time
import unittest

from database_servers import DATABASE, MariaDb, Postgres
from holdfast_test import Server, main, wait_until

RULE = "--session-rule=prefix=s: connections=pooled budget=300ms action=error"
UNAVAILABLE = b"SERVER_ERROR the session database cannot be asked\r\n"


class WithoutDatabase:
    kind = None

    def setUp(self):
        self.database = self.kind().set_up()
        self.addCleanup(self.database.close)
        self.server = Server(f"--sessions={self.database.url}", "--journal={state}/journal", RULE, "--drain-timeout=1",
                             environment=self.database.environment, start=False)
        self.addCleanup(self.server._clean_up)
        self.server.start()
        self.client = self.server.connect()
        self.addCleanup(lambda: self.client.close())

    def again(self, end):
        """The same server in another process."""
        self.client.close()
        end()
        begun = time.monotonic()
        self.server.start()
        self.client = self.server.connect()
        self.client.ask(b"mn\r\n", b"MN\r\n")
        self.assertLess(time.monotonic() - begun, 8)  # and not --database-wait

    def set(self, key, value=b"v"):
        self.client.ask(b"set %s 7 100000 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n")

    def await_value(self, key, value=b"v"):
        expected = b"VALUE %s 7 %d\r\n%s\r\nEND\r\n" % (key, len(value), value)

        def has():
            self.client.send(b"get %s\r\n" % key)
            line = self.client.read_line() + b"\r\n"
            if line == UNAVAILABLE:
                return False
            self.client.buffer[:0] = line
            self.client.expect(expected)
            return True
        wait_until(has, 30, f"{key} is read")

    def ttl(self, key):
        self.client.send(b"mg %s t\r\n" % key)
        return int(self.client.read_line().split(b"t")[-1])

    def in_database(self, key):
        hexed = key.hex().upper()
        where = f"sid = x'{hexed}'" if self.kind is MariaDb else f"sid = decode('{hexed}', 'hex')"
        return self.database.sql(f"SELECT count(*) FROM sessions WHERE state = 0 AND {where}", DATABASE).strip() == "1"

    def test_what_was_acknowledged_is_there_when_the_database_is(self):
        self.set(b"s:before")
        wait_until(lambda: self.in_database(b"s:before"), what="the first session is written")
        self.again(self.server.stop)  # memory and journal are empty now
        self.await_value(b"s:before")
        self.database.stop()
        self.client.ask(b"touch s:before 500000\r\n", b"TOUCHED\r\n")
        self.set(b"s:away")
        self.again(self.server.kill)
        self.assertIn("begun without it", self.server.stderr())
        self.client.ask(b"set cache 0 0 1\r\nc\r\n", b"STORED\r\n")
        self.client.ask(b"get cache\r\n", b"VALUE cache 0 1\r\nc\r\nEND\r\n")
        for key in (b"s:before", b"s:away", b"s:unknown"):
            self.client.ask(b"get %s\r\n" % key, UNAVAILABLE)
        self.set(b"s:blind")
        self.client.ask(b"get s:blind\r\n", b"VALUE s:blind 7 1\r\nv\r\nEND\r\n")
        self.again(self.server.kill)
        self.again(self.server.stop)  # which cannot write anything
        self.assertIn("stay in the journal", self.server.stderr())
        self.database.start()
        for key in (b"s:away", b"s:blind", b"s:before"):
            self.await_value(key)
            wait_until(lambda key=key: self.in_database(key), what=f"{key} is written")
        self.assertGreater(self.ttl(b"s:before"), 400_000)
        self.assertIn("the database answers again", self.server.stderr())
        self.client.ask(b"delete s:blind\r\n", b"DELETED\r\n")
        self.again(self.server.stop)
        self.client.ask(b"get s:blind\r\n", b"END\r\n")
        self.assertGreater(self.ttl(b"s:before"), 400_000)

    def test_another_database_in_its_place_is_not_written_to(self):
        self.database.stop()
        self.set(b"s:1")
        self.again(self.server.kill)
        self.server.signal(signal.SIGSTOP)
        self.database.start()
        self.database.sql("UPDATE meta SET value = 'another' WHERE name = 'database_uuid'", DATABASE)
        self.server.signal(signal.SIGCONT)
        wait_until(lambda: "this is another database (uuid another)" in self.server.stderr(), 30, "it is noticed")
        self.client.ask(b"get s:1\r\n", UNAVAILABLE)
        self.client.ask(b"set cache 0 0 1\r\nc\r\n", b"STORED\r\n")
        self.assertFalse(self.in_database(b"s:1"))

    def test_nobody_takes_over_before_the_database_is_back(self):
        self.database.stop()
        self.set(b"s:1")
        self.again(self.server.kill)
        successor = self.server.begin_takeover()
        self.assertNotEqual(successor.wait(60), 0)
        self.client.ask(b"mn\r\n", b"MN\r\n")
        self.database.start()
        self.await_value(b"s:1")
        self.client.close()
        self.server.take_over()
        self.client = self.server.connect()
        self.await_value(b"s:1")


class OnMariaDb(WithoutDatabase, unittest.TestCase):
    kind = MariaDb


class OnPostgres(WithoutDatabase, unittest.TestCase):
    kind = Postgres


main()
