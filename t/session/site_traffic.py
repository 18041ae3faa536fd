"""What must hold for the users of any site while they use it and its session server is restarted, killed, replaced, flushed, filled,
or cut off from its database: nobody is logged out, no logout is undone, no login refused, and no click that was answered is lost.

A test file mixes SiteTraffic with what describes the site (see session_story.py). $RESTARTS says how often each thing is done (2),
$OUTAGES_S how long the database is away (5; a list like 5,60), $DATABASE which it is (site_database.py).
"make check-sites RESTARTS=50" does it all.

What a request may suffer: one that was under way when the server ended or the database was away may get an error, and a page that is
anonymous. It is then torn: the user keeps the cookies of before, tries again once all is well, and must be logged in, with every
click that was answered. A hand-over, a flush and a full memory tear nothing: every answer must be exact.
"""

import contextlib
import http.client
import os
import random
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor

from held_server import HeldServer
from holdfast_test import Server, wait_until
from session_story import SMALL_MEMORY_MB, Story
from site_database import site_database
from web_site import Browser, WebSite

RESTARTS = int(os.environ.get("RESTARTS", "2"))
OUTAGES_S = [float(seconds) for seconds in os.environ.get("OUTAGES_S", "5").split(",")]
USERS = 4
REQUESTS_BETWEEN = 25  # of all users, at least, between one restart and the next
RECOVERY_S = 60  # after which a site that still answers with errors has not come back
SLOW_MS = 300

needs_hand_over = unittest.skipUnless(hasattr(Server, "take_over"), "this server neither takes over a socket nor hands one over")
FILL_BYTES = 300


class Calendar:
    """When answers may be torn: while something is done to the server, and as long after it as this site's client needs."""

    def __init__(self, settle_s):
        self.settle_s = settle_s
        self.spans = []  # [begin, end]; the last one may have no end yet

    @contextlib.contextmanager
    def disturbance(self, settle_s=None):
        self.spans.append([time.monotonic(), float("inf")])
        try:
            yield
        finally:
            self.spans[-1][1] = time.monotonic() + (settle_s or self.settle_s)

    def touches(self, begin):
        """Whether something was going on between then and now."""
        now = time.monotonic()
        return any(first <= now and begin <= last for first, last in self.spans)

    def is_calm(self):
        return not self.spans or time.monotonic() > self.spans[-1][1]


class User(threading.Thread):
    """Logs in, clicks, looks, does several things at once, logs out or stays, and again."""

    def __init__(self, traffic, site, number):
        super().__init__(daemon=True)
        self.traffic, self.name = traffic, f"user{number}"
        self.random = random.Random(number)
        self.browser = Browser(site)
        self.counts = dict.fromkeys(("requests", "logins", "logouts", "races", "torn"), 0)
        self.slowest_s = 0
        self.error = None
        self.is_in = False
        self.clicks = range(0, 1)  # how many there can be

    def run(self):
        try:
            while not self.traffic.ended.is_set():
                self.visit()
        except BaseException as error:  # pylint: disable=broad-except
            self.error = error
            self.traffic.ended.set()

    def visit(self):
        self.login()
        for _ in range(self.random.randint(3, 8)):
            if self.traffic.ended.is_set():
                return
            self.random.choice((self.click, self.click, self.view, self.view_thrice_at_once))()
        self.random.choice((self.leave, self.leave_while_a_slow_page_runs, self.empty, lambda: None))()

    # -- Requests --------------------------------------------------------------------------------------------------------

    def ask(self, method, path, browser=None):
        """(status, text, torn): an answer that came although nothing was wrong is never called torn."""
        begin = time.monotonic()
        try:
            status, text = (browser or self.browser).ask(method, path, self.traffic.test.request_timeout_s)
        except (OSError, http.client.HTTPException) as error:
            status, text = 0, str(error)
        self.slowest_s = max(self.slowest_s, time.monotonic() - begin)
        self.counts["requests"] += 1
        return status, text, self.traffic.calendar.touches(begin)

    def keep_asking(self, method, path, is_right, what, tells_failures=True):
        """Until the answer is right, and can be believed; only disturbed requests may be asked again, with the cookies of before."""
        deadline = time.monotonic() + RECOVERY_S + max(OUTAGES_S)
        while True:
            cookies = list(self.browser.jar)
            status, text, torn = self.ask(method, path)
            if status == 200 and is_right(text) and (not torn or tells_failures and self.traffic.test.tells_failures):
                return text
            if not torn or time.monotonic() > deadline:
                raise AssertionError(f"{self.name}: {what}: {method} {path} was answered {status} {text[:300]!r}; clicks {self.clicks}")
            self.counts["torn"] += not (status == 200 and is_right(text))
            self.put_back(cookies)
            self.traffic.wait_for_calm()

    def put_back(self, cookies):
        self.browser.jar.clear()
        for cookie in cookies:
            self.browser.jar.set_cookie(cookie)

    def is_mine(self, text):
        name, _, clicks = text.partition(" ")
        return name == self.name and clicks.isdigit() and int(clicks) in self.clicks

    def login(self):
        self.keep_asking("POST", f"/login?name={self.name}", lambda text: text == f"{self.name} 0", "a login")
        self.counts["logins"] += 1
        self.is_in, self.clicks = True, range(0, 1)

    def view(self):
        text = self.keep_asking("GET", "/view", self.is_mine, "logged out, or a click lost")
        clicks = int(text.split()[1])
        self.clicks = range(clicks, clicks + 1)

    def click(self):
        """Not repeated when it was torn: then it has counted or not."""
        cookies = list(self.browser.jar)
        status, text, torn = self.ask("GET", "/click")
        before, self.clicks = self.clicks, range(self.clicks.start + 1, self.clicks.stop + 1)
        if status == 200 and self.is_mine(text):
            if self.traffic.test.tells_failures or not torn:
                clicks = int(text.split()[1])
                self.clicks = range(clicks, clicks + 1)
                return
        elif not torn:
            raise AssertionError(f"{self.name}: a click was answered {status} {text[:300]!r}, expected {self.clicks}")
        else:
            self.counts["torn"] += 1
        self.clicks = range(before.start, self.clicks.stop)
        self.put_back(cookies)
        self.traffic.wait_for_calm()
        self.view()

    def view_thrice_at_once(self):
        cookies = list(self.browser.jar)
        with ThreadPoolExecutor(3) as threads:
            answers = list(threads.map(lambda _: self.ask("GET", "/view"), range(3)))
        for status, text, torn in answers:
            if status != 200 or not self.is_mine(text):
                if not torn:
                    raise AssertionError(f"{self.name}: a view beside others was answered {status} {text[:300]!r}, expected {self.clicks}")
                self.counts["torn"] += 1
        self.put_back(cookies)
        if any(torn for *_, torn in answers):
            self.traffic.wait_for_calm()
        self.view()

    def leave(self):
        ghost = self.copy()
        self.log_out()
        self.expect_dead(ghost)

    def log_out(self):
        self.keep_asking("POST", "/logout", lambda text: text == "bye", "a logout", self.traffic.test.tells_failed_logouts)
        self.counts["logouts"] += 1
        self.is_in = False

    def leave_while_a_slow_page_runs(self):
        """The slow page has read the session before the logout, and writes it back afterwards."""
        ghost, slow = self.copy(), self.copy()
        with ThreadPoolExecutor(1) as threads:
            page = threads.submit(self.ask, "GET", f"/slow?ms={SLOW_MS}", slow)
            time.sleep(SLOW_MS / 3000)
            self.log_out()
            page.result()
        self.counts["races"] += 1
        self.expect_dead(ghost)

    def empty(self):
        self.keep_asking("GET", "/empty", lambda text: text == "nobody", "emptying the session")
        self.is_in = False
        self.keep_asking("GET", "/view", lambda text: text == "nobody", "an emptied session")

    def copy(self):
        """Another browser with the same cookies."""
        ghost = Browser(self.browser.site)
        for cookie in self.browser.jar:
            ghost.jar.set_cookie(cookie)
        return ghost

    def expect_dead(self, ghost):
        """The cookies of before the logout open nothing."""
        while True:
            status, text, torn = self.ask("GET", "/view", ghost)
            if text.startswith(self.name):
                raise AssertionError(f"{self.name}: the logout was undone: {text!r}")
            if status == 200:
                return
            if not torn:
                raise AssertionError(f"{self.name}: a view after the logout was answered {status} {text[:300]!r}")
            self.traffic.wait_for_calm()


class Traffic:
    """Some users of one site on one server."""

    def __init__(self, test, server, site):
        self.test, self.server, self.site = test, server, site
        self.calendar = Calendar(test.settle_s)
        self.ended = threading.Event()
        self.users = [User(self, site, number) for number in range(USERS)]
        for user in self.users:
            user.start()

    def wait_for_calm(self):
        wait_until(self.calendar.is_calm, RECOVERY_S + max(OUTAGES_S), "an end of the disturbance")

    def requests(self):
        return sum(user.counts["requests"] for user in self.users)

    def let_run(self, requests=REQUESTS_BETWEEN):
        """Until the users have asked so often, and nothing that was done is going on any more."""
        self.wait_for_calm()
        wanted = self.requests() + requests
        wait_until(lambda: self.ended.is_set() or self.requests() >= wanted, RECOVERY_S, "the users go on")
        self.check()

    def check(self):
        for user in self.users:
            if user.error is not None:
                raise user.error

    def finish(self, what, times):
        """Stops the users; who is logged in must be so still, also after a last restart."""
        self.let_run()
        self.ended.set()
        for user in self.users:
            user.join()
        self.check()
        self.server.restart()
        with self.calendar.disturbance():
            pass  # the site's connections have been closed
        for user in self.users:
            if user.is_in:
                user.view()
        totals = {name: sum(user.counts[name] for user in self.users) for name in self.users[0].counts}
        slowest = max(user.slowest_s for user in self.users)
        print(f"{type(self.test).__name__}: {times} x {what}: " + ", ".join(f"{count} {name}" for name, count in totals.items())
              + f", slowest {slowest:.1f} s", flush=True)


class SiteTraffic:
    """Mix with the description of a site and unittest.TestCase."""

    database_kind = os.environ.get("DATABASE", "sqlite")
    rule = None
    settle_s = 0.5  # how long this client goes on failing after the server is back
    outage_settle_s = None  # and after the database is back; None: as long
    request_timeout_s = 20
    tells_failures = True  # the page of a session that could not be stored is an error, not an ordinary page
    tells_failed_logouts = True  # and so is that of one that could not be deleted

    @classmethod
    def setUpClass(cls):
        cls.database = site_database(cls.database_kind)
        cls.addClassCleanup(cls.database.close)

    def environment(self):
        return {}

    @contextlib.contextmanager
    def traffic(self, kind, *arguments):
        rule = [f"--session-rule={self.rule}"] if self.rule else []
        with kind(*arguments, *self.database.arguments, *rule, **self.database.options) as server, WebSite(self.command(server), self.environment()) as site:
            traffic = Traffic(self, server, site)
            try:
                traffic.let_run()
                yield traffic
            finally:
                traffic.ended.set()
                for user in traffic.users:
                    user.join(RECOVERY_S)

    @needs_hand_over
    def test_restarts_by_sigterm(self):
        with self.traffic(HeldServer) as traffic:
            for _ in range(RESTARTS):
                with traffic.calendar.disturbance():
                    traffic.server.restart()
                traffic.let_run()
            traffic.finish("restart by SIGTERM", RESTARTS)

    @needs_hand_over
    def test_restarts_by_kill_9(self):
        with self.traffic(HeldServer) as traffic:
            for _ in range(RESTARTS):
                with traffic.calendar.disturbance():
                    traffic.server.kill()
                    traffic.server.start()
                traffic.let_run()
            traffic.finish("kill -9", RESTARTS)

    @needs_hand_over
    def test_hand_overs_tear_nothing(self):
        with self.traffic(Server) as traffic:
            for _ in range(RESTARTS):
                traffic.server.take_over()
                traffic.let_run()
            self.expect_none_torn(traffic)
            traffic.finish("hand-over", RESTARTS)

    def test_flush_and_full_memory_tear_nothing(self):
        with self.traffic(Server, "-m", str(SMALL_MEMORY_MB)) as traffic:
            story = Story(traffic.server, traffic.site)
            for _ in range(RESTARTS):
                with traffic.server.connect() as connection:
                    connection.ask(b"flush_all\r\n", b"OK\r\n")
                story.fill_memory(FILL_BYTES, times=1)
                traffic.let_run()
            self.expect_none_torn(traffic)
            traffic.finish("flush_all and full memory", RESTARTS)

    def test_database_away(self):
        with self.traffic(Server, "-m", str(SMALL_MEMORY_MB)) as traffic:
            for seconds in OUTAGES_S:
                Story(traffic.server, traffic.site).fill_memory(FILL_BYTES, times=1)
                with traffic.calendar.disturbance(self.outage_settle_s), self.database.away(traffic.server):
                    traffic.ended.wait(seconds)
                traffic.let_run()
            traffic.finish(f"database away for {' and '.join(map(str, OUTAGES_S))} s", 1)

    def test_restarts_while_the_database_is_away(self):
        if not self.database.is_server:
            self.skipTest("the server is the only one that uses its file")
        with self.traffic(HeldServer) as traffic:
            for number in range(RESTARTS):
                with traffic.calendar.disturbance(self.outage_settle_s), self.database.away(traffic.server):
                    traffic.server.kill() if number % 2 else traffic.server.stop()
                    traffic.server.start()
                    traffic.ended.wait(2)
                traffic.let_run()
            traffic.finish("restart while the database is away", RESTARTS)

    def test_database_node_lost(self):
        if not hasattr(self.database, "one_node_away"):
            self.skipTest("the database is no cluster")
        with self.traffic(Server) as traffic:
            ways = (("kill", "rejoin"), ("pause", "resume"), ("isolate", "heal"))
            for number in range(RESTARTS):
                with traffic.calendar.disturbance(self.outage_settle_s), self.database.one_node_away(*ways[number % len(ways)]):
                    traffic.ended.wait(4)
                traffic.let_run()
            traffic.finish("node of the cluster lost", RESTARTS)

    def expect_none_torn(self, traffic):
        self.assertEqual(sum(user.counts["torn"] for user in traffic.users), 0)
