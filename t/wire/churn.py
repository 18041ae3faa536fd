#!/usr/bin/python3
"""Memory under churn: whatever comes and goes, the server takes no more than -m, its connection buffers and a fixed rest.

Some seconds at -m 256, until it is full and all sizes had their turn; with $CHURN_MINUTES that long at -m 1024:
make check-churn MINUTES=60.
"""

import os
import random
import socket
import threading
import time
import traceback
import unittest

from holdfast_test import Server, main

MINUTES = float(os.environ.get("CHURN_MINUTES", "0"))
SECONDS = MINUTES * 60 or 4
FULL_S = 120  # by when even a slow machine has filled it
MEGABYTE = 1 << 20
REST_BYTES = 24 * MEGABYTE  # program, libraries, threads
KEPT_S = 15  # malloc gives back what was freed within ten seconds
SIZES = ((10, 100), (100, 1000), (30, 60_000), (5_000, 20_000), (1, 400), (200_000, 900_000))
SIZES_CHANGE_S = max(0.5, SECONDS / 60)


class Churn(unittest.TestCase):
    def setUp(self):
        self.failures = []
        self.begin = time.monotonic()
        self.stop = threading.Event()

    def over(self):
        return self.failures or self.stop.is_set()

    def size(self, dice):
        """What is stored shifts from one kind of sizes to the next, and comes back."""
        smallest, largest = SIZES[int((time.monotonic() - self.begin) / SIZES_CHANGE_S) % len(SIZES)]
        return dice.randint(smallest, largest)

    def work(self, act, number):
        try:
            dice = random.Random(number)
            while not self.over():
                act(dice)
        except Exception:  # pylint: disable=broad-except
            self.failures.append(traceback.format_exc())

    def write(self, dice):
        """Sets that stay, sets that expire, sets of what is there, deletes, and reads that make some of it worth keeping."""
        with self.server.connect() as client:
            for _ in range(200):
                if self.over():
                    return
                size = self.size(dice)
                requests = []
                for _ in range(max(1, min(500, 400_000 // size))):
                    key, expiry = dice.randrange(2 * self.limit_bytes // (size + 60)), dice.choice((0, 0, 1, 3, 100))
                    requests.append(b"set k%d 0 %d %d noreply\r\n%s\r\n" % (key, expiry, size, b"v" * size))
                    if dice.random() < 0.2:
                        requests.append(b"delete k%d noreply\r\n" % dice.randrange(key + 1))
                    if dice.random() < 0.2:
                        requests.append(b"mg k%d t q\r\n" % dice.randrange(key + 1))
                client.send(b"".join(requests) + b"mn\r\n")
                client.read_until(b"MN\r\n")

    def stall(self, dice):
        """Asks for much and does not read, sends half and waits, and goes without a word."""
        clients = []
        for number in range(20):
            client = self.server.connect()
            client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
            client.socket.settimeout(0.2)
            try:
                if number % 2:
                    client.send(b"set half%d 0 0 900000\r\n%s" % (number, b"h" * dice.randrange(900_000)))
                else:
                    client.send(b"set big 0 0 500000\r\n%s\r\n" % (b"b" * 500_000) + b"get big\r\n" * 10)
            except socket.timeout:
                pass
            clients.append(client)
        time.sleep(dice.choice((0.2, 1)))
        for client in clients:
            client.close()

    def watch(self, client):
        """Looks until it is over; the most that the server took beyond -m and its buffers, and the most of buffers."""
        most, buffers = 0, []  # buffers: when, and how many bytes
        while not self.over():
            resident = self.server.resident_bytes()
            stats = client.stats()
            buffers.append((time.monotonic(), int(stats["read_buf_bytes"])))
            lately = max(size for when, size in buffers if when > buffers[-1][0] - KEPT_S)
            most = max(most, resident - 1.02 * (self.limit_bytes + lately))
            elapsed = time.monotonic() - self.begin
            if (elapsed > SECONDS and int(stats["evictions"]) > 0) or elapsed > SECONDS + FULL_S:
                self.stop.set()
            time.sleep(0.05)
        return most, max(size for _, size in buffers)

    def test_the_server_takes_no_more_than_it_was_given(self):
        with Server("-t", "4", "--connection-memory=32m", start=False) as self.server:
            # A sanitizer is slow, and its memory is not looked at.
            megabytes = 1024 if MINUTES else 32 if self.server.is_sanitized() else 256
            self.limit_bytes = megabytes * MEGABYTE
            self.server.arguments += ["-m", str(megabytes)]
            self.server.start()
            threads = [threading.Thread(target=self.work, args=(act, number))
                       for number, act in enumerate((self.write, self.write, self.write, self.stall))]
            for thread in threads:
                thread.start()
            with self.server.connect() as client:
                most, most_buffers = self.watch(client)
                for thread in threads:
                    thread.join()
                stats = client.stats()
            print(f"{int(stats['cmd_set'])} sets, {int(stats['bytes_read']) >> 20} MB; at most {most_buffers >> 20} MB of buffers and "
                  f"{most / MEGABYTE:.1f} MB beyond -m and buffers", flush=True)
            self.assertEqual(self.failures, [])
            self.assertGreater(int(stats["evictions"]), 0)
            self.assertEqual(stats["store_no_memory"], "0")
            if not self.server.is_sanitized():
                self.assertLess(most, REST_BYTES)


if __name__ == "__main__":
    main(timeout_s=SECONDS + FULL_S + 60)
