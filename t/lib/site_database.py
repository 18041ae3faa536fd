"""What the tests of whole sites keep their sessions in: sqlite (a file), mariadb, postgres or galera."""

import contextlib

from database_away import database_away
from database_servers import GaleraCluster, MariaDb, Postgres


class OnFile:
    """A file of the server's own."""

    arguments = ()
    options = {"sessions": True}
    is_server = False

    def away(self, server):
        return database_away(server.database)

    def close(self):
        pass


class OnServer:
    """A database server, which outlives the servers that use it."""

    is_server = True

    def __init__(self, database):
        self.database = database
        self.arguments = (f"--sessions={database.url}", "--journal={state}/journal", "--drain-timeout=1")
        self.options = {"environment": database.environment}
        self.outages = 0

    @contextlib.contextmanager
    def away(self, _server):
        """Stopped the first time, hanging the next."""
        self.outages += 1
        begin, end = (self.database.stop, self.database.start) if self.outages % 2 else (self.database.pause, self.database.resume)
        begin()
        try:
            yield
        finally:
            end()

    def close(self):
        self.database.close()


class OnCluster(OnServer):
    @contextlib.contextmanager
    def away(self, _server):
        """All nodes hang."""
        for node in self.database.nodes:
            self.database("pause", node)
        try:
            yield
        finally:
            for node in self.database.nodes:
                self.database("resume", node)
            self.database.wait_until_whole()

    @contextlib.contextmanager
    def one_node_away(self, how, back):
        """The node that the servers prefer."""
        self.database(how, 1)
        try:
            yield
        finally:
            self.database(back, 1)
            self.database.wait_until_whole()


def site_database(kind):
    if kind == "mariadb":
        return OnServer(MariaDb().set_up())
    if kind == "postgres":
        return OnServer(Postgres().set_up())
    return OnCluster(GaleraCluster()) if kind == "galera" else OnFile()
