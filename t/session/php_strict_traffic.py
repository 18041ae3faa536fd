"""As php_traffic.py: strict mode, and the older extension memcache."""

import unittest

import php_site
import php_traffic
from holdfast_test import main


class Strict(php_traffic.PhpTraffic, unittest.TestCase):
    settings = (php_traffic.PhpTraffic.life, php_traffic.PhpTraffic.lock_life, "memcached.sess_lock_retries=100",
                "session.use_strict_mode=1")


class PeclMemcache(php_traffic.PhpTraffic, unittest.TestCase):
    rule = "pecl"
    handler = "memcache"
    settings = (php_traffic.PhpTraffic.life,)
    tells_failures = False
    outage_settle_s = 16  # it gives up after 1 s, and waits for its own lock for 15 s
    save_path, key = php_site.PeclMemcache.save_path, php_site.PeclMemcache.key


if __name__ == "__main__":
    main()
