"""PHP's session handlers: php-memcached (binary and text, with locks), and pecl memcache."""

import subprocess
import unittest
from concurrent.futures import ThreadPoolExecutor

from holdfast_test import main, need_program, skip_all, source_path
from session_story import SessionStory, ShortStory

need_program("php", "php-cli")
MODULES = subprocess.run(["php", "-m"], capture_output=True, text=True, check=True).stdout.split()
for module in ("memcached", "memcache"):
    if module not in MODULES:
        skip_all(f"PHP lacks {module} (Debian: php-{module})")


class PhpSite:
    handler = "memcached"
    settings = ()

    def command(self, server):
        settings = (f"session.save_handler={self.handler}", f"session.save_path={self.save_path(server)}", "max_execution_time=30",
                    *self.settings)
        return ["php", *(f"-d{setting}" for setting in settings), "-S", "127.0.0.1:{port}", source_path("t/session/php/site.php")]

    def save_path(self, server):
        return f"127.0.0.1:{server.port}"

    def environment(self):
        return {"PHP_CLI_SERVER_WORKERS": "4"}

    def key(self, browser):
        return "memc.sess.key." + browser.cookie("PHPSESSID")

    def shows(self, data, clicks):
        return data.endswith(b"clicks|i:%d;" % clicks)


class PhpStory(PhpSite, SessionStory):
    def test_the_lock_lets_no_click_of_the_same_visitor_get_lost(self):
        with self.story() as story, ThreadPoolExecutor(4) as threads:
            ann = story.browser()
            ann.login("ann")
            answers = sorted(threads.map(lambda _: ann.ask("GET", "/click"), range(20)))
            self.assertEqual(answers, sorted((200, f"ann {click}") for click in range(1, 21)))
            story.server.restart()
            ann.view("ann", 20)


class Binary(PhpStory, unittest.TestCase):
    settings = ("memcached.sess_binary_protocol=On", "memcached.sess_lock_retries=100")


class Text(PhpStory, unittest.TestCase):
    settings = ("memcached.sess_binary_protocol=Off", "memcached.sess_lock_retries=100")


class Strict(PhpSite, ShortStory, unittest.TestCase):
    """An id that the server has not given out is not taken; each start asks whether the session exists."""
    settings = ("memcached.sess_binary_protocol=On", "memcached.sess_lock_retries=100", "session.use_strict_mode=1")


class OwnPrefix(PhpSite, ShortStory, unittest.TestCase):
    rule = "php prefix=shop."
    settings = ("memcached.sess_prefix=shop.", "memcached.sess_lock_retries=100", "session.lazy_write=Off")

    def key(self, browser):
        return "shop." + browser.cookie("PHPSESSID")


class PeclMemcache(PhpStory, unittest.TestCase):
    rule = "pecl"
    handler = "memcache"

    def save_path(self, server):
        return f"tcp://127.0.0.1:{server.port}"

    def key(self, browser):
        return browser.cookie("PHPSESSID")


if __name__ == "__main__":
    main()
