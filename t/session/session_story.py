"""What must hold for the users of any site that keeps its sessions in Holdfast, whatever language it is written in.

A test file derives from SessionStory (or from ShortStory, for one more setting of the same site), says how its site is started and what its sessions look like, and gets the tests.
"""

import contextlib
import sqlite3
import subprocess
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from holdfast_test import Server, need_program, wait_until
from web_site import WebSite

VISITORS = 4
HANDOVERS = 6
FILL_BATCH = 1000
SMALL_MEMORY_MB = 16
PRESSES_MAX = 40
ITEM_OVERHEAD_BYTES = 60  # about, with the key

need_program("sqlite3")


class Story:
    """One site on one server, with a database of its own."""

    def __init__(self, server, site):
        self.server, self.site = server, site
        self.browser = site.browser
        self.fills = 0

    def row(self, key):
        """(state, data) of a session as the sqlite3 program sees it; None without a row."""
        query = f"SELECT state, hex(data) FROM sessions WHERE sid = x'{key.encode().hex()}'"
        done = subprocess.run(["sqlite3", "-readonly", "-cmd", ".timeout 5000", self.server.database, query], capture_output=True,
                              text=True, check=True)
        if not done.stdout:
            return None
        state, data = done.stdout.strip().split("|")
        return int(state), bytes.fromhex(data)

    def wait_for_row(self, key, holds):
        """Until the database has a live row of which holds(data) is true."""
        def is_there():
            row = self.row(key)
            return row is not None and row[0] == 0 and holds(row[1])
        try:
            wait_until(is_there, what=f"a row of {key} that is up to date")
        except AssertionError as error:
            raise AssertionError(f"{error}; the row is {self.row(key)}") from None

    def fill_memory(self, size, times=3):
        """Sets new cache items of this size, several times what memory holds.

        They are read as well: what is used once only passes by and presses nothing out that was used more often.
        """
        value = b"x" * size
        self.fills += 1
        with self.server.connect() as connection:
            for first in range(0, times * SMALL_MEMORY_MB * (1 << 20) // (size + ITEM_OVERHEAD_BYTES), FILL_BATCH):
                keys = [b"fill:%d:%d" % (self.fills, number) for number in range(first, first + FILL_BATCH)]
                connection.send(b"".join(b"set %s 0 0 %d noreply\r\n%s\r\n" % (key, size, value) for key in keys))
                connection.send(b"get " + b" ".join(keys) + b"\r\n")
                connection.read_until(b"END\r\n")

    def press_out(self, key):
        """Fills memory until this session is no more in it: how often depends on how often it was read, and when.

        What the database lacks stays in memory: some handlers set a session again at the end of a request whose click
        is in the database already.
        """
        wait_until(lambda: self.server.stats(f"session {key}").get("synced") != "no", what=f"{key} in the database")
        size = len(self.row(key)[1])
        for _ in range(PRESSES_MAX):
            self.fill_memory(size, times=1)
            known = self.server.stats(f"session {key}")
            if known["place"] == "database":
                return
        raise AssertionError(f"{key} is still in memory that was filled {PRESSES_MAX} times over: {known}")

    def loads(self):
        """How many sessions were brought back from the database."""
        return int(self.server.stats("sessions")["loads_found"])


class ShortStory:
    """One visit through everything; mix with unittest.TestCase."""

    rule = None  # --session-rule; None: what the server does without

    def command(self, server):
        """The site's command line."""
        raise NotImplementedError

    def environment(self):
        return {}

    def key(self, browser):
        """The key under which this visitor's session lies."""
        raise NotImplementedError

    def shows(self, data, clicks):
        """Whether a row's data says so many clicks."""
        raise NotImplementedError

    @contextlib.contextmanager
    def story(self, *server_arguments):
        rule = [f"--session-rule={self.rule}"] if self.rule else []
        with Server(*server_arguments, *rule, sessions=True) as server:
            with WebSite(self.command(server), self.environment()) as site:
                yield Story(server, site)

    def click_until_in_database(self, story, browser, name, clicks):
        for click in range(1, clicks + 1):
            browser.click(name, click)
        story.wait_for_row(self.key(browser), lambda data: self.shows(data, clicks))

    def test_one_visit_through_everything(self):
        with self.story("-m", str(SMALL_MEMORY_MB), "--sync-interval=1") as story:
            ann = story.browser()
            ann.login("ann")
            ann.click("ann", 1)
            story.server.restart()
            self.click_into_database(story, ann, 2)
            story.server.kill()
            story.server.start()
            self.click_into_database(story, ann, 3)
            with story.server.connect() as connection:
                connection.ask(b"flush_all\r\n", b"OK\r\n")
            self.click_into_database(story, ann, 4)
            story.fill_memory(len(story.row(self.key(ann))[1]))
            ann.click("ann", 5)
            ann.logout()
            ann.expect_nobody()
            story.server.restart()
            ann.expect_nobody()

    def click_into_database(self, story, browser, clicks):
        browser.click("ann", clicks)
        story.wait_for_row(self.key(browser), lambda data: self.shows(data, clicks))


class SessionStory(ShortStory):
    """Each promise by itself; mix with unittest.TestCase."""

    def test_visitors_have_sessions_of_their_own(self):
        with self.story() as story:
            ann, bob, guest = story.browser(), story.browser(), story.browser()
            ann.login("ann")
            bob.login("bob")
            ann.click("ann", 1)
            bob.click("bob", 1)
            ann.click("ann", 2)
            ann.view("ann", 2)
            bob.view("bob", 1)
            guest.expect_nobody()

    def test_a_login_is_seen_in_the_database_by_the_sqlite3_program(self):
        with self.story() as story:
            ann = story.browser()
            ann.login("ann")
            self.click_until_in_database(story, ann, "ann", 2)

    def test_a_login_survives_a_stop_and_a_start(self):
        with self.story() as story:
            ann = story.browser()
            ann.login("ann")
            ann.click("ann", 1)
            story.server.restart()
            ann.view("ann", 1)
            ann.click("ann", 2)
            story.server.restart()
            ann.click("ann", 3)

    def test_a_stop_writes_the_clicks_that_the_database_has_not_seen(self):
        with self.story() as story:
            ann = story.browser()
            ann.login("ann")
            for click in range(1, 21):
                ann.click("ann", click)
            story.server.restart()
            ann.click("ann", 21)

    def test_a_login_survives_kill_9_once_its_row_is_in_the_database(self):
        with self.story() as story:
            ann = story.browser()
            ann.login("ann")
            self.click_until_in_database(story, ann, "ann", 2)
            story.server.kill()
            story.server.start()
            ann.click("ann", 3)

    def test_no_visitor_notices_a_handover(self):
        """No error page, no click lost, nobody logged out; and whoever logged out stays so."""
        with self.story() as story, ThreadPoolExecutor(VISITORS) as threads:
            gone = story.browser()
            gone.login("gone")
            ended = threading.Event()

            def visit(number):
                browser, name, clicks = story.browser(), f"visitor{number}", 0
                browser.login(name)
                while not ended.is_set():
                    clicks += 1
                    browser.click(name, clicks)
                browser.logout()
                browser.expect_nobody()
                return clicks

            visits = [threads.submit(visit, number) for number in range(VISITORS)]
            try:
                for _ in range(HANDOVERS):
                    time.sleep(0.3)
                    story.server.take_over()
                gone.logout()
                story.server.take_over()
                gone.expect_nobody()
            finally:
                ended.set()
            for done in visits:
                self.assertGreater(done.result(), HANDOVERS)

    def test_kill_9_loses_no_click(self):
        with self.story() as story:
            ann = story.browser()
            ann.login("ann")
            for click in range(1, 11):
                ann.click("ann", click)
            story.server.kill()
            story.server.start()
            ann.view("ann", 10)
            ann.click("ann", 11)
            ann.logout()
            story.server.kill()
            story.server.start()
            ann.expect_nobody()

    def test_a_login_survives_flush_all(self):
        with self.story() as story, story.server.connect() as connection:
            ann = story.browser()
            ann.login("ann")
            self.click_until_in_database(story, ann, "ann", 1)
            connection.ask(b"flush_all\r\n", b"OK\r\n")
            ann.click("ann", 2)
            connection.ask(b"flush_all\r\n", b"OK\r\n")
            ann.click("ann", 3)

    def test_a_login_survives_its_eviction(self):
        with self.story("-m", str(SMALL_MEMORY_MB), "--sync-interval=1") as story:
            ann = story.browser()
            ann.login("ann")
            self.click_until_in_database(story, ann, "ann", 2)
            story.press_out(self.key(ann))
            loads = story.loads()
            ann.view("ann", 2)
            self.assertGreater(story.loads(), loads)
            ann.click("ann", 3)

    def test_a_logout_stays_after_a_restart(self):
        with self.story() as story, contextlib.ExitStack() as stack:
            ann, thief = story.browser(), story.browser()
            ann.login("ann")
            self.click_until_in_database(story, ann, "ann", 1)
            for cookie in ann.jar:
                thief.jar.set_cookie(cookie)
            thief.view("ann", 1)
            ann.logout()
            ann.expect_nobody()
            thief.expect_nobody()
            story.server.restart()
            ann.expect_nobody()
            thief.expect_nobody()
            story.server.kill()
            story.server.start()
            thief.expect_nobody()

    def test_a_new_login_after_a_logout_stays_too(self):
        with self.story() as story:
            ann = story.browser()
            for _ in range(2):
                ann.login("ann")
                self.click_until_in_database(story, ann, "ann", 2)
                ann.logout()
                ann.expect_nobody()
            ann.login("ann")
            ann.click("ann", 1)
            story.server.restart()
            ann.click("ann", 2)

    def test_clicks_made_while_the_database_is_locked_reach_it_afterwards(self):
        with self.story("--sync-interval=1") as story, contextlib.closing(sqlite3.connect(story.server.database)) as other:
            ann = story.browser()
            ann.login("ann")
            self.click_until_in_database(story, ann, "ann", 1)
            other.execute("BEGIN IMMEDIATE")
            ann.click("ann", 2)
            bob = story.browser()
            bob.login("bob")
            bob.click("bob", 1)
            other.rollback()
            story.wait_for_row(self.key(ann), lambda data: self.shows(data, 2))
            story.wait_for_row(self.key(bob), lambda data: self.shows(data, 1))
