"""What the Python tests share: a real server on a free port, and connections that expect exact bytes.

    import unittest
    from holdfast_test import Server, main

    class Set(unittest.TestCase):
        def test_set_then_get(self):
            with Server("-m", "64") as server, server.connect() as client:
                client.ask(b"set a 0 0 1\\r\\nx\\r\\n", b"STORED\\r\\n")
                client.ask(b"get a\\r\\n", b"VALUE a 0 1\\r\\nx\\r\\nEND\\r\\n")

    main()

The server is $HOLDFAST_BIN. Leaving the "with" stops it by SIGTERM and fails the test if it did not end with 0 in time or if a
sanitizer had something to say; the server's stderr is printed when a test fails. Every wait has a limit.
"""

import ctypes
import faulthandler
import glob
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest

REPLY_TIMEOUT_S = 20  # generous: sanitizer builds on a busy machine
START_TIMEOUT_S = 30
STOP_TIMEOUT_S = 60
FILE_TIMEOUT_S = int(os.environ.get("FILE_TIMEOUT_S", "280"))  # a whole test file; below the limit of the harness (300), so that the stack of who waits is seen

SANITIZER_WORDS = (b"AddressSanitizer", b"ThreadSanitizer", b"LeakSanitizer", b"UndefinedBehaviorSanitizer", b": runtime error: ")


PR_SET_PDEATHSIG = 1
libc = ctypes.CDLL(None)


def die_with_parent():
    """Runs in the child: a test that is killed leaves no server behind."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def skip_all(reason):
    """Ends the whole test file as skipped, with the reason as its last line."""
    print("skipped: " + reason, flush=True)
    sys.exit(77)


def need_program(name, package=None):
    """The path of a program, or the file is skipped."""
    return shutil.which(name) or skip_all(f"{name} is not installed (Debian: {package or name})")


def source_path(*parts):
    """A file of the source tree; parts are from its top."""
    return os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), *parts)


def server_program():
    program = os.environ.get("HOLDFAST_BIN")
    if not program:
        sys.exit("HOLDFAST_BIN must name the server, for instance HOLDFAST_BIN=build/dev/holdfast")
    return os.path.abspath(program)


def free_port():
    """A port nobody listens on, from below the range the kernel gives to outgoing connections."""
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_until(condition, timeout_s=REPLY_TIMEOUT_S, what="condition"):
    """Polls until condition() is true and returns its value."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not within {timeout_s} s")
        time.sleep(0.01)


def shorten(data, limit=400):
    text = repr(bytes(data))
    return text if len(text) <= limit else f"{text[:limit // 2]} ...({len(data)} bytes)... {text[-limit // 2:]}"


class Connection:
    """A raw socket to the server. Close it, or use it in a "with"."""

    def __init__(self, address, timeout_s=REPLY_TIMEOUT_S):
        family = socket.AF_UNIX if isinstance(address, str) else (socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.settimeout(timeout_s)
        try:
            self.socket.connect(address)
        except OSError:
            self.socket.close()
            raise
        if family != socket.AF_UNIX:
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.buffer = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def send_slowly(self, data, pause_s=0.0):
        """One byte a packet."""
        for index in range(len(data)):
            self.socket.sendall(data[index:index + 1])
            time.sleep(pause_s)

    def _fill(self):
        """Reads more; False when the server closed. A timeout shows what had come until then."""
        try:
            data = self.socket.recv(1 << 18)
        except socket.timeout:
            raise AssertionError(f"no reply in time; received so far: {shorten(self.buffer)}") from None
        except ConnectionResetError:
            data = b""
        self.buffer += data
        return bool(data)

    def _take(self, size):
        data = bytes(self.buffer[:size])
        del self.buffer[:size]
        return data

    def read(self, size):
        """Exactly size bytes."""
        while len(self.buffer) < size:
            if not self._fill():
                raise AssertionError(f"closed after {len(self.buffer)} of {size} bytes: {shorten(self.buffer)}")
        return self._take(size)

    def read_until(self, end):
        """Up to and including end."""
        start = 0
        while True:
            found = self.buffer.find(end, max(0, start - len(end)))
            if found >= 0:
                return self._take(found + len(end))
            start = len(self.buffer)
            if not self._fill():
                raise AssertionError(f"closed before {end!r}: {shorten(self.buffer)}")

    def read_line(self):
        """A line without its \\r\\n."""
        return self.read_until(b"\r\n")[:-2]

    def expect(self, expected):
        """The next bytes are exactly these; a different first byte fails at once, without waiting for the rest."""
        while len(self.buffer) < len(expected) and expected.startswith(bytes(self.buffer)):
            if not self._fill():
                raise AssertionError(f"closed; expected {shorten(expected)}, got {shorten(self.buffer)}")
        got = bytes(self.buffer[:len(expected)])
        if got != expected:
            raise AssertionError(f"expected {shorten(expected)}\n     got {shorten(self.buffer)}")
        self._take(len(expected))

    def ask(self, request, expected):
        """Sends, and expects exactly this reply."""
        self.send(request)
        self.expect(expected)

    def expect_silence(self, seconds=0.1):
        """Nothing more comes, and the connection stays open."""
        if not self.buffer:
            self.socket.settimeout(seconds)
            try:
                if not self._fill():
                    raise AssertionError("closed; expected silence")
            except AssertionError as error:
                if "no reply in time" in str(error):
                    return
                raise
            finally:
                self.socket.settimeout(REPLY_TIMEOUT_S)
        raise AssertionError(f"expected silence, got {shorten(self.buffer)}")

    def expect_closed(self):
        """The server closes, and sends nothing before."""
        while self._fill():
            pass
        if self.buffer:
            raise AssertionError(f"expected the connection to be closed, got {shorten(self.buffer)}")

    def stats(self, group=""):
        """The reply to "stats GROUP" as a dict of strings."""
        self.send(f"stats {group}".rstrip().encode() + b"\r\n")
        rows = {}
        while True:
            line = self.read_line().decode()
            if line == "END":
                return rows
            word, name, *value = line.split(" ", 2)
            if word != "STAT":
                raise AssertionError(f"not a statistic: {line!r}")
            rows[name] = value[0] if value else ""


class Server:
    """The server with these arguments, on a free port of 127.0.0.1 unless they hold -p or -s.

    "{state}" in an argument stands for the state directory, which lives as long as this object: stop, kill and start again to
    see what survives. sessions=True adds --sessions=sqlite:{state}/sessions.db. program is another server, to compare with.
    """

    def __init__(self, *arguments, sessions=False, environment=None, start=True, program=None):
        self.program = program or server_program()
        self.directory = tempfile.mkdtemp(prefix="holdfast-test-")
        self.state_dir = os.path.join(self.directory, "state")
        os.mkdir(self.state_dir, 0o700)
        self.database = os.path.join(self.state_dir, "sessions.db")
        self.stderr_path = os.path.join(self.directory, "stderr")
        self.environment = {**os.environ, **(environment or {})}
        self.arguments = [str(argument).replace("{state}", self.state_dir) for argument in arguments]
        if sessions:
            self.arguments.append(f"--sessions=sqlite:{self.database}")
        if os.geteuid() == 0 and "-u" not in self.arguments:
            self.arguments += ["-u", "root"]
        self.unix_path = self._value_of("-s")
        self.port = None
        if not self.unix_path:
            self.port = int(self._value_of("-p") or 0)
        self._choose_port = self.port == 0
        self.process = None
        if start:
            try:
                self.start()
            except BaseException:
                self._clean_up()
                raise

    def _value_of(self, flag):
        return self.arguments[self.arguments.index(flag) + 1] if flag in self.arguments else None

    # -- Life ------------------------------------------------------------------------------------------------------------

    def start(self):
        """Starts the server and waits until it accepts. A free port may be taken by somebody else meanwhile: then the next."""
        for attempt in range(5):
            if self._choose_port:
                self.port = free_port()
            if self._try_start():
                self._choose_port = False  # a restart listens where the clients know it
                return self
            if not (self._choose_port and "in use" in self.stderr().lower()):
                break
        raise AssertionError(f"the server did not start (exit {self.process.returncode}):\n{self.stderr()}")

    def begin(self):
        """Starts the server and returns at once; await_start waits until it accepts."""
        self.port = self.port or free_port()
        self.process = self._spawn()

    def await_start(self):
        if not self._accepts():
            raise AssertionError(f"the server did not start (exit {self.process.returncode}):\n{self.stderr()}")

    def _try_start(self):
        self.process = self._spawn()
        return self._accepts()

    def _accepts(self):
        deadline = time.monotonic() + START_TIMEOUT_S
        while self.process.poll() is None:
            try:
                self.connect().close()
                return self.process.poll() is None
            except OSError:
                time.sleep(0.005)
            if time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server does not accept connections after {START_TIMEOUT_S} s:\n{self.stderr()}")
        return False

    def _spawn(self, *more, environment=None):
        listen = ["-p", str(self.port)] if self.port and "-p" not in self.arguments else []
        # The kernel takes the thread for the parent: a server started by another thread must survive that thread.
        in_child = die_with_parent if threading.current_thread() is threading.main_thread() else None
        with open(self.stderr_path, "ab") as stderr:
            return subprocess.Popen([self.program, *self.arguments, *listen, *more], stdin=subprocess.DEVNULL, stdout=stderr,
                                    stderr=stderr, env={**self.environment, **(environment or {})}, cwd=self.directory,
                                    preexec_fn=in_child)

    def begin_takeover(self, *more, environment=None):
        """A second process, which takes over from the first; the caller waits for the end of one of them."""
        return self._spawn("--takeover", *more, environment=environment)

    def take_over(self, *more):
        """Hands over to a new process, which is this server from then on."""
        successor = self.begin_takeover(*more)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.process.poll() is None:
            if successor.poll() is not None or time.monotonic() > deadline:
                successor.kill()
                raise AssertionError(f"the new process did not take over (exit {successor.wait()}):\n{self.stderr()}")
            time.sleep(0.002)
        old, status, self.process = self.process.pid, self.process.returncode, successor
        if status != 0:
            raise AssertionError(f"exit status {status} after the hand-over:\n{self.stderr()}")
        wait_until(lambda: f"took over from process {old}:" in self.stderr(), what=f"a line that process {old} is succeeded")
        return self

    def signal(self, number):
        self.process.send_signal(number)

    def wait(self, timeout_s=STOP_TIMEOUT_S):
        """The exit status, once it ended by itself or by a signal."""
        try:
            return self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGABRT)
            self.process.wait()
            raise AssertionError(f"the server did not end within {timeout_s} s:\n{self.stderr()}") from None

    def stop(self):
        """SIGTERM; the server must end with 0."""
        self.signal(signal.SIGTERM)
        status = self.wait()
        self.check_sanitizers()
        if status != 0:
            raise AssertionError(f"exit status {status} after SIGTERM:\n{self.stderr()}")

    def kill(self):
        """SIGKILL: what a crash leaves."""
        self.process.kill()
        self.process.wait()

    def restart(self):
        self.stop()
        self.start()

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self):
        return self.process.pid

    # -- What it says ----------------------------------------------------------------------------------------------------

    def stderr(self):
        with open(self.stderr_path, "rb") as file:
            return file.read().decode(errors="replace")

    def check_sanitizers(self):
        text = self.stderr()
        if any(word.decode() in text for word in SANITIZER_WORDS):
            raise AssertionError("a sanitizer reported:\n" + text)

    def resident_bytes(self):
        with open(f"/proc/{self.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    def assert_grown_less(self, before, bytes_max):
        """The server's memory has grown by less than this. Nothing is asked of a sanitizer's, which keeps what is freed."""
        grown = self.resident_bytes() - before
        if grown >= bytes_max and not self.is_sanitized():
            raise AssertionError(f"memory has grown by {grown} bytes, the limit is {bytes_max}")

    def is_sanitized(self):
        with open(self.program, "rb") as file:
            program = file.read()
        return b"__asan_init" in program or b"__tsan_init" in program

    def address(self):
        return self.unix_path or ("127.0.0.1", self.port)

    def connect(self, timeout_s=REPLY_TIMEOUT_S):
        return Connection(self.address(), timeout_s)

    def stats(self, group=""):
        with self.connect() as connection:
            return connection.stats(group)

    # -- Leaving ---------------------------------------------------------------------------------------------------------

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            if kind is None:
                if self.is_running():
                    self.stop()
                elif self.process is not None and self.process.returncode not in (0, -signal.SIGKILL):
                    raise AssertionError(f"the server ended by itself, status {self.process.returncode}")
                self.check_sanitizers()
        except AssertionError:
            self._report()
            raise
        finally:
            if kind is not None:
                self._report()
            self._clean_up()

    def _report(self):
        text = self.stderr()
        print(f"---- server {' '.join(self.arguments)}\n{text[-8000:]}----", file=sys.stderr, flush=True)

    def close(self):
        """For who cannot use "with": the same as leaving it."""
        self.__exit__(None)

    def _clean_up(self):
        if self.is_running():
            self.kill()
        # The shared memory of a journal outlives kill -9; the journal's directory has a link to it.
        for ring in glob.glob(os.path.join(self.directory, "**", "ring"), recursive=True):
            if os.path.islink(ring) and os.path.exists(ring):
                os.unlink(os.path.realpath(ring))
        shutil.rmtree(self.directory, ignore_errors=True)


def run_server_once(*arguments, timeout_s=START_TIMEOUT_S, environment=None):
    """Runs the server until it ends by itself (bad flags, -h, -V); the result has returncode, stdout and stderr as text."""
    return subprocess.run([server_program(), *map(str, arguments)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=timeout_s, env={**os.environ, **(environment or {})}, check=False)


def main(timeout_s=FILE_TIMEOUT_S):
    """unittest.main, with the stack of every thread if the file hangs."""
    faulthandler.dump_traceback_later(timeout_s, exit=True)
    unittest.main(module="__main__", verbosity=2)
