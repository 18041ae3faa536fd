"""The tools of operators, unchanged: memcached-tool of memcached and the programs of libmemcached-tools."""

import os
import re
import shutil
import subprocess
import tempfile
import unittest

from holdfast_test import Server, main, skip_all

TIMEOUT_S = 120
MEMCACHED = os.environ.get("MEMCACHED_BIN", "/usr/bin/memcached")
PLACES = [os.path.join(os.path.dirname(MEMCACHED), "..", "share", "memcached", "scripts", "memcached-tool"),
          "/usr/share/memcached/scripts/memcached-tool", "/usr/bin/memcached-tool"]
TOOL = next((place for place in PLACES if os.path.exists(place)), None)
TOOLS = ("memccat", "memccp", "memcdump", "memcexist", "memcflush", "memcping", "memcrm", "memcslap", "memcstat", "memctouch")

if TOOL is None and not shutil.which("memcstat"):
    skip_all("neither memcached-tool (Debian: memcached) nor memcstat (libmemcached-tools) is there")


def run(*arguments, status=0):
    """What a program says, errors too."""
    done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
    if done.returncode != status:
        raise AssertionError(f"{arguments}: status {done.returncode}, not {status}:\n{done.stdout.decode(errors='replace')}")
    return done.stdout.decode(errors="replace")


def store_some(client):
    client.ask(b"set plain 5 0 5\r\nhello\r\nset caf\xc3\xa9/% 0 0 2\r\nab\r\nset dies 0 1000 1\r\nx\r\nset large 0 0 700\r\n" + b"l" * 700 + b"\r\n",
               b"STORED\r\n" * 4)


@unittest.skipUnless(TOOL and shutil.which("perl"), "memcached-tool (Debian: memcached) or perl is not installed")
class MemcachedTool(unittest.TestCase):
    def ask(self, server, *mode):
        return run("perl", TOOL, f"127.0.0.1:{server.port}", *mode)

    def test_display_shows_every_class_with_items(self):
        with Server() as server, server.connect() as client:
            store_some(client)
            lines = self.ask(server, "display").splitlines()
            self.assertIn("Item_Size", lines[0])
            rows = [re.fullmatch(r" *(\d+) +([\d.]+)(B|K) +(\d+)s +(\d+) +(\d+) +(yes|no) +(\d+) +(\d+) +(\d+)", line) for line in lines[1:]]
            self.assertTrue(all(rows), lines)
            self.assertEqual(sum(int(row[6]) for row in rows), 4)
            self.assertEqual(self.ask(server).splitlines()[0], lines[0])

    def test_stats(self):
        with Server() as server:
            text = self.ask(server, "stats").replace("\r", "")
            for name in server.stats():
                self.assertRegex(text, rf"(?m)^ *{name} +\S+$")

    def test_settings(self):
        with Server() as server:
            text = self.ask(server, "settings").replace("\r", "")
            for name, value in server.stats("settings").items():
                self.assertRegex(text, rf"(?m)^ *{re.escape(name)} +{re.escape(value)}$")

    def test_sizes(self):
        with Server() as server:
            self.assertIn("sizes_status", self.ask(server, "sizes"))
        with Server("-o", "track_sizes") as server, server.connect() as client:
            store_some(client)
            counts = [int(count) for count in re.findall(r"(?m)^ +\d+ +(\d+)$", self.ask(server, "sizes").replace("\r", ""))]
            self.assertEqual(sum(counts), 4)

    def test_keys_and_dump_have_all_keys(self):
        with Server() as server, server.connect() as client:
            store_some(client)
            keys = set(re.findall(r"(?m)^key=(\S+) ", self.ask(server, "keys")))
            self.assertEqual(keys, {"plain", "caf%C3%A9%2F%25", "dies", "large"})
            text = self.ask(server, "dump")
            self.assertIn("add plain 5 0 5\r\nhello\r\n", text)
            self.assertIn("add café/% 0 0 2\r\nab\r\n", text)
            self.assertRegex(text, r"add dies 0 \d{10} 1\r\nx\r\n")
            self.assertIn("l" * 700, text)

    def test_a_dump_fills_another_server(self):
        with Server() as first, Server() as second, first.connect() as client, second.connect() as other:
            for number in range(300):
                client.ask(b"set key%d 0 0 3\r\n%03d\r\n" % (number, number), b"STORED\r\n")
            text = self.ask(first, "dump")
            adds = text[text.index("add "):].encode()
            other.send(adds)
            other.expect(b"STORED\r\n" * 300)
            other.ask(b"get key123\r\n", b"VALUE key123 0 3\r\n123\r\nEND\r\n")


@unittest.skipUnless(all(shutil.which(tool) for tool in TOOLS), "libmemcached-tools are not installed")
class LibmemcachedTools(unittest.TestCase):
    def test_a_file_is_copied_shown_touched_and_removed(self):
        for protocol in ((), ("--binary",)):
            with Server() as server, tempfile.TemporaryDirectory() as directory:
                servers = f"--servers=127.0.0.1:{server.port}"
                path = os.path.join(directory, "file")
                with open(path, "w") as file:
                    file.write("contents of a file")
                run("memccp", servers, *protocol, path)
                self.assertEqual(run("memccat", servers, *protocol, "file").strip(), "contents of a file")
                run("memcexist", servers, *protocol, "file")
                run("memcexist", servers, *protocol, "other", status=1)
                if not protocol:
                    run("memctouch", servers, "--expire=100", "file")
                    with server.connect() as client:
                        client.send(b"mg file t\r\n")
                        self.assertRegex(client.read_line(), rb"^HD t(100|99)$")
                run("memcrm", servers, *protocol, "file")
                run("memcexist", servers, *protocol, "file", status=1)

    def test_memcping_and_memcflush(self):
        with Server() as server, server.connect() as client:
            servers = f"--servers=127.0.0.1:{server.port}"
            run("memcping", servers)
            client.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
            run("memcflush", servers)
            client.ask(b"get a\r\n", b"END\r\n")

    def test_memcstat_shows_every_statistic(self):
        with Server() as server:
            text = run("memcstat", f"--servers=127.0.0.1:{server.port}")
            for name in ("pid", "curr_connections", "cmd_get", "limit_maxbytes", "evictions"):
                self.assertRegex(text, rf"(?m)^\s*{name}: ")

    def test_memcdump_lists_the_keys(self):
        with Server() as server, server.connect() as client:
            for number in range(500):
                client.ask(b"set key%d 0 0 %d\r\n%s\r\n" % (number, number, b"x" * number), b"STORED\r\n")
            keys = run("memcdump", f"--servers=127.0.0.1:{server.port}").split()
            self.assertEqual(sorted(keys), sorted(f"key{number}" for number in range(500)))

    def test_memcslap_plays_its_load(self):
        with Server() as server:
            for test in ("get", "set", "mget"):
                text = run("memcslap", f"--servers=127.0.0.1:{server.port}", "--concurrency=4", "--execute-number=200", f"--test={test}")
                self.assertNotIn("ERROR", text.upper().replace("ERRORS: 0", ""))
            self.assertGreater(int(server.stats()["cmd_set"]), 200)


main()
