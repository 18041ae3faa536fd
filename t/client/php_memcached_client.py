"""php-memcached does its repertoire over both protocols. Its sessions are in t/session/php_site.py."""

import subprocess
import unittest

from client_repertoire import OnSessions, Repertoire
from holdfast_test import main, need_program, skip_all, source_path

need_program("php", "php-cli")
if "memcached" not in subprocess.run(["php", "-m"], capture_output=True, text=True, check=True).stdout.split():
    skip_all("PHP lacks memcached (Debian: php-memcached)")

PROGRAM = ("php", "-d", "error_reporting=E_ALL", "-d", "display_errors=stderr", source_path("t/client/php/repertoire.php"))


class PhpMemcached(Repertoire):
    scenarios = ("store_and_fetch", "types_come_back_as_they_were", "append_and_prepend", "cas", "incr_and_decr", "touch_and_expiry",
                 "multiget", "delayed_fetch", "group_keys", "values_of_every_length_and_byte", "too_large_value",
                 "keys_of_250_bytes_and_unicode", "without_replies_and_buffered", "stats_and_version")


class Text(PhpMemcached, unittest.TestCase):
    program = (*PROGRAM, "text")


class Binary(PhpMemcached, unittest.TestCase):
    program = (*PROGRAM, "binary")


class TextOnSessions(OnSessions, PhpMemcached, unittest.TestCase):
    program = (*PROGRAM, "text")


class BinaryOnSessions(OnSessions, PhpMemcached, unittest.TestCase):
    program = (*PROGRAM, "binary")


if __name__ == "__main__":
    main()
