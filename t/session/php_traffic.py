"""PHP's session handlers in use while their session server is restarted, killed, replaced, flushed, filled or cut off."""

import unittest

import php_site
from holdfast_test import main
from site_traffic import SiteTraffic


class PhpTraffic(php_site.PhpSite, SiteTraffic):
    tells_failed_logouts = False  # session_destroy() is content with any answer to its delete, and with none

    life = "session.gc_maxlifetime=3456000"  # 40 days
    # A page that ends without its session need not have given its lock back: the next one waits until that is over, by default
    # for as long as a page may run.
    lock_s = 10
    lock_life = f"memcached.sess_lock_expire={lock_s}"
    outage_settle_s = lock_s + 1

    def environment(self):
        return {"PHP_CLI_SERVER_WORKERS": "12"}


class Binary(PhpTraffic, unittest.TestCase):
    settings = (PhpTraffic.life, PhpTraffic.lock_life, "memcached.sess_binary_protocol=On", "memcached.sess_lock_retries=100")


class Text(PhpTraffic, unittest.TestCase):
    settings = (PhpTraffic.life, PhpTraffic.lock_life, "memcached.sess_binary_protocol=Off", "memcached.sess_lock_retries=100")


if __name__ == "__main__":
    main()
