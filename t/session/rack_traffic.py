"""Rack and Rails with dalli in use while their session server is restarted, killed, replaced, flushed, filled or cut off."""

import unittest

import rack_site
from holdfast_test import main
from site_traffic import SiteTraffic


class RubyTraffic(SiteTraffic):
    settle_s = 1.5  # dalli leaves a server alone for down_retry_delay, here 1 s
    tells_failures = False  # it warns in the log, and the page looks as ever
    command, shows = rack_site.RubyStory.command, rack_site.RubyStory.shows


class Rack(RubyTraffic, unittest.TestCase):
    kind = "rack"
    key = rack_site.Rack.key


class Rails(RubyTraffic, unittest.TestCase):
    kind = "rails"
    key = rack_site.Rails.key


if __name__ == "__main__":
    main()
