"""Real database servers for tests: a MariaDB, a PostgreSQL, a Galera cluster of their own, in a temporary directory, on 127.0.0.1.

    with MariaDb() as database:
        database.set_up()                # database, user with the documented grants, schema by --init-schema
        Server(f"--sessions={database.url}", environment=database.environment)

They run as an ordinary user (the servers refuse root), need no systemd, and are gone with the "with". What they say is in
database.log(). Where the programs are missing the test file is skipped, with the name of the Debian package.
"""

import contextlib
import glob
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time

from holdfast_test import die_with_parent, free_port, need_program, server_program, skip_all, source_path, wait_until

START_TIMEOUT_S = 60
CLUSTER_TIMEOUT_S = 200  # a start from nothing takes 15 s on an idle machine
USER = "holdfast"
DATABASE = "holdfast"
PASSWORD = "not a secret: tests only"


def run(*command, text=None, check=True, user=None, timeout_s=60):
    """The output of a command; an AssertionError with it when it failed."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout_s, user=user,
                          group=user and pwd.getpwnam(user).pw_gid, extra_groups=[] if user else None, cwd="/")
    if check and done.returncode != 0:
        raise AssertionError(f"{' '.join(command[:3])}...: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def process_state(pid):
    """As /proc has it: (the letter, the parent); one that is gone is a zombie of nobody's."""
    try:
        with open(f"/proc/{pid}/stat", errors="replace") as file:
            state, parent = file.read().rpartition(")")[2].split()[:2]
    except (FileNotFoundError, ProcessLookupError):
        return "Z", 0
    return state, int(parent)


def make_certificates(directory, owner="mysql", names="IP:127.0.0.1,DNS:localhost", subject="127.0.0.1"):
    """A CA and a certificate for these names signed by it: {"ca", "cert", "key"}, readable by the server of that user."""
    os.makedirs(directory, mode=0o755, exist_ok=True)
    files = {name: os.path.join(directory, name + ".pem") for name in ("ca", "cert", "key")}
    ca_key = os.path.join(directory, "ca-key.pem")
    request = os.path.join(directory, "request.pem")
    extensions = os.path.join(directory, "extensions")
    with open(extensions, "w") as file:
        file.write(f"subjectAltName={names}\n")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", f"/CN=CA {secrets.token_hex(4)}", "-keyout",
        ca_key, "-out", files["ca"])
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={subject}", "-keyout", files["key"], "-out", request)
    run("openssl", "x509", "-req", "-days", "2", "-in", request, "-CA", files["ca"], "-CAkey", ca_key, "-CAcreateserial",
        "-extfile", extensions, "-out", files["cert"])
    os.chmod(files["key"], 0o600)
    if os.geteuid() == 0:
        shutil.chown(files["key"], owner)
    return files


def run_contract(database):
    """The program that holds a driver to session/driver.h, against this database; its output is printed."""
    program = os.path.join(os.path.dirname(server_program()), "t", "session", "driver_contract")
    if not os.path.exists(program):
        skip_all("driver_contract was not built: no GoogleTest")
    done = subprocess.run([program], env={**os.environ, **database.contract()}, capture_output=True, text=True, timeout=250)
    print(done.stdout)
    assert done.returncode == 0, done.stderr


def refusal(database, url, environment=None, status=1, arguments=("--database-wait=0",)):
    """The one line with which the server ends at the start, before it listens. status: 64 for what is no use of it at all.
    Without other arguments it is told not to wait for a database that may come yet."""
    environment = {**os.environ, **(database.environment if environment is None else environment),
                   "STATE_DIRECTORY": database.directory}
    done = subprocess.run([server_program(), "-p", "-1", "-u", "root", f"--sessions={url}", *arguments],
                          capture_output=True, text=True, env=environment, timeout=60)
    lines = done.stderr.splitlines()
    assert done.returncode == status, (done.returncode, done.stderr)
    assert len(lines) == 1, done.stderr
    return lines[0]


class DatabaseServer:
    """What the two have in common. Subclasses say how to create, start and ask."""

    system_user = None  # whom root becomes
    scheme = None

    def __init__(self):
        self.directory = tempfile.mkdtemp(prefix="holdfast-database-")
        os.chmod(self.directory, 0o711)
        self.port = free_port()
        self.data = os.path.join(self.directory, "data")
        self.log_path = os.path.join(self.directory, "log")
        self.user = self.system_user if os.geteuid() == 0 else None
        self.process = None
        os.mkdir(self.data, 0o700)
        open(self.log_path, "w").close()
        if self.user:
            for path in (self.directory, self.data, self.log_path):
                shutil.chown(path, self.user)
        try:
            self.create()
            self.start()
        except BaseException:
            self.close()
            raise

    @property
    def url(self):
        return f"{self.scheme}://{USER}@127.0.0.1:{self.port}/{DATABASE}"

    @property
    def environment(self):
        return {"HOLDFAST_DATABASE_PASSWORD": PASSWORD}

    def log(self):
        with open(self.log_path, errors="replace") as file:
            return file.read()

    def _spawn(self, *command):
        with open(self.log_path, "ab") as log:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.directory,
                                            preexec_fn=die_with_parent, user=self.user,
                                            group=self.user and pwd.getpwnam(self.user).pw_gid,
                                            extra_groups=[] if self.user else None)

    def start(self):
        """Starts it again on the same port, after stop or kill; returns when it answers."""
        self.launch()

        def answers():
            if self.process.poll() is not None and self.must_wait_for_the_one_before():
                self.launch()
            elif self.process.poll() is not None:
                raise AssertionError(f"{self.scheme} server ended, status {self.process.returncode}:\n{self.log()[-4000:]}")
            return self.ready()
        wait_until(answers, START_TIMEOUT_S, f"{self.scheme} server answers")

    def must_wait_for_the_one_before(self):
        """Whether it ended only because what a killed server left behind is not gone yet."""
        return False

    def stop(self, number=signal.SIGTERM):
        self.process.send_signal(number)
        self.process.wait(60)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def pause(self):
        self.process.send_signal(signal.SIGSTOP)

    def resume(self):
        self.process.send_signal(signal.SIGCONT)

    def init_schema(self, url, environment=None):
        """What --init-schema says."""
        return subprocess.run([server_program(), "--init-schema", f"--sessions={url}"], capture_output=True, text=True,
                              env={**os.environ, **(environment or {})}, timeout=60)

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            print(f"---- {self.scheme}\n{self.log()[-4000:]}----", flush=True)
        self.close()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.resume()
            self.process.kill()
            self.process.wait()
        for _ in range(20):  # children of a killed server may still write
            shutil.rmtree(self.directory, ignore_errors=True)
            if not os.path.exists(self.directory):
                return
            time.sleep(0.1)


class MariaDb(DatabaseServer):
    """options: lines for the server's [mysqld], as "max_allowed_packet=1M"."""

    system_user = "mysql"
    scheme = "mysql"

    def __init__(self, *options):
        self.options = options
        need_program("mariadbd", "mariadb-server")
        super().__init__()

    @property
    def socket(self):
        return os.path.join(self.directory, "socket")

    @property
    def temporary(self):
        """A server that starts removes the temporary tables of all from the directory that it keeps its own in."""
        return f"--tmpdir={self.directory}"

    def create(self):
        user = [f"--user={self.user}"] if self.user else []
        run("mariadb-install-db", "--no-defaults", f"--datadir={self.data}", "--auth-root-authentication-method=normal",
            "--skip-test-db", self.temporary, *user)

    def launch(self):
        self._spawn("mariadbd", "--no-defaults", f"--datadir={self.data}", self.temporary,
                    f"--socket={self.socket}", f"--port={self.port}", "--bind-address=127.0.0.1",
                    f"--pid-file={self.directory}/pid", "--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M",
                    "--skip-name-resolve", *(f"--{option}" for option in self.options))

    def admin_command(self):
        return ["mariadb", "--no-defaults", f"--socket={self.socket}", "-u", "root"]

    def sql(self, text, database="", check=True):
        """Rows as text, one a line, columns separated by tabs."""
        return run(*self.admin_command(), "-N", "-B", *([database] if database else []), text=text, check=check)

    def ready(self):
        return subprocess.run([*self.admin_command(), "-e", "SELECT 1"], capture_output=True).returncode == 0

    def set_up(self, grants=True):
        self.sql(f"CREATE DATABASE {DATABASE}; CREATE USER owner@'%' IDENTIFIED BY '{PASSWORD}'; "
                 f"GRANT ALL ON {DATABASE}.* TO owner@'%'; CREATE USER {USER}@'%' IDENTIFIED BY '{PASSWORD}';")
        done = self.init_schema(self.url.replace(f"//{USER}@", "//owner@"), self.environment)
        assert done.returncode == 0, done.stderr
        if grants:
            self.grant()
        return self

    def grant(self):
        """Exactly the grants that --print-schema prints."""
        text = run(server_program(), "--print-schema", f"--sessions={self.url}")
        self.sql("".join(line + "\n" for line in text.splitlines() if line.startswith("GRANT ")))

    def contract(self):
        """What t/session/driver_contract needs to know."""
        admin = " ".join(self.admin_command())
        return {**self.environment, "HOLDFAST_CONTRACT_URL": self.url, "HOLDFAST_CONTRACT_SQL": f"{admin} {DATABASE}",
                "HOLDFAST_CONTRACT_KILL": f"{admin} -e 'KILL USER {USER}'"}


class Postgres(DatabaseServer):
    """options: "name=value" for postgres -c."""

    system_user = "postgres"
    scheme = "postgres"

    def __init__(self, *options):
        self.options = options
        found = sorted(glob.glob("/usr/lib/postgresql/*/bin/postgres"))
        self.programs = os.path.dirname(found[-1]) if found else os.path.dirname(need_program("postgres", "postgresql"))
        super().__init__()

    def create(self):
        run(f"{self.programs}/initdb", "-D", self.data, "-U", "admin", "-A", "trust", "-E", "UTF8", "--no-sync", "--locale=C",
            user=self.user)
        with open(f"{self.data}/pg_hba.conf", "w") as file:
            file.write(f"local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")

    def launch(self):
        self._spawn(f"{self.programs}/postgres", "-D", self.data, "-p", str(self.port), "-h", "127.0.0.1", "-k", self.directory,
                    *(word for option in self.options for word in ("-c", option)))

    def must_wait_for_the_one_before(self):
        return "pre-existing shared memory block" in self.log()[-1000:]

    def stop(self, number=signal.SIGINT):
        super().stop(number)

    def children(self):
        return [pid for pid in map(int, filter(str.isdigit, os.listdir("/proc"))) if process_state(pid)[1] == self.process.pid]

    def pause(self):
        """With its backends: they would go on answering."""
        self.process.send_signal(signal.SIGSTOP)  # it makes no more of them, and their numbers are not given to others
        wait_until(lambda: process_state(self.process.pid)[0] in "TtZ", 60, "the server is stopped")
        self.signal_children(signal.SIGSTOP)

    def resume(self):
        self.signal_children(signal.SIGCONT)
        super().resume()

    def signal_children(self, number):
        for pid in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self):
        """With its backends, which live on until they notice that it is gone, and may commit meanwhile."""
        self.pause()
        children = self.children()
        self.signal_children(signal.SIGKILL)
        wait_until(lambda: all(process_state(pid)[0] == "Z" for pid in children), 60, "the server's backends are gone")
        super().kill()

    def admin_command(self, database):
        return [f"{self.programs}/psql", "-q", "-X", "-h", self.directory, "-p", str(self.port), "-U", "admin", "-v",
                "ON_ERROR_STOP=1", database]

    def sql(self, text, database=DATABASE, check=True):
        return run(*self.admin_command(database), "-A", "-t", "-F", "\t", text=text, check=check)

    def ready(self):
        return subprocess.run([*self.admin_command("postgres"), "-c", "SELECT 1"], capture_output=True).returncode == 0

    def set_up(self, grants=True):
        self.sql(f"CREATE USER owner PASSWORD '{PASSWORD}'; CREATE USER {USER} PASSWORD '{PASSWORD}';", "postgres")
        self.sql(f"CREATE DATABASE {DATABASE} OWNER owner", "postgres")
        done = self.init_schema(self.url.replace(f"//{USER}@", "//owner@"), self.environment)
        assert done.returncode == 0, done.stderr
        if grants:
            self.grant()
        return self

    def grant(self):
        text = run(server_program(), "--print-schema", f"--sessions={self.url}")
        self.sql("".join(line + "\n" for line in text.splitlines() if line.startswith("GRANT ")))

    def contract(self):
        admin = " ".join(self.admin_command(DATABASE))
        kill = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename = '{USER}'"
        return {**self.environment, "HOLDFAST_CONTRACT_URL": self.url, "HOLDFAST_CONTRACT_SQL": admin,
                "HOLDFAST_CONTRACT_KILL": f'{admin} -c "{kill}" >/dev/null'}


class GaleraCluster:
    """A cluster of its own by scripts/durable-cluster, which is what its methods call: cluster("kill", 2), cluster("status").

    It is gone with the "with", and when the test is killed as well: its nodes are nobody's children, so somebody watches.
    """

    nodes = (1, 2, 3)

    def __init__(self):
        need_program("mariadbd", "mariadb-server")
        need_program("rsync")
        self.script = source_path("scripts", "durable-cluster")
        for attempt in (1, 2):
            self.directory = tempfile.mkdtemp(prefix="holdfast-cluster-")
            os.chmod(self.directory, 0o711)
            self.watcher = subprocess.Popen(
                ["sh", "-c", 'tail --pid="$0" -f /dev/null; exec "$1" --dir "$2" stop --wipe', str(os.getpid()), self.script, self.directory],
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
            try:
                self("start", "--nodes", len(self.nodes), "--fast")
                break
            except AssertionError as error:  # the ports were free when they were chosen, and may not be a moment later
                self.close()
                if attempt == 2:
                    raise
                print(f"another try: {error}", flush=True)
            except BaseException:
                self.close()
                raise
        self.url = self("url").strip()
        self.password_file = os.path.join(self.directory, "password")
        with open(self.password_file) as file:
            self.password = file.read().strip()

    @property
    def environment(self):
        return {"HOLDFAST_DATABASE_PASSWORD": self.password}

    def __call__(self, *words, text=None):
        """What the script prints; an AssertionError with it when it failed."""
        environment = {**os.environ, "HOLDFAST_BIN": server_program()}
        done = subprocess.run([self.script, "--dir", self.directory, *map(str, words)], input=text, capture_output=True, text=True,
                              timeout=CLUSTER_TIMEOUT_S, env=environment, preexec_fn=die_with_parent)
        if done.returncode != 0:
            raise AssertionError(f"durable-cluster {words}: status {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def status(self, node):
        """What a node says of itself: "Primary, Synced, 3 of 3 nodes", "paused", "down"."""
        return self("status").splitlines()[node - 1].split("  ")[-1]

    def wait_until_whole(self):
        whole = f"Primary, Synced, {len(self.nodes)} of {len(self.nodes)} nodes"
        wait_until(lambda: all(self.status(node) == whole for node in self.nodes), 120, "all nodes are in sync")

    def sql(self, text, node=1):
        """Rows as text, one a line, columns separated by tabs, without their names.

        A node that looks whole may still find out that it was away, and answers 1047 for a while.
        """
        def rows():
            try:
                return [self("sql", node, text="SET SESSION wsrep_sync_wait = 1; " + text).partition("\n")[2]]
            except AssertionError as error:
                if "ERROR 1047" not in str(error):
                    raise
                time.sleep(0.2)
                return None
        return wait_until(rows, 60, f"node {node} takes statements")[0]

    def contract(self):
        admin = f"mariadb --no-defaults --socket={self.directory}/node1/socket"
        return {**self.environment, "HOLDFAST_CONTRACT_URL": self.url, "HOLDFAST_CONTRACT_SQL": f"{admin} {DATABASE}",
                "HOLDFAST_CONTRACT_KILL": f"{admin} -e 'KILL USER {USER}'"}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        if self.watcher is not None:
            self.watcher.kill()
            self.watcher.wait()
            self.watcher = None
        subprocess.run([self.script, "--dir", self.directory, "stop", "--wipe"], capture_output=True, timeout=CLUSTER_TIMEOUT_S)
        shutil.rmtree(self.directory, ignore_errors=True)
