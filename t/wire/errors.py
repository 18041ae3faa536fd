"""What a client is told that makes a mistake: memcached's words, and nothing but its own request is harmed."""

import unittest

from holdfast_test import Server, main

BAD_LINE = b"CLIENT_ERROR bad command line format"
BAD_EXPTIME = b"CLIENT_ERROR invalid exptime argument"
BAD_DELTA = b"CLIENT_ERROR invalid numeric delta argument"
BAD_TOKEN = b"CLIENT_ERROR bad token in command line format"
DELETE_USAGE = BAD_LINE + b".  Usage: delete <key> [noreply]"
NON_NUMERIC = b"CLIENT_ERROR cannot increment or decrement non-numeric value"
TOO_LARGE = b"SERVER_ERROR object too large for cache"
LONG_KEY = b"k" * 251

LINES = {
    # Unknown, or of the wrong shape
    b"bogus": b"ERROR", b"gett a": b"ERROR", b"GET a": b"ERROR", b"mx a": b"ERROR", b"bogus noreply": b"ERROR",
    b"": BAD_LINE, b"x": BAD_LINE, b" ": BAD_LINE,
    b"get": BAD_LINE, b"gets": BAD_LINE, b"gat": BAD_LINE, b"gat 0": BAD_LINE, b"set": BAD_LINE, b"set a 0 0": BAD_LINE,
    b"cas a 0 0 1": BAD_LINE, b"incr": BAD_LINE, b"incr a": BAD_LINE, b"touch a": BAD_LINE, b"delete": BAD_LINE,
    b"verbosity": BAD_LINE, b"incr a 1 2 3": b"ERROR", b"touch a 0 1 2": b"ERROR", b"set a 0 0 1 2 3": b"ERROR",
    # Keys
    b"get " + LONG_KEY: BAD_LINE, b"get a " + LONG_KEY + b" b": BAD_LINE, b"gat 0 a " + LONG_KEY: BAD_LINE,
    b"set " + LONG_KEY + b" 0 0 1": BAD_LINE, b"incr " + LONG_KEY + b" 1": BAD_LINE, b"touch " + LONG_KEY + b" 0": BAD_LINE,
    b"delete " + LONG_KEY: BAD_LINE,
    # Numbers
    b"set a x 0 1": BAD_LINE, b"set a -1 0 1": BAD_LINE, b"set a 4294967296 0 1": BAD_LINE, b"set a 0 x 1": BAD_LINE,
    b"set a 0 9223372036854775808 1": BAD_LINE, b"set a 0 0 x": BAD_LINE, b"set a 0 0 -1": BAD_LINE, b"set a 0 0 -2147483648": BAD_LINE,
    b"set a 0 0 4294967297": BAD_LINE, b"set a 0 0 99999999999999999999": BAD_LINE, b"cas a 0 0 1 x": BAD_LINE,
    b"cas a 0 0 1 18446744073709551616": BAD_LINE, b"incr a x": BAD_DELTA, b"incr a -1": BAD_DELTA, b"decr a 1.5": BAD_DELTA,
    b"incr a 18446744073709551616": BAD_DELTA, b"touch a x": BAD_EXPTIME, b"gat x a": BAD_EXPTIME, b"flush_all x": BAD_EXPTIME,
    b"touch a 99999999999999999999": BAD_EXPTIME, b"verbosity x": BAD_LINE, b"delete a 1": DELETE_USAGE, b"delete a b": DELETE_USAGE,
    b"incr text 1": NON_NUMERIC, b"decr empty 1": NON_NUMERIC, b"ma text": NON_NUMERIC,
    # Meta
    b"mg": BAD_LINE, b"ms a": BAD_LINE, b"ms a x": BAD_LINE, b"ms a -1": BAD_LINE, b"md": BAD_LINE, b"ma": BAD_LINE, b"me": BAD_LINE,
    b"mg " + LONG_KEY: BAD_LINE, b"mg a !": b"CLIENT_ERROR invalid flag", b"mg a z q": b"CLIENT_ERROR invalid flag",
    b"md a Z": b"CLIENT_ERROR invalid flag", b"mg a v v": b"CLIENT_ERROR duplicate flag", b"md a q q": b"CLIENT_ERROR duplicate flag",
    b"mg a" + b" k" * 30: b"CLIENT_ERROR options flags are too long", b"mg a Tx": BAD_TOKEN, b"mg a Nx": BAD_TOKEN, b"mg a Rx": BAD_TOKEN,
    b"mg a Cx": BAD_TOKEN, b"mg a Ex": BAD_TOKEN, b"md a Cx q": BAD_TOKEN, b"mg a Fx": BAD_LINE,
    b"mg a O" + b"o" * 32: b"CLIENT_ERROR opaque token too long", b"mg ==== b": b"CLIENT_ERROR error decoding key",
    b"ma a MX": b"CLIENT_ERROR invalid mode for ma M token", b"ma a Dx": b"CLIENT_ERROR invalid or duplicate flag",
    b"ma a Jx": b"CLIENT_ERROR invalid or duplicate flag", b"ma a v v": b"CLIENT_ERROR invalid or duplicate flag",
    b"shutdown": b"SERVER_ERROR: shutdown not enabled",
}

STORES = {  # behind these lines stands a value of one byte
    b"ms a 1 MX": b"CLIENT_ERROR invalid mode for ms M token", b"ms a 1 Tx": BAD_TOKEN, b"ms a 1 Fx": BAD_LINE,
    b"ms a 1 !": b"CLIENT_ERROR invalid flag", b"ms a 1 c c": b"CLIENT_ERROR duplicate flag", b"ms ==== 1 b": b"CLIENT_ERROR error decoding key",
    b"ms a 1 MEE": b"CLIENT_ERROR incorrect length for M token",
}


class Errors(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("-t", "1")
        with cls.server.connect() as client:
            client.ask(b"set text 0 0 4\r\ntext\r\nset empty 0 0 0\r\n\r\n", b"STORED\r\n" * 2)

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def test_a_wrong_line_is_answered_in_memcacheds_words(self):
        with self.server.connect() as client:
            for line, words in LINES.items():
                with self.subTest(line=line):
                    client.ask(line + b"\r\nmn\r\n", words + b"\r\nMN\r\n")
                    client.ask(line + b"\nmn\r\n", words + b"\r\nMN\r\n")

    def test_the_value_behind_a_wrong_ms_is_passed_over(self):
        with self.server.connect() as client:
            for line, words in STORES.items():
                with self.subTest(line=line):
                    client.ask(line + b"\r\nx\r\nmn\r\n", words + b"\r\nMN\r\n")

    def test_the_value_behind_a_wrong_set_is_taken_for_a_command(self):
        with self.server.connect() as client:
            client.ask(b"set a x 0 7\r\nversion\r\n", BAD_LINE + b"\r\nVERSION ")

    def test_noreply_keeps_the_mistake_a_secret_unless_the_line_is_no_command(self):
        with self.server.connect() as client:
            for line in (b"set a x 0 1 noreply", b"incr a x noreply", b"touch a x noreply", b"delete a 1 noreply", b"incr text 1 noreply",
                         b"flush_all x noreply", b"verbosity x noreply", b"set " + LONG_KEY + b" 0 0 1 noreply"):
                with self.subTest(line=line):
                    client.ask(line + b"\r\nmn\r\n", b"MN\r\n")
            client.ask(b"set a 0 0 2000000 noreply\r\n" + b"x" * 2000000 + b"\r\nmn\r\n", b"MN\r\n")
            client.ask(b"set a 0 0 1 noreply\r\nxyz\r\nmn\r\n", BAD_LINE + b"\r\nMN\r\n")  # of the line end that is left
            client.ask(b"bogus noreply\r\n", b"ERROR\r\n")

    def test_q_never_hides_a_mistake(self):
        with self.server.connect() as client:
            client.ask(b"mg a q Tx\r\nms a 1 q !\r\nx\r\nma text q\r\nmn\r\n",
                       BAD_TOKEN + b"\r\nCLIENT_ERROR invalid flag\r\n" + NON_NUMERIC + b"\r\nMN\r\n")

    def test_a_value_that_is_too_large_is_swallowed_and_the_old_one_gone(self):
        with self.server.connect() as client:
            for command, kept in ((b"set a 0 0 1048577", False), (b"ms a 1048577", False), (b"add a 0 0 1048577", True), (b"append a 0 0 1048577", True)):
                with self.subTest(command=command):
                    client.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
                    client.send(command + b"\r\n" + b"y" * 1048577 + b"\r\n")
                    client.expect(TOO_LARGE + b"\r\n")
                    client.ask(b"get a\r\n", (b"VALUE a 0 1\r\nx\r\n" if kept else b"") + b"END\r\n")

    def test_a_line_without_end_closes_the_connection_unless_it_is_a_get(self):
        with self.server.connect() as client:
            client.send(b"set a 0 0 1 " + b"x" * 2049)
            client.expect_closed()
        with self.server.connect() as client:
            client.send(b"get a" + b" b" * 3000)
            client.expect_silence()
            client.ask(b"\r\n", b"END\r\n")

    def test_a_hello_of_http_is_closed_without_a_word(self):
        with self.server.connect() as client:
            client.send(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            client.expect_closed()

    def test_a_hello_of_tls_gets_an_error_or_the_door(self):
        with self.server.connect() as client, self.server.connect() as other:
            client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(14, 200)))
            client.send(b"\r\nquit\r\n")
            while client._fill():
                pass
            self.assertNotIn(b"VALUE", client.buffer)
            other.ask(b"get text\r\n", b"VALUE text 0 4\r\ntext\r\nEND\r\n")


if __name__ == "__main__":
    main()
