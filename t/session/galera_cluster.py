"""scripts/durable-cluster, and the MySQL driver and the whole server on its three nodes, which are killed, hang, or are cut off."""

import subprocess
import time
import unittest

from database_servers import GaleraCluster, run_contract
from holdfast_test import Server, main, source_path, wait_until


class Galera(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cluster = GaleraCluster()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def login(self, server, name, patience_s=40):
        with server.connect(patience_s) as client:
            client.ask(b"set memc.sess.key.%s 0 0 5\r\nhello\r\n" % name, b"STORED\r\n")
        self.acknowledged.add("memc.sess.key." + name.decode())

    def keys_on(self, node):
        return set(self.cluster.sql("SELECT CONVERT(sid USING utf8mb4) FROM sessions WHERE state = 0;", node).split())

    def test_1_the_driver_keeps_the_contract(self):
        run_contract(self.cluster)

    def test_2_nothing_acknowledged_is_lost_whatever_happens_to_a_node(self):
        self.acknowledged = set()
        with Server(f"--sessions={self.cluster.url}", f"--database-password-file={self.cluster.password_file}",
                    "--journal={state}/journal") as server:
            count = 0

            def some_logins(seconds):
                nonlocal count
                end = time.monotonic() + seconds
                while time.monotonic() < end:
                    self.login(server, b"user%d" % count)
                    count += 1
                    time.sleep(0.02)

            def written():
                wait_until(lambda: int(server.stats("sessions")["dirty_items"]) == 0, 60, "all is written")

            some_logins(0.5)
            for harm, mend, word in (("kill", "rejoin", "down"), ("pause", "resume", "paused"), ("isolate", "heal", "non-Primary")):
                self.cluster(harm, 1)  # the one that is preferred
                some_logins(1.5)
                written()
                wait_until(lambda: word in self.cluster.status(1), 60, f"node 1 is {word}")
                self.cluster(mend, 1)
                some_logins(0.5)
                written()
            # A node that was cut off takes some seconds to be one of them again.
            self.cluster.wait_until_whole()
            for node in self.cluster.nodes:
                self.assertEqual(self.acknowledged - self.keys_on(node), set(), f"on node {node}")

    def test_3_a_stopped_cluster_goes_on_with_its_data(self):
        self.cluster.sql("UPDATE meta SET value = '7' WHERE name = 'generation'")
        self.cluster("stop")
        self.assertEqual([self.cluster.status(node) for node in self.cluster.nodes], ["down"] * 3)
        said = self.cluster("start")
        self.assertIn(f"--sessions={self.cluster.url} --database-password-file={self.cluster.password_file}", said)
        self.cluster.wait_until_whole()
        for node in self.cluster.nodes:
            self.assertEqual(self.cluster.sql("SELECT value FROM meta WHERE name = 'generation'", node).split(), ["7"])

    def test_4_what_cannot_be_done_is_said_in_a_line(self):
        for words, line in ((("kill", "4"), "a number from 1 to 3"), (("kill",), "a number from 1 to 3"), (("rejoin", "1"), "node 1 runs"),
                            (("start",), "it runs already"),
                            (("bootstrap", "2"), "node 2 has a majority")):
            with self.assertRaisesRegex(AssertionError, f"status 1\nscripts/durable-cluster: .*{line}"):
                self.cluster(*words)
        for words in (("fly",), ("start", "--quick"), ("stop", "--hard")):
            with self.assertRaisesRegex(AssertionError, "status 64\nusage: "):
                self.cluster(*words)
        done = subprocess.run([source_path("scripts", "durable-cluster"), "--dir", "/nonexistent/holdfast", "status"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("there is no cluster in /nonexistent/holdfast: scripts/durable-cluster start", done.stderr)


main()
