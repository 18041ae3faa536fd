#!/usr/bin/python3
"""What operators see of sessions: the statistics that only a whole server moves, and that each one is explained."""

import re
import unittest

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


if __name__ == "__main__":
    main()
