"""memccapable, libmemcached's own check of a server: all its tests pass, in both protocols."""

import re
import subprocess
import unittest

from holdfast_test import Server, main, need_program

PROGRAM = need_program("memccapable", "libmemcached-tools")
TEST_COUNT = 27  # of each protocol
TIMEOUT_S = 120

# Its keys are sessions, but for those of its flush tests: a flush leaves sessions.
RULES = "prefix=test_; prefix=test_ascii_flush policy=cache; prefix=test_binary_flush policy=cache"


class Memccapable(unittest.TestCase):
    def play(self, flag, *server_arguments):
        with Server(*server_arguments, sessions=True) as server:
            done = subprocess.run([PROGRAM, "-h", "127.0.0.1", "-p", str(server.port), "-t", "20", flag],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  timeout=TIMEOUT_S, check=False)
            self.assertEqual(int(server.stats("sessions")["tombstones"]) > 0, RULES in "".join(server_arguments))
        passed = re.findall(r"^(.*\S)\s+\[pass\]", done.stdout, re.M)
        self.assertEqual((done.returncode, len(passed)), (0, TEST_COUNT), done.stdout)

    def test_ascii(self):
        self.play("-a")

    def test_binary(self):
        self.play("-b")

    def test_ascii_on_sessions(self):
        self.play("-a", f"--session-rule={RULES}")

    def test_binary_on_sessions(self):
        self.play("-b", f"--session-rule={RULES}")


if __name__ == "__main__":
    main()
