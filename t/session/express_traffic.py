"""Express in use, with cookies of 40 days, while its session server is restarted, killed, replaced, flushed, filled or cut off."""

import unittest

import express_site
from holdfast_test import main
from site_traffic import SiteTraffic


class ExpressTraffic(express_site.ExpressSite, SiteTraffic):
    cookie_seconds = 40 * express_site.DAY_S


class ConnectMemcached(ExpressTraffic, unittest.TestCase):
    rule = "express"
    settle_s = 2  # until its pool of connections is whole again
    request_timeout_s = 6  # some requests whose connection is closed are never answered; the rule lets them wait for 4 s


class ConnectMemjs(ExpressTraffic, unittest.TestCase):
    rule = "memjs"
    store = "connect-memjs"
    settle_s = 2
    request_timeout_s = 6


if __name__ == "__main__":
    main()
