"""policy=strict on the real server with a file: what was answered is in the database, whatever dies."""

import contextlib
import os
import sqlite3
import unittest

from database_away import database_away
from holdfast_test import Server, main
from strict_clients import UNAVAILABLE, count_on, count_through_handovers, set_until_stored, value


class Strict(unittest.TestCase):
    RULES = ("--session-rule=prefix=s: policy=strict action=error budget=60s",
             "--session-rule=prefix=short: policy=strict action=error budget=300ms",
             "--session-rule=prefix=close: policy=strict action=close budget=300ms")

    def setUp(self):
        self.server = self.enterContext(Server(*self.RULES, sessions=True))
        self.connection = self.enterContext(self.server.connect())

    def row(self, key):
        """The value of a live row, as another program sees it; None without one."""
        with contextlib.closing(sqlite3.connect(self.server.database, timeout=30)) as database:
            row = database.execute("SELECT data FROM sessions WHERE sid = ? AND state = 0", (key,)).fetchone()
        return row and bytes(row[0])

    def restart_hard(self):
        self.server.kill()
        self.connection.close()
        self.server.start()
        self.connection = self.enterContext(self.server.connect())

    def test_what_is_answered_is_in_the_database(self):
        ask = self.connection.ask
        for request, answer, row in (
                (b"set s:a 0 1000 1\r\n1\r\n", b"STORED\r\n", b"1"),
                (b"add s:b 0 1000 1\r\n1\r\n", b"STORED\r\n", None),
                (b"incr s:a 6\r\n", b"7\r\n", b"7"),
                (b"append s:a 0 0 1\r\n8\r\n", b"STORED\r\n", b"78"),
                (b"ma s:a v D2\r\n", b"VA 2\r\n80\r\n", b"80"),
                (b"ms s:a 3 T50\r\nabc\r\n", b"HD\r\n", b"abc"),
                (b"replace s:a 0 0 3\r\nxyz\r\n", b"STORED\r\n", b"xyz"),
                (b"gat 500 s:a\r\n", value(b"s:a", b"xyz"), b"xyz"),
                (b"set s:a 0 0 0\r\n\r\n", b"STORED\r\n", b""),
                (b"md s:a\r\n", b"HD\r\n", None),
                (b"add s:a 0 0 3\r\nnew\r\n", b"STORED\r\n", b"new"),
                (b"delete s:a\r\n", b"DELETED\r\n", None)):
            ask(request, answer)
            if row is not None or b" s:a" in request:
                self.assertEqual(self.row(b"s:a"), row, request)
        stats = self.server.stats("sessions")
        self.assertEqual((stats["dirty_items"], stats["strict_conflicts"], stats["strict_in_doubt"]), ("0", "0", "0"))
        self.assertEqual(self.server.stats("session s:b")["policy"], "strict")

    def test_without_replies_and_in_one_packet(self):
        self.connection.send(b"set s:a 0 0 1 noreply\r\n1\r\nincr s:a 1 noreply\r\nms s:b 1 q\r\nx\r\nincr s:a 1\r\nget s:a s:b\r\nmd s:b q\r\n"
                             b"add s:a 0 0 1 noreply\r\n9\r\nget s:b\r\nmn\r\n")
        self.assertEqual(self.connection.read_until(b"MN\r\n"),
                         b"3\r\nVALUE s:a 0 1\r\n3\r\nVALUE s:b 0 1\r\nx\r\nEND\r\nEND\r\nMN\r\n")

    def test_kill_9_right_behind_the_answer_loses_nothing(self):
        for number in range(1, 6):
            self.connection.ask(b"set s:%d 0 1000 5\r\nvalue\r\n" % number, b"STORED\r\n")
            self.restart_hard()
            self.connection.ask(b"get s:%d\r\n" % number, value(b"s:%d" % number, b"value"))
        self.connection.ask(b"delete s:1\r\n", b"DELETED\r\n")
        self.restart_hard()
        self.connection.ask(b"get s:1\r\n", b"END\r\n")
        self.assertEqual(self.server.stats("sessions")["journal_replayed"], "0")

    def test_large_values_come_back_whole(self):
        large = os.urandom(700_000)
        self.connection.ask(b"set s:large 0 1000 %d\r\n%s\r\n" % (len(large), large), b"STORED\r\n")
        self.assertEqual(self.row(b"s:large"), large)
        self.connection.ask(b"gat 2000 s:large\r\n", value(b"s:large", large))
        self.connection.ask(b"append s:large 0 0 3\r\nend\r\n", b"STORED\r\n")
        self.restart_hard()
        self.connection.ask(b"get s:large\r\n", value(b"s:large", large + b"end"))

    def test_clients_that_count_at_the_same_time(self):
        self.connection.ask(b"set s:n 0 0 1\r\n0\r\n", b"STORED\r\n")
        count_on([self.server] * 8, b"s:n", 25)
        self.assertEqual(self.row(b"s:n"), b"200")
        self.assertEqual(self.server.stats("sessions")["strict_conflicts"], "0")

    def test_while_the_database_is_away_nothing_is_acknowledged(self):
        for key in (b"short:a", b"close:a", b"s:a"):
            set_until_stored(self.connection, key, b"1")
        with database_away(self.server.database):
            for request in (b"set short:a 0 0 1\r\n2\r\n", b"set short:b 0 0 1\r\n2\r\n", b"incr short:a 1\r\n", b"touch short:a 5\r\n",
                            b"delete short:a\r\n", b"delete short:b\r\n", b"ms short:a 1\r\n2\r\n", b"get short:b\r\n"):
                self.connection.ask(request, UNAVAILABLE)
            self.connection.ask(b"get short:a\r\n", value(b"short:a", b"1"))
            with self.server.connect() as closed:
                closed.send(b"incr close:a 1\r\n")
                closed.expect_closed()
            patient = self.enterContext(self.server.connect())
            patient.send(b"incr s:a 1\r\n")
        patient.expect(b"2\r\n")
        self.connection.ask(b"get s:a\r\n", value(b"s:a", b"2"))
        # The first of them was with the database when its time was over; the others had not been sent.
        self.assertIn(self.row(b"short:a"), (b"1", b"2"))
        self.assertEqual((self.row(b"close:a"), self.row(b"short:b")), (b"1", None))
        set_until_stored(self.connection, b"short:a", b"3")
        self.assertEqual(self.row(b"short:a"), b"3")

    def test_a_hand_over_does_nothing_twice(self):
        """An answer may be lost with its connection, but no answer is wrong."""
        answered, lost = count_through_handovers(self.server, b"s:n")
        self.assertEqual(len(set(answered)), len(answered))
        self.assertGreaterEqual(int(self.row(b"s:n")), len(answered))
        self.assertLessEqual(int(self.row(b"s:n")), len(answered) + len(lost), lost)


main()
