"""-l: several addresses, of both families, with ports and what memcached lets one write before them."""

import os
import socket
import unittest

from holdfast_test import Connection, Server, free_port, main, run_server_once

AS_ROOT = ["-u", "root"] if os.geteuid() == 0 else []
NOOP = b"\x80\x0a" + bytes(22)
NO_COMMAND = b"\x80\x0b" + bytes(22)  # of the binary protocol, without a line end in it


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
        return True
    except OSError:
        return False


class Listen(unittest.TestCase):
    def ask(self, address):
        with Connection(address) as client:
            client.ask(b"mn\r\n", b"MN\r\n")

    def test_several_addresses_are_served(self):
        port, other = free_port(), free_port()
        addresses = ["127.0.0.1", f"127.0.0.2:{other}"] + (["[::1]"] if has_ipv6() else [])
        for arguments in (["-l", ",".join(addresses)], ["-l", addresses[0], "-l", ";".join(addresses[1:])]):
            with self.subTest(arguments), Server("-p", port, *arguments) as server:
                self.ask(("127.0.0.1", port))
                self.ask(("127.0.0.2", other))
                if has_ipv6():
                    self.ask(("::1", port))
                with self.assertRaises(OSError):
                    Connection(("127.0.0.3", port))
                self.assertNotIn("warning", server.stderr())

    def test_a_public_address_works_with_one_warning(self):
        port = free_port()
        with Server("-p", port, "-l", "0.0.0.0" + (",[::]" if has_ipv6() else "")) as server:
            self.ask(("127.0.0.1", port))
            if has_ipv6():
                self.ask(("::1", port))
            self.assertEqual(server.stderr().count("warning"), 1, server.stderr())
            self.assertIn("firewall", server.stderr())

    def test_one_address_twice_is_one(self):
        port = free_port()
        with Server("-p", port, "-l", f"127.0.0.1,127.0.0.1:{port}"):
            self.ask(("127.0.0.1", port))

    def test_an_address_may_have_a_protocol_of_its_own(self):
        ascii_port, binary_port, port = free_port(), free_port(), free_port()
        with Server("-p", port, "-l", f"proto[ascii]:127.0.0.1:{ascii_port},tag[web]:proto[binary]:127.0.0.1:{binary_port},proto[negotiating]:127.0.0.1"):
            for speaks, refuses, at in ((b"mn\r\n", NO_COMMAND, ascii_port), (NOOP, b"mn\r\n" + bytes(30), binary_port)):
                with Connection(("127.0.0.1", at)) as client:
                    client.send(speaks)
                    self.assertEqual(client.read(2), b"MN" if speaks == b"mn\r\n" else b"\x81\x0a")
                with Connection(("127.0.0.1", at)) as client:
                    client.send(refuses)
                    if at == binary_port:
                        client.expect_closed()
                    else:
                        client.send(b"\r\nmn\r\n")
                        client.expect(b"ERROR\r\nMN\r\n")
            for request, reply in ((b"mn\r\n", b"MN\r\n"), (NOOP, b"\x81\x0a")):
                with Connection(("127.0.0.1", port)) as client:
                    client.ask(request, reply)
        with Server("-B", "binary", "-l", f"127.0.0.1,proto[ascii]:127.0.0.1:{ascii_port}", "-p", port, start=False) as server:
            server.start()
            with Connection(("127.0.0.1", ascii_port)) as client:
                client.ask(b"mn\r\n", b"MN\r\n")
            with Connection(("127.0.0.1", port)) as client:
                client.ask(NOOP, b"\x81\x0a")

    def test_what_stands_before_an_address_is_taken_or_refused(self):
        for text in ("tag[a]:127.0.0.1", "tag_a_:127.0.0.1:11311", "notls:127.0.0.1", "notls:tag[a]:proto[proxy]:[::1]:11311", "*", "*:11311", "localhost:11311"):
            result = run_server_once("--check-config", "-l", text)
            self.assertEqual(result.returncode, 0, result.stderr)
        for text, words in (("btls:127.0.0.1", ["TLS", "security"]), ("mtls:127.0.0.1", ["TLS"]), ("proto[udp]:127.0.0.1", ["udp", "ascii"]),
                            ("proto[ascii", ["not an address"]), ("", []), ("tag[]:", ["not an address"]), ("127.0.0.1:99999", ["65535"])):
            result = run_server_once("--check-config", "-l", text)
            self.assertEqual(result.returncode, 64 if text else 0, result.stderr)
            for word in words:
                self.assertIn(word, result.stderr)

    def test_a_free_port_is_one_for_all_addresses(self):
        port = free_port()
        with Server("-p", port, "-l", "127.0.0.1,127.0.0.2"):
            self.ask(("127.0.0.1", port))
            self.ask(("127.0.0.2", port))
        result = run_server_once("--check-config", "-p", "-1", "-l", "127.0.0.1,127.0.0.2", *AS_ROOT)
        self.assertEqual(result.returncode, 0, result.stderr)


main()
