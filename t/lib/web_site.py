"""A web site under test, as a process, and browsers with their own cookies.

The sites of t/session all speak one small language, so that one story can be told of each:

    POST /login?name=ann   makes a new session       "ann 0"
    GET  /click            one click more            "ann 1", or "nobody" without a session
    GET  /view             changes nothing           "ann 1"
    GET  /slow?ms=500      a click that reads the session, waits, and writes it
    GET  /empty            takes everything out of the session    "nobody"
    POST /logout           ends the session          "bye"
"""

import http.cookiejar
import os
import signal
import socket
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

from holdfast_test import die_with_parent, free_port, wait_until

REPLY_TIMEOUT_S = 40  # the longest any preset lets a request wait for the database is 30 s
START_TIMEOUT_S = 60


class Browser:
    """Keeps cookies, follows no advice but the site's."""

    def __init__(self, site):
        self.site = site
        self.jar = http.cookiejar.CookieJar()
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(self.jar))

    def ask(self, method, path, timeout_s=REPLY_TIMEOUT_S):
        """(status, text)"""
        request = urllib.request.Request(f"http://127.0.0.1:{self.site.port}{path}", method=method)
        try:
            with self.opener.open(request, timeout=timeout_s) as reply:
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def expect(self, method, path, text):
        answer = self.ask(method, path)
        if answer != (200, text):
            raise AssertionError(f"{method} {path}: expected {text!r}, got {answer!r}")

    def login(self, name):
        self.expect("POST", f"/login?name={name}", f"{name} 0")

    def click(self, name, clicks):
        self.expect("GET", "/click", f"{name} {clicks}")

    def view(self, name, clicks):
        self.expect("GET", "/view", f"{name} {clicks}")

    def logout(self):
        self.expect("POST", "/logout", "bye")

    def expect_nobody(self):
        self.expect("GET", "/view", "nobody")

    def cookie(self, name):
        return next(cookie.value for cookie in self.jar if cookie.name == name)


class WebSite:
    """A command that serves HTTP on 127.0.0.1; "{port}" in it stands for the port. Use it in a "with"."""

    def __init__(self, command, environment=None):
        self.port = free_port()
        self.output = tempfile.TemporaryFile()
        self.process = subprocess.Popen([part.replace("{port}", str(self.port)) for part in command], stdin=subprocess.DEVNULL,
                                        stdout=self.output, stderr=self.output, env={**os.environ, **(environment or {})},
                                        start_new_session=True, preexec_fn=die_with_parent)
        try:
            wait_until(self._accepts, START_TIMEOUT_S, "the site accepts connections")
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise

    def _accepts(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the site ended by itself, status {self.process.returncode}")
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def browser(self):
        return Browser(self)

    def said(self):
        self.output.seek(0)
        return self.output.read().decode(errors="replace")

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)  # with the workers it may have
        except ProcessLookupError:
            pass
        self.process.wait()
        if kind is not None:
            print(f"---- site {' '.join(self.process.args)}\n{self.said()[-8000:]}----", file=sys.stderr, flush=True)
        self.output.close()
