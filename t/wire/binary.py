"""The binary protocol: packets that lie, quiet pipelines, and large values. What each command answers is compared with memcached's in
differential.py and tested by memccapable."""

import struct
import threading
import unittest

from holdfast_test import Server, main, shorten

GET, SET, ADD, DELETE, INCREMENT, QUIT, GETQ, NOOP, GETKQ, APPEND, STAT, SETQ, TOUCH = 0, 1, 2, 4, 5, 7, 9, 10, 13, 14, 16, 17, 28
OK, NOT_FOUND, EXISTS, TOO_LARGE, INVALID, NOT_STORED, NON_NUMERIC, UNKNOWN = 0, 1, 2, 3, 4, 5, 6, 0x81


def packet(opcode, key=b"", extras=b"", value=b"", opaque=0, cas=0, **lies):
    head = struct.pack(">BBHBBHIIQ", lies.get("magic", 0x80), opcode, lies.get("key_size", len(key)), lies.get("extras_size", len(extras)),
                       lies.get("data_type", 0), 0, lies.get("body_size", len(extras) + len(key) + len(value)), opaque, cas)
    return head + extras + key + value


def store(opcode, key, value, flags=0, expiry=0, opaque=0, cas=0):
    return packet(opcode, key, struct.pack(">II", flags, expiry), value, opaque, cas)


class Binary(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("-t", "2")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.connection = self.server.connect()

    def tearDown(self):
        self.connection.close()

    def reply(self, connection=None):
        """(opcode, status, opaque, cas, extras, key, value)"""
        connection = connection or self.connection
        magic, opcode, key_size, extras_size, data_type, status, body_size, opaque, cas = struct.unpack(">BBHBBHIIQ", connection.read(24))
        self.assertEqual((magic, data_type), (0x81, 0))
        body = connection.read(body_size)
        return opcode, status, opaque, cas, body[:extras_size], body[extras_size:extras_size + key_size], body[extras_size + key_size:]

    def ask(self, request, status):
        self.connection.send(request)
        reply = self.reply()
        self.assertEqual(reply[1], status, shorten(reply[6]))
        return reply

    def test_flags_cas_and_opaque_come_back(self):
        stored = self.ask(store(SET, b"a", b"value", flags=0xDEADBEEF, opaque=0x12345678), OK)
        self.assertEqual((stored[0], stored[2]), (SET, 0x12345678))
        self.assertGreater(stored[3], 0)
        found = self.ask(packet(GET, b"a", opaque=0xFFFFFFFF), OK)
        self.assertEqual(found, (GET, OK, 0xFFFFFFFF, stored[3], b"\xde\xad\xbe\xef", b"", b"value"))
        self.ask(store(SET, b"a", b"x", cas=stored[3] + 1), EXISTS)
        self.ask(packet(DELETE, b"a", cas=stored[3] + 1), EXISTS)
        self.ask(packet(DELETE, b"a", cas=stored[3]), OK)
        self.ask(store(SET, b"a", b"x", cas=stored[3]), NOT_FOUND)

    def test_quiet_gets_answer_hits_alone_and_quiet_sets_nothing(self):
        requests = b"".join(store(SETQ, b"q%d" % i, b"v%d" % i) for i in range(0, 5000, 2))
        requests += b"".join(packet(GETKQ, b"q%d" % i, opaque=i) for i in range(5000)) + packet(NOOP, opaque=99999)
        sender = threading.Thread(target=self.connection.send, args=(requests,))
        sender.start()
        for i in range(0, 5000, 2):
            reply = self.reply()
            self.assertEqual((reply[2], reply[5], reply[6]), (i, b"q%d" % i, b"v%d" % i))
        self.assertEqual(self.reply()[:3], (NOOP, OK, 99999))
        sender.join()

    def test_values_up_to_the_limit_come_back_and_one_byte_more_is_passed_over(self):
        for size in (0, 1, 2048, 16384, 65536, 1048516):
            value = (b"%07d|" % size * (size // 8 + 1))[:size]
            self.ask(store(SET, b"k", value), OK)
            self.assertEqual(self.ask(packet(GET, b"k"), OK)[6], value)
        self.assertEqual(self.ask(store(SET, b"k", b"x" * 1048517), TOO_LARGE)[6], b"Too large.")
        self.ask(packet(GET, b"k"), NOT_FOUND)
        self.ask(store(SET, b"k", b"1"), OK)
        self.ask(store(ADD, b"k", b"x" * 1048517), TOO_LARGE)
        self.assertEqual(self.ask(packet(GET, b"k"), OK)[6], b"1")

    def test_numbers(self):
        def increment(delta, initial, expiry):
            return packet(INCREMENT, b"n", struct.pack(">QQI", delta, initial, expiry))

        self.connection.send(packet(DELETE, b"n") + increment(1, 5, 0xFFFFFFFF))
        self.reply()
        self.assertEqual(self.reply()[1], NOT_FOUND)
        self.assertEqual(self.ask(increment(1, 5, 0), OK)[6], struct.pack(">Q", 5))
        self.assertEqual(self.ask(increment(2**64 - 1, 0, 0), OK)[6], struct.pack(">Q", 4))
        self.ask(store(SET, b"n", b"text"), OK)
        self.assertEqual(self.ask(increment(1, 0, 0), NON_NUMERIC)[6], b"Non-numeric server-side value for incr or decr")

    def test_unknown_commands_are_told_and_the_next_is_served(self):
        for opcode in (0x1B, 0x30, 0x7F, 0xFF, 0x20, 0x21):
            key = b"PLAIN" if opcode == 0x21 else b""
            self.assertEqual(self.ask(packet(opcode, key, opaque=7), UNKNOWN)[6], b"Unknown command")
        self.ask(packet(NOOP), OK)

    def test_packets_that_lie_are_refused_and_the_connection_closed(self):
        long_key = b"k" * 251
        for name, request, status in (
                ("key beyond the body", packet(GET, b"key", body_size=2), UNKNOWN),
                ("extras beyond the body", packet(GET, b"k", extras_size=255) + bytes(255), UNKNOWN),
                ("a key that is too long", packet(GET, long_key), INVALID),
                ("extras that do not belong there", packet(GET, b"k", b"abcd"), INVALID),
                ("no extras", packet(SET, b"k", b"", b"v"), INVALID),
                ("no key", packet(GET), INVALID),
                ("a body of 2 GiB", packet(SET, b"k", bytes(8), body_size=2**31), INVALID),
                ("a body of 4 GiB", packet(SET, b"k", bytes(8), body_size=2**32 - 1), INVALID)):
            with self.subTest(name), self.server.connect() as connection:
                connection.send(request)
                self.assertEqual(self.reply(connection)[1], status)
                connection.expect_closed()

    def test_a_wrong_magic_closes_without_a_word(self):
        for magic in (0x81, 0x00, 0x47):
            with self.server.connect() as connection:
                connection.send(packet(NOOP) + packet(NOOP, magic=magic))
                self.assertEqual(self.reply(connection)[1], OK)
                connection.expect_closed()

    def test_keys_may_hold_anything(self):
        for key in (b"\0", b"\r\n", b" ", bytes(range(256))[:250], b"k" * 250):
            self.ask(store(SET, key, key), OK)
            self.assertEqual(self.ask(packet(0x0C, key), OK)[5:], (key, key))

    def test_stat_ends_with_an_empty_packet(self):
        self.connection.send(packet(STAT, opaque=5))
        names = []
        while True:
            reply = self.reply()
            self.assertEqual((reply[1], reply[2]), (OK, 5))
            if not reply[5]:
                break
            names.append(reply[5])
        self.assertIn(b"curr_items", names)
        self.ask(packet(STAT, b"nonsense"), NOT_FOUND)

    def test_quit_is_answered_and_quitq_not(self):
        self.ask(packet(QUIT), OK)
        self.connection.expect_closed()
        with self.server.connect() as connection:
            connection.send(packet(0x17))
            connection.expect_closed()

    def test_packets_may_come_byte_by_byte(self):
        self.connection.send_slowly(store(SET, b"slow", b"value") + packet(GET, b"slow"))
        self.assertEqual(self.reply()[1], OK)
        self.assertEqual(self.reply()[6], b"value")


if __name__ == "__main__":
    main()
