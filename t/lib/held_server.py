"""The server with a listening socket that somebody else holds, as systemd does with a .socket unit: while no server runs, connections
wait in it instead of being refused."""

import os
import signal
import socket
import subprocess

from holdfast_test import START_TIMEOUT_S, Server, wait_until

BACKLOG = 1024
# The socket is descriptor 3, and the variable must hold the process number of the server itself.
PASS_SOCKET = 'exec 3<&"$1"; shift; LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'


class HeldServer(Server):
    """Connecting always works; use stop, kill, start as with any Server."""

    def __init__(self, *arguments, **options):
        self.held = socket.create_server(("127.0.0.1", 0), backlog=BACKLOG)
        super().__init__(*arguments, "-p", str(self.held.getsockname()[1]), **options)

    def _try_start(self):
        descriptor = self.held.fileno()
        with open(self.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(["sh", "-c", PASS_SOCKET, "sh", str(descriptor), self.program, *self.arguments],
                                            stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=self.environment,
                                            cwd=self.directory, pass_fds=(descriptor,))
        wait_until(lambda: self.process.poll() is not None or self._answers(), START_TIMEOUT_S, "the server answers")
        return self.process.poll() is None

    def _answers(self):
        """Accepting says nothing here: the socket does that by itself."""
        try:
            with self.connect(1) as connection:
                connection.ask(b"mn\r\n", b"MN\r\n")
            return True
        except (AssertionError, OSError):
            return False

    def _clean_up(self):
        if self.is_running():
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.held.close()
        super()._clean_up()
