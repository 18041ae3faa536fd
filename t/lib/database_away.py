"""A database that cannot be asked for a while."""

import contextlib
import fcntl
import sqlite3

from holdfast_test import wait_until

WAL_LOCKS_OFFSET, WAL_LOCKS_SIZE = 120, 8  # in the -shm file: the locks of all readers, writers and checkpointers


@contextlib.contextmanager
def database_away(path):
    """Nobody else can read or write this SQLite file: a process that is stopped in the middle of everything, as it were, holds each
    of its locks."""
    with contextlib.closing(sqlite3.connect(path)) as other, open(path + "-shm", "r+b") as shared:
        other.execute("SELECT count(*) FROM sessions").fetchone()  # the file is in use, so the locks have a meaning
        wait_until(lambda: try_lock(shared), what="all locks of the database")
        try:
            yield
        finally:
            fcntl.lockf(shared, fcntl.LOCK_UN, WAL_LOCKS_SIZE, WAL_LOCKS_OFFSET)


def try_lock(file):
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, WAL_LOCKS_SIZE, WAL_LOCKS_OFFSET)
        return True
    except BlockingIOError:
        return False
