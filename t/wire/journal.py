#!/usr/bin/python3
"""kill -9 at any moment: every session that was acknowledged is there after the next start, and every logout stays one."""

import os
import shutil
import sqlite3
import tempfile
import threading
import time
import unittest

from holdfast_test import Server, free_port, main, run_server_once, wait_until

WRITERS = 16
CYCLES = 4
RULE = "--session-rule=prefix=s:"


class Writer(threading.Thread):
    """Writes its sessions over and over, each value telling its number, and remembers what was acknowledged."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.acknowledged = {}  # name -> number of the last value; None: deleted
        self.sent = {}
        self.count = 0

    def run(self):
        try:
            with self.server.connect() as connection:
                for sequence in range(1, 1 << 30):
                    self.write(connection, sequence)
        except (OSError, AssertionError):
            return  # the server was killed

    def write(self, connection, sequence):
        name = f"s:{self.number}:{sequence % 7}"
        if sequence % 11 == 0:
            self.sent[name] = None
            connection.send(f"delete {name}\r\n".encode())
            if connection.read_line() not in (b"DELETED", b"NOT_FOUND"):
                raise AssertionError
            self.acknowledged[name] = None
            # Being told of the miss makes the next set a new login.
            connection.ask(f"get {name}\r\n".encode(), b"END\r\n")
        else:
            self.sent[name] = sequence
            value = f"{sequence}:".encode().ljust(20 + sequence % 3000, b"x")
            connection.ask(f"set {name} 0 1000 {len(value)}\r\n".encode() + value + b"\r\n", b"STORED\r\n")
            self.acknowledged[name] = sequence
        self.count += 1


class Journal(unittest.TestCase):
    def check(self, server, writers):
        with server.connect() as connection:
            for writer in writers:
                for name, number in writer.acknowledged.items():
                    connection.send(f"get {name}\r\n".encode())
                    answer = connection.read_until(b"END\r\n")
                    found = None if answer == b"END\r\n" else int(answer.split(b"\r\n")[1].split(b":")[0])
                    self.assertIn(found, (number, writer.sent[name]), f"{name}: acknowledged {number}, sent {writer.sent[name]}")

    def test_no_acknowledged_write_is_lost_by_kill_9(self):
        with Server("-t", "2", RULE, sessions=True) as server:
            for _ in range(CYCLES):
                writers = [Writer(server, number) for number in range(WRITERS)]
                for writer in writers:
                    writer.start()
                time.sleep(0.5)
                server.kill()
                for writer in writers:
                    writer.join()
                self.assertGreater(sum(writer.count for writer in writers), 200)
                server.start()
                self.check(server, writers)

    def test_what_the_database_does_not_have_yet_survives_kill_9(self):
        # More changes than are synced at once: the last lies in the journal alone.
        with Server(RULE, sessions=True) as server:
            with server.connect() as connection:
                for number in range(20):
                    connection.ask(b"set s:one 0 1000 2\r\n%02d\r\n" % number, b"STORED\r\n")
            server.kill()
            server.start()
            with server.connect() as connection:
                connection.ask(b"get s:one\r\n", b"VALUE s:one 0 2\r\n19\r\nEND\r\n")
            self.assertIn("journal replayed: 1 sessions", server.stderr())

    def test_a_clean_stop_leaves_no_journal(self):
        with Server(RULE, sessions=True) as server:
            with server.connect() as connection:
                connection.ask(b"set s:one 0 1000 1\r\nx\r\n", b"STORED\r\n")
            ring = os.path.realpath(server.database + ".journal/ring")
            self.assertTrue(os.path.exists(ring))
            server.stop()
            self.assertEqual(os.listdir(server.database + ".journal"), [])
            self.assertFalse(os.path.exists(ring))

    def test_without_a_journal_kill_9_keeps_what_was_synced(self):
        with Server("--journal=none", RULE, sessions=True) as server:
            with server.connect() as connection:
                connection.ask(b"set s:one 0 1000 1\r\nx\r\n", b"STORED\r\n")
                wait_until(lambda: connection.stats("sessions")["synced_rows"] == "1")
            server.kill()
            self.assertFalse(os.path.exists(server.database + ".journal"))
            server.start()
            with server.connect() as connection:
                connection.ask(b"get s:one\r\n", b"VALUE s:one 0 1\r\nx\r\nEND\r\n")

    def test_a_second_server_on_the_same_file_or_journal_is_refused(self):
        user = ("-u", "root") if os.geteuid() == 0 else ()
        with Server(RULE, "--journal={state}/j", sessions=True) as server:
            for database, journal, words in ((server.database, server.state_dir + "/k", f"session file {server.database}: is in use by another server"),
                                             (server.state_dir + "/other.db", server.state_dir + "/j", "in use")):
                result = run_server_once(f"--sessions=sqlite:{database}", f"--journal={journal}", *user, "-p", str(free_port()))
                self.assertEqual(result.returncode, 1)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertIn(words, result.stderr)
            with server.connect() as connection:
                connection.ask(b"set s:one 0 1000 1\r\nx\r\n", b"STORED\r\n")

    def test_a_directory_that_cannot_be_had_is_named_with_what_to_do(self):
        with tempfile.TemporaryDirectory() as directory:
            database, file = directory + "/s.db", directory + "/file"
            open(file, "w").close()
            locked = directory + "/locked"
            os.mkdir(locked, 0o500)
            user = ()
            if os.geteuid() == 0:
                shutil.chown(directory, "nobody")
                user = ("-u", "nobody")
            for journal, remedy in ((directory + "/none/journal", "make the directory above it"),
                                    (file + "/journal", "give another --journal"), (file, "give another --journal"),
                                    (locked, "give the user of the server access"),
                                    (locked + "/journal", "give the user of the server access")):
                result = run_server_once(f"--sessions=sqlite:{database}", f"--journal={journal}", *user)
                self.assertEqual(result.returncode, 1)
                self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
                self.assertIn(journal, result.stderr)
                self.assertIn(remedy, result.stderr)

    def test_the_journal_of_another_database_is_refused(self):
        with Server(RULE, "--journal={state}/j", sessions=True) as server:
            with server.connect() as connection:
                connection.ask(b"set s:one 0 1000 1\r\nx\r\n", b"STORED\r\n")
            wait_until(lambda: any(name.startswith("segment") for name in os.listdir(server.state_dir + "/j")))
            server.kill()
            for suffix in ("", "-wal", "-shm"):
                if os.path.exists(server.database + suffix):
                    os.rename(server.database + suffix, server.database + ".away" + suffix)
            with self.assertRaisesRegex(AssertionError, "not a journal of this database"):
                server.start()
            server.process = None

    def check_refused(self, server, pattern, path, before):
        """It does not start, says why, and leaves the file as it was."""
        with self.assertRaisesRegex(AssertionError, pattern):
            server.start()
        with open(path, "rb") as file:
            self.assertEqual(file.read(), before)

    def test_files_of_another_version_are_refused_and_left_alone(self):
        with Server(RULE, sessions=True) as server:
            with server.connect() as connection:
                connection.ask(b"set s:one 0 1000 1\r\nx\r\n", b"STORED\r\n")
                journal = server.database + ".journal"
                wait_until(lambda: any(name.startswith("segment") for name in os.listdir(journal)))
                wait_until(lambda: connection.stats("sessions")["dirty_items"] == "0")
            server.kill()
            segment = os.path.join(journal, min(name for name in os.listdir(journal) if name.startswith("segment")))
            ring = os.path.realpath(journal + "/ring")
            place = 6
            for path, known, versions in ((segment, b"02", (b"00", b"01", b"99")), (ring, b"03", (b"00", b"02", b"99"))):
                for version in versions:
                    with open(path, "r+b") as file:
                        file.seek(place)
                        self.assertEqual(file.read(2), known)
                        file.seek(place)
                        file.write(version)
                    with open(path, "rb") as file:
                        before = file.read()
                    self.check_refused(server, "(another version|other version's).*start the version that", path, before)
                    with open(path, "r+b") as file:
                        file.seek(place)
                        file.write(known)
            server.start()
            with server.connect() as connection:
                connection.ask(b"get s:one\r\n", b"VALUE s:one 0 1\r\nx\r\nEND\r\n")

    def test_a_database_with_another_schema_is_refused_and_left_alone(self):
        with Server(RULE, sessions=True) as server:
            server.stop()
            for version in (0, 99):
                with sqlite3.connect(server.database) as connection:
                    known = connection.execute("PRAGMA user_version").fetchone()[0]
                    connection.execute(f"PRAGMA user_version = {version}")
                connection.close()
                with open(server.database, "rb") as file:
                    before = file.read()
                self.check_refused(server, f"has schema {version}, this server knows {known}", server.database, before)
                with sqlite3.connect(server.database) as connection:
                    connection.execute(f"PRAGMA user_version = {known}")
                connection.close()
            server.start()

    def test_a_copy_of_the_database_cannot_take_the_journal_of_a_running_server(self):
        with Server(RULE, sessions=True) as server:
            with server.connect() as connection:
                connection.ask(b"set s:one 0 1000 1\r\nx\r\n", b"STORED\r\n")
                copy = server.state_dir + "/copy.db"
                for suffix in ("", "-wal"):
                    if os.path.exists(server.database + suffix):
                        shutil.copy(server.database + suffix, copy + suffix)
                user = () if os.geteuid() != 0 else ("-u", "root")
                result = run_server_once("-s", server.state_dir + "/socket", *user, f"--sessions=sqlite:{copy}")
                self.assertEqual(result.returncode, 1)
                self.assertRegex(result.stderr, "in use by another server")
                connection.ask(b"get s:one\r\n", b"VALUE s:one 0 1\r\nx\r\nEND\r\n")


if __name__ == "__main__":
    main()
