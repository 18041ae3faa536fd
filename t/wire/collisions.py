#!/usr/bin/python3
"""What an attacker can do who makes keys with one CRC: nothing. Such keys are stored, found and deleted, and cost what others cost."""

import glob
import random
import unittest

from crc_collisions import crc32c, keys_with_one_crc
from holdfast_test import Server, main

PIPELINE = 1000


def cpu_ns(server):
    """Run time of all its threads."""
    total = 0
    for path in glob.glob(f"/proc/{server.pid}/task/*/schedstat"):
        with open(path) as file:
            total += int(file.read().split()[0])
    return total


def pipelines(keys):
    return [keys[at:at + PIPELINE] for at in range(0, len(keys), PIPELINE)]


def store(client, keys):
    for some in pipelines(keys):
        client.ask(b"".join(b"set %b 0 0 1 noreply\r\nv\r\n" % key for key in some) + b"mn\r\n", b"MN\r\n")


def read(client, keys):
    for some in pipelines(keys):
        client.ask(b"".join(b"get %b\r\n" % key for key in some), b"".join(b"VALUE %b 0 1\r\nv\r\nEND\r\n" % key for key in some))


class Collisions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with Server() as server:
            cls.count = 10_000 if server.is_sanitized() else 100_000
        cls.attacked = keys_with_one_crc(cls.count)
        letters = random.Random(1)
        cls.others = [bytes(letters.choices(b"abcdefghijklmnopqrstuvwxyz", k=52)) for _ in range(cls.count)]

    def test_the_keys_are_what_they_are_said_to_be(self):
        self.assertEqual(crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(len(set(self.attacked)), self.count)
        self.assertEqual(len({crc32c(key) for key in self.attacked[::997]}), 1)

    def test_a_hundred_thousand_keys_of_one_crc_are_kept_and_cost_what_others_cost(self):
        with Server("-t", "1", "-m", "64") as server, server.connect() as client:
            def cost(act, keys):
                begin = cpu_ns(server)
                act(client, keys)
                return cpu_ns(server) - begin

            # Both are read by turns, so that the least of several is of a moment when the machine had nothing better to do.
            store_others, store_attacked = cost(store, self.others), cost(store, self.attacked)
            rounds = [(cost(read, self.others), cost(read, self.attacked)) for _ in range(3)]
            read_others, read_attacked = (min(costs) for costs in zip(*rounds))
            print(f"CPU of attacked keys to that of others: set {store_attacked / store_others:.2f}, "
                  f"get {read_attacked / read_others:.2f}", flush=True)
            self.assertLess(store_attacked, 5 * store_others)
            self.assertLess(read_attacked, (5 if server.is_sanitized() else 2) * read_others)
            self.assertEqual(client.stats()["curr_items"], str(2 * self.count))
            for some in pipelines(self.attacked):
                client.ask(b"".join(b"delete %b\r\n" % key for key in some), b"DELETED\r\n" * len(some))
            read(client, self.others[::10])
            client.ask(b"get " + b" ".join(self.attacked[:100]) + b"\r\n", b"END\r\n")
            self.assertEqual(client.stats()["curr_items"], str(self.count))


if __name__ == "__main__":
    main()
