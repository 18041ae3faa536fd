"""PHP's older extension memcache (text protocol) does its repertoire. Its sessions are in t/session/php_site.py."""

import subprocess
import unittest

from client_repertoire import OnSessions, Repertoire
from holdfast_test import main, need_program, skip_all, source_path

need_program("php", "php-cli")
if "memcache" not in subprocess.run(["php", "-m"], capture_output=True, text=True, check=True).stdout.split():
    skip_all("PHP lacks memcache (Debian: php-memcache)")


class PeclMemcache(Repertoire, unittest.TestCase):
    program = ("php", "-d", "error_reporting=E_ALL", "-d", "display_errors=stderr", source_path("t/client/php/memcache_repertoire.php"))
    scenarios = ("store_and_fetch", "types_come_back_as_they_were", "append_and_prepend", "cas", "incr_and_decr", "expiry", "multiget",
                 "flags_come_back", "values_of_every_length_and_byte", "too_large_value", "keys_of_250_bytes_and_unicode",
                 "stats_and_version")


class PeclMemcacheOnSessions(OnSessions, PeclMemcache):
    pass


if __name__ == "__main__":
    main()
