"""The MySQL driver against a real MariaDB: what every driver promises, then what is this one's: errors with cause and remedy, TLS."""

import os
import subprocess
import unittest

from database_servers import DATABASE, USER, MariaDb, run
from holdfast_test import main, need_program, server_program, skip_all


def contract_program():
    program = os.path.join(os.path.dirname(server_program()), "t", "session", "driver_contract")
    return program if os.path.exists(program) else skip_all("driver_contract was not built: no GoogleTest")


def refusal(database, url, environment=None):
    """The line with which the server ends at the start, before it listens."""
    environment = {**os.environ, **(database.environment if environment is None else environment), "STATE_DIRECTORY": database.directory}
    done = subprocess.run([server_program(), "-p", "-1", "-u", "root", f"--sessions={url}"], capture_output=True, text=True,
                          env=environment, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode in (1, 64), (done.returncode, done.stderr)
    assert len(lines) == 1, done.stderr
    return lines[0]


class Contract(unittest.TestCase):
    def test_the_driver_keeps_the_contract(self):
        with MariaDb() as database:
            database.set_up()
            done = subprocess.run([contract_program()], env={**os.environ, **database.contract()}, capture_output=True, text=True,
                                  timeout=250)
            print(done.stdout)
            self.assertEqual(done.returncode, 0, done.stderr)


main()
