"""Perl's Cache::Memcached (with master keys) and Cache::Memcached::Fast (in C) do their repertoire."""

import subprocess
import unittest

from client_repertoire import GroupKeys, OnSessions, Repertoire
from holdfast_test import main, need_program, source_path

need_program("perl")
PROGRAM = ("perl", source_path("t/client/perl/repertoire.pl"))


def need_module(name, package):
    done = subprocess.run(["perl", f"-M{name}", "-e1"], stderr=subprocess.DEVNULL, check=False)
    return unittest.skipIf(done.returncode != 0, f"Perl lacks {name} (Debian: {package})")


BOTH = ("store_and_fetch", "objects_come_back_as_they_were", "append_and_prepend", "incr_and_decr", "multiget", "values_of_every_length_and_byte",
        "too_large_value", "keys_of_250_bytes_and_unicode", "unicode_values")


@need_module("Cache::Memcached", "libcache-memcached-perl")
class CacheMemcached(Repertoire, GroupKeys, unittest.TestCase):
    program = (*PROGRAM, "Cache::Memcached")
    scenarios = (*BOTH, "expiry", "stats")

    def test_master_keys(self):
        self.expect_groups_together(*self.program, "groups")


@need_module("Cache::Memcached", "libcache-memcached-perl")
class CacheMemcachedOnSessions(OnSessions, Repertoire, unittest.TestCase):
    program, scenarios = CacheMemcached.program, CacheMemcached.scenarios


@need_module("Cache::Memcached::Fast", "libcache-memcached-fast-perl")
class Fast(Repertoire, unittest.TestCase):
    program = (*PROGRAM, "Cache::Memcached::Fast")
    scenarios = (*BOTH, "cas", "touch_gat_and_expiry", "commands_for_many_keys", "without_waiting", "versions")


class FastOnSessions(OnSessions, Fast):
    pass


if __name__ == "__main__":
    main()
