"""Django with its sessions in the cache, by PyMemcacheCache."""

import importlib.util
import pickle
import unittest

from holdfast_test import main, skip_all, source_path
from session_story import SessionStory, ShortStory

for module in ("django", "pymemcache"):
    if importlib.util.find_spec(module) is None or importlib.util.find_spec(module).origin is None:
        skip_all(f"{module} is not installed (Debian: python3-{module})")


class DjangoSite:
    key_prefix = ""

    def command(self, server):
        return ["/usr/bin/python3", source_path("t/session/django/site.py"), "{port}", f"127.0.0.1:{server.port}", self.key_prefix]

    def key(self, browser):
        return self.key_prefix + ":1:django.contrib.sessions.cache" + browser.cookie("sessionid")

    def shows(self, data, clicks):
        return pickle.loads(data).get("clicks") == clicks


class Django(DjangoSite, SessionStory, unittest.TestCase):
    pass


class OwnPrefix(DjangoSite, ShortStory, unittest.TestCase):
    rule = "django prefix=shop:1:django.contrib.sessions.cache"
    key_prefix = "shop"


if __name__ == "__main__":
    main()
