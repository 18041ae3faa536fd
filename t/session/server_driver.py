"""What the tests of the drivers for servers share: a start with a database that cannot be used, and TLS, against the real thing.

A test file mixes Start and Tls into test cases of its own, with the kind of server and its words:

    class OnMariaDb(Start, unittest.TestCase):
        kind = MariaDb
        ...
"""

import os
import shutil
import socket
import tempfile
import time

from database_servers import DATABASE, PASSWORD, USER, make_certificates, refusal, run_contract
from holdfast_test import Server, wait_until


class Refusals:
    """url, environment -> the one line; it is held against words, and must not hold the password."""

    def expect(self, words, url=None, environment=None, status=1):
        line = refusal(self.database, url or self.database.url, environment, status)
        for word in words:
            self.assertIn(word, line)
        self.assertNotIn(PASSWORD, line)


class Start(Refusals):
    """A server that cannot use its database says so in one line, with the remedy, and ends before it listens."""

    kind = None  # MariaDb or Postgres
    words_of_wrong_password = ()
    words_of_denial = ()

    @classmethod
    def setUpClass(cls):
        cls.database = cls.kind().set_up(grants=False)

    @classmethod
    def tearDownClass(cls):
        cls.database.close()

    def url(self, host="127.0.0.1", port=None, database=DATABASE):
        return f"{self.kind.scheme}://{USER}@{host}:{port or self.database.port}/{database}"

    def owner_url(self):
        return self.database.url.replace(USER + "@", "owner@")

    def init_schema(self):
        return self.database.init_schema(self.owner_url(), self.database.environment)

    def test_a_wrong_url_is_told_how_it_should_be(self):
        for url in (self.kind.scheme + ":", self.url().replace(USER + "@", ""), self.url(port=70000), self.url(database=""),
                    self.url() + "?compress=1"):
            self.expect(["it should be as"], url, status=64)
        self.expect(["sqlite:PATH"], "oracle://x@y/z", status=64)

    def test_a_password_in_the_url_is_refused(self):
        self.expect(["--database-password-file"], self.database.url.replace(USER + "@", f"{USER}:{PASSWORD}@"), status=64)

    def test_a_wrong_password_is_named(self):
        self.expect([*self.words_of_wrong_password, "--database-password-file"], environment={"HOLDFAST_DATABASE_PASSWORD": "wrong"})

    def test_an_unknown_host_is_named(self):
        self.expect(["nowhere.invalid", "correct the host"], self.url("nowhere.invalid"))

    def test_a_server_that_does_not_run_is_named(self):
        self.expect(["127.0.0.1:1:", "is the database running"], self.url(port=1))

    def begin(self, *arguments):
        """A server that is started while its database is not there; returns once it has said so."""
        self.database.grant()
        self.database.stop()
        self.addCleanup(lambda: self.database.process.poll() is None or self.database.start())
        server = Server(f"--sessions={self.database.url}", "--journal=none", *arguments, start=False,
                        environment=self.database.environment)
        self.addCleanup(server._clean_up)
        server.begin()
        wait_until(lambda: "trying again" in server.stderr(), 30, "the server waits")
        return server

    def test_a_database_that_comes_later_is_waited_for(self):
        server = self.begin("--database-wait=60")
        with self.assertRaises(OSError):
            server.connect()
        self.database.start()
        server.await_start()
        text = server.stderr()
        self.assertRegex(text, r"is the database running[^\n]*; trying again for 60 s \(--database-wait\)\n")
        self.assertEqual(text.count("trying again"), 1)
        self.assertIn("the database answers\n", text)
        with server.connect() as client:
            client.ask(b"get any\r\n", b"END\r\n")
        server.stop()

    def test_what_a_person_must_mend_is_not_waited_for(self):
        self.database.grant()
        begun = time.monotonic()
        line = refusal(self.database, self.database.url, {"HOLDFAST_DATABASE_PASSWORD": "wrong"}, arguments=())
        self.assertIn("--database-password-file", line)
        self.assertLess(time.monotonic() - begun, 9)  # it waits 10 s by default

    def test_the_wait_ends(self):
        server = self.begin("--database-wait=1")
        self.assertEqual(server.process.wait(30), 1)
        self.assertEqual(server.stderr().count("is the database running"), 2, server.stderr())

    def test_the_wait_ends_at_once_when_the_server_is_told_to_end(self):
        server = self.begin("--database-wait=600")
        server.process.terminate()
        self.assertEqual(server.process.wait(30), 0)
        self.assertTrue(server.stderr().endswith("stopped\n"), server.stderr())

    def test_a_server_that_does_not_answer_is_given_up(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            port = silent.getsockname()[1]
            self.expect([f"127.0.0.1:{port}:", "is the database running"], self.url(port=port))

    def test_a_missing_grant_is_named(self):
        self.revoke_all()
        self.expect(["--print-schema"])
        for grant in ("SELECT", "INSERT", "UPDATE", "DELETE"):
            self.database.grant()
            self.revoke(grant, "sessions")
            self.expect([*self.words_of_denial, "sessions", "--print-schema"])
        for table in ("nodes", "lease"):
            self.database.grant()
            self.revoke("UPDATE", table)
            self.expect([*self.words_of_denial, table, "--print-schema"])
        self.database.grant()

    def test_missing_tables_are_named_and_made(self):
        self.database.grant()
        self.rename_table("lease", "elsewhere")
        self.expect(["lease", "--init-schema"])
        self.rename_table("elsewhere", "lease")
        self.assertIn("is there already", self.init_schema().stdout)

    def test_a_schema_of_another_version_is_left_as_it_is(self):
        self.database.grant()
        self.set_schema_version(99)
        self.expect(["schema 1", "--init-schema"])
        done = self.init_schema()
        self.assertEqual(done.returncode, 1)
        self.assertIn("has schema 99", done.stderr)
        self.set_schema_version(1)

    def test_tls_that_is_not_offered_is_not_done_without(self):
        files = make_certificates(self.database.directory)
        self.expect(["has TLS switched on"], f"{self.database.url}?tls-ca={files['ca']}")

    def test_a_clock_that_is_ahead_is_named(self):
        self.database.grant()
        with self.database_in_the_past():
            self.expect(["ms ahead of the database's", "NTP"])


class Tls(Refusals):
    """A certificate is checked: who signed it, and for whom it is."""

    kind = None

    def options(self, files):
        """Of a server with these certificates."""
        raise NotImplementedError

    def with_server(self, files, check):
        with self.kind(*self.options(files)) as self.database:
            self.database.set_up()
            check()

    def setUp(self):
        directory = tempfile.mkdtemp(prefix="holdfast-certificates-")
        self.addCleanup(shutil.rmtree, directory)
        os.chmod(directory, 0o755)
        self.files = make_certificates(directory, self.kind.system_user)
        self.other = make_certificates(os.path.join(directory, "other"), self.kind.system_user, "DNS:db.example", "db.example")

    def test_the_contract_is_kept_by_who_can_prove_who_he_is(self):
        def check():
            self.require_tls()
            self.refuse_plain()
            self.expect(["certificate", "tls-ca="], f"{self.database.url}?tls-ca={self.other['ca']}")
            self.expect(["tls-ca="], f"{self.database.url}?tls-ca={self.database.directory}/none.pem")
            contract = self.database.contract()
            self.database.contract = lambda: {**contract, "HOLDFAST_CONTRACT_URL": f"{self.database.url}?tls-ca={self.files['ca']}"}
            run_contract(self.database)
        self.with_server(self.files, check)

    def test_a_certificate_for_another_host_is_refused(self):
        self.with_server(self.other, lambda: self.expect(["tls-ca=", "for this host"], f"{self.database.url}?tls-ca={self.other['ca']}"))
