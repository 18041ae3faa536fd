"""All kinds of commands from many connections, comers and goers, readers that stall, a memory limit that moves, reloads: memory stays
flat, no connection is stuck, and the counters are what the clients sent. Two minutes, or $SOAK_MINUTES: make check-soak MINUTES=10."""

import collections
import os
import random
import signal
import socket
import struct
import threading
import time
import traceback
import unittest

from holdfast_test import Connection, Server, main, wait_until

MINUTES = float(os.environ.get("SOAK_MINUTES", "2"))
PAUSE_S = 0.002  # between a client's commands, so that the machine has time for others
KEYS = 4000
MEGABYTE = 1 << 20


def packet(opcode, key=b"", extras=b"", value=b""):
    return struct.pack(">BBHBBHIIQ", 0x80, opcode, len(key), len(extras), 0, 0, len(key) + len(extras) + len(value), 0, 0) + extras + key + value


class Actor(threading.Thread):
    """Does something again and again until the time is over, and counts what it sent by the statistic that counts it."""

    def __init__(self, soak, number):
        super().__init__(daemon=True)
        self.soak = soak
        self.random = random.Random(number)
        self.sent = collections.Counter()
        self.connects = 0
        self.rounds = 0
        self.error = None

    def connect(self):
        self.connects += 1
        return self.soak.server.connect()

    def key(self):
        number = self.random.randrange(KEYS)
        return b"rack:session:%d" % number if self.random.random() < 0.1 else b"key:%d" % number

    def value(self):
        return b"v" * self.random.choice((1, 30, 100, 400, 1500, 9000, 60000))

    def run(self):
        try:
            while not self.soak.over():
                self.act()
                self.rounds += 1
        except Exception:  # pylint: disable=broad-except
            self.error = traceback.format_exc()
            self.soak.failed.set()


class TextClient(Actor):
    """One connection, commands one after the other."""

    def act(self):
        with self.connect() as client:
            for _ in range(3000):
                if self.soak.over():
                    return
                self.one(client)
                time.sleep(PAUSE_S)

    def one(self, client):
        act = self.random.choice((self.set, self.set, self.get, self.get, self.get, self.many, self.delete, self.incr, self.touch, self.cas,
                                  self.meta, self.append, self.pipeline))
        act(client)

    def set(self, client):
        value = self.value()
        client.send(b"%s %s 5 %d %d\r\n%s\r\n" % (self.random.choice((b"set", b"set", b"add", b"replace")), self.key(),
                                                 self.random.choice((0, 0, 2, 1000)), len(value), value))
        self.sent["cmd_set"] += 1
        assert client.read_line() in (b"STORED", b"NOT_STORED", b"SERVER_ERROR out of memory storing object")

    def get(self, client):
        client.send(b"get " + self.key() + b"\r\n")
        self.sent["cmd_get"] += 1
        self.read_values(client)

    def many(self, client):
        keys = [self.key() for _ in range(30)]
        client.send(b"gets " + b" ".join(keys) + b"\r\n")
        self.sent["cmd_get"] += len(keys)
        self.read_values(client)

    def read_values(self, client):
        while True:
            line = client.read_line()
            if line == b"END":
                return
            assert line.startswith(b"VALUE "), line
            size = int(line.split()[3])
            value = client.read(size + 2)
            assert value[:size].strip(b"v0123456789 ") == b"", value[:100]

    def delete(self, client):
        client.send(b"delete " + self.key() + b"\r\n")
        self.sent["delete"] += 1
        assert client.read_line() in (b"DELETED", b"NOT_FOUND")

    def incr(self, client):
        client.send(b"set number:%d 0 0 1\r\n5\r\nincr number:%d 3\r\ndecr absent:%d 1\r\n" % ((self.random.randrange(KEYS),) * 3))
        self.sent.update({"cmd_set": 1, "incr": 1, "decr": 1})
        assert client.read_line() in (b"STORED", b"SERVER_ERROR out of memory storing object")
        client.read_line()
        assert client.read_line() == b"NOT_FOUND"

    def touch(self, client):
        client.send(b"touch %s 1000\r\ngat 1000 %s %s\r\n" % (self.key(), self.key(), self.key()))
        self.sent["cmd_touch"] += 3
        assert client.read_line() in (b"TOUCHED", b"NOT_FOUND")
        self.read_values(client)

    def cas(self, client):
        client.send(b"cas %s 0 0 1 12345\r\nv\r\n" % self.key())
        self.sent["cmd_set"] += 1
        assert client.read_line() in (b"EXISTS", b"NOT_FOUND", b"STORED")

    def append(self, client):
        client.send(b"append %s 0 0 2\r\nvv\r\n" % self.key())
        self.sent["cmd_set"] += 1
        assert client.read_line() in (b"STORED", b"NOT_STORED", b"SERVER_ERROR out of memory storing object",
                                      b"SERVER_ERROR object too large for cache")

    def meta(self, client):
        key = self.key()
        client.send(b"mg %s s q\r\nms %s 2 q\r\nvv\r\nmd %s q\r\nme %s\r\nmn\r\n" % (key, key, key, key))
        self.sent.update({"cmd_meta": 5, "cmd_get": 1, "cmd_set": 1, "delete": 1})
        client.read_until(b"MN\r\n")

    def pipeline(self, client):
        keys = [self.key() for _ in range(50)]
        client.send(b"".join(b"get %s\r\n" % key for key in keys))
        self.sent["cmd_get"] += len(keys)
        for _ in keys:
            self.read_values(client)


class BinaryClient(Actor):
    def act(self):
        with self.connect() as client:
            for _ in range(2000):
                if self.soak.over():
                    return
                key = self.key()
                opcode = self.random.choice((0x00, 0x01, 0x04, 0x1C))
                if opcode == 0x01:
                    client.send(packet(opcode, key, bytes(8), self.value()))
                else:
                    client.send(packet(opcode, key, struct.pack(">I", 1000) if opcode == 0x1C else b""))
                self.sent[{0x00: "cmd_get", 0x01: "cmd_set", 0x04: "delete", 0x1C: "cmd_touch"}[opcode]] += 1
                client.read(struct.unpack(">I", client.read(24)[8:12])[0])
                time.sleep(PAUSE_S)


class Comer(Actor):
    """Comes, says little, often half of it, and goes; sometimes without a good-bye."""

    def act(self):
        with self.connect() as client:
            how = self.random.randrange(5)
            if how == 0:
                client.ask(b"mn\r\n", b"MN\r\n")
                self.sent["cmd_meta"] += 1
            elif how == 1:
                client.send(b"set half 0 0 100000\r\nhalf")
            elif how == 2:
                client.send(b"quit\r\n")
                client.expect_closed()
            elif how == 3:
                client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                client.send(b"stats\r\n")
            else:
                client.send(b"\x80\x01")
        time.sleep(0.02)


class StalledReader(Actor):
    """Asks for far more than a socket takes, sleeps, and then reads all of it."""

    def act(self):
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            raw.settimeout(60)
            raw.connect(self.soak.server.address())
            self.connects += 1
            size = 50000
            raw.sendall(b"set stalled 0 0 %d\r\n%s\r\n" % (size, b"v" * size) + b"get stalled\r\n" * 40 + b"mn\r\n")
            self.sent.update({"cmd_set": 1, "cmd_get": 40, "cmd_meta": 1})
            time.sleep(self.random.choice((0.5, 3, 8)))
            tail = b""
            while not tail.endswith(b"MN\r\n"):
                data = raw.recv(1 << 16)
                assert data, "closed"
                tail = (tail + data)[-16:]


class Watcher(Actor):
    """Watches for a while; reads, or does not."""

    def act(self):
        with self.connect() as client:
            client.ask(b"watch fetchers mutations evictions connevents deletions\r\n", b"OK\r\n")
            until = time.monotonic() + self.random.choice((1, 3))
            while self.rounds % 2 and time.monotonic() < until and not self.soak.over():
                client.read_until(b"\n")
            time.sleep(max(0, until - time.monotonic()))


class Operator(Actor):
    """Moves the memory limit, asks for lists and statistics, flushes, reloads."""

    def act(self):
        with self.connect() as client:
            for megabytes in (64, 24, 96, 40):
                client.ask(b"cache_memlimit %d\r\n" % megabytes, b"OK\r\n")
                self.ask_everything(client)
                time.sleep(self.random.uniform(0.2, 1))
                if self.soak.over():
                    return
            if self.rounds % 5 == 4:
                client.ask(b"flush_all\r\n", b"OK\r\n")
                self.sent["cmd_flush"] += 1
            with open(self.soak.config, "w") as file:
                file.write(f"max-reqs-per-event = {self.random.choice((1, 20, 100))}\n")
            self.soak.server.signal(signal.SIGHUP)

    def ask_everything(self, client):
        client.send(b"lru_crawler metadump all\r\n")
        while True:
            line = client.read_until(b"\n")
            if line in (b"END\r\n", b"BUSY currently processing crawler request\r\n"):
                break
            assert line.startswith(b"key="), line
        client.send(b"lru_crawler crawl all\r\n")
        client.read_line()
        for group in ("", "items", "slabs", "sizes", "conns", "settings", "sessions", "holdfast"):
            client.stats(group)
        client.ask(b"stats detail on\r\n", b"OK\r\n")
        client.send(b"stats detail dump\r\n")
        client.read_until(b"END\r\n")


class Soak(unittest.TestCase):
    def setUp(self):
        self.failed = threading.Event()

    def over(self):
        return self.failed.is_set() or time.monotonic() > self.until

    def settle(self, client):
        """A memory limit, and all that is above it given back."""
        client.ask(b"cache_memlimit 48\r\n", b"OK\r\n")
        wait_until(lambda: client.stats()["slab_reassign_running"] == "0", 60, "memory is given back")
        return self.server.resident_bytes()

    def test_soak(self):
        with Server("-t", "3", "-m", "64", "-o", "track_sizes", "--config={state}/soak.conf", "-c", "200", sessions=True,
                    start=False) as self.server:
            self.config = os.path.join(self.server.state_dir, "soak.conf")
            with open(self.config, "w") as file:
                file.write("max-reqs-per-event = 20\n")
            self.server.start()
            self.until = time.monotonic() + MINUTES * 60
            kinds = [TextClient] * 5 + [BinaryClient] * 2 + [Comer] * 2 + [StalledReader] * 2 + [Watcher] * 2 + [Operator]
            actors = [kind(self, number) for number, kind in enumerate(kinds)]
            before = self.server.stats()
            for actor in actors:
                actor.start()
            time.sleep(min(30, MINUTES * 60 / 4))
            with self.server.connect() as client:
                warm = self.settle(client)
            for actor in actors:
                actor.join(max(0, self.until - time.monotonic()) + 90)
            for actor in actors:
                if actor.error:
                    self.fail(f"{type(actor).__name__}:\n{actor.error}")
                self.assertFalse(actor.is_alive(), f"{type(actor).__name__} is stuck")
                self.assertGreater(actor.rounds, 0)
            with self.server.connect() as client:
                wait_until(lambda: client.stats()["curr_connections"] == "1", 30, "all others have gone")
                end = self.settle(client)
                self.check_counters(actors, before, client.stats())
            if not self.server.is_sanitized():
                self.assertLess(end - warm, 24 * MEGABYTE, f"{warm >> 20} MB warm, {end >> 20} MB at the end")
            print(f"{sum(sum(actor.sent.values()) for actor in actors)} commands, {sum(actor.connects for actor in actors)} connections, "
                  f"{warm >> 20} MB warm, {end >> 20} MB at the end", flush=True)

    def check_counters(self, actors, before, after):
        sent = sum((actor.sent for actor in actors), collections.Counter())
        grown = {name: int(after[name]) - int(before[name]) for name in after if after[name].isdigit()}
        counted = {name: grown[name] for name in ("cmd_get", "cmd_set", "cmd_touch", "cmd_flush", "cmd_meta")}
        for name in ("delete", "incr", "decr"):
            counted[name] = grown[f"{name}_hits"] + grown[f"{name}_misses"]
        self.assertEqual(counted, {name: sent[name] for name in counted})
        self.assertEqual(grown["get_hits"] + grown["get_misses"], sent["cmd_get"])
        self.assertEqual(grown["touch_hits"] + grown["touch_misses"], sent["cmd_touch"])
        self.assertEqual(grown["rejected_connections"], 0)
        self.assertGreaterEqual(grown["total_connections"], sum(actor.connects for actor in actors))


main(timeout_s=MINUTES * 60 + 240)
