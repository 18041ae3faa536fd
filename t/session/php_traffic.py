"""PHP's session handlers in use while their session server is restarted, killed, replaced, flushed, filled or cut off."""

import unittest

import php_site
from holdfast_test import main
from site_traffic import SiteTraffic


class PhpTraffic(php_site.PhpSite, SiteTraffic):
    tells_failed_logouts = False  # session_destroy() is content with any answer to its delete, and with none

    life = "session.gc_maxlifetime=3456000"  # 40 days

    def environment(self):
        return {"PHP_CLI_SERVER_WORKERS": "12"}


class Binary(PhpTraffic, unittest.TestCase):
    settings = (PhpTraffic.life, "memcached.sess_binary_protocol=On", "memcached.sess_lock_retries=100")


class Text(PhpTraffic, unittest.TestCase):
    settings = (PhpTraffic.life, "memcached.sess_binary_protocol=Off", "memcached.sess_lock_retries=100")


if __name__ == "__main__":
    main()
