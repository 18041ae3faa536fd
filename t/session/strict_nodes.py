"""policy=strict on several real servers of one database: what they do at once is compared there."""

import unittest

from database_servers import MariaDb, Postgres
from holdfast_test import Server, main, wait_until
from strict_clients import UNAVAILABLE, count_on, count_through_handovers, set_until_stored, value

EACH = 200  # increments on each server


class TwoServers:
    """Mixed into a test case for each kind of database."""

    @classmethod
    def setUpClass(cls):
        cls.database = cls.kind().set_up()

    @classmethod
    def tearDownClass(cls):
        cls.database.close()

    def setUp(self):
        self.database.sql("DELETE FROM sessions; DELETE FROM nodes;", "holdfast")
        self.servers = [self.enterContext(Server(
            f"--sessions={self.database.url}", "--session-rule=prefix=s: policy=strict action=error budget=60s",
            "--session-rule=prefix=short: policy=strict action=error budget=500ms", "--journal={state}/journal",
            environment=self.database.environment)) for _ in range(2)]
        self.a, self.b = (self.enterContext(server.connect()) for server in self.servers)

    def both(self, request_a, request_b):
        """What both answer when they are asked at the same time."""
        self.a.send(request_a)
        self.b.send(request_b)
        return [connection.read_until(b"\r\n") for connection in (self.a, self.b)]

    def rows(self, key):
        return self.database.sql(f"SELECT data FROM sessions WHERE sid = '{key}' AND state = 0", "holdfast").strip()

    def shown(self, data):
        """As this database's client shows it."""
        return data.decode() if self.kind is MariaDb else "\\x" + data.hex()

    def cas_of(self, connection, key):
        connection.send(b"mg %s c\r\n" % key)
        return int(connection.read_line().split(b" c")[1])

    def test_each_increment_counts(self):
        self.a.ask(b"set s:n 0 0 1\r\n0\r\n", b"STORED\r\n")
        count_on(self.servers, b"s:n", EACH)
        self.a.ask(b"incr s:n 0\r\n", b"%d\r\n" % (2 * EACH))
        self.b.ask(b"incr s:n 0\r\n", b"%d\r\n" % (2 * EACH))

    def test_of_two_adds_one_is_stored(self):
        for number in range(20):
            answers = self.both(*[b"add s:%d 0 0 1\r\n%s\r\n" % (number, name) for name in (b"a", b"b")])
            self.assertEqual(sorted(answers), [b"NOT_STORED\r\n", b"STORED\r\n"])

    def test_of_two_compared_sets_one_is_stored(self):
        for number in range(20):
            key = b"s:%d" % number
            self.a.ask(b"set %s 0 0 3\r\nold\r\n" % key, b"STORED\r\n")
            cas = self.cas_of(self.a, key)
            self.assertEqual(self.cas_of(self.b, key), cas)
            answers = self.both(*[b"cas %s 0 0 1 %d\r\n%s\r\n" % (key, cas, name) for name in (b"a", b"b")])
            self.assertEqual(sorted(answers), [b"EXISTS\r\n", b"STORED\r\n"])

    def test_of_two_deletes_one_finds_it(self):
        for number in range(20):
            self.a.ask(b"set s:%d 0 0 3\r\nold\r\n" % number, b"STORED\r\n")
            answers = self.both(*[b"delete s:%d\r\n" % number] * 2)
            self.assertEqual(sorted(answers), [b"DELETED\r\n", b"NOT_FOUND\r\n"])

    def test_a_command_that_compares_knows_what_the_other_was_answered(self):
        self.a.ask(b"set s:a 0 0 1\r\n1\r\n", b"STORED\r\n")
        self.b.ask(b"get s:a\r\n", value(b"s:a", b"1"))
        self.a.ask(b"append s:a 0 0 1\r\n2\r\n", b"STORED\r\n")
        self.b.ask(b"cas s:a 0 0 3 %d\r\n123\r\n" % self.cas_of(self.a, b"s:a"), b"STORED\r\n")
        self.a.ask(b"incr s:a 1\r\n", b"124\r\n")
        self.b.ask(b"delete s:a\r\n", b"DELETED\r\n")
        self.a.ask(b"touch s:a 100\r\n", b"NOT_FOUND\r\n")
        self.a.ask(b"add s:a 0 0 1\r\n5\r\n", b"STORED\r\n")
        self.b.ask(b"replace s:a 0 0 1\r\n6\r\n", b"STORED\r\n")
        self.assertEqual(self.rows("s:a"), self.shown(b"6"))

    def test_a_get_elsewhere_sees_it_after_the_poll(self):
        self.a.ask(b"set s:a 0 0 1\r\n1\r\n", b"STORED\r\n")
        self.b.ask(b"get s:a\r\n", value(b"s:a", b"1"))
        self.a.ask(b"set s:a 0 0 1\r\n2\r\n", b"STORED\r\n")

        def is_seen():
            self.b.send(b"get s:a\r\n")
            return b"\r\n2\r\n" in self.b.read_until(b"END\r\n")
        wait_until(is_seen, 10, "the other's value")

    def test_kill_9_right_behind_the_answer_loses_nothing(self):
        self.a.ask(b"set s:a 0 0 1\r\n1\r\n", b"STORED\r\n")
        self.servers[0].kill()
        self.b.ask(b"incr s:a 1\r\n", b"2\r\n")

    def test_a_hand_over_does_nothing_twice(self):
        answered, lost = count_through_handovers(self.servers[0], b"s:n")
        self.assertEqual(len(set(answered)), len(answered))
        self.a.close()
        self.a = self.enterContext(self.servers[0].connect())
        self.a.send(b"incr s:n 0\r\n")
        self.assertIn(int(self.a.read_line()), range(len(answered), len(answered) + len(lost) + 1), lost)

    def test_a_database_that_is_away_is_waited_for_and_said(self):
        self.a.ask(b"set s:a 0 0 1\r\n1\r\n", b"STORED\r\n")
        set_until_stored(self.a, b"short:a", b"1")
        self.database.kill()
        try:
            for request in (b"set short:a 0 0 1\r\n2\r\n", b"incr short:a 1\r\n", b"delete short:a\r\n", b"add short:b 0 0 1\r\n1\r\n"):
                self.a.ask(request, UNAVAILABLE)
            self.a.send(b"incr s:a 1\r\n")
        finally:
            self.database.start()
        self.a.expect(b"2\r\n")
        self.b.ask(b"incr s:a 1\r\n", b"3\r\n")
        set_until_stored(self.b, b"short:a", b"3")
        self.assertEqual(self.rows("short:a"), self.shown(b"3"))


class OnMariaDb(TwoServers, unittest.TestCase):
    kind = MariaDb


class OnPostgres(TwoServers, unittest.TestCase):
    kind = Postgres


main()
