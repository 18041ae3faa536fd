"""The MySQL driver against a real MariaDB: what every driver promises, then errors with cause and remedy, TLS, reconnects."""

import contextlib
import unittest

import server_driver
from database_servers import DATABASE, USER, MariaDb, refusal, run_contract
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


class Start(server_driver.Start, unittest.TestCase):
    kind = MariaDb
    words_of_wrong_password = ["1045"]
    words_of_denial = ["command denied"]

    def revoke_all(self):
        self.database.sql(f"REVOKE ALL PRIVILEGES, GRANT OPTION FROM {USER}@'%'")

    def revoke(self, grant, table):
        self.database.sql(f"REVOKE {grant} ON {DATABASE}.{table} FROM {USER}@'%'")

    def rename_table(self, name, to):
        self.database.sql(f"RENAME TABLE {name} TO {to}", DATABASE)

    def set_schema_version(self, version):
        self.database.sql(f"UPDATE meta SET value = '{version}' WHERE name = 'schema_version'", DATABASE)

    @contextlib.contextmanager
    def database_in_the_past(self):
        self.database.sql("SET GLOBAL init_connect = 'SET timestamp = UNIX_TIMESTAMP() - 10'")
        yield
        self.database.sql("SET GLOBAL init_connect = ''")

    def test_a_missing_database_is_named(self):
        self.database.sql("CREATE USER everything@'%' IDENTIFIED BY 'root'; GRANT ALL ON *.* TO everything@'%'")
        self.expect(["create the database"], self.url(database="elsewhere").replace(USER + "@", "everything@"),
                    {"HOLDFAST_DATABASE_PASSWORD": "root"})

    def test_what_is_missing_of_the_tables_is_made(self):
        self.database.sql("DROP TABLE lease; DELETE FROM meta WHERE name = 'schema_version'", DATABASE)
        self.assertIn("was created", self.init_schema().stdout)
        self.assertIn("is there already", self.init_schema().stdout)

    def test_a_read_only_server_is_named(self):
        self.database.grant()
        self.database.sql("SET GLOBAL read_only = 1")
        try:
            self.expect(["read-only", "takes writes"])
        finally:
            self.database.sql("SET GLOBAL read_only = 0")

    def test_a_server_that_is_too_old_is_named(self):
        with MariaDb("version=10.2.44-MariaDB") as database:
            database.sql(f"CREATE DATABASE {DATABASE}; CREATE USER {USER}@'%' IDENTIFIED BY 'p'; GRANT ALL ON {DATABASE}.* TO {USER}@'%'")
            line = refusal(database, database.url, {"HOLDFAST_DATABASE_PASSWORD": "p"})
        self.assertIn("the server is 10.2.44-MariaDB", line)
        self.assertIn("MariaDB 10.3, MySQL 5.7 or newer is needed", line)


class Tls(server_driver.Tls, unittest.TestCase):
    kind = MariaDb

    def options(self, files):
        return [f"ssl-ca={files['ca']}", f"ssl-cert={files['cert']}", f"ssl-key={files['key']}"]

    def require_tls(self):
        self.database.sql(f"ALTER USER {USER}@'%' REQUIRE SSL")

    def refuse_plain(self):
        self.assertIn("1045", refusal(self.database, self.database.url), "nothing is encrypted unless it is asked for")

    def test_a_server_that_wants_a_certificate_of_ours_gets_it(self):
        def check():
            self.database.sql(f"ALTER USER {USER}@'%' REQUIRE X509")
            url = f"{self.database.url}?tls-ca={self.files['ca']}"
            self.expect(["1045"], url)
            contract = self.database.contract()
            self.database.contract = lambda: {
                **contract, "HOLDFAST_CONTRACT_URL": f"{url}&tls-cert={self.files['cert']}&tls-key={self.files['key']}"}
            run_contract(self.database)
        self.with_server(self.files, check)


main()
