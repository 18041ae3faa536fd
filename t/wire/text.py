#!/usr/bin/python3
"""The classic text protocol, command by command, with memcached's words for what is wrong."""

import time
import unittest

from holdfast_test import Server, main

BAD_LINE = b"CLIENT_ERROR bad command line format\r\n"
TOO_LARGE = b"SERVER_ERROR object too large for cache\r\n"


class Text(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("-t", "2")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.connection = self.server.connect()
        self.ask = self.connection.ask
        self.ask(b"flush_all\r\n", b"OK\r\n")

    def tearDown(self):
        self.connection.close()

    def test_what_is_set_is_read_with_its_flags(self):
        self.ask(b"set k 4294967295 0 5\r\nhello\r\n", b"STORED\r\n")
        self.ask(b"get k\r\n", b"VALUE k 4294967295 5\r\nhello\r\nEND\r\n")
        self.ask(b"set e 0 0 0\r\n\r\n", b"STORED\r\n")
        self.ask(b"get e nothing k\r\n", b"VALUE e 0 0\r\n\r\nVALUE k 4294967295 5\r\nhello\r\nEND\r\n")

    def test_add_replace_append_prepend_ask_what_is_there(self):
        self.ask(b"replace k 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        self.ask(b"append k 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        self.ask(b"prepend k 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        self.ask(b"add k 7 0 1\r\nb\r\n", b"STORED\r\n")
        self.ask(b"add k 0 0 1\r\nx\r\n", b"NOT_STORED\r\n")
        self.ask(b"append k 9 9 1\r\nc\r\n", b"STORED\r\n")
        self.ask(b"prepend k 9 9 1\r\na\r\n", b"STORED\r\n")
        self.ask(b"get k\r\n", b"VALUE k 7 3\r\nabc\r\nEND\r\n")
        self.ask(b"replace k 1 0 1\r\nz\r\n", b"STORED\r\n")
        self.ask(b"get k\r\n", b"VALUE k 1 1\r\nz\r\nEND\r\n")

    def cas_of(self, key):
        self.connection.send(b"gets " + key + b"\r\n")
        number = self.connection.read_until(b"\r\n").split()[4]
        self.connection.read_until(b"END\r\n")
        return number

    def test_cas_stores_only_over_what_was_read(self):
        self.ask(b"cas k 0 0 1 1\r\nx\r\n", b"NOT_FOUND\r\n")
        self.ask(b"set k 0 0 1\r\na\r\n", b"STORED\r\n")
        number = self.cas_of(b"k")
        self.ask(b"cas k 0 0 1 " + number + b"\r\nb\r\n", b"STORED\r\n")
        self.ask(b"cas k 0 0 1 " + number + b"\r\nc\r\n", b"EXISTS\r\n")
        self.ask(b"get k\r\n", b"VALUE k 0 1\r\nb\r\nEND\r\n")

    def test_numbers_wrap_stop_at_zero_and_keep_their_width(self):
        self.ask(b"incr n 1\r\n", b"NOT_FOUND\r\n")
        self.ask(b"set n 0 0 20\r\n18446744073709551615\r\n", b"STORED\r\n")
        self.ask(b"incr n 1\r\n", b"0\r\n")
        self.ask(b"set n 0 0 2\r\n10\r\n", b"STORED\r\n")
        self.ask(b"decr n 1\r\n", b"9\r\n")
        self.ask(b"get n\r\n", b"VALUE n 0 2\r\n9 \r\nEND\r\n")
        self.ask(b"decr n 100\r\n", b"0\r\n")
        self.ask(b"incr n 18446744073709551615\r\n", b"18446744073709551615\r\n")
        self.ask(b"incr n x\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n")
        self.ask(b"incr n 18446744073709551616\r\n", b"CLIENT_ERROR invalid numeric delta argument\r\n")
        for text in (b"text", b"", b"-1", b"18446744073709551616"):
            self.ask(b"set n 0 0 %d\r\n%s\r\n" % (len(text), text), b"STORED\r\n")
            self.ask(b"incr n 1\r\n", b"CLIENT_ERROR cannot increment or decrement non-numeric value\r\n")

    def test_items_end_when_they_should(self):
        self.ask(b"set past 0 -1 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"set soon 0 2 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"set later 0 100 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"set date 0 %d 1\r\nx\r\n" % (time.time() + 100), b"STORED\r\n")
        self.ask(b"set month 0 2592000 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"set old 0 2592001 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"get past old\r\n", b"END\r\n")
        self.ask(b"get later date month\r\n", b"VALUE later 0 1\r\nx\r\nVALUE date 0 1\r\nx\r\nVALUE month 0 1\r\nx\r\nEND\r\n")
        self.ask(b"touch later -1\r\n", b"TOUCHED\r\n")
        self.ask(b"get later\r\n", b"END\r\n")
        self.ask(b"touch later 1\r\n", b"NOT_FOUND\r\n")
        self.ask(b"touch date x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n")
        self.ask(b"gat 1 month nothing\r\n", b"VALUE month 0 1\r\nx\r\nEND\r\n")
        time.sleep(2.1)
        self.ask(b"get soon month date\r\n", b"VALUE date 0 1\r\nx\r\nEND\r\n")

    def test_touch_gives_an_item_without_expiry_one(self):
        self.ask(b"set k 3 0 5\r\nhello\r\n", b"STORED\r\n")
        self.ask(b"touch k 1\r\n", b"TOUCHED\r\n")
        self.ask(b"get k\r\n", b"VALUE k 3 5\r\nhello\r\nEND\r\n")
        time.sleep(2.1)
        self.ask(b"get k\r\n", b"END\r\n")

    def test_delete_takes_one_word_and_an_old_zero(self):
        self.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"delete k 0\r\n", b"DELETED\r\n")
        self.ask(b"delete k\r\n", b"NOT_FOUND\r\n")
        self.ask(b"get k\r\n", b"END\r\n")

    def test_flush_all_now_and_later(self):
        self.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"flush_all 2\r\n", b"OK\r\n")
        self.ask(b"get k\r\n", b"VALUE k 0 1\r\nx\r\nEND\r\n")
        time.sleep(3.3)
        self.ask(b"get k\r\n", b"END\r\n")
        self.ask(b"set k 0 0 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"flush_all noreply\r\nget k\r\n", b"END\r\n")
        self.ask(b"flush_all x\r\n", b"CLIENT_ERROR invalid exptime argument\r\n")

    def test_noreply_is_silent_and_done(self):
        self.connection.send(b"set a 0 0 2 noreply\r\n10\r\nadd b 0 0 1 noreply\r\ny\r\nincr a 5 noreply\r\nappend b 0 0 1 noreply\r\nz\r\n"
                             b"touch a 100 noreply\r\nverbosity 0 noreply\r\nset c 0 0 1 noreply\r\nx\r\ndelete c noreply\r\n")
        self.ask(b"get a b c\r\n", b"VALUE a 0 2\r\n15\r\nVALUE b 0 2\r\nyz\r\nEND\r\n")

    def test_wrong_lines_get_memcacheds_words(self):
        for line, words in ((b"nonsense", b"ERROR\r\n"), (b"get", b"ERROR\r\n"), (b"set k 0 0", b"ERROR\r\n"),
                            (b"set k x 0 1", BAD_LINE), (b"set k 0 x 1", BAD_LINE), (b"set k 0 0 x", BAD_LINE),
                            (b"set k 0 0 -1", BAD_LINE), (b"set k 4294967296 0 1", BAD_LINE)):
            with self.subTest(line=line), self.server.connect() as connection:
                connection.send(line + b"\r\n")
                answer = connection.read_line() + b"\r\n"
                self.assertIn(answer, (words, BAD_LINE), line)

    def test_a_key_may_have_250_bytes_and_not_one_more(self):
        key = b"k" * 250
        self.ask(b"set " + key + b" 0 0 1\r\nx\r\n", b"STORED\r\n")
        self.ask(b"get " + key + b"\r\n", b"VALUE " + key + b" 0 1\r\nx\r\nEND\r\n")
        self.ask(b"get " + key + b"k\r\n", BAD_LINE)
        self.ask(b"get " + key + b"\r\n", b"VALUE " + key + b" 0 1\r\nx\r\nEND\r\n")

    def test_values_up_to_the_limit_come_back_whole_and_one_byte_more_is_swallowed(self):
        for size in (1, 2000, 2048, 8191, 8192, 16000, 16384, 16385, 100000, 1048516):
            value = bytes(i * 31 % 251 for i in range(min(size, 251))) * (size // 251 + 1)
            value = value[:size]
            self.ask(b"set k 0 0 %d\r\n%s\r\n" % (size, value), b"STORED\r\n")
            self.ask(b"get k\r\n", b"VALUE k 0 %d\r\n%s\r\nEND\r\n" % (size, value))
        value = b"x" * 1048517
        self.ask(b"set k 0 0 1048517\r\n" + value + b"\r\nget k\r\n", TOO_LARGE + b"END\r\n")
        self.ask(b"set k 0 0 100000000\r\n", TOO_LARGE)
        self.connection.send(b"y" * 100000000 + b"\r\n")
        self.ask(b"get k\r\n", b"END\r\n")

    def test_a_value_that_does_not_end_where_it_should_is_refused(self):
        self.ask(b"set k 0 0 3\r\nabcde\r\n", b"CLIENT_ERROR bad data chunk\r\n")
        self.ask(b"mn\r\n", BAD_LINE + b"MN\r\n")  # the line end that is left over is an empty line
        with self.server.connect() as connection:
            connection.send(b"set big 0 0 20000\r\n" + b"x" * 20005 + b"\r\nmn\r\n")
            connection.expect(b"CLIENT_ERROR bad data chunk\r\n")
            self.assertTrue(connection.read_until(b"MN\r\n"))

    def test_version_verbosity_quit(self):
        self.connection.send(b"version\r\n")
        self.assertRegex(self.connection.read_line(), rb"^VERSION 1\.6\.")
        self.ask(b"verbosity 1\r\n", b"OK\r\n")
        self.ask(b"verbosity 0\r\n", b"OK\r\n")
        self.connection.send(b"quit\r\n")
        self.connection.expect_closed()

    def test_stats_count_what_was_done(self):
        before = self.connection.stats()
        self.ask(b"set k 0 0 1\r\nx\r\nget k\r\nget nothing\r\n", b"STORED\r\nVALUE k 0 1\r\nx\r\nEND\r\nEND\r\n")
        after = self.connection.stats()
        for name, grown in (("cmd_set", 1), ("cmd_get", 2), ("get_hits", 1), ("get_misses", 1), ("total_items", 1)):
            self.assertEqual(int(after[name]) - int(before[name]), grown, name)
        with Server() as fresh, fresh.connect() as connection:
            connection.ask(b"set k 0 0 1\r\nx\r\nset k 0 0 1\r\ny\r\nset l 0 0 1\r\nx\r\n", b"STORED\r\n" * 3)
            self.assertEqual(connection.stats()["curr_items"], "2")
        settings = self.connection.stats("settings")
        self.assertEqual(settings["maxbytes"], str(64 << 20))
        self.assertIn("malloc", settings)
        self.ask(b"stats reset\r\n", b"RESET\r\n")
        self.assertEqual(self.connection.stats()["cmd_set"], "0")
        self.ask(b"stats nonsense\r\n", b"ERROR\r\n")

    def test_stats_have_the_names_that_tools_look_for(self):
        stats = self.connection.stats()
        for name in ("pid uptime time pointer_size max_connections curr_connections total_connections rejected_connections cmd_get cmd_set "
                     "cmd_flush cmd_touch cmd_meta get_hits get_misses get_expired get_flushed delete_misses delete_hits incr_misses incr_hits "
                     "decr_misses decr_hits cas_misses cas_hits cas_badval touch_hits touch_misses store_too_large store_no_memory auth_cmds "
                     "auth_errors bytes_read bytes_written limit_maxbytes accepting_conns listen_disabled_num time_in_listen_disabled_us threads "
                     "conn_yields bytes curr_items total_items expired_unfetched evicted_unfetched evictions reclaimed").split():
            self.assertRegex(stats[name], r"^\d+$", name)
        for name in ("rusage_user", "rusage_system"):
            self.assertRegex(stats[name], r"^\d+\.\d{6}$", name)
        for name in ("version", "libevent"):
            self.assertIn(name, stats)
        self.assertEqual((stats["limit_maxbytes"], stats["threads"], stats["pid"]), (str(64 << 20), "2", str(self.server.pid)))

    def test_gat_reads_and_touches_and_tells_the_cas_if_asked(self):
        self.ask(b"set a 5 0 1\r\nx\r\nset b 0 0 1\r\ny\r\n", b"STORED\r\n" * 2)
        self.ask(b"gat 100 a none b\r\nmg a t\r\nmg b t\r\n", b"VALUE a 5 1\r\nx\r\nVALUE b 0 1\r\ny\r\nEND\r\nHD t100\r\nHD t100\r\n")
        number = self.cas_of(b"a")
        self.ask(b"gats 0 a\r\nmg a t\r\n", b"VALUE a 5 1 " + number + b"\r\nx\r\nEND\r\nHD t-1\r\n")
        self.ask(b"gat -1 a b\r\nget a b\r\n", b"VALUE a 5 1\r\nx\r\nVALUE b 0 1\r\ny\r\nEND\r\nEND\r\n")

    def test_other_protocols_hellos_do_no_harm(self):
        for hello in (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 300,
                      b"\x00" * 3000, b"A" * 5000, b"\x81" + b"\0" * 23):
            with self.server.connect() as connection:
                connection.send(hello)
                connection.socket.shutdown(1)
                while connection._fill():
                    pass
        self.ask(b"mn\r\n", b"MN\r\n")


if __name__ == "__main__":
    main()
