"""The server under traffic while its database is killed, hangs, is cut off, or takes smaller packets: MariaDB, PostgreSQL, Galera.

    faults_on_databases.py [--cycles N] [--seconds N] [--seed N] [--servers N] [--harms NAME,NAME] [mariadb] [postgres] [galera]

Arranges a database of each kind and runs t/faults/database_faults on it, which asks for the harms. Without arguments the short
run of scripts/test: some seconds of each, and of three servers on one database. With several servers these are harmed too, and
the clients choose among them anew; --harms calm does to them only what makes nobody wait. What no server can mend must be found:
--harms "lose rows" and --harms "shorten rows" on mariadb, and several servers that look for each other's changes too seldom: --servers 3 --harms "server kill"
--flag=--poll-interval=6s --heard-ms 8000.
"""

import argparse
import glob
import os
import random
import shutil
import subprocess
import sys
import tempfile

from database_servers import DATABASE, PASSWORD, USER, GaleraCluster, MariaDb, Postgres
from holdfast_test import SANITIZER_WORDS, die_with_parent, server_program, wait_until

NUMBER = "CAST(SUBSTRING_INDEX(CONVERT(sid USING utf8mb4), ':', -1) AS UNSIGNED)"
# The third column is how long the row lives, in microseconds.
MYSQL_NOW = "UNIX_TIMESTAMP(NOW(6)) * 1000000"
MYSQL_ROWS = (f"SELECT CONVERT(sid USING utf8mb4), flags, CAST(expires_at - {MYSQL_NOW} AS SIGNED), HEX(data) FROM sessions WHERE state = 0 "
              f"AND expires_at > {MYSQL_NOW} AND {NUMBER} >= {{}} AND {NUMBER} < {{}}")
POSTGRES_NUMBER = "split_part(convert_from(sid, 'UTF8'), ':', 2)::bigint"
POSTGRES_NOW = "extract(epoch FROM clock_timestamp()) * 1000000"
POSTGRES_ROWS = (f"SELECT convert_from(sid, 'UTF8'), flags, (expires_at - {POSTGRES_NOW})::bigint, encode(data, 'hex') FROM sessions "
                 f"WHERE state = 0 AND expires_at > {POSTGRES_NOW} AND {POSTGRES_NUMBER} >= {{}} AND {POSTGRES_NUMBER} < {{}}")


CALM_HARMS = ["server stop", "server hand-over", "server flip"]
SERVER_HARMS = [*CALM_HARMS, "server kill", "server hang"]


class Single:
    """A database of one server."""

    harms = ["kill", "stop", "hang", "disconnect"]

    def __init__(self, database):
        self.database = database.set_up()
        self.url = database.url
        self.password_file = os.path.join(database.directory, "password")
        with open(self.password_file, "w") as file:
            file.write(PASSWORD + "\n")

    def harm(self, name):
        {"kill": self.database.kill, "stop": self.database.stop, "hang": self.database.pause,
         "disconnect": self.disconnect}.get(name, lambda: None)()

    def mend(self, name):
        {"kill": self.database.start, "stop": self.database.start, "hang": self.database.resume}.get(name, lambda: None)()

    def close(self):
        self.database.close()


class OnMariaDb(Single):
    harms = Single.harms + ["small packets"]

    def __init__(self):
        super().__init__(MariaDb())

    def disconnect(self):
        self.database.sql(f"KILL USER {USER}", check=False)

    def harm(self, name):
        super().harm(name)
        if name == "small packets":  # the smallest there is room for: batches no longer fit into one
            self.packets(1 << 16)

    def mend(self, name):
        super().mend(name)
        if name == "small packets":
            self.packets(1 << 24)
        if name == "shorten rows":  # as if a touch had been lost
            self.database.sql("UPDATE sessions SET expires_at = expires_at - 60000000 WHERE state = 0 LIMIT 20", DATABASE)
        if name == "lose rows":
            self.database.sql("DELETE FROM sessions WHERE state = 0 LIMIT 20", DATABASE)

    def packets(self, size):
        self.database.sql(f"SET GLOBAL max_allowed_packet = {size}")
        self.disconnect()

    def rows(self, first, end):
        return {"1": self.database.sql(MYSQL_ROWS.format(first, end), DATABASE)}


class OnPostgres(Single):
    def __init__(self):
        super().__init__(Postgres())

    def disconnect(self):
        self.database.sql(f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{USER}'")

    def rows(self, first, end):
        return {"1": self.database.sql(POSTGRES_ROWS.format(first, end))}


class OnGalera:
    """Three nodes; "kill one" harms one of them, "kill two" two at once, which leaves none that may write."""

    harms = ["kill one", "hang one", "isolate one", "kill two", "hang two", "isolate two"]
    mending = {"hang": "resume", "isolate": "heal"}

    def __init__(self, seed, short):
        if short:  # a cluster without majority takes its time to come back
            self.harms = [harm for harm in self.harms if harm.endswith("one")]
        self.cluster = GaleraCluster()
        self.url = self.cluster.url
        self.password_file = self.cluster.password_file
        self.random = random.Random(seed)
        self.harmed = []

    def harm(self, name):
        what, how_many = name.split()
        # The first is the one that is written to: more often than the others.
        self.harmed = [1] if self.random.random() < 0.5 else [self.random.choice([2, 3])]
        if how_many == "two":
            self.harmed.append(self.random.choice([node for node in self.cluster.nodes if node not in self.harmed]))
        for node in self.harmed:
            self.cluster({"hang": "pause"}.get(what, what), node)

    def mend(self, name):
        what, _ = name.split()
        if what == "kill":
            if len(self.harmed) == 2:  # who is left has no majority, and waits for both
                survivor, = (node for node in self.cluster.nodes if node not in self.harmed)
                wait_until(lambda: "non-Primary" in self.cluster.status(survivor), 60, "the loss is noticed")
                self.cluster("bootstrap", survivor)
            for node in self.harmed:
                self.cluster("rejoin", node)
        else:
            for node in self.harmed:
                self.cluster(self.mending[what], node)
        self.cluster.wait_until_whole()

    def rows(self, first, end):
        return {str(node): self.cluster.sql(MYSQL_ROWS.format(first, end), node) for node in self.cluster.nodes}

    def close(self):
        self.cluster.close()


def answer(database, question):
    """Lines for standard input of database_faults; None if it asked nothing."""
    word, _, rest = question.partition(" ")
    if word == "harm":
        database.harm(rest)
    elif word == "mend":
        database.mend(rest)
    elif word == "rows":
        lines = []
        for node, text in database.rows(*map(int, rest.split())).items():
            lines += [node, *(f"{node}\t{line}" for line in text.splitlines())]
        return lines + ["done"]
    else:
        return None
    return ["done"]


def harms_of(database, servers, wanted):
    if wanted == "calm":
        return CALM_HARMS
    if wanted:
        return wanted.split(",")
    # Of the database's harms as many as of the servers'.
    return database.harms if servers == 1 else [*SERVER_HARMS * 2, *database.harms]


def torment(database, servers, harms, arguments):
    """True if nothing was found."""
    directory = tempfile.mkdtemp(prefix="holdfast-faults-")
    program = os.path.join(os.path.dirname(server_program()), "t", "faults", "database_faults")
    process = subprocess.Popen(
        [program, "--server", server_program(), "--sessions", database.url, "--password-file", database.password_file, "--directory",
         directory, "--servers", str(servers), "--harms", ",".join(harms_of(database, servers, harms)), *arguments],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, preexec_fn=die_with_parent)
    try:
        for line in process.stdout:
            lines = answer(database, line.rstrip("\n"))
            if lines is None:
                print(line, end="", flush=True)
                continue
            process.stdin.write("".join(text + "\n" for text in lines))
            process.stdin.flush()
    finally:
        process.stdin.close()
        status = process.wait()
    log = ""
    for path in sorted(glob.glob(os.path.join(directory, "server*.log"))):
        with open(path, errors="replace") as file:
            log += f"{os.path.basename(path)}:\n{file.read()[-4000:] if status != 0 else file.read()}"
    if status != 0 or any(word.decode() in log for word in SANITIZER_WORDS):
        print(f"---- the end of the servers' logs; all is in {directory}\n{log[-12000:]}----", flush=True)
        return False
    shutil.rmtree(directory)
    return True


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cycles", type=int, default=100000)
    parser.add_argument("--seconds", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--servers", type=int, default=1)
    parser.add_argument("--harms")
    parser.add_argument("--flag")
    parser.add_argument("--heard-ms", type=int)
    parser.add_argument("databases", nargs="*", metavar="DATABASE")
    options = parser.parse_args()
    short = not options.databases
    runs = [(name, options.servers, options.harms) for name in options.databases]
    if short:
        options.seconds = 6
        runs = [("mariadb", 1, None), ("postgres", 1, None), ("galera", 1, None), ("mariadb", 3, None), ("postgres", 2, "calm")]
    seed = options.seed or random.SystemRandom().randrange(1, 1000000)
    arguments = ["--cycles", str(options.cycles), "--seconds", str(options.seconds), "--seed", str(seed)]
    kinds = {"mariadb": OnMariaDb, "postgres": OnPostgres, "galera": lambda: OnGalera(seed, short)}
    for name, value in (("--flag", options.flag), ("--heard-ms", options.heard_ms)):
        if value is not None:
            arguments += [name, str(value)]
    passed = True
    for name, servers, harms in runs:
        if name not in kinds:
            sys.exit(f"DATABASE is one of {', '.join(kinds)}, not {name}")
        print(f"{name}, {servers} servers, seed {seed}", flush=True)
        database = kinds[name]()
        try:
            passed = torment(database, servers, harms, arguments) and passed
        finally:
            database.close()
    sys.exit(0 if passed else 1)


main()
