"""Holdfast answers the same bytes to the same bytes as memcached 1.6.18, but for the differences of t/lib/oracle/differences.py.

    DIFFERENTIAL_SEED=N     another run; "random": one that nobody has seen, which prints its seed. Left out: always the same,
                            so that whoever changes something is told of that and not of another's luck
    DIFFERENTIAL_STREAMS=N  how many random streams
    DIFFERENTIAL_ONLY=N     this one stream of the seed

A random stream that differs is shown as short as it could be made.
"""

import dataclasses
import os
import random
import shutil
import threading
import time
import unittest

from holdfast_test import main, skip_all
from oracle import differences, huge, streams, timed
from oracle.pair import Pair, compare
from oracle.shrink import shrink
from oracle.stream import Step, Stream

ASKED_SEED = os.environ.get("DIFFERENTIAL_SEED") or "1"
SEED = random.SystemRandom().randrange(10**9) if ASKED_SEED == "random" else int(ASKED_SEED)
COUNT = int(os.environ.get("DIFFERENTIAL_STREAMS") or 2500)
ONLY = os.environ.get("DIFFERENTIAL_ONLY")
TIME_LIMIT_S = 40  # for who runs this under a sanitizer, on a busy machine: fewer streams then
SHOWN_MAX = 8

MEMCACHED = shutil.which(os.environ.get("MEMCACHED_BIN") or "memcached") or skip_all("memcached is not installed (Debian: memcached)")
ARGUMENTS = ("-m", "64", "-t", "1")

EVERY_COMMAND = {
    False: [b"set a 1 0 2\r\n10\r\n", b"get a b\r\n", b"gets\r\n", b"incr a 5\r\n", b"append a 0 0 3\r\nxyz\r\n", b"touch a 0 noreply\r\n",
            b"gat 0 a\r\n", b"ms b 4 T0 c\r\nab\r\n\r\n", b"mg b v k q\r\n", b"mn\r\n", b"ma c N0 J7 v\r\n", b"md b q\r\n", b"bogus\r\n",
            b"delete a\r\n", b"add d 0 0 1\nx\r\n", b"set d 0 0 1\r\nxy\r\n", b"get d\r\n"],
    True: [b"\x80\x01\0\1\x08\0\0\0\0\0\0\x0c\0\0\0\1" + bytes(16) + b"a100", b"\x80\x0c\0\1\0\0\0\0\0\0\0\1\0\0\0\2" + bytes(8) + b"a",
           b"\x80\x05\0\1\x14\0\0\0\0\0\0\x15\0\0\0\3" + bytes(8) + bytes(7) + b"\5" + bytes(12) + b"a",
           b"\x80\x0d\0\1\0\0\0\0\0\0\0\1\0\0\0\4" + bytes(8) + b"z", b"\x80\x04\0\1\0\0\0\0\0\0\0\1\0\0\0\5" + bytes(8) + b"a",
           b"\x80\x0a" + bytes(22)],
}


class Differential(unittest.TestCase):
    def assert_agree(self, disagreement):
        if disagreement is not None:
            self.fail(f"\n{disagreement}")

    def test_random_streams_are_answered_alike(self):
        print(f"DIFFERENTIAL_SEED={SEED}", flush=True)
        found = []
        started = time.monotonic()
        with Pair(MEMCACHED, *ARGUMENTS) as pair:
            for index in [int(ONLY)] if ONLY else range(COUNT):
                stream, cuts = streams.make(SEED, index)
                first = pair.disagreement(stream, cuts)
                if first is not None:
                    shortest = shrink(lambda shorter, cuts=cuts: pair.disagreement(shorter, cuts), stream)
                    found.append(str(shortest or f"{first}\n  (it did not differ again)"))
                if len(found) == SHOWN_MAX or time.monotonic() - started > TIME_LIMIT_S:
                    break
        print(f"{index + 1} streams in {time.monotonic() - started:.1f} s", flush=True)
        self.assertFalse(found, "\n\n" + "\n\n".join(found))

    def test_a_stream_cut_anywhere_is_answered_alike(self):
        with Pair(MEMCACHED, *ARGUMENTS) as pair:
            for binary, requests in EVERY_COMMAND.items():
                whole = Stream("every command", binary, [Step(0, [(b"".join(requests),)])], mutated=True)
                self.assert_agree(pair.disagreement(whole))
                size = sum(map(len, requests))
                for at in range(1, size):
                    self.assert_agree(pair.disagreement(dataclasses.replace(whole, split="cuts"), [at / size + 1e-9]))
                self.assert_agree(pair.disagreement(dataclasses.replace(whole, split="bytes")))

    def test_many_keys_at_once_are_answered_alike(self):
        with Pair(MEMCACHED, *ARGUMENTS) as pair:
            for stream in (huge.text(), huge.meta(), huge.binary()):
                self.assert_agree(pair.disagreement(stream))

    def test_items_expire_alike(self):
        found = []
        with Pair(MEMCACHED, *ARGUMENTS) as pair, Pair(MEMCACHED, *ARGUMENTS) as flushed:
            runs = [threading.Thread(target=lambda pair=pair, stream=stream: found.append(compare(stream, *pair.answers(stream))))
                    for pair, stream in ((pair, timed.text()), (pair, timed.binary()), (flushed, timed.flush()))]
            for run in runs:
                run.start()
            for run in runs:
                run.join()
        self.assertEqual(found, [None] * 3, "\n" + "\n".join(map(str, found)))

    def test_known_differences_are_as_described(self):
        with Pair(MEMCACHED, *ARGUMENTS) as pair:
            for known in differences.LINES + differences.DIFFERENCES:
                for request in known.requests:
                    with self.subTest(known.name, request=request):
                        pair.flush()
                        binary = request.startswith(b"\x80")
                        ours, theirs = pair.answers(Stream(known.name, binary, [Step(0, [(request,)])], mutated=True))
                        self.assertTrue(known.is_expected("ours", ours.data[0]), ours.data[0])
                        self.assertTrue(known.is_expected("theirs", theirs.data[0]), theirs.data[0])


main()
