"""An Express site with express-session and connect-memcached, as npm gives them."""

import json
import unittest
from urllib.parse import unquote

import node_packages
from holdfast_test import main, source_path
from session_story import SessionStory, ShortStory

PACKAGES = node_packages.install("t/session/express")
DAY_S = 86400


class ExpressSite:
    store = "connect-memcached"
    prefix = ""
    cookie_seconds = DAY_S

    def command(self, server):
        return ["node", source_path("t/session/express/site.js"), "{port}", f"127.0.0.1:{server.port}", self.store, self.prefix,
                str(self.cookie_seconds)]

    def environment(self):
        return PACKAGES

    def key(self, browser):
        # "s:ID.SIGNATURE"
        return self.prefix + unquote(browser.cookie("connect.sid"))[2:].split(".")[0]

    def shows(self, data, clicks):
        return json.loads(data)["clicks"] == clicks


class ConnectMemcached(ExpressSite, SessionStory, unittest.TestCase):
    rule = "express"


class ConnectMemjs(ExpressSite, SessionStory, unittest.TestCase):
    rule = "memjs"
    store = "connect-memjs"


class LongCookie(ExpressSite, ShortStory, unittest.TestCase):
    """More than 30 days, which memcached takes for a date in 1970."""
    rule = "express"
    cookie_seconds = 40 * DAY_S


class OwnPrefix(ExpressSite, ShortStory, unittest.TestCase):
    rule = "express prefix=app:"
    prefix = "app:"


if __name__ == "__main__":
    main()
