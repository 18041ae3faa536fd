"""memcached of npm (text protocol) does its repertoire. Sessions by connect-memcached are in t/session/express_site.py."""

import os
import unittest

import node_packages
from client_repertoire import OnSessions, Repertoire
from holdfast_test import main, source_path

os.environ.update(node_packages.install("t/client/node_memcached"))


class NodeMemcached(Repertoire, unittest.TestCase):
    program = ("node", source_path("t/client/node_memcached/repertoire.js"))
    scenarios = ("store_and_fetch", "objects_come_back_as_they_were", "append_and_prepend", "cas", "incr_and_decr", "touch_and_expiry",
                 "multiget", "many_requests_at_once", "values_of_every_length_and_byte", "too_large_value",
                 "keys_of_250_bytes_and_unicode", "stats_and_version")


class NodeMemcachedOnSessions(OnSessions, NodeMemcached):
    pass


if __name__ == "__main__":
    main()
