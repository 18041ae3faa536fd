"""The PostgreSQL driver against a real server: what every driver promises, then errors with cause and remedy, TLS."""

import os
import tempfile
import unittest

from database_servers import DATABASE, PASSWORD, USER, Postgres, make_certificates, refusal, run_contract
from holdfast_test import main


class Contract(unittest.TestCase):
    def test_the_driver_keeps_the_contract(self):
        with Postgres() as database:
            database.set_up()
            run_contract(database)


class Start(unittest.TestCase):
    """A server that cannot use its database says so in one line, and ends before it listens."""

    @classmethod
    def setUpClass(cls):
        cls.database = Postgres().set_up(grants=False)

    @classmethod
    def tearDownClass(cls):
        cls.database.close()

    def expect(self, words, url=None, environment=None):
        line = refusal(self.database, url or self.database.url, environment)
        for word in words:
            self.assertIn(word, line)
        self.assertNotIn(PASSWORD, line)

    def test_a_wrong_password_is_named(self):
        self.expect(["password authentication failed", "--database-password-file"],
                    environment={"HOLDFAST_DATABASE_PASSWORD": "wrong"})

    def test_an_unknown_host_is_named(self):
        self.expect(["nowhere.invalid", "correct the host"], f"postgres://{USER}@nowhere.invalid/{DATABASE}")

    def test_a_server_that_does_not_run_is_named(self):
        self.expect(["127.0.0.1:1:", "is the database running"], f"postgres://{USER}@127.0.0.1:1/{DATABASE}")

    def test_a_missing_database_is_named(self):
        self.expect(["create the database"], "/elsewhere".join(self.database.url.rsplit(f"/{DATABASE}", 1)))

    def test_missing_grants_and_tables_are_named(self):
        self.database.sql(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {USER}")
        self.expect(["--print-schema"])  # no grant at all
        self.database.grant()
        self.database.sql(f"REVOKE DELETE ON sessions FROM {USER}")
        self.expect(["permission denied", "--print-schema"])
        self.database.grant()
        self.database.sql("ALTER TABLE lease RENAME TO elsewhere")
        self.expect(["lease", "--init-schema"])
        self.database.sql("ALTER TABLE elsewhere RENAME TO lease")
        owner = self.database.url.replace(USER + "@", "owner@")
        self.assertIn("is there already", self.database.init_schema(owner, self.database.environment).stdout)
        self.database.sql("UPDATE meta SET value = '99' WHERE name = 'schema_version'")
        self.expect(["schema 1", "--init-schema"])
        self.assertIn("has schema 99", self.database.init_schema(owner, self.database.environment).stderr)
        self.database.sql("UPDATE meta SET value = '1' WHERE name = 'schema_version'")

    def test_a_read_only_server_is_named(self):
        self.database.grant()
        self.database.sql(f"ALTER USER {USER} SET default_transaction_read_only = on")
        try:
            self.expect(["read-only", "takes writes"])
        finally:
            self.database.sql(f"ALTER USER {USER} SET default_transaction_read_only = off")

    def test_tls_that_is_not_offered_is_not_done_without(self):
        files = make_certificates(self.database.directory)
        self.expect(["SSL", "TLS"], f"{self.database.url}?tls-ca={files['ca']}")


class Tls(unittest.TestCase):
    def test_the_certificate_is_checked(self):
        with tempfile.TemporaryDirectory() as directory:
            os.chmod(directory, 0o755)
            files = make_certificates(directory, "postgres")
            other = make_certificates(os.path.join(directory, "other"))
            with Postgres("ssl=on", f"ssl_cert_file={files['cert']}", f"ssl_key_file={files['key']}") as database:
                database.set_up()
                self.assertIn("certificate", refusal(database, f"{database.url}?tls-ca={other['ca']}"))
                contract = database.contract()
                database.contract = lambda: {**contract, "HOLDFAST_CONTRACT_URL": f"{database.url}?tls-ca={files['ca']}"}
                run_contract(database)


main()
