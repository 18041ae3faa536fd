"""The configuration file, the environment and the flags: which wins, what an error says, and that nothing is opened before all
of it is right."""

import os
import re
import subprocess
import tempfile
import unittest

from holdfast_test import Server, free_port, main, run_server_once, server_program

AS_ROOT = ["-u", "root"] if os.geteuid() == 0 else []


def run(*arguments, environment=None):
    return subprocess.run([server_program(), *[str(argument) for argument in arguments]], capture_output=True, text=True, timeout=60,
                          env={**os.environ, **(environment or {})}, stdin=subprocess.DEVNULL)


class WithFile(unittest.TestCase):
    def setUp(self):
        self.directory = tempfile.TemporaryDirectory()
        self.addCleanup(self.directory.cleanup)
        self.path = os.path.join(self.directory.name, "h.conf")

    def write(self, text, mode=0o600):
        with open(self.path, "wb") as file:
            file.write(text if isinstance(text, bytes) else text.encode())
        os.chmod(self.path, mode)

    def check(self, text, *arguments, environment=None, mode=0o600):
        self.write(text, mode)
        return run("--check-config", "--config", self.path, *arguments, environment=environment)


class Errors(WithFile):
    def expect(self, text, line, *words, mode=0o600):
        """Exit 1, nothing on stdout, one line that begins with the file and the line and has the words."""
        result = self.check(text, mode=mode)
        self.assertEqual(result.returncode, 1, result.stderr)
        self.assertEqual(result.stdout, "")
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        place = self.path + (f":{line}: " if line else "")
        self.assertIn(f"holdfast: {place}", result.stderr)
        for word in words:
            self.assertIn(word, result.stderr)

    def test_each_names_file_and_line_and_what_would_be_right(self):
        for text, line, words in (
                ("memory-limit = lots\n", 1, ["memory-limit", "'lots'", "megabytes"]),
                ("\n# x\nport = 70000\n", 3, ["port", "'70000'", "65535"]),
                ("port = 1\nthreads = 2\nport = 2\n", 3, ["port is given twice", "line 1"]),
                ("memory_limt = 5\n", 1, ["unknown option memory_limt", "did you mean memory-limit?"]),
                ("idle-timeot = 5\n", 1, ["did you mean idle_timeout?"]),
                ("port\n", 1, ["name = value"]),
                ("user = \"open\n", 1, ["user", "quoted"]),
                ("user = " + "x" * 5000, 1, ["4096", "shorten"]),
                ("disable-flush-all = perhaps\n", 1, ["'perhaps'", "yes or no"]),
                ("protocol = udp\n", 1, ["'udp'", "auto, ascii or binary"]),
                ("enable-ssl = yes\n", 1, ["enable-ssl", "security"]),
                ("help = yes\n", 1, ["unknown option help"]),
                ("config = other.conf\n", 1, ["config cannot be given in a file"]),
                ("max-item-size = 512m\n", 1, ["max-item-size", "half", "-m"]),
                ("port = 0\n", 1, ["port", "-s"]),
                ("prefix-delimiter = ::\n", 1, ["prefix-delimiter", "one character"]),
                ("session-rule = nonsense\n", 1, ["session-rule", "nonsense"]),
                ("listen = 127.0.0.1:99999\n", 1, ["listen", "99999", "65535"]),
                ("\x01\x1b[2J = 1\n", 1, ["unknown option ??[2J"]),
                ("threads = 2\npidfile = /tmp/a\x00b\n", 2, ["byte 0", "plain text"]),
                ("# a\x00b\n", 1, ["byte 0"]),
                ("threads = 2\n".encode("utf-16"), 1, ["byte 0", "plain text"]),
                ("threads = 2\r\nport = many\r\n", 2, ["'many'"]),
                (b"\xef\xbb\xbfthreads = many\n", 1, ["threads", "'many'"]),
                ("threads = many", 1, ["'many'"]),
                ("memory-limit =\n", 1, ["memory-limit", "''"]),
                ("= 5\n", 1, ["unknown option"]),
                ("threads = 0x2\n", 1, ["'0x2'", "whole number"]),
                ("threads = 99999999999999999999\n", 1, ["1 to 192"])):
            with self.subTest(text[:40]):
                self.expect(text, line, *words)

    def test_a_line_may_have_so_many_bytes_and_no_more(self):
        self.assertEqual(self.check("#" + "x" * 4095 + "\n").returncode, 0)
        self.expect("#" + "x" * 4096 + "\n", 1, "4096")

    def test_what_editors_of_other_systems_write_is_read(self):
        for text in (b"threads = 2\r\n[x]\r\n# c\r\nuser = \"root\"\r\n", b"\xef\xbb\xbfthreads = 2\n", b"threads = 2", b"", b"\n\n"):
            with self.subTest(text):
                result = self.check(text)
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_a_pipe_is_refused_and_not_waited_for(self):
        os.mkfifo(self.path, 0o600)
        result = run("--check-config", "--config", self.path)
        self.assertEqual(result.returncode, 1)
        self.assertIn("it is a pipe", result.stderr)

    def test_what_cannot_be_a_file_is_named(self):
        for path, words in (("/nonexistent/h.conf", ["No such file"]), ("/", ["directory"]), ("/dev/zero", ["megabyte"])):
            result = run("--check-config", "--config", path)
            self.assertEqual(result.returncode, 1, result.stderr)
            for word in [path, *words]:
                self.assertIn(word, result.stderr)

    def test_a_file_that_everybody_may_write_to_is_refused(self):
        self.expect("threads = 2\n", 0, "everybody may write", "chmod o-w " + self.path, mode=0o602)

    def test_a_password_must_not_be_there_for_everybody(self):
        secret = "sessions = mysql://user:secret@db/sessions\n"
        self.write(secret, 0o644)
        result = run("--dump-config", "--config", self.path)
        self.assertEqual(result.returncode, 1, result.stdout)
        self.assertIn("chmod o-r " + self.path, result.stderr)
        self.assertNotIn("secret", result.stderr)
        self.write(secret, 0o640)
        result = run("--dump-config", "--config", self.path)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("# sessions = mysql://user:(hidden)@db/sessions", result.stdout)
        self.assertNotIn("secret", result.stdout)
        self.write("sessions = sqlite:/tmp/x.db\n", 0o644)
        self.assertEqual(run("--check-config", "--config", self.path).returncode, 0)

    def test_nothing_is_opened_before_the_file_is_right(self):
        port_file, pid_file = self.path + ".ports", self.path + ".pid"
        self.write("threads = many\n")
        result = run("--config", self.path, "-p", free_port(), "-P", pid_file, "-s", self.path + ".socket", *AS_ROOT,
                     environment={"MEMCACHED_PORT_FILENAME": port_file})
        self.assertEqual(result.returncode, 1)
        self.assertEqual(os.listdir(self.directory.name), ["h.conf"])

    def test_flags_are_usage_errors_and_the_environment_is_not(self):
        self.assertEqual(run("--check-config", "-t", "many").returncode, 64)
        result = run("--check-config", environment={"HOLDFAST_THREADS": "many"})
        self.assertEqual(result.returncode, 1)
        self.assertIn("HOLDFAST_THREADS: 'many'", result.stderr)

    def test_a_wrong_value_is_an_error_even_if_a_flag_overrides_it(self):
        result = self.check("threads = many\n", "-t", "2")
        self.assertEqual(result.returncode, 1)


class Precedence(WithFile):
    def dump(self, *arguments, environment=None):
        result = run("--dump-config", *arguments, environment=environment)
        self.assertEqual(result.returncode, 0, result.stderr)
        rows = {}
        for line in result.stdout.splitlines():
            found = re.fullmatch(r"([\w-]+) = (.*?) *# ([^#]*)", line)
            if found:
                rows[found.group(1)] = (found.group(2), found.group(3))
        return rows

    def test_flag_then_environment_then_file_then_default(self):
        self.write("memory-limit = 101\nthreads = 11\nconn-limit = 111\n")
        environment = {"HOLDFAST_MEMORY_LIMIT": "102", "HOLDFAST_THREADS": "12", "HOLDFAST_CONFIG": self.path, "HOLDFAST_PORT": ""}
        rows = self.dump("-m", "103", environment=environment)
        self.assertEqual(rows["memory-limit"], ("103", "flag -m"))
        self.assertEqual(rows["threads"], ("12", "environment HOLDFAST_THREADS"))
        self.assertEqual(rows["conn-limit"], ("111", f"file {self.path}:3"))
        self.assertEqual(rows["port"], ("11211", "default"))

    def test_what_follows_from_another_option_says_from_which(self):
        for arguments, name, value, source in ((["-U", "11300"], "port", "11300", "flag -U"), (["-o", "no_modern"], "maxconns_fast", "no", "flag -o no_modern"),
                                               (["-o", "read_buf_mem_limit=16"], "connection-memory", "16m", "flag -o read_buf_mem_limit"),
                                               (["-D", "x"], "prefix-stats", "yes", "flag -D"), (["-m", "1"], "max-item-size", "512k", "flag -m")):
            self.assertEqual(self.dump(*arguments)[name], (value, source))

    def test_what_is_dumped_reads_back_as_the_same(self):
        arguments = ["-m", "100", "-l", "127.0.0.1,[::1]:99", "-vv", "-F", "-a", "0660", "-o", "idle_timeout=90,no_maxconns_fast", "-D", "#", "-f", "1.5",
                     "--session-rule=php", "--session-rule=prefix=a: action=close"]
        dumped = run("--dump-config", *arguments)
        self.write(dumped.stdout)
        before, after = self.dump(*arguments), self.dump("--config", self.path)
        self.assertEqual({name: value for name, (value, _) in before.items()}, {name: value for name, (value, _) in after.items()})

    def test_the_server_runs_by_file_and_environment(self):
        self.write("threads = 3\nidle-timeout = 1m # both spellings\n\n[network]\nconn_limit = 77\nmaxconns-fast = no\n", 0o644)
        with Server("--config", self.path, environment={"HOLDFAST_MAX_REQS_PER_EVENT": "7"}) as server:
            settings = server.stats("settings")
            self.assertEqual([settings[name] for name in ("num_threads", "idle_timeout", "maxconns", "maxconns_fast", "reqs_per_event")],
                             ["3", "60", "77", "no", "7"])

    def test_the_default_file_is_right_and_changes_nothing(self):
        text = run("--default-config").stdout
        self.assertGreater(len(text), 4000)
        for line in text.splitlines():
            self.assertLessEqual(len(line), 110, line)
        self.assertEqual(self.check(text).returncode, 0)
        # The same with every default switched on.
        given = re.sub(r"(?m)^#(?=[a-z])", "", text)
        self.assertNotEqual(given, text)
        result = self.check(given)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual({name: value for name, (value, _) in self.dump("--config", self.path).items()},
                         {name: value for name, (value, _) in self.dump().items()})

    def test_ignored_options_of_a_file_are_named_once(self):
        result = self.check("slab_automove = 1\nhash_algorithm = murmur3\n", "-N", "4")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(len(result.stderr.splitlines()), 1, result.stderr)
        for word in ("slab_automove", "hash_algorithm", "-N"):
            self.assertIn(word, result.stderr)

    def test_a_valid_configuration_is_said_to_be_valid(self):
        result = self.check("threads = 2\n")
        self.assertEqual((result.returncode, result.stdout, result.stderr), (0, "the configuration is valid\n", ""))


class Documents(unittest.TestCase):
    """What is generated from the tables has every row of them."""

    def names(self):
        """Every option, from the dump (those with a value) and from --help (the rest)."""
        return re.findall(r"(?m)^([\w-]+) = ", run("--dump-config").stdout)

    def test_the_manual_pages_have_every_option(self):
        page = run("--man").stdout.replace("\\-", "-")
        page5 = run("--man=holdfast.conf").stdout.replace("\\-", "-")
        self.assertTrue(page.startswith(".TH HOLDFAST 1"))
        self.assertTrue(page5.startswith(".TH HOLDFAST.CONF 5"))
        names = self.names()
        self.assertGreater(len(names), 40)
        for name in names:
            self.assertRegex(page, rf"\\fB(--)?{name}\\fR")
            self.assertIn(f"\\fB{name}\\fR = ", page5)
            self.assertIn("HOLDFAST_" + name.upper().replace("-", "_") + ".", page5)

    def test_help_has_every_option(self):
        text = run("--help").stdout
        for name in self.names():
            self.assertRegex(text, rf"(?m)^ .*(--| ){re.escape(name)}\b")


if "--check-config" not in run_server_once("-h").stdout:
    raise SystemExit("the server has no --check-config")
main()
