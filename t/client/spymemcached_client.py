"""spymemcached (Java) does its repertoire over both protocols."""

import atexit
import os
import shutil
import subprocess
import tempfile
import unittest

from client_repertoire import OnSessions, Repertoire
from holdfast_test import main, need_program, skip_all, source_path

JAR = "/usr/share/java/spymemcached.jar"
DIRECTORY = tempfile.mkdtemp(prefix="holdfast-spymemcached-")
atexit.register(shutil.rmtree, DIRECTORY)
# Small and quick to start: each scenario is a program.
PROGRAM = ("java", "-Xmx128m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto", "-cp", f"{JAR}:{DIRECTORY}", "Repertoire")


def build():
    compiler = need_program("javac", "default-jdk-headless")
    if not os.path.exists(JAR):
        skip_all("spymemcached is not installed (Debian: libspymemcached-java)")
    subprocess.run([compiler, "-encoding", "UTF-8", "-Xlint:all", "-Werror", "-cp", JAR, "-d", DIRECTORY,
                    source_path("t/client/spymemcached/Repertoire.java")], check=True)


class Spymemcached(Repertoire):
    scenarios = ("store_and_fetch", "objects_come_back_as_they_were", "append_and_prepend", "cas", "incr_and_decr", "touch_gat_and_expiry",
                 "multiget", "values_of_every_length_and_byte", "too_large_value", "keys_of_250_bytes_and_unicode", "stats_and_version")


class Text(Spymemcached, unittest.TestCase):
    program = (*PROGRAM, "text")


class Binary(Spymemcached, unittest.TestCase):
    program = (*PROGRAM, "binary")


class TextOnSessions(OnSessions, Text):
    pass


class BinaryOnSessions(OnSessions, Binary):
    pass


if __name__ == "__main__":
    build()
    main()
