"""memjs (Node, binary protocol) does its repertoire. Sessions by connect-memjs are in t/session/express_site.py."""

import os
import unittest

import node_packages
from client_repertoire import OnSessions, Repertoire
from holdfast_test import main, source_path

os.environ.update(node_packages.install("t/client/memjs"))


class Memjs(Repertoire, unittest.TestCase):
    program = ("node", source_path("t/client/memjs/repertoire.js"))
    scenarios = ("store_and_fetch", "append", "incr_and_decr", "touch_and_expiry", "many_requests_at_once",
                 "values_of_every_length_and_byte", "too_large_value", "keys_of_250_bytes_and_unicode",
                 "flags_come_back", "stats")


class MemjsOnSessions(OnSessions, Memjs):
    pass


if __name__ == "__main__":
    main()
