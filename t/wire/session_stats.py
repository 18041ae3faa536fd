#!/usr/bin/python3
"""What operators see of sessions: the statistics that only a whole server moves, and that each one is explained."""

import contextlib
import itertools
import os
import re
import sqlite3
import struct
import unittest

from database_away import database_away
from holdfast_test import Server, main, source_path, wait_until

RULE = "--session-rule=prefix=s:"


def numbers(connection):
    return {name: int(value) for name, value in connection.stats("sessions").items()}


def wait_until_clean(connection):
    wait_until(lambda: connection.stats("sessions")["dirty_items"] == "0")


class Statistics(unittest.TestCase):
    def test_each_one_is_explained(self):
        with open(source_path("doc", "sessions.md")) as file:
            names = re.findall(r"`([a-z][a-z0-9_…]*)`", file.read())
        with Server(RULE, sessions=True) as server:
            for name in server.stats("sessions"):
                explained = name in names or any(known[-1] == "…" and name.startswith(known[:-1]) for known in names)
                self.assertTrue(explained, f"{name} is not in doc/sessions.md")

    def test_reads_from_memory_are_reads_saved(self):
        with Server(RULE, sessions=True) as server, server.connect() as connection:
            self.assertEqual(numbers(connection)["reads_saved"], 0)
            connection.ask(b"get s:1\r\n", b"END\r\n")
            connection.ask(b"set s:1 0 100 1\r\nx\r\nset plain 0 100 1\r\nx\r\n", b"STORED\r\nSTORED\r\n")
            connection.ask(b"get plain\r\n", b"VALUE plain 0 1\r\nx\r\nEND\r\n")
            self.assertEqual(numbers(connection)["reads_saved"], 0)
            for _ in range(3):
                connection.ask(b"get s:1\r\n", b"VALUE s:1 0 1\r\nx\r\nEND\r\n")
            connection.ask(b"gat 100 s:1\r\n", b"VALUE s:1 0 1\r\nx\r\nEND\r\n")
            self.assertEqual(numbers(connection)["reads_saved"], 4)
            wait_until_clean(connection)
            server.restart()
            with server.connect() as again:
                again.ask(b"get s:1\r\n", b"VALUE s:1 0 1\r\nx\r\nEND\r\n")  # the first look
                self.assertEqual(numbers(again)["reads_saved"], 0)
                self.assertEqual(numbers(again)["loads_found"], 1)

    def test_times_of_database_and_disk_are_taken(self):
        with Server(RULE, "--journal-sync=10ms", sessions=True) as server, server.connect() as connection:
            before = numbers(connection)
            for name in ("database_write", "database_read", "journal_fsync"):
                self.assertEqual([before[f"{name}_{what}"] for what in ("calls", "us_p50", "us_p99", "us_max")], [0] * 4)
            connection.ask(b"set s:1 0 100 1\r\nx\r\n", b"STORED\r\n")
            wait_until_clean(connection)
            wait_until(lambda: numbers(connection)["journal_fsync_calls"] > 0)
            after = numbers(connection)
            for name in ("database_write", "database_read", "journal_fsync"):
                self.assertGreater(after[f"{name}_calls"], 0)
                self.assertGreaterEqual(after[f"{name}_us_max"], after[f"{name}_us_p50"])
                within = [after[f"{name}_within_{limit}"] for limit in ("1ms", "10ms", "100ms", "1s", "10s")]
                self.assertEqual(within, sorted(within))
                self.assertGreater(within[-1], 0)
            self.assertEqual(after["batch_rows_p99"], 1)
            self.assertEqual(after["batch_bytes_max"], len("s:1") + len("x"))

    def test_the_journal_is_seen(self):
        with Server(RULE, sessions=True) as server:
            with server.connect() as connection:
                for number in range(9):
                    connection.ask(b"set s:1 0 1000 1\r\n%d\r\n" % number, b"STORED\r\n")
                wait_until(lambda: numbers(connection)["journal_bytes"] > 0)
                self.assertEqual(numbers(connection)["journal_replayed"], 0)
            server.kill()
            server.start()
            self.assertGreater(int(server.stats("sessions")["journal_replayed"]), 0)


class Losses(unittest.TestCase):
    def losses(self, server):
        return {name: int(value) for name, value in server.stats("sessions").items() if name.startswith("lost_") and value != "0"}

    def change(self, server, count=5):
        """Sessions whose latest change the database lacks, and will for a while."""
        with server.connect() as connection:
            for number in range(count):
                connection.ask(b"set s:%d 0 1000 1\r\nx\r\n" % number, b"STORED\r\n")
            wait_until_clean(connection)
            for number in range(count):
                connection.ask(b"set s:%d 0 1000 1\r\ny\r\n" % number, b"STORED\r\n")
            self.assertEqual(numbers(connection)["dirty_items"], count)

    def noted_unsynced(self, server):
        """What the record says would be lost if the server ended now; it is noted each second."""
        with open(server.database + ".losses", "rb") as file:
            return struct.unpack("<3Q", file.read(24))[2]

    def test_nothing_is_lost_by_stops_and_kills_with_a_journal(self):
        with Server(RULE, "--session-immediate-writes=1", sessions=True) as server:
            self.assertEqual(len([name for name in server.stats("sessions") if name.startswith("lost_")]), 7)
            self.change(server)
            server.kill()
            server.start()
            server.restart()
            server.take_over()
            self.assertEqual(self.losses(server), {})

    def test_what_a_kill_takes_without_a_journal_is_counted_and_stays_so(self):
        with Server(RULE, "--session-immediate-writes=1", "--journal=none", sessions=True) as server:
            self.change(server)
            wait_until(lambda: self.noted_unsynced(server) == 5)
            server.kill()
            server.start()
            self.assertEqual(self.losses(server), {"lost_killed": 5})
            server.kill()
            server.start()
            with server.connect() as connection:
                connection.ask(b"stats reset\r\n", b"RESET\r\n")
            server.restart()
            self.assertEqual(self.losses(server), {"lost_killed": 5})

    def test_what_a_stop_cannot_write_without_a_journal_is_counted(self):
        with Server(RULE, "--session-immediate-writes=1", "--journal=none", "--drain-timeout=0", sessions=True) as server:
            self.change(server, 3)
            with database_away(server.database):
                server.stop()
            server.start()
            self.assertEqual(self.losses(server), {"lost_unwritten": 3})

    def test_a_journal_without_its_memory_or_with_damage_is_counted(self):
        with Server(RULE, "--session-immediate-writes=1", sessions=True) as server:
            self.change(server)
            journal = server.database + ".journal"
            ring = os.path.realpath(journal + "/ring")

            def carried():
                names = [name for name in os.listdir(journal) if name.startswith("segment")]
                return names and sum(os.path.getsize(os.path.join(journal, name)) for name in names) > 500

            wait_until(carried)
            server.kill()
            os.unlink(ring)
            server.start()
            self.assertEqual(self.losses(server), {"lost_memory_gone": 1})
            self.change(server)
            wait_until(carried)
            server.kill()
            name = sorted(name for name in os.listdir(journal) if name.startswith("segment"))[0]
            with open(os.path.join(journal, name), "r+b") as segment:
                segment.seek(64 + 100)
                segment.write(b"\xff" * 8)
            server.start()
            losses = self.losses(server)
            self.assertGreater(losses.pop("lost_journal_damaged"), 0)
            self.assertEqual(losses, {"lost_memory_gone": 1})

    def test_a_record_of_something_else_ends_the_start(self):
        with Server(RULE, sessions=True) as server:
            server.stop()
            with open(server.database + ".losses", "wb") as file:
                file.write(b"x" * 4096)
            with self.assertRaisesRegex(AssertionError, "move it away"):
                server.start()
            os.unlink(server.database + ".losses")
            server.start()


class ReadBack(unittest.TestCase):
    def test_a_row_that_vanished_is_noticed_and_written_again(self):
        with Server(RULE, "--session-read-back=60000", sessions=True) as server, server.connect() as connection:
            with contextlib.closing(sqlite3.connect(server.database, timeout=30)) as database:
                count = itertools.count()

                def lose_one():
                    connection.ask(b"set s:%d 0 1000 1\r\nx\r\n" % next(count), b"STORED\r\n")
                    wait_until_clean(connection)
                    database.execute("DELETE FROM sessions")
                    database.commit()
                    return numbers(connection)["sample_misses"] > 0

                wait_until(lose_one, timeout_s=60)
                wait_until(lambda: database.execute("SELECT count(*) FROM sessions").fetchone()[0] > 0)
                self.assertGreater(numbers(connection)["samples_read"], 0)
            self.assertIn("were not there when they were read back", server.stderr())


class OneSession(unittest.TestCase):
    def why(self, connection, name):
        connection.send(b"why " + name.encode() + b"\r\n")
        line = connection.read_line().decode()
        self.assertTrue(line.startswith("WHY "), line)
        return line[4:]

    def test_why_says_what_became_of_a_session(self):
        with Server(RULE, "--session-rule=prefix=t:", sessions=True) as server, server.connect() as connection:
            self.assertIn("never was here", self.why(connection, "s:never"))
            connection.ask(b"set s:1 0 1000 1\r\nx\r\n", b"STORED\r\n")
            self.assertIn("live, in memory", self.why(connection, "s:1"))
            wait_until_clean(connection)
            self.assertIn("in memory and in the database", self.why(connection, "s:1"))
            self.assertEqual(connection.stats("why s:1"), {"why": self.why(connection, "s:1")})
            self.assertIn("last written at 20", self.why(connection, "s:1"))
            with server.connect() as other:
                other.ask(b"delete s:1\r\n", b"DELETED\r\n")
                address = "%s:%d" % other.socket.getsockname()[:2]
            self.assertIn(f"by a request from {address}", self.why(connection, "s:1"))
            connection.ask(b"set s:2 0 1000 1\r\nx\r\ntouch s:2 -1\r\n", b"STORED\r\nTOUCHED\r\n")
            self.assertIn("that gave it an expiry in the past", self.why(connection, "s:2"))
            connection.ask(b"set s:3 0 1 1\r\nx\r\n", b"STORED\r\n")
            wait_until(lambda: "It expired at 20" in self.why(connection, "s:3"))
            connection.ask(b"set s:4 0 1000 1\r\nx\r\n", b"STORED\r\n")
            connection.ask(b"get s:1\r\nadd s:1 0 1000 1\r\nx\r\n", b"END\r\nSTORED\r\n")
            self.assertIn("One before it under this id was deleted at 20", self.why(connection, "s:1"))
            connection.ask(b"delete s:1\r\n", b"DELETED\r\n")
            wait_until_clean(connection)
            # The record of ends went with the process; the stamps are in the row.
            said = self.why(connection, "s:1").split(" by ")[0]
            server.restart()
            with server.connect() as again:
                self.assertEqual(self.why(again, "s:1"), said + " by a request to this server; from where is not remembered.")
                self.assertIn("live in the database and not in memory", self.why(again, "s:4"))
                self.assertEqual(again.stats("sessions")["loads_found"], "0")  # asking changes nothing
                self.assertIn("It expired at 20", self.why(again, "s:3"))
                again.ask(b"get s:4\r\n", b"VALUE s:4 0 1\r\nx\r\nEND\r\n")
                with database_away(server.database):
                    again.ask(b"delete s:4\r\n", b"DELETED\r\n")
                    said = self.why(again, "s:4").split(" by ")[0]
                    server.kill()
            server.start()  # the journal has it
            with server.connect() as last:
                self.assertEqual(self.why(last, "s:4").split(" by ")[0], said)

    def test_the_id_alone_will_do(self):
        with Server(RULE, "--session-rule=prefix=t: suffix=.x", sessions=True) as server, server.connect() as connection:
            connection.ask(b"set t:7.x 0 1000 1\r\nx\r\n", b"STORED\r\n")
            self.assertIn("It is live", self.why(connection, "7"))
        with Server("--session-rule=prefix=s: id=2", sessions=True) as server, server.connect() as connection:
            connection.ask(b"set s:ab 0 1000 1\r\nx\r\n", b"STORED\r\n")
            self.assertIn("It is live", self.why(connection, "ab"))
            self.assertIn("It is no session", self.why(connection, "abc"))
            self.assertEqual(connection.stats("session abc")["state"], "no session")

    def test_stats_session_has_size_stamps_and_where_it_is_from(self):
        with Server(RULE, sessions=True) as server, server.connect() as connection:
            connection.ask(b"set s:1 7 1000 3\r\nabc\r\n", b"STORED\r\n")
            wait_until_clean(connection)
            rows = connection.stats("session s:1")
            self.assertRegex(rows["id"], "^~[0-9a-f]{8}$")
            self.assertNotIn("s:1", " ".join(rows.values()))
            expected = {"state": "live", "place": "memory", "origin": "client", "size": "3", "flags": "7", "floor": "0", "synced": "yes"}
            self.assertEqual({name: rows[name] for name in expected}, expected)
            self.assertEqual(rows["version"], rows["born"])
            self.assertTrue(900 <= int(rows["expires_in"]) <= 1000, rows)
            for number in range(5, 9):  # three immediate writes are left; what comes then waits
                wait_until_clean(connection)
                connection.ask(b"set s:1 0 1000 1\r\n%d\r\n" % number, b"STORED\r\n")
            dirty = connection.stats("session s:1")
            self.assertEqual((dirty["synced"], dirty["quarantined"]), ("no", "no"))
            self.assertGreater(int(dirty["version"]), int(rows["version"]))
            self.assertEqual(dirty["born"], rows["born"])
            server.kill()
            server.start()
            with server.connect() as again:
                again.ask(b"get s:1\r\n", b"VALUE s:1 0 1\r\n8\r\nEND\r\n")
                self.assertEqual(again.stats("session s:1")["origin"], "journal")
                wait_until_clean(again)
            server.restart()
            with server.connect() as again:
                rows = again.stats("session s:1")
                self.assertEqual((rows["place"], rows["version"], rows["size"]), ("database", dirty["version"], "1"))
                again.ask(b"get s:1\r\n", b"VALUE s:1 0 1\r\n8\r\nEND\r\n")
                rows = again.stats("session s:1")
                self.assertEqual((rows["place"], rows["origin"]), ("memory", "database"))
                self.assertEqual(again.stats("session s:none")["state"], "absent")

    def test_ids_are_shown_when_asked_for(self):
        with Server(RULE, "--list-sessions", sessions=True) as server, server.connect() as connection:
            self.assertEqual(connection.stats("session s:%1")["id"], "s%3A%251")

    def test_it_is_said_when_the_database_cannot_be_asked(self):
        with Server("--session-rule=prefix=s: action=error budget=10ms", "--session-negative-time=0", sessions=True) as server:
            with server.connect() as connection, database_away(server.database):
                connection.send(b"get s:1\r\n")
                connection.expect(b"SERVER_ERROR the session database cannot be asked\r\n")
                why = self.why(connection, "s:1")
                self.assertIn("the database cannot be asked (", why)
                self.assertIn("a request for it was told", why)

    def test_what_is_in_quarantine_is_listed(self):
        for options, name in (((), r"~[0-9a-f]{8}"), (("--list-sessions",), r"s%3A\d+")):
            with Server(RULE, *options, sessions=True) as server, server.connect() as connection:
                connection.ask(b"stats quarantine\r\n", b"END\r\n")
                with contextlib.closing(sqlite3.connect(server.database)) as other:
                    other.execute("CREATE TRIGGER refusal BEFORE INSERT ON sessions WHEN NEW.flags = 13 "
                                  "BEGIN SELECT RAISE(ABORT, 'no'); END")
                connection.ask(b"set s:good 0 1000 1\r\nx\r\n", b"STORED\r\n")
                for number in range(1000):
                    connection.ask(b"set s:%d 13 1000 3\r\nbad\r\n" % number, b"STORED\r\n")
                wait_until(lambda: numbers(connection)["quarantined"] == 1000)
                rows = connection.stats("quarantine")
                self.assertEqual(len(rows), 1000)
                utc = r"\d{4}-\d\d-\d\d_\d\d:\d\d:\d\d_UTC"
                for key, text in rows.items():
                    self.assertRegex(key, f"^{name}$")
                    self.assertRegex(text, f"^reason=unwritable rule=s: size=3 written={utc} expires={utc}$")
                connection.ask(b"set s:1000 13 1000 3\r\nbad\r\n", b"STORED\r\n")
                wait_until(lambda: numbers(connection)["quarantined"] == 1001)
                rows = connection.stats("quarantine")
                self.assertEqual((len(rows), rows["more"]), (1001, "1"))
                for number in range(1001):
                    connection.ask(b"set s:%d 0 1000 1\r\nx\r\n" % number, b"STORED\r\n")
                connection.ask(b"stats quarantine\r\n", b"END\r\n")

    def test_nothing_is_remembered_with_session_ends_0(self):
        with Server(RULE, "--session-ends=0", sessions=True) as server, server.connect() as connection:
            connection.ask(b"set s:1 0 1000 1\r\nx\r\ndelete s:1\r\n", b"STORED\r\nDELETED\r\n")
            self.assertIn("from where is not remembered", self.why(connection, "s:1"))

    def test_wrong_questions_get_an_error(self):
        with Server(RULE, sessions=True) as server, server.connect() as connection:
            for line in (b"why", b"why a b", b"why " + b"k" * 251, b"stats session", b"stats why", b"stats session " + b"k" * 251):
                connection.ask(line + b"\r\n", b"CLIENT_ERROR give one session id\r\n")
        with Server() as server, server.connect() as connection:
            connection.ask(b"why x\r\nstats why x\r\nstats session x\r\nstats quarantine\r\n", b"ERROR\r\n" * 4)


if __name__ == "__main__":
    main()
