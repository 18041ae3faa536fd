"""Clients of strict sessions (policy=strict), for tests with one server and with several."""

import threading

from holdfast_test import wait_until

UNAVAILABLE = b"SERVER_ERROR the session database cannot be asked\r\n"


def value(key, data):
    return b"VALUE %s 0 %d\r\n%s\r\nEND\r\n" % (key, len(data), data)


def set_until_stored(connection, key, data):
    """However short the rule's budget is, and however slow the machine."""
    def is_stored():
        connection.send(b"set %s 0 0 %d\r\n%s\r\n" % (key, len(data), data))
        return connection.read_until(b"\r\n") == b"STORED\r\n"
    wait_until(is_stored, 60, f"{key!r} is stored")


def increment(client, key):
    """The number answered; an AssertionError with what was answered instead."""
    client.send(b"incr %s 1\r\n" % key)
    answer = client.read_line()
    assert answer.isdigit(), f"incr was answered {answer!r}"
    return int(answer)


def count_on(servers, key, times):
    """Increments on all of them at the same time, a connection each; an exception of any of them."""
    failures = []

    def count(server):
        try:
            with server.connect() as client:
                for _ in range(times):
                    increment(client, key)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(error)

    threads = [threading.Thread(target=count, args=(server,)) for server in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def count_through_handovers(server, key, clients=4, handovers=3):
    """Increments from several connections, from 0 on, while other processes take over: (what was answered, why connections were
    given up, each with the answer it was waiting for)."""
    with server.connect() as client:
        client.ask(b"set %s 0 0 1\r\n0\r\n" % key, b"STORED\r\n")
    ended, answered, lost = threading.Event(), [], []

    def count():
        while not ended.is_set():
            try:
                with server.connect() as client:
                    while not ended.is_set():
                        answered.append(increment(client, key))
            except (AssertionError, OSError) as error:
                lost.append(error)

    threads = [threading.Thread(target=count) for _ in range(clients)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(handovers):
            before = len(answered)
            wait_until(lambda: len(answered) > before + 20, 60, "clients count")
            server.take_over()
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    return answered, lost
