"""The MySQL driver and the whole server on a real Galera cluster of three nodes, some of which are killed, hang, or are cut off."""

import os
import shutil
import subprocess
import tempfile
import time
import unittest

from database_servers import run, run_contract
from holdfast_test import Server, main, need_program, server_program, source_path, wait_until


class Cluster:
    def __init__(self):
        need_program("mariadbd", "mariadb-server")
        need_program("rsync")
        self.directory = tempfile.mkdtemp(prefix="holdfast-cluster-")
        os.chmod(self.directory, 0o711)
        try:
            self("start", "--nodes", "3", "--fast")
        except BaseException:
            self.close()
            raise
        self.url = self("url").strip()
        self.password_file = os.path.join(self.directory, "password")
        with open(self.password_file) as file:
            self.password = file.read().strip()

    def __call__(self, *words, text=None):
        return run(source_path("scripts", "durable-cluster"), "--dir", self.directory, *words, text=text, timeout_s=200)

    def contract(self):
        return {"HOLDFAST_DATABASE_PASSWORD": self.password, "HOLDFAST_CONTRACT_URL": self.url}

    def keys_on(self, node):
        return set(self("sql", str(node), text="SET SESSION wsrep_sync_wait = 1; SELECT CONVERT(sid USING utf8mb4) FROM sessions "
                                                "WHERE state = 0;").split())

    def close(self):
        subprocess.run([source_path("scripts", "durable-cluster"), "--dir", self.directory, "stop", "--wipe"], capture_output=True,
                       timeout=200)
        shutil.rmtree(self.directory, ignore_errors=True)


class Galera(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        os.environ["HOLDFAST_BIN"] = server_program()
        cls.cluster = Cluster()

    @classmethod
    def tearDownClass(cls):
        cls.cluster.close()

    def login(self, server, name, patience_s=20):
        with server.connect(patience_s) as client:
            client.ask(b"set memc.sess.key.%s 0 0 5\r\nhello\r\n" % name, b"STORED\r\n")
        self.acknowledged.add("memc.sess.key." + name.decode())

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
            for harm, mend in (("kill", "rejoin"), ("pause", "resume"), ("isolate", "heal")):
                self.cluster(harm, "1")  # the one that is preferred
                some_logins(1.5)
                written()
                self.cluster(mend, "1")
                some_logins(0.5)
                written()
            # A node that was cut off takes some seconds to be one of them again.
            wait_until(lambda: self.cluster("status").count("Synced, 3 of 3") == 3, 60, "all nodes are in sync")
            for node in (1, 2, 3):
                missing = self.acknowledged - self.cluster.keys_on(node)
                self.assertEqual(missing, set(), f"on node {node}")
            self.assertGreater(count, 50)


main()
