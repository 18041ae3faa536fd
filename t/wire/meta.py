"""The meta protocol where memcached 1.6.18, with which differential.py compares, is too old or wrong: E, C of mg, x of md, N and s of
ms, q and T of ma; and what recaching promises to many clients at once."""

import base64
import threading
import time
import unittest

from holdfast_test import Server, main


class Meta(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.server = Server("-t", "4")

    @classmethod
    def tearDownClass(cls):
        cls.server.close()

    def setUp(self):
        self.connection = self.server.connect()
        self.ask = self.connection.ask
        self.ask(b"flush_all\r\n", b"OK\r\n")

    def tearDown(self):
        self.connection.close()

    def test_e_gives_the_cas(self):
        self.ask(b"ms a 1 E100 c\r\nx\r\n", b"HD c100\r\n")
        self.ask(b"ms a 1 C100 E200 c MA\r\ny\r\n", b"HD c200\r\n")
        self.ask(b"ms a 1 C100 E300\r\nz\r\n", b"EX\r\n")
        self.ask(b"mg a v c\r\n", b"VA 2 c200\r\nxy\r\n")
        self.ask(b"md a I E400\r\nmg a c\r\n", b"HD\r\nHD c400 X W\r\n")
        self.ask(b"ma n N0 J5 E7 c v\r\nma n E8 c v\r\n", b"VA 1 c7\r\n5\r\nVA 1 c8\r\n6\r\n")
        self.ask(b"mg new N0 E9 c\r\n", b"HD c9 W\r\n")
        self.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")  # goes on above it
        self.connection.send(b"mg a c\r\n")
        self.assertGreater(int(self.connection.read_line().split(b" c")[1]), 400)

    def test_c_of_mg_withholds_a_value_that_the_client_has(self):
        self.ask(b"ms a 1 E50\r\nx\r\n", b"HD\r\n")
        self.ask(b"mg a C50 v c s\r\n", b"HD c50 s1\r\n")
        self.ask(b"mg a C49 v c s\r\n", b"VA 1 c50 s1\r\nx\r\n")

    def test_x_of_md_empties_an_item_and_keeps_its_expiry(self):
        self.ask(b"ms a 3 T100 F7\r\nabc\r\n", b"HD\r\n")
        self.ask(b"md a x q\r\nmg a v t f\r\n", b"VA 0 t100 f0\r\n\r\n")
        self.ask(b"md a x I T50\r\nmg a v t\r\n", b"HD\r\nVA 0 t50 X W\r\n\r\n")

    def test_n_of_ms_lets_append_create(self):
        self.ask(b"ms a 1 MA\r\nx\r\n", b"NS\r\n")
        self.ask(b"ms a 1 MA N100 s F3\r\nx\r\n", b"HD s1\r\n")
        self.ask(b"ms a 2 MP N5 s\r\nyy\r\n", b"HD s3\r\n")
        self.ask(b"mg a v t f\r\n", b"VA 3 t100 f3\r\nyyx\r\n")

    def test_q_of_ma_hides_the_number_and_t_stays(self):
        self.ask(b"ma n N0 J8 q\r\nma n q v\r\nma n T100 v t\r\nmg n t\r\n", b"VA 2 t100\r\n10\r\nHD t100\r\n")
        self.ask(b"ma n t T50\r\nma n T-1 t\r\nma n q\r\n", b"HD t100\r\nHD t0\r\nNF\r\n")

    def test_keys_in_base64_may_be_anything(self):
        key = base64.b64encode(b"\r\n \0" + bytes(range(128, 180)))
        self.ask(b"ms " + key + b" 1 b T0\r\n5\r\n", b"HD\r\n")
        self.ask(b"mg " + key + b" b k v\r\n", b"VA 1 k" + key + b" b\r\n5\r\n")
        self.ask(b"ma " + key + b" b k v\r\n", b"VA 1 k" + key + b" b\r\n6\r\n")
        self.ask(b"ms " + key + b" 1 b MA k\r\n0\r\n", b"HD k" + key + b" b\r\n")
        self.connection.send(b"me " + key + b" b\r\n")
        self.assertTrue(self.connection.read_line().startswith(b"ME " + key + b" exp=-1 "))
        self.ask(b"md " + key + b" b q\r\nmg " + key + b" b k O1\r\n", b"EN k" + key + b" b O1\r\n")
        longest = base64.b64encode(b"k" * 186)
        self.ask(b"mg " + longest + b" b\r\n", b"EN\r\n")
        self.ask(b"mg " + base64.b64encode(b"k" * 189) + b" b\r\n", b"CLIENT_ERROR bad command line format\r\n")

    def test_flags_come_back_in_their_order(self):
        self.ask(b"ms a 2 F9 T0 E77\r\nhi\r\n", b"HD\r\n")
        self.ask(b"mg a s O12 v k f h t l c q\r\n", b"VA 2 s2 O12 ka f9 h0 t-1 l0 c77\r\nhi\r\n")
        self.ask(b"mg a Pproxy c Lpath k\r\n", b"HD c77 ka\r\n")

    def test_h_tells_of_earlier_reads(self):
        self.ask(b"set a 0 0 1\r\nx\r\nmg a h u\r\nmg a h\r\nmg a h\r\n", b"STORED\r\nHD h0\r\nHD h0\r\nHD h1\r\n")
        self.ask(b"set b 0 0 1\r\nx\r\ntouch b 0\r\nmg b h\r\n", b"STORED\r\nTOUCHED\r\nHD h1\r\n")
        self.ask(b"set c 0 0 1\r\nx\r\nget c\r\nset c 0 0 1\r\ny\r\nmg c h\r\n", b"STORED\r\nVALUE c 0 1\r\nx\r\nEND\r\nSTORED\r\nHD h0\r\n")
        self.ask(b"mg d N0\r\nmg d h\r\n", b"HD W\r\nHD h1 Z\r\n")
        self.ask(b"set e 0 0 1\r\nx\r\nmg e T100\r\nmg e h t\r\n", b"STORED\r\nHD\r\nHD h1 t100\r\n")
        self.ask(b"set f 0 0 1\r\nx\r\nadd f 0 0 1\r\ny\r\nmg f h\r\n", b"STORED\r\nNOT_STORED\r\nHD h0\r\n")

    def test_a_quiet_pipeline_answers_only_what_matters(self):
        self.ask(b"ms a 1 q\r\nx\r\nms b 1 q\r\ny\r\nmg a v q k\r\nmg none v q k\r\nmg b v q k\r\nmd none q\r\nms a 1 q ME\r\nz\r\nmn\r\n",
                 b"VA 1 ka\r\nx\r\nVA 1 kb\r\ny\r\nNF\r\nNS\r\nMN\r\n")

    def test_a_stale_item_is_served_and_one_client_recaches_it(self):
        self.ask(b"ms a 3 T100 E10\r\nold\r\n", b"HD\r\n")
        self.ask(b"md a I T30\r\n", b"HD\r\n")
        self.ask(b"mg a v t\r\nmg a v\r\n", b"VA 3 t30 X W\r\nold\r\nVA 3 Z X\r\nold\r\n")
        self.ask(b"ms a 5 I C10\r\nnewer\r\nmg a v t\r\n", b"HD\r\nVA 5 t30 Z X\r\nnewer\r\n")  # too late: kept, and stale
        self.ask(b"ms a 3 T50\r\nnew\r\nmg a v t\r\n", b"HD\r\nVA 3 t50\r\nnew\r\n")

    def test_of_many_clients_one_wins_each_recache(self):
        for round_number in range(20):
            key = b"win%d" % round_number
            request = b"mg " + key + b" v N30\r\n"
            if round_number % 2:
                self.ask(b"ms " + key + b" 1 T10\r\nx\r\n", b"HD\r\n")
                request = b"mg " + key + b" v R30\r\n"
            winners = []
            barrier = threading.Barrier(8)

            def race(request=request, winners=winners, barrier=barrier):
                with self.server.connect() as client:
                    barrier.wait()
                    client.send(request)
                    line = client.read_line()
                    winners.append(b" W" in line)
                    self.assertTrue(line.startswith(b"VA "))

            threads = [threading.Thread(target=race) for _ in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual((len(winners), sum(winners)), (8, 1))

    def test_seconds_since_access(self):
        self.ask(b"set a 0 0 1\r\nx\r\n", b"STORED\r\n")
        time.sleep(0.1)
        self.ask(b"mg a l t\r\n", b"HD l0 t-1\r\n")


if __name__ == "__main__":
    main()
