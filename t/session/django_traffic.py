"""Django with its sessions in the cache, in use while its session server is restarted, killed, replaced, flushed, filled or cut off."""

import unittest

import django_site
from holdfast_test import main
from site_traffic import SiteTraffic


class Django(django_site.DjangoSite, SiteTraffic, unittest.TestCase):
    request_timeout_s = 40  # it waits as long as the rule says, 30 s


if __name__ == "__main__":
    main()
