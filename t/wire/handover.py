#!/usr/bin/python3
"""Hand-over (--takeover): the connections and the sessions go on in another process, and no client can tell. When the new
process fails, whenever that is, the old one goes on."""

import contextlib
import os
import random
import re
import signal
import sqlite3
import struct
import threading
import time
import unittest

from database_away import database_away
from holdfast_test import Server, main, run_server_once, wait_until

RULE = "--session-rule=prefix=s: connections=pooled"
CLIENTS = 32
PAUSE_MS_MAX = 800


class Client(threading.Thread):
    """Sets and gets its own keys on one connection for all time. Each value tells its key and number; each reply must be the
    one that belongs to the request, so a reply that is lost, doubled or another's shows at once."""

    PIPELINE = 5

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.number = number
        self.connection = server.connect()
        self.ended = False
        self.error = None
        self.rounds = 0
        self.longest_s = 0

    def run(self):
        try:
            while not self.ended:
                begun = time.monotonic()
                self.round(self.rounds)
                self.longest_s = max(self.longest_s, time.monotonic() - begun)
                self.rounds += 1
        except Exception as error:  # pylint: disable=broad-except
            self.error = f"client {self.number}, round {self.rounds}: {error}"

    def key(self, index):
        kind = "s:" if (self.number + index) % 2 else "c:"
        return f"{kind}{self.number}:{index}"

    def value(self, index, sequence):
        text = f"{self.key(index)}={sequence};"
        return text.ljust(len(text) + (sequence * 37 + index) % 300, "x").encode()

    def finish(self):
        self.ended = True
        self.join()
        self.connection.close()


class TextClient(Client):
    def round(self, sequence):
        requests, replies = b"", b""
        for index in range(self.PIPELINE):
            value = self.value(index, sequence)
            requests += f"set {self.key(index)} 7 600 {len(value)}\r\n".encode() + value + b"\r\n"
            replies += b"STORED\r\n"
        self.connection.ask(requests, replies)
        self.connection.send(b"get " + " ".join(self.key(index) for index in range(self.PIPELINE)).encode() + b"\r\n")
        got = self.connection.read_until(b"END\r\n")
        for index in range(self.PIPELINE):
            value = self.value(index, sequence)
            whole = f"VALUE {self.key(index)} 7 {len(value)}\r\n".encode() + value + b"\r\n"
            if not got.startswith(whole):
                # A cache item may be gone, a session never.
                if self.key(index).startswith("s:") or got.startswith(f"VALUE {self.key(index)} ".encode()):
                    raise AssertionError(f"{self.key(index)} is not {value!r}: {got!r}")
                continue
            got = got[len(whole):]
        if got != b"END\r\n":
            raise AssertionError(f"unexpected {got!r}")


class MetaClient(Client):
    def round(self, sequence):
        requests, replies = b"", []
        for index in range(self.PIPELINE):
            value = self.value(index, sequence)
            requests += f"ms {self.key(index)} {len(value)} T600 k O{sequence}.{index}\r\n".encode() + value + b"\r\n"
            replies.append(f"HD k{self.key(index)} O{sequence}.{index}".encode())
        self.connection.send(requests)
        for reply in replies:
            line = self.connection.read_line()
            if line != reply:
                raise AssertionError(f"{line!r} instead of {reply!r}")
        self.connection.send(b"".join(f"mg {self.key(index)} v O{index}\r\n".encode() for index in range(self.PIPELINE)))
        for index in range(self.PIPELINE):
            line = self.connection.read_line()
            if line.startswith(b"EN"):
                if self.key(index).startswith("s:"):
                    raise AssertionError(f"{self.key(index)} is lost")
                continue
            value = self.value(index, sequence)
            if line != f"VA {len(value)} O{index}".encode() or self.connection.read(len(value) + 2) != value + b"\r\n":
                raise AssertionError(f"{self.key(index)}: {line!r}")


class BinaryClient(Client):
    def packet(self, opcode, key, extras=b"", value=b"", opaque=0):
        body = extras + key + value
        return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(body), opaque, 0) + body

    def reply(self):
        head = self.connection.read(24)
        magic, opcode, key_size, extras_size, _, status, body_size, opaque, _ = struct.unpack(">BBHBBHIIQ", head)
        body = self.connection.read(body_size)
        if magic != 0x81:
            raise AssertionError(f"not a reply: {head!r}")
        return opcode, status, opaque, body[key_size + extras_size:]

    def round(self, sequence):
        requests = b""
        for index in range(self.PIPELINE):
            extras = struct.pack(">II", 7, 600)
            requests += self.packet(1, self.key(index).encode(), extras, self.value(index, sequence), sequence * 10 + index)
        for index in range(self.PIPELINE):
            requests += self.packet(0, self.key(index).encode(), opaque=sequence * 10 + index)
        self.connection.send(requests)
        for index in range(self.PIPELINE):
            got = self.reply()
            if got != (1, 0, (sequence * 10 + index) & 0xffffffff, b""):
                raise AssertionError(f"set {self.key(index)}: {got!r}")
        for index in range(self.PIPELINE):
            opcode, status, opaque, value = self.reply()
            if opcode != 0 or opaque != sequence * 10 + index:
                raise AssertionError(f"get {self.key(index)}: {opcode} {opaque}")
            if status == 1 and self.key(index).startswith("c:"):
                continue
            if status != 0 or value != self.value(index, sequence):
                raise AssertionError(f"{self.key(index)}: status {status}, {value!r}")


def pauses_ms(server):
    return [float(text) for text in re.findall(r"pause ([0-9.]+) ms; cache items", server.stderr())]


class Crowd:
    """Clients of all protocols, for the time of a "with"; all must have gone on, none may have seen anything."""

    def __init__(self, server, count=CLIENTS):
        kinds = (TextClient, MetaClient, BinaryClient)
        self.server = server
        self.clients = [kinds[number % 3](server, number) for number in range(count)]

    def __enter__(self):
        for client in self.clients:
            client.start()
        self.go_on()
        return self

    def go_on(self):
        """Returns when every client has finished another round."""
        before = [client.rounds for client in self.clients]
        wait_until(lambda: all(client.rounds > rounds or client.error for client, rounds in zip(self.clients, before)),
                   what="all clients go on")
        self.check()

    def check(self):
        errors = [client.error for client in self.clients if client.error]
        if errors:
            raise AssertionError("\n".join(errors) + "\n" + self.server_says())

    def server_says(self):
        try:
            return str(self.server.stats("sessions"))
        except (OSError, AssertionError) as error:
            return f"the server does not answer: {error}"

    def __exit__(self, kind, *_):
        for client in self.clients:
            client.finish()
        if kind is None:
            self.check()


class Traffic(unittest.TestCase):
    def test_no_client_of_any_protocol_notices_twenty_handovers(self):
        with Server("-t", "2", RULE, sessions=True) as server:
            with Crowd(server) as crowd:
                # Each reads all that is in the journal: with a sanitizer that takes long.
                count = 4 if server.is_sanitized() else 20
                for _ in range(count):
                    server.take_over()
                    crowd.go_on()
            pauses = pauses_ms(server)
            self.assertEqual(len(pauses), count)
            if not server.is_sanitized():
                self.assertLess(max(pauses), PAUSE_MS_MAX)
            self.assertEqual(server.stderr().count("(0 could not move)"), count)

    def test_threads_may_be_more_or_fewer_afterwards(self):
        with Server(RULE, sessions=True) as server:
            with Crowd(server, 9) as crowd:
                for threads in ("1", "4", "3"):
                    server.take_over("-t", threads)
                    crowd.go_on()

    def test_new_connections_never_meet_a_closed_door(self):
        with Server("-t", "2") as server:
            server.arguments.append("--takeover-socket={}/door".format(server.state_dir))
            server.restart()
            ended, errors, count = threading.Event(), [], [0]

            def come_and_go():
                while not ended.is_set():
                    try:
                        with server.connect() as connection:
                            connection.ask(b"mn\r\n", b"MN\r\n")
                        count[0] += 1
                    except (OSError, AssertionError) as error:
                        errors.append(error)

            threads = [threading.Thread(target=come_and_go) for _ in range(4)]
            for thread in threads:
                thread.start()
            for _ in range(5):
                server.take_over()
                before = count[0]
                wait_until(lambda: count[0] > before + 20 or errors)
            ended.set()
            for thread in threads:
                thread.join()
            self.assertEqual(errors, [])


class Connections(unittest.TestCase):
    """What a connection has in hand when it moves."""

    def setUp(self):
        self.server = Server("-t", "2", "--takeover-socket={state}/door", "-I", "8m", "-m", "128")
        self.server.__enter__()
        self.addCleanup(self.server.__exit__, None, None, None)

    def test_a_request_cut_at_every_byte_goes_on(self):
        requests = [
            (b"set k 5 0 10\r\n0123456789\r\n", b"STORED\r\n"),
            (b"ms k 3 T0 c\r\nabc\r\n", None),
            (b"get nobody nothing\r\n", b"END\r\n"),
            (struct.pack(">BBHBBHIIQ", 0x80, 1, 1, 8, 0, 0, 14, 99, 0) + bytes(8) + b"kvalue", None),
        ]
        waiting = []
        for request, reply in requests:
            for cut in range(len(request) + 1):
                connection = self.server.connect()
                connection.send(request[:cut])
                waiting.append((connection, request[cut:], reply))
        time.sleep(0.2)
        self.server.take_over()
        for connection, rest, reply in waiting:
            connection.send(rest)
            if reply is not None:
                connection.expect(reply)
            elif rest and rest[0] != 0x80 and connection.read(1)[0] == 0x81:
                connection.read(23)
            connection.close()

    def test_what_is_read_but_not_executed_yet_is_executed_once(self):
        # Counted by the server: each incr shows whether one was lost or done twice.
        with self.server.connect() as setter:
            setter.ask(b"set n 0 0 1\r\n0\r\n", b"STORED\r\n")
            clients = [self.server.connect() for _ in range(8)]
            for client in clients:
                client.send(b"incr n 1\r\n" * 2000)
            self.server.take_over()
            done, missed = set(), 0
            for client in clients:
                for _ in range(2000):
                    line = client.read_line()
                    if line == b"NOT_FOUND":
                        missed += 1  # after the hand-over the cache is empty
                    else:
                        self.assertNotIn(int(line), done)
                        done.add(int(line))
                client.close()
            self.assertEqual(done, set(range(1, len(done) + 1)))
            self.assertEqual(len(done) + missed, 16000)

    def test_a_reader_that_is_behind_gets_every_byte_once(self):
        value = bytes(random.Random(1).randbytes(1 << 20))
        with self.server.connect() as setter, self.server.connect() as slow:
            setter.ask(b"set big 0 0 %d\r\n" % len(value) + value + b"\r\n", b"STORED\r\n")
            slow.send(b"get big\r\n" * 6 + b"set after 0 0 1\r\nx\r\n")
            time.sleep(0.3)
            self.server.take_over()
            whole = b"VALUE big 0 %d\r\n" % len(value) + value + b"\r\nEND\r\n"
            hits = 0
            while True:
                line = slow.read_line()
                if line == b"STORED":
                    break
                if line == b"END":
                    continue  # asked for after the hand-over, when the cache was empty
                self.assertEqual(line + b"\r\n", whole[:len(line) + 2])
                self.assertEqual(slow.read(len(value) + 7), whole[len(line) + 2:])
                hits += 1
            self.assertGreaterEqual(hits, 1)

    def test_an_upload_that_is_under_way_goes_on(self):
        value = bytes(random.Random(2).randbytes(2 << 20))
        request = b"set up 0 0 %d\r\n" % len(value) + value + b"\r\n"
        cuts = [20, 1000, 20_000, 1 << 20, len(request) - 2, len(request) - 1]
        clients = [self.server.connect() for _ in cuts]
        for client, cut in zip(clients, cuts):
            client.send(request[:cut])
        time.sleep(0.3)
        self.server.take_over()
        for client, cut in zip(clients, cuts):
            client.ask(request[cut:], b"STORED\r\n")
            client.send(b"get up\r\n")
            client.expect(b"VALUE up 0 %d\r\n" % len(value) + value + b"\r\nEND\r\n")
            client.close()

    def test_an_upload_of_which_more_than_4_mb_are_there_is_closed(self):
        with self.server.connect() as client, self.server.connect() as other:
            client.send(b"set up 0 0 %d\r\n" % (6 << 20) + bytes(5 << 20))
            other.ask(b"mn\r\n", b"MN\r\n")
            time.sleep(0.3)
            self.server.take_over()
            client.expect_closed()
            other.ask(b"mn\r\n", b"MN\r\n")
        self.assertIn("(1 could not move)", self.server.stderr())

    def test_a_value_that_is_being_passed_over_stays_passed_over(self):
        with self.server.connect() as client:
            client.ask(b"set k 0 0 20000000\r\n" + bytes(1000), b"SERVER_ERROR object too large for cache\r\n")
            client.send(bytes(100_000))
            time.sleep(0.1)
            self.server.take_over()
            client.send(bytes(20_000_000 - 101_000) + b"\r\nmn\r\n")
            client.expect(b"MN\r\n")

    def test_a_multiget_that_waits_for_its_reader_goes_on_with_its_next_key(self):
        with self.server.connect() as setter, self.server.connect() as slow:
            value = b"v" * 500_000
            for index in range(10):
                setter.ask(b"set k%d 0 0 500000\r\n" % index + value + b"\r\n", b"STORED\r\n")
            slow.send(b"get " + b" ".join(b"k%d" % index for index in range(10)) + b"\r\nmn\r\n")
            time.sleep(0.3)
            self.server.take_over()
            got = slow.read_until(b"MN\r\n")
            keys = re.findall(rb"VALUE k(\d) 0 500000\r\nv{500000}\r\n", got)
            self.assertEqual(keys, [b"%d" % index for index in range(len(keys))])
            self.assertGreaterEqual(len(keys), 1)
            self.assertTrue(got.endswith(b"END\r\nMN\r\n"))

    def test_cas_numbers_are_not_given_out_again(self):
        with self.server.connect() as client:
            client.ask(b"set k 0 0 1\r\na\r\n", b"STORED\r\n")
            client.send(b"gets k\r\n")
            cas = int(client.read_until(b"END\r\n").split()[4])
            self.server.take_over()
            client.ask(b"set k 0 0 1\r\nb\r\n", b"STORED\r\n")
            client.ask(b"cas k 0 0 1 %d\r\nc\r\n" % cas, b"EXISTS\r\n")

    def test_a_unix_socket_keeps_its_file(self):
        path = self.server.state_dir + "/socket"
        with Server("-s", path, "--takeover-socket={state}/door") as server:
            with server.connect() as client:
                for _ in range(3):
                    server.take_over()
                    client.ask(b"mn\r\n", b"MN\r\n")
                    self.assertTrue(os.path.exists(path))
            with server.connect() as client:
                client.ask(b"mn\r\n", b"MN\r\n")
        self.assertFalse(os.path.exists(path))

    def test_the_pid_file_names_the_new_process(self):
        path = self.server.state_dir + "/pid"
        with Server("-P", path, "--takeover-socket={state}/door") as server:
            server.take_over()
            wait_until(lambda: os.path.exists(path) and open(path).read().strip() == str(server.pid))
            time.sleep(0.1)
            self.assertTrue(os.path.exists(path))
        self.assertFalse(os.path.exists(path))


def take_lock(database):
    """Nobody else can write from then on."""
    try:
        database.execute("BEGIN IMMEDIATE")
        return True
    except sqlite3.OperationalError:
        return False


class Sessions(unittest.TestCase):
    def test_unwritten_sessions_are_seen_at_once_and_a_logout_stays(self):
        with Server("-t", "2", RULE, "--sync-interval=600", sessions=True) as server:
            with server.connect() as page, server.connect() as late:
                for number in range(40):
                    page.ask(b"set s:in 0 1000 2\r\n%02d\r\n" % number, b"STORED\r\n")
                page.ask(b"set s:out 0 1000 1\r\nx\r\n", b"STORED\r\n")
                late.ask(b"get s:out\r\n", b"VALUE s:out 0 1\r\nx\r\nEND\r\n")
                page.ask(b"delete s:out\r\n", b"DELETED\r\n")
                server.take_over()
                with server.connect() as fresh:
                    fresh.ask(b"get s:in s:out\r\n", b"VALUE s:in 0 2\r\n39\r\nEND\r\n")
                # It read before the logout, and its connection was told of nothing since.
                late.ask(b"set s:out 0 1000 1\r\nx\r\n", b"STORED\r\n")
                page.ask(b"get s:out\r\n", b"END\r\n")
                self.assertEqual(page.stats("sessions")["resurrections_refused"], "1")

    def test_who_was_told_of_the_logout_before_may_log_in_after(self):
        with Server("-t", "2", RULE, sessions=True) as server:
            with server.connect() as page, server.connect() as login:
                page.ask(b"set s:a 0 1000 1\r\nx\r\n", b"STORED\r\n")
                page.ask(b"delete s:a\r\n", b"DELETED\r\n")
                login.ask(b"get s:a\r\n", b"END\r\n")
                for _ in range(2):
                    server.take_over()
                login.ask(b"set s:a 0 1000 1\r\ny\r\n", b"STORED\r\n")
                page.ask(b"get s:a\r\n", b"VALUE s:a 0 1\r\ny\r\nEND\r\n")

    def test_without_a_journal_everything_is_written_first(self):
        with Server(RULE, "--journal=none", "--takeover-socket={state}/door", "--sync-interval=600", sessions=True) as server:
            with server.connect() as client:
                for number in range(50):
                    client.ask(b"set s:a 0 1000 2\r\n%02d\r\n" % number, b"STORED\r\n")
                server.take_over()
                client.ask(b"get s:a\r\n", b"VALUE s:a 0 2\r\n49\r\nEND\r\n")

    def test_after_handovers_kill_9_still_loses_nothing_and_a_stop_leaves_no_journal(self):
        with Server(RULE, "--sync-interval=600", sessions=True) as server:
            with server.connect() as client:
                for number in range(30):
                    client.ask(b"set s:a 0 1000 2\r\n%02d\r\n" % number, b"STORED\r\n")
                server.take_over()
                server.take_over()
                client.ask(b"append s:a 0 0 1\r\n!\r\n", b"STORED\r\n")
            server.kill()
            server.start()
            with server.connect() as client:
                client.ask(b"get s:a\r\n", b"VALUE s:a 0 3\r\n29!\r\nEND\r\n")
            server.take_over()
            server.stop()
            self.assertEqual(os.listdir(server.database + ".journal"), [])

    def test_with_the_database_away_the_old_process_goes_on_and_keeps_who_waits(self):
        with Server("--session-rule=prefix=s: budget=30s", sessions=True) as server:
            with server.connect() as client:
                client.ask(b"set s:a 0 1000 1\r\nx\r\n", b"STORED\r\n")
            server.restart()
            with server.connect() as client:
                with database_away(server.database):
                    client.send(b"get s:a\r\nmn\r\n")
                    successor = server.begin_takeover()
                    self.assertNotEqual(successor.wait(60), 0)
                    client.expect_silence(0.2)
                client.expect(b"VALUE s:a 0 1\r\nx\r\nEND\r\nMN\r\n")
                server.take_over()
                client.ask(b"get s:a\r\n", b"VALUE s:a 0 1\r\nx\r\nEND\r\n")

    def test_a_database_that_somebody_writes_to_all_the_time_does_not_hinder_it(self):
        with Server("-t", "2", RULE, "--sync-interval=600", sessions=True) as server:
            with server.connect() as client, contextlib.closing(sqlite3.connect(server.database, isolation_level=None)) as other:
                for number in range(30):
                    client.ask(b"set s:a 0 1000 2\r\n%02d\r\n" % number, b"STORED\r\n")
                wait_until(lambda: take_lock(other), what="the database's lock")
                server.take_over()
                client.ask(b"get s:a\r\n", b"VALUE s:a 0 2\r\n29\r\nEND\r\n")
                client.ask(b"set s:b 0 1000 1\r\nx\r\n", b"STORED\r\n")
                other.execute("COMMIT")
            server.restart()
            with server.connect() as client:
                client.ask(b"get s:a s:b\r\n", b"VALUE s:a 0 2\r\n29\r\nVALUE s:b 0 1\r\nx\r\nEND\r\n")

    def test_requests_that_wait_for_the_database_are_answered_once_and_in_order(self):
        count = 3000
        with Server("-t", "2", RULE, "--session-load-keys=1", sessions=True) as server:
            with server.connect() as client:
                for number in range(count):
                    client.send(b"set s:%d 0 1000 5\r\n%05d\r\n" % (number, number))
                client.expect(b"STORED\r\n" * count)
            for _ in range(3):
                server.restart()  # so that every session must be looked up
                clients = [server.connect() for _ in range(6)]
                orders = [random.Random(seed).sample(range(count), count) for seed in range(len(clients))]
                for client, order in zip(clients, orders):
                    client.send(b"".join(b"get s:%d s:nobody%d\r\n" % (number, number) for number in order))
                server.take_over()
                for client, order in zip(clients, orders):
                    for number in order:
                        client.expect(b"VALUE s:%d 0 5\r\n%05d\r\nEND\r\n" % (number, number))
                    client.close()


STEPS = ("hello", "welcome", "prepared", "cut", "connections", "sealed", "ready")


class Failures(unittest.TestCase):
    def test_a_new_process_that_dies_at_any_step_changes_nothing(self):
        with Server("-t", "2", RULE, sessions=True) as server:
            with Crowd(server, 12) as crowd:
                for step in STEPS:
                    successor = server.begin_takeover(environment={"TEST_TAKEOVER_DIES_AT": step})
                    if successor.wait(30) == 0 or not server.is_running():
                        self.skipTest("the server was built without checks")
                    crowd.go_on()
                    self.assertTrue(server.is_running())
                server.take_over()
                crowd.go_on()

    def test_a_new_process_that_hangs_is_given_up(self):
        with Server("-t", "2", RULE, sessions=True) as server:
            with Crowd(server, 6) as crowd:
                for step in ("connections", "sealed", "ready"):
                    successor = server.begin_takeover(environment={"TEST_TAKEOVER_HANGS_AT": step})
                    wait_until(lambda: "takes too long" in server.stderr() or successor.poll() is not None
                               or not server.is_running(), what="the old process gives up")
                    if not server.is_running():
                        self.skipTest("the server was built without checks")
                    crowd.go_on()
                    successor.kill()
                    successor.wait()
                    with open(server.stderr_path, "w"):
                        pass
                server.take_over()
                crowd.go_on()

    def test_kill_9_of_the_new_process_at_any_moment_loses_nothing(self):
        moments = random.Random(4)
        with Server("-t", "2", RULE, sessions=True) as server:
            with Crowd(server, 12) as crowd:
                for _ in range(15):
                    successor = server.begin_takeover()
                    time.sleep(moments.uniform(0, 0.08))
                    if "took over" in server.stderr() or server.process.poll() is not None:
                        # It was quicker: then it is the server.
                        server.wait()
                        server.process = successor
                        with open(server.stderr_path, "w"):
                            pass
                        continue
                    successor.kill()
                    successor.wait()
                    time.sleep(0.05)
                    if server.process.poll() is not None:
                        break  # killed after it had taken over: a crash like any other, which the journal is for
                    crowd.go_on()
                else:
                    return
                for client in crowd.clients:
                    client.ended = True
                    client.join()
                    client.error = None
            server.start()

    def test_kill_9_of_the_old_process_lets_the_new_one_serve_or_end(self):
        with Server("-t", "2", RULE, sessions=True) as server:
            with server.connect() as client:
                client.ask(b"set s:a 0 1000 1\r\nx\r\n", b"STORED\r\n")
            for delay in (0.0, 0.02, 0.04, 0.06):
                successor = server.begin_takeover()
                time.sleep(delay)
                server.kill()
                wait_until(lambda: successor.poll() is not None or self.answers(server), what="an end or an answer")
                if successor.poll() is None:
                    server.process = successor
                else:
                    server.start()
                with server.connect() as client:
                    client.ask(b"get s:a\r\n", b"VALUE s:a 0 1\r\nx\r\nEND\r\n")

    @staticmethod
    def answers(server):
        try:
            with server.connect(1) as connection:
                connection.ask(b"mn\r\n", b"MN\r\n")
                return True
        except (OSError, AssertionError):
            return False

    def check_refused(self, server, pattern, *more, drop=(), status=None):
        kept = server.arguments
        server.arguments = [argument for argument in kept if not argument.startswith(drop)] if drop else kept
        try:
            successor = server.begin_takeover(*more)
        finally:
            server.arguments = kept
        code = successor.wait(30)
        self.assertNotEqual(code, 0)
        if status is not None:
            self.assertEqual(code, status)
        self.assertRegex(server.stderr(), pattern)
        with server.connect() as client:
            client.ask(b"mn\r\n", b"MN\r\n")

    def test_wrong_flags_are_refused_with_a_line(self):
        with Server("--takeover-socket={state}/door", RULE, sessions=True) as server:
            with server.connect() as client:
                client.ask(b"set s:a 0 1000 1\r\nx\r\n", b"STORED\r\n")
            self.check_refused(server, "keeps sessions: give the same --sessions", drop=("--sessions=", "--session-rule"))
            self.check_refused(server, "has a journal: give the same --journal", "--journal=none")
            self.check_refused(server, "has another one; give the same", f"--sessions=sqlite:{server.state_dir}/other.db")
            self.check_refused(server, "is not that of the server that hands over", f"--journal={server.state_dir}/other")
            server.take_over()
            with server.connect() as client:
                client.ask(b"get s:a\r\n", b"VALUE s:a 0 1\r\nx\r\nEND\r\n")

    def test_without_a_server_there_is_nothing_to_take_over(self):
        user = ("-u", "root") if os.geteuid() == 0 else ()
        result = run_server_once("--takeover", "--takeover-socket=/nonexistent/door", "-p", "-1", *user)
        self.assertEqual(result.returncode, 1)
        self.assertRegex(result.stderr, "no server runs there .*: start without --takeover")

    def test_a_stranger_at_the_door_is_no_harm(self):
        import socket
        with Server("--takeover-socket={state}/door") as server:
            self.assertEqual(os.stat(server.state_dir + "/door").st_mode & 0o777, 0o600)
            for words in (b"", b"hello\r\n", b"x" * 16, bytes(16), bytes([1, 0, 0, 0]) + bytes(4) + b"\xff" * 8):
                with socket.socket(socket.AF_UNIX) as door:
                    door.connect(server.state_dir + "/door")
                    door.sendall(words)
            server.take_over()
            with server.connect() as client:
                client.ask(b"mn\r\n", b"MN\r\n")


class Signals(unittest.TestCase):
    def test_usr2_starts_the_program_anew_to_take_over(self):
        with Server("-t", "2", RULE, sessions=True) as server:
            with Crowd(server, 6) as crowd:
                for _ in range(2):
                    with server.connect() as connection:
                        pid = int(connection.stats()["pid"])
                        os.kill(pid, signal.SIGUSR2)
                        wait_until(lambda: connection.stats()["pid"] != str(pid), what="another process")
                        last = int(connection.stats()["pid"])
                    crowd.go_on()
            self.assertEqual(server.wait(), 0)
            os.kill(last, signal.SIGTERM)
            wait_until(lambda: not os.path.exists(f"/proc/{last}") or server.stderr().count("stopped") == 3, what="the end")

    def test_usr1_lets_connections_finish_what_they_have_in_hand(self):
        with Server(RULE, sessions=True) as server:
            idle, half = server.connect(), server.connect()
            idle.ask(b"mn\r\n", b"MN\r\n")
            half.send(b"set s:a 0 1000 5\r\nab")
            time.sleep(0.1)
            server.signal(signal.SIGUSR1)
            idle.expect_closed()
            with self.assertRaises(OSError):
                server.connect()
            half.ask(b"cde\r\n", b"STORED\r\n")
            half.expect_closed()
            self.assertEqual(server.wait(), 0)
            self.assertIn("writing sessions to the database: 0 left", server.stderr())
            server.start()
            with server.connect() as client:
                client.ask(b"get s:a\r\n", b"VALUE s:a 0 5\r\nabcde\r\nEND\r\n")

    def test_usr1_does_not_wait_for_ever(self):
        with Server() as server:
            with server.connect() as half:
                half.send(b"set a 0 0 5\r\nab")
                time.sleep(0.1)
                server.signal(signal.SIGUSR1)
                time.sleep(0.2)
                self.assertTrue(server.is_running())
                server.signal(signal.SIGTERM)
                self.assertEqual(server.wait(5), 0)
                half.expect_closed()

    def test_a_second_term_stops_at_once_and_the_journal_keeps_the_rest(self):
        with Server(RULE, "--drain-timeout=600", sessions=True) as server:
            with server.connect() as client:
                os.rename(server.database, server.database + ".away")
                client.ask(b"set s:a 0 1000 1\r\nx\r\n", b"STORED\r\n")
            server.signal(signal.SIGTERM)
            wait_until(lambda: "stopping: SIGTERM" in server.stderr())
            time.sleep(0.3)
            self.assertTrue(server.is_running())
            server.signal(signal.SIGTERM)
            self.assertEqual(server.wait(5), 0)
            self.assertIn("stopped at once: 1 sessions were not written to the database: they stay in the journal",
                          server.stderr())
            os.rename(server.database + ".away", server.database)
            server.start()
            with server.connect() as client:
                client.ask(b"get s:a\r\n", b"VALUE s:a 0 1\r\nx\r\nEND\r\n")


if __name__ == "__main__":
    main()
