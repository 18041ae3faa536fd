"""Real sites in use on database servers, while their session server and the database are restarted, killed, replaced and cut off."""

import unittest

import django_traffic
import php_traffic
from holdfast_test import main


class PhpOnMariaDb(php_traffic.Binary):
    database_kind = "mariadb"


class DjangoOnPostgres(django_traffic.Django):
    database_kind = "postgres"


def load_tests(loader, _tests, _pattern):
    """Not those of the files that the sites come from."""
    return unittest.TestSuite(map(loader.loadTestsFromTestCase, (PhpOnMariaDb, DjangoOnPostgres)))


main()
