"""gomemcache (Go, text protocol) does its repertoire."""

import atexit
import os
import shutil
import subprocess
import tempfile
import unittest

from client_repertoire import OnSessions, Repertoire
from holdfast_test import main, need_program, skip_all, source_path

GO_PATH = "/usr/share/gocode"
DIRECTORY = tempfile.mkdtemp(prefix="holdfast-gomemcache-")
atexit.register(shutil.rmtree, DIRECTORY, ignore_errors=True)


def build():
    compiler = need_program("go", "golang-go")
    if not os.path.isdir(GO_PATH + "/src/github.com/bradfitz/gomemcache"):
        skip_all("gomemcache is not installed (Debian: golang-github-bradfitz-gomemcache-dev)")
    subprocess.run([compiler, "build", "-o", DIRECTORY + "/repertoire", source_path("t/client/gomemcache/repertoire.go")], check=True, cwd=DIRECTORY,
                   env={**os.environ, "GOPATH": GO_PATH, "GO111MODULE": "off", "GOCACHE": DIRECTORY + "/cache", "CGO_ENABLED": "0"})


class Gomemcache(Repertoire, unittest.TestCase):
    program = (DIRECTORY + "/repertoire",)
    scenarios = ("store_and_fetch", "cas", "incr_and_decr", "touch_and_expiry", "multiget", "many_at_once",
                 "values_of_every_length_and_byte", "too_large_value", "keys_of_250_bytes")

    @classmethod
    def arguments(cls):
        return f"127.0.0.1:{cls.server.port}", cls.prefix


class GomemcacheOnSessions(OnSessions, Gomemcache):
    pass


if __name__ == "__main__":
    build()
    main()
