#!/usr/bin/python3
"""What systemd does with the service, done by this test: sockets that are passed, READY and MAINPID told, a restart under
traffic while the socket unit holds the port."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest

from database_away import database_away
from holdfast_test import Connection, Server, die_with_parent, free_port, main, run_server_once, server_program, wait_until

USER = ("-u", "root") if os.geteuid() == 0 else ()
# As systemd does it: the number of the process is known only in it.
PASSER = """
import os, sys
for target, source in enumerate(map(int, sys.argv[1].split(",")), 3):
    os.dup2(source, target)
os.environ["LISTEN_PID"] = str(os.getpid())
os.execv(sys.argv[2], sys.argv[2:])
"""


class Service:
    """The service with its socket unit: holds listening sockets for as long as it lives, and hears what the server tells."""

    def __init__(self, *arguments, unix=False):
        self.files = Server(*arguments, start=False)  # for its directories and arguments
        self.listening = []
        tcp = socket.socket()
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        tcp.bind(("127.0.0.1", 0))
        self.listening.append(tcp)
        self.address = tcp.getsockname()
        if unix:
            self.unix_path = self.files.state_dir + "/socket"
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(self.unix_path)
            self.listening.append(listener)
        for listener in self.listening:
            listener.listen(1024)
        self.notify_path = self.files.state_dir + "/notify"
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.bind(self.notify_path)
        self.notify.settimeout(0.01)
        self.told = []
        self.process = None

    def start(self):
        high = [os.dup(listener.fileno()) for listener in self.listening]
        high = [os.fdopen(os.dup2(number, 200 + index), "rb", 0, closefd=False).fileno() for index, number in enumerate(high)]
        environment = {**os.environ, "LISTEN_FDS": str(len(high)), "LISTEN_FDNAMES": ":".join(["holdfast.socket"] * len(high)),
                       "NOTIFY_SOCKET": self.notify_path}
        with open(self.files.stderr_path, "ab") as stderr:
            self.process = subprocess.Popen(
                [sys.executable, "-c", PASSER, ",".join(map(str, high)), server_program(), *self.files.arguments],
                stdin=subprocess.DEVNULL, stdout=stderr, stderr=stderr, env=environment, pass_fds=high,
                preexec_fn=die_with_parent if threading.current_thread() is threading.main_thread() else None)
        for number in high:
            os.close(number)
        self.wait_until_told("READY=1")

    def hear(self):
        while True:
            try:
                self.told.append(self.notify.recv(4096).decode())
            except socket.timeout:
                return self.told

    def wait_until_told(self, words):
        def heard():
            if self.process.poll() is not None and self.process.returncode != 0:
                raise AssertionError(f"exit {self.process.returncode}:\n{self.files.stderr()}")
            return any(words in text for text in self.hear())
        wait_until(heard, what=words)

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        if self.process.wait(60) != 0:
            raise AssertionError(self.files.stderr())
        self.hear()

    def connect(self, address=None):
        return Connection(address or self.address)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(self.files.stderr(), file=sys.stderr)
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for listener in self.listening:
            listener.close()
        self.notify.close()
        shutil.rmtree(self.files.directory, ignore_errors=True)


class Activation(unittest.TestCase):
    def test_the_sockets_that_are_passed_are_used_and_no_others(self):
        port = free_port()
        with Service("-p", port, unix=True) as service:
            for address in (service.address, service.unix_path):
                with service.connect(address) as connection:
                    connection.ask(b"mn\r\n", b"MN\r\n")
            with self.assertRaises(OSError):
                Connection(("127.0.0.1", port))
            service.stop()
            # They are systemd's: who connects now waits for the next start.
            self.assertTrue(os.path.exists(service.unix_path))
            with service.connect() as waiting:
                waiting.send(b"mn\r\n")
                service.start()
                waiting.expect(b"MN\r\n")

    def test_ready_and_stopping_are_told(self):
        with Service() as service:
            self.assertEqual(len([text for text in service.told if "READY=1" in text]), 1)
            self.assertIn("STATUS=holdfast", service.told[0])
            service.told.clear()
            service.process.send_signal(signal.SIGHUP)
            service.wait_until_told("READY=1")
            self.assertTrue(service.told[0].startswith("RELOADING=1\nMONOTONIC_USEC="), service.told)
            service.told.clear()
            service.stop()
            self.assertEqual(service.told, ["STOPPING=1"])

    def test_a_start_and_a_stop_that_take_long_ask_for_more_time(self):
        with Service("--drain-timeout=3", "--session-rule=prefix=s: budget=100ms", "--sessions=sqlite:{state}/s.db") as service:
            with database_away(service.files.state_dir + "/s.db"):
                with service.connect() as connection:
                    connection.ask(b"set s:1 0 100000 1\r\nv\r\n", b"STORED\r\n")
                service.stop()
            self.assertGreaterEqual(self.times_asked(service), 2)
        service = Service("--database-wait=2", "--journal=none", "--sessions=mysql://u@127.0.0.1:1/d")
        with self.assertRaisesRegex(AssertionError, "exit 1"), service:
            pass
        self.assertGreaterEqual(self.times_asked(service), 2)

    def times_asked(self, service):
        return sum(text.startswith("EXTEND_TIMEOUT_USEC=") for text in service.told)

    def test_sockets_meant_for_another_process_are_left_alone(self):
        with Server("-m", "64", environment={"LISTEN_PID": "1", "LISTEN_FDS": "1"}) as server, server.connect() as connection:
            connection.ask(b"mn\r\n", b"MN\r\n")

    def test_what_is_no_listening_socket_is_refused(self):
        code = f"import os; os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1'); os.execv({server_program()!r}, " \
               f"{['holdfast', *USER]!r})"
        result = subprocess.run([sys.executable, "-c", "import os; os.dup2(0, 3); " + code], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(result.returncode, 1)
        self.assertIn("is not a listening socket", result.stderr)
        result = subprocess.run([sys.executable, "-c", code.replace("'1'", "'lots'")], stdin=subprocess.DEVNULL,
                                capture_output=True, text=True, timeout=30, check=False)
        self.assertEqual(result.returncode, 64)
        self.assertIn("LISTEN_FDS must be", result.stderr)

    def test_systemd_s_own_activator_starts_it(self):
        activator = shutil.which("systemd-socket-activate")
        if activator is None:
            self.skipTest("systemd-socket-activate is not installed (Debian: systemd)")
        port = free_port()
        with subprocess.Popen([activator, "-l", f"127.0.0.1:{port}", "--fdname=holdfast.socket", server_program(), *USER],
                              stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=die_with_parent) as process:
            try:
                def connected():
                    try:
                        return Connection(("127.0.0.1", port))
                    except OSError:
                        return None
                with wait_until(connected, what="the activator listens") as connection:
                    connection.ask(b"mn\r\n", b"MN\r\n")
            finally:
                process.terminate()
            self.assertEqual(process.wait(30), 0)


class Restart(unittest.TestCase):
    def test_a_restart_under_traffic_refuses_nobody(self):
        """Each page is a connection of its own, as with PHP: the session is read, and written with one more click."""
        rule = "--session-rule=prefix=s:"
        with Service(rule, "--sessions=sqlite:{state}/sessions.db") as service:
            ended, errors, clicks = threading.Event(), [], [0] * 6

            def visit(number):
                key = b"s:%d" % number
                try:
                    while not ended.is_set():
                        self.click(service, key, clicks[number])
                        clicks[number] += 1
                except (OSError, AssertionError) as error:
                    errors.append(f"visitor {number}, click {clicks[number]}: {error}")

            visitors = [threading.Thread(target=visit, args=(number,)) for number in range(len(clicks))]
            for visitor in visitors:
                visitor.start()
            for _ in range(5):
                before = list(clicks)
                wait_until(lambda: errors or all(now > then + 2 for now, then in zip(clicks, before)), what="all click")
                service.stop()
                service.told.clear()
                service.start()
            ended.set()
            for visitor in visitors:
                visitor.join()
            self.assertEqual(errors, [])

    @staticmethod
    def click(service, key, count):
        """A page may meet the stop in the middle: then its connection closes, and the visitor reloads the page."""
        for _ in range(3):
            with service.connect() as page:
                try:
                    page.send(b"get " + key + b"\r\n")
                    answer = page.read_until(b"END\r\n")
                except AssertionError:
                    continue
                seen = int(answer.split(b"\r\n")[1]) if answer != b"END\r\n" else 0
                if seen not in (count, count + 1):
                    raise AssertionError(f"{seen} clicks seen, {count} were made")
                value = b"%d" % (count + 1)
                try:
                    page.ask(b"set %s 0 600 %d\r\n%s\r\n" % (key, len(value), value), b"STORED\r\n")
                    return
                except AssertionError:
                    continue
        raise AssertionError("three pages in a row were cut off")

    def test_a_takeover_tells_which_process_the_service_is_now(self):
        with Service("--sessions=sqlite:{state}/sessions.db") as service, service.connect() as connection:
            connection.ask(b"mn\r\n", b"MN\r\n")
            service.told.clear()
            service.process.send_signal(signal.SIGUSR2)
            self.assertEqual(service.process.wait(30), 0)
            wait_until(lambda: any("READY=1" in text for text in service.hear()), what="the new one is ready")
            successor = [int(text.split("=")[1]) for text in service.told if text.startswith("MAINPID=")]
            self.assertEqual(len(successor), 1)
            connection.ask(b"mn\r\n", b"MN\r\n")
            self.assertEqual(connection.stats()["pid"], str(successor[0]))
            # The old one is no longer the service: that it ends is no news.
            self.assertNotIn("STOPPING=1", service.told)
            os.kill(successor[0], signal.SIGTERM)
            connection.expect_closed()
            wait_until(lambda: "STOPPING=1" in service.hear())
            wait_until(lambda: not os.path.exists(f"/proc/{successor[0]}") or
                       open(f"/proc/{successor[0]}/stat").read().split(") ")[1][0] == "Z", what="the end")


if __name__ == "__main__":
    main()
