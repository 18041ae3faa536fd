"""The MySQL driver against a real MariaDB: what every driver promises, then errors with cause and remedy, TLS, reconnects."""

import os
import tempfile
import unittest

from database_servers import DATABASE, PASSWORD, USER, MariaDb, make_certificates, refusal, run_contract
from holdfast_test import main


class Contract(unittest.TestCase):
    def test_the_driver_keeps_the_contract(self):
        with MariaDb() as database:
            database.set_up()
            run_contract(database)

    def test_the_driver_keeps_the_contract_where_packets_are_small(self):
        with MariaDb("max_allowed_packet=3M") as database:
            database.set_up()
            run_contract(database)


class Start(unittest.TestCase):
    """A server that cannot use its database says so in one line, and ends before it listens."""

    @classmethod
    def setUpClass(cls):
        cls.database = MariaDb().set_up(grants=False)

    @classmethod
    def tearDownClass(cls):
        cls.database.close()

    def expect(self, words, url=None, environment=None):
        line = refusal(self.database, url or self.database.url, environment)
        for word in words:
            self.assertIn(word, line)
        self.assertNotIn(PASSWORD, line)

    def test_a_password_in_the_url_is_refused(self):
        self.expect(["--database-password-file"], self.database.url.replace(USER + "@", f"{USER}:{PASSWORD}@"))

    def test_a_wrong_password_is_named(self):
        self.expect(["1045", "--database-password-file"], environment={"HOLDFAST_DATABASE_PASSWORD": "wrong"})

    def test_an_unknown_host_is_named(self):
        self.expect(["nowhere.invalid", "correct the host"], f"mysql://{USER}@nowhere.invalid/{DATABASE}")

    def test_a_server_that_does_not_run_is_named(self):
        self.expect(["127.0.0.1:1:", "is the database running"], f"mysql://{USER}@127.0.0.1:1/{DATABASE}")

    def test_missing_grants_and_tables_are_named(self):
        self.database.sql(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {USER}@'%'")
        self.expect(["1044", "--print-schema"])  # no grant at all
        self.database.grant()
        self.database.sql(f"REVOKE DELETE ON {DATABASE}.sessions FROM {USER}@'%'")
        self.expect(["DELETE command denied", "--print-schema"])
        self.database.grant()
        self.database.sql("DROP TABLE lease", DATABASE)
        self.expect(["lease", "--init-schema"])
        self.database.sql("DELETE FROM meta WHERE name = 'schema_version'", DATABASE)
        done = self.database.init_schema(self.database.url.replace(USER + "@", "owner@"), self.database.environment)
        self.assertIn("was created", done.stdout)
        done = self.database.init_schema(self.database.url.replace(USER + "@", "owner@"), self.database.environment)
        self.assertIn("is there already", done.stdout)
        self.database.sql("UPDATE meta SET value = '99' WHERE name = 'schema_version'", DATABASE)
        self.expect(["schema 1", "--init-schema"])
        done = self.database.init_schema(self.database.url.replace(USER + "@", "owner@"), self.database.environment)
        self.assertEqual(done.returncode, 1)
        self.assertIn("has schema 99", done.stderr)
        self.database.sql("UPDATE meta SET value = '1' WHERE name = 'schema_version'", DATABASE)

    def test_a_missing_database_is_named(self):
        self.expect(["create the database"], self.root_url("elsewhere"), {"HOLDFAST_DATABASE_PASSWORD": "root"})

    def root_url(self, database):
        self.database.sql("CREATE USER IF NOT EXISTS everything@'%' IDENTIFIED BY 'root'; GRANT ALL ON *.* TO everything@'%'")
        return f"mysql://everything@127.0.0.1:{self.database.port}/{database}"

    def test_a_read_only_server_is_named(self):
        self.database.grant()
        self.database.sql("SET GLOBAL read_only = 1")
        try:
            self.expect(["read-only"])
        finally:
            self.database.sql("SET GLOBAL read_only = 0")

    def test_tls_that_is_not_offered_is_not_done_without(self):
        files = make_certificates(self.database.directory)
        self.expect(["TLS"], f"{self.database.url}?tls-ca={files['ca']}")


class Tls(unittest.TestCase):
    def test_the_certificate_is_checked(self):
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            files = make_certificates(directory)
            other = make_certificates(os.path.join(directory, "other"))
            with MariaDb(f"ssl-ca={files['ca']}", f"ssl-cert={files['cert']}", f"ssl-key={files['key']}") as database:
                database.set_up()
                database.sql(f"ALTER USER {USER}@'%' REQUIRE SSL")
                self.assertIn("1045", refusal(database, database.url), "nothing is encrypted unless it is asked for")
                self.assertIn("2026", refusal(database, f"{database.url}?tls-ca={other['ca']}"))
                contract = database.contract()
                database.contract = lambda: {**contract, "HOLDFAST_CONTRACT_URL": f"{database.url}?tls-ca={files['ca']}"}
                run_contract(database)


main()
