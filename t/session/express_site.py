"""An Express site with express-session and connect-memcached, as npm gives them."""

import json
import unittest
from urllib.parse import unquote

import node_packages
from holdfast_test import main, source_path
from session_story import SessionStory

PACKAGES = node_packages.install("t/session/express")
DAY_S = 86400


class ExpressStory(SessionStory):
    store = None
    cookie_seconds = DAY_S

    def command(self, server):
        return ["node", source_path("t/session/express/site.js"), "{port}", f"127.0.0.1:{server.port}", self.store,
                str(self.cookie_seconds)]

    def environment(self):
        return PACKAGES

    def key(self, browser):
        # "s:ID.SIGNATURE"
        return unquote(browser.cookie("connect.sid"))[2:].split(".")[0]

    def shows(self, data, clicks):
        return json.loads(data)["clicks"] == clicks


class ConnectMemcached(ExpressStory, unittest.TestCase):
    rule = "express"
    store = "connect-memcached"


class ConnectMemjs(ExpressStory, unittest.TestCase):
    rule = "memjs"
    store = "connect-memjs"


class LongCookie(ExpressStory, unittest.TestCase):
    rule = "express"
    store = "connect-memcached"
    cookie_seconds = 40 * DAY_S


if __name__ == "__main__":
    main()
