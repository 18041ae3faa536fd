"""dalli (Ruby, binary protocol) does its repertoire. Its sessions are in t/session/rack_site.py."""

import subprocess
import unittest

from client_repertoire import OnSessions, Repertoire
from holdfast_test import main, need_program, skip_all, source_path

need_program("ruby")
if subprocess.run(["ruby", "-e", "require 'dalli'"], stderr=subprocess.DEVNULL, check=False).returncode != 0:
    skip_all("dalli is not installed (Debian: ruby-dalli)")


class Dalli(Repertoire, unittest.TestCase):
    program = ("ruby", source_path("t/client/dalli/repertoire.rb"))
    scenarios = ("store_and_fetch", "objects_come_back_as_they_were", "append_and_prepend", "cas", "incr_and_decr",
                 "touch_gat_and_expiry", "multiget", "quiet_writes", "values_of_every_length_and_byte", "too_large_value",
                 "keys_of_250_bytes_and_unicode", "stats_and_version")


class DalliOnSessions(OnSessions, Dalli):
    pass


if __name__ == "__main__":
    main()
