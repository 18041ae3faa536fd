"""libmemcached (C) does its repertoire over both protocols."""

import atexit
import os
import shutil
import subprocess
import tempfile
import unittest

from client_repertoire import GroupKeys, OnSessions, Repertoire
from holdfast_test import main, need_program, skip_all, source_path

DIRECTORY = tempfile.mkdtemp(prefix="holdfast-libmemcached-")
atexit.register(shutil.rmtree, DIRECTORY)
PROGRAM = os.path.join(DIRECTORY, "repertoire")
GROUP_PROGRAM = os.path.join(DIRECTORY, "group_keys")


def build():
    compiler = os.environ.get("CC") or need_program("cc", "gcc")
    if not os.path.exists("/usr/include/libmemcached/memcached.h"):
        skip_all("libmemcached is not installed (Debian: libmemcached-dev)")
    for program in (PROGRAM, GROUP_PROGRAM):
        subprocess.run([compiler, "-Wall", "-Wextra", "-Werror", "-o", program,
                        source_path(f"t/client/libmemcached/{os.path.basename(program)}.c"), "-lmemcached"], check=True)


class Libmemcached(Repertoire):
    scenarios = ("store_and_fetch", "append_and_prepend", "cas", "incr_and_decr", "touch_and_expiry", "exist", "multiget",
                 "multiget_with_callbacks", "buffered_requests", "without_replies", "values_of_every_length_and_byte",
                 "too_large_value", "keys_of_250_bytes_and_unicode", "group_keys", "stats_and_version")


class Text(Libmemcached, unittest.TestCase):
    program = (PROGRAM, "text")


class Binary(Libmemcached, unittest.TestCase):
    program = (PROGRAM, "binary")


class TextOnSessions(OnSessions, Libmemcached, unittest.TestCase):
    program = (PROGRAM, "text")


class BinaryOnSessions(OnSessions, Libmemcached, unittest.TestCase):
    program = (PROGRAM, "binary")


class MultigetByKey(GroupKeys, unittest.TestCase):
    """Master keys on three servers: mget_by_key and the other functions with a group key."""

    def test_on_every_ring_over_both_protocols(self):
        for protocol in ("text", "binary"):
            for ring in ("modula", "ketama", "weighted"):
                with self.subTest(protocol=protocol, ring=ring):
                    self.expect_groups_together(GROUP_PROGRAM, protocol, ring)


if __name__ == "__main__":
    build()
    main()
