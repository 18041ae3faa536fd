"""PHP's session handlers in use while their session server is restarted, killed, replaced, flushed, filled or cut off."""

import unittest

import php_site
from holdfast_test import main
from site_traffic import SiteTraffic


class PhpTraffic(php_site.PhpSite, SiteTraffic):
    life = "session.gc_maxlifetime=3456000"  # 40 days

    def environment(self):
        return {"PHP_CLI_SERVER_WORKERS": "12"}


class Binary(PhpTraffic, unittest.TestCase):
    settings = (PhpTraffic.life, "memcached.sess_binary_protocol=On", "memcached.sess_lock_retries=100")


class Text(PhpTraffic, unittest.TestCase):
    settings = (PhpTraffic.life, "memcached.sess_binary_protocol=Off", "memcached.sess_lock_retries=100")


class Strict(PhpTraffic, unittest.TestCase):
    settings = (PhpTraffic.life, "memcached.sess_lock_retries=100", "session.use_strict_mode=1")


class PeclMemcache(PhpTraffic, unittest.TestCase):
    rule = "pecl"
    handler = "memcache"
    settings = (PhpTraffic.life,)
    tells_failures = False
    outage_settle_s = 16  # it gives up after 1 s, and waits for its own lock for 15 s
    save_path, key = php_site.PeclMemcache.save_path, php_site.PeclMemcache.key


if __name__ == "__main__":
    main()
