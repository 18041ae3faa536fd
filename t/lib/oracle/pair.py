"""Holdfast and memcached side by side, and a stream through both."""

import contextlib
import dataclasses
import socket
import threading
import time

from holdfast_test import Server
from oracle import differences, replies
from oracle.stream import Step, barrier, literal, resolve, show

SEND_AT_ONCE = 32768  # what no socket buffer refuses
TIMEOUT_S = 20


class NoEnd(AssertionError):
    pass


class Link:
    """One connection to one server, and all it has answered."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), TIMEOUT_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = bytearray()
        self.open = True

    def close(self):
        self.socket.close()

    def send(self, chunks):
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for index, chunk in enumerate(chunks):
                if index and len(chunks) < 10:
                    time.sleep(0.0005)  # so that the server reads what came until here
                self.socket.sendall(chunk)

    def end(self):
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_WR)

    def receive(self, until):
        """Reads until the server closes or, unless that is None, the last bytes are `until`."""
        while self.open and (until is None or not self.data.endswith(until)):
            try:
                chunk = self.socket.recv(1 << 18)
            except ConnectionResetError:
                chunk = b""
            except socket.timeout:
                raise NoEnd(f"no end of the reply within {TIMEOUT_S} s; it ends with {bytes(self.data[-200:])!r}") from None
            self.data += chunk
            self.open = bool(chunk)


@dataclasses.dataclass
class Answer:
    """What one server answered to a stream: for each connection the bytes and the tokens."""
    data: list
    tokens: list
    seconds: float  # that the stream took, without the pauses it has itself


@dataclasses.dataclass
class Disagreement:
    stream: object
    connection: int
    ours: bytes
    theirs: bytes
    our_tokens: list
    their_tokens: list

    def __str__(self):
        return "\n".join([self.stream.describe(), f"connection {self.connection}",
                          f"  holdfast : {show_tokens(self.our_tokens)}", f"  memcached: {show_tokens(self.their_tokens)}"])


def show_tokens(tokens):
    text = " ".join(show(token) if isinstance(token, bytes) else f"<{token.kind} {token.value}>" for token in tokens)
    return text if len(text) < 600 else text[:400] + " ... " + text[-150:]


class Side:
    """One of the two servers while a stream goes through."""

    def __init__(self, name, port, stream):
        self.stream = stream
        self.links = [Link(port) for _ in range(stream.connections())]
        self.name = name
        self.seen = {}
        self.barriers = 0
        self.sender = None
        self.until = None

    def close(self):
        for link in self.links:
            link.close()

    def _barrier(self):
        self.barriers += 1
        return barrier(self.barriers, self.stream.binary)

    def send(self, step, cuts, is_last):
        link = self.links[step.connection]
        data = b"".join(resolve(request, self.seen) for request in step.requests)
        self.until = None
        if not is_last:
            self.barriers += 1
            request, self.until = barrier(self.barriers, self.stream.binary)
            data += request
        chunks = split(data, self.stream.split, cuts)
        if len(data) > SEND_AT_ONCE:
            self.sender = threading.Thread(target=self._send_all, args=(link, chunks, is_last))
            self.sender.start()
        else:
            self._send_all(link, chunks, is_last)

    def _send_all(self, link, chunks, is_last):
        link.send(chunks)
        if is_last:
            link.end()

    def receive(self, step, difference):
        """Reads the step's reply. What is known to differ, and is as expected, is taken out of it."""
        link = self.links[step.connection]
        begin = len(link.data)
        link.receive(self.until)
        if self.sender:
            self.sender.join()
            self.sender = None
        if self.until is None:
            return
        end = len(link.data) - (len(self.until) if link.data.endswith(self.until) else 0)
        if difference and difference.is_expected(self.name, bytes(link.data[begin:end])):
            del link.data[begin:end]
        self._note(bytes(link.data[begin:]))

    def _note(self, data):
        for key, cas in tokens_of(self.stream, data)[1]:
            values = self.seen.setdefault(key, [])
            if not values or values[-1] != cas:
                values.append(cas)

    def answer(self, seconds):
        data = [bytes(link.data) for link in self.links]
        return Answer(data, [tokens_of(self.stream, one)[0] for one in data], seconds)


def steps_of(stream):
    """The stream's steps with requests that are known to be answered differently in steps of their own: (step, difference)."""
    for step in stream.steps:
        requests = []
        for request in step.requests:
            difference = None if stream.mutated else differences.find(literal(request))
            if difference:
                yield Step(step.connection, requests), None
                yield Step(step.connection, [request]), difference
                requests = []
            else:
                requests.append(request)
        yield Step(step.connection, requests), None


def tokens_of(stream, data):
    return (replies.binary_tokens if stream.binary else replies.text_tokens)(data)


def split(data, how, cuts):
    if how == "bytes" and len(data) < 3000:
        return [data[i:i + 1] for i in range(len(data))]
    if how == "cuts":
        places = sorted({int(cut * len(data)) for cut in cuts})
        return [data[a:b] for a, b in zip([0] + places, places + [len(data)])]
    return [data]


class Pair:
    """Both servers, started with the same arguments."""

    def __init__(self, memcached, *arguments):
        with contextlib.ExitStack() as stack:
            self.ours = stack.enter_context(Server(*arguments))
            # Its maintainer of the LRU holds items now and then, and then arithmetic on them comes out otherwise.
            self.theirs = stack.enter_context(Server("-U", "0", "-l", "127.0.0.1", "-o", "no_lru_crawler,no_lru_maintainer", *arguments,
                                                     program=memcached))
            self.admins = [stack.enter_context(server.connect()) for server in (self.ours, self.theirs)]
            self.stack = stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return self.stack.__exit__(*exception)

    def flush(self):
        for admin in self.admins:
            admin.ask(b"flush_all\r\n", b"OK\r\n")

    def answers(self, stream, cuts=()):
        """What both answer to the stream, as it would be after a flush."""
        sides = []
        begun = time.monotonic() + stream.pause_s
        try:
            for name, server in (("ours", self.ours), ("theirs", self.theirs)):
                sides.append(Side(name, server.port, stream))
            steps = list(steps_of(stream))
            for index, (step, difference) in enumerate(steps):
                is_last = index == len(steps) - 1
                if is_last and stream.pause_s:
                    time.sleep(stream.pause_s)
                for side in sides:
                    side.send(step, cuts, is_last)
                for side in sides:
                    try:
                        side.receive(step, difference)
                    except NoEnd as error:
                        raise AssertionError(f"{stream.describe()}\n  {side.name}, step {step}: {error}") from None
            return [side.answer(time.monotonic() - begun) for side in sides]
        finally:
            for side in sides:
                side.close()

    def disagreement(self, stream, cuts=()):
        """Sends the stream to both; None when they agree."""
        self.flush()
        return compare(stream, *self.answers(stream, cuts))


def compare(stream, ours, theirs):
    matcher = replies.Matcher(ours.seconds)
    for connection, (our_tokens, their_tokens) in enumerate(zip(ours.tokens, theirs.tokens)):
        at = matcher.first_difference(our_tokens, their_tokens, differences.accept_mutated if stream.mutated else differences.accept)
        # memcached forgets what it has not sent yet when a connection ends within a request. Holdfast has sent it.
        if at is not None and stream.may_end_early() and at == len(their_tokens) and connection == stream.steps[-1].connection:
            continue
        if at is not None:
            around = slice(max(0, at - 6), at + 8)
            return Disagreement(stream, connection, ours.data[connection], theirs.data[connection], our_tokens[around], their_tokens[around])
    return None
