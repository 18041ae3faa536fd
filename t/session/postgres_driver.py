"""The PostgreSQL driver against a real server: what every driver promises, then errors with cause and remedy, TLS."""

import contextlib
import socket
import threading
import unittest

import server_driver
from database_servers import USER, Postgres, run_contract
from holdfast_test import main


def speak_as_version_12(listener):
    """Lets everybody in who comes: a server that is too old is in no Debian that has the tools for these tests."""
    def message(kind, body):
        return kind + (len(body) + 4).to_bytes(4, "big") + body

    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            while (length := int.from_bytes(connection.recv(4), "big")) > 0:
                if int.from_bytes(connection.recv(length - 4)[:4], "big") == 80877103:
                    connection.sendall(b"N")  # no TLS
                    continue
                connection.sendall(message(b"R", bytes(4)) + message(b"S", b"server_version\x0012.22\0") + message(b"Z", b"I"))
                connection.recv(100)  # the farewell
                break


class Contract(unittest.TestCase):
    def test_the_driver_keeps_the_contract(self):
        with Postgres() as database:
            database.set_up()
            run_contract(database)


class Start(server_driver.Start, unittest.TestCase):
    kind = Postgres
    words_of_wrong_password = ["password authentication failed"]
    words_of_denial = ["permission denied"]

    def revoke_all(self):
        self.database.sql(f"REVOKE ALL ON ALL TABLES IN SCHEMA public FROM {USER}")

    def revoke(self, grant, table):
        self.database.sql(f"REVOKE {grant} ON {table} FROM {USER}")

    def rename_table(self, name, to):
        self.database.sql(f"ALTER TABLE {name} RENAME TO {to}")

    def set_schema_version(self, version):
        self.database.sql(f"UPDATE meta SET value = '{version}' WHERE name = 'schema_version'")

    @contextlib.contextmanager
    def database_in_the_past(self):
        # A function of that name in front of the server's own.
        self.database.sql("CREATE FUNCTION statement_timestamp() RETURNS timestamptz LANGUAGE sql AS "
                          "$$ SELECT pg_catalog.statement_timestamp() - interval '10 seconds' $$;"
                          f"ALTER USER {USER} SET search_path = public, pg_catalog")
        yield
        self.database.sql(f"ALTER USER {USER} RESET search_path; DROP FUNCTION public.statement_timestamp()")

    def test_a_missing_database_is_named(self):
        self.expect(["create the database"], self.url(database="elsewhere"))

    def test_a_read_only_server_is_named(self):
        self.database.grant()
        self.database.sql(f"ALTER USER {USER} SET default_transaction_read_only = on")
        try:
            self.expect(["read-only", "takes writes"])
        finally:
            self.database.sql(f"ALTER USER {USER} RESET default_transaction_read_only")

    def test_a_server_that_is_too_old_is_named(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            threading.Thread(target=speak_as_version_12, args=(listener,), daemon=True).start()
            self.expect(["the server is PostgreSQL 12", "PostgreSQL 13 or newer"], self.url(port=listener.getsockname()[1]))


class Tls(server_driver.Tls, unittest.TestCase):
    kind = Postgres

    def options(self, files):
        return ["ssl=on", f"ssl_cert_file={files['cert']}", f"ssl_key_file={files['key']}"]

    def require_tls(self):
        pass

    def refuse_plain(self):
        pass


main()
