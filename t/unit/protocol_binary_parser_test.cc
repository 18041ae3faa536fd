#include "protocol/binary_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/binary_packets.h"
#include "lib/parse_stream.h"
#include "protocol/binary_packet.h"

namespace holdfast::protocol {
namespace {

using Lines = std::vector<std::string>;

const std::string kNoopBytes = Packet{.opcode = 0x0a}.Bytes();
const std::string kNoopLine = "noop binary return_cas opcode=10";

Lines Parse(const std::string& stream, const ParserSettings& settings = {}) {
  BinaryParser parser(settings);
  Lines lines = ParseStream(parser, stream);
  for (const size_t bytes_a_call : {1, 2, 3, 7, 23, 1000}) {
    BinaryParser again(settings);
    EXPECT_EQ(ParseStream(again, stream, bytes_a_call), lines) << "in pieces of " << bytes_a_call;
  }
  return lines;
}

// The one request of a packet, after which the stream goes on.
std::string One(const Packet& packet) {
  const Lines lines = Parse(packet.Bytes() + kNoopBytes);
  EXPECT_EQ(lines.size(), 3u);
  EXPECT_EQ(lines.size() > 1 ? lines[1] : "", kNoopLine);
  return lines.front();
}

std::string Refused(RequestError error, int opcode, const std::string& rest = "") {
  return "invalid binary error=" + std::to_string(static_cast<int>(error)) + rest +
         (opcode == 0 ? "" : " opcode=" + std::to_string(opcode));
}

// What closes the connection behind its answer.
std::string Closing(RequestError error, int opcode) { return Refused(error, opcode, " close"); }

TEST(BinaryParserTest, Get) {
  EXPECT_EQ(One({.opcode = 0x00, .key = "k", .opaque = 0xdeadbeef}), "get binary key=k return_cas opaque=3735928559");
  EXPECT_EQ(One({.opcode = 0x09, .key = "k"}), "get binary key=k quiet return_cas opcode=9");
  EXPECT_EQ(One({.opcode = 0x0c, .key = "k"}), "get binary key=k return_key return_cas opcode=12");
  EXPECT_EQ(One({.opcode = 0x0d, .key = "k"}), "get binary key=k quiet return_key return_cas opcode=13");
  EXPECT_EQ(One({.opcode = 0x00, .key = "k", .cas = 5}), "get binary key=k return_cas");
  const std::string longest(kKeyBytesMax, 'k');
  EXPECT_EQ(One({.opcode = 0x00, .key = longest}), "get binary key=" + longest + " return_cas");
  EXPECT_EQ(One({.opcode = 0x00, .key = std::string("a\0 \r\n", 5)}),
            "get binary key=" + std::string("a\0 \r\n", 5) + " return_cas");
}

TEST(BinaryParserTest, GetAndTouch) {
  const std::string extras = BigEndian(100, 4);
  EXPECT_EQ(One({.opcode = 0x1c, .key = "k", .extras = extras}), "touch binary key=k return_cas opcode=28 exptime=100");
  EXPECT_EQ(One({.opcode = 0x1d, .key = "k", .extras = extras}), "get binary key=k return_cas opcode=29 exptime=100");
  EXPECT_EQ(One({.opcode = 0x1e, .key = "k", .extras = extras}),
            "get binary key=k quiet return_cas opcode=30 exptime=100");
  EXPECT_EQ(One({.opcode = 0x23, .key = "k", .extras = extras}),
            "get binary key=k return_key return_cas opcode=35 exptime=100");
  EXPECT_EQ(One({.opcode = 0x24, .key = "k", .extras = BigEndian(0xffffffff, 4)}),
            "get binary key=k quiet return_key return_cas opcode=36 exptime=4294967295");
}

TEST(BinaryParserTest, Store) {
  const std::string extras = StoreExtras(5, 10);
  EXPECT_EQ(One({.opcode = 0x01, .key = "k", .extras = extras, .value = "val"}),
            "store binary key=k return_cas opcode=1 client_flags=5 exptime=10 value_size=3 value=val");
  EXPECT_EQ(One({.opcode = 0x11, .key = "k", .extras = extras, .value = ""}),
            "store binary key=k quiet return_cas opcode=17 client_flags=5 exptime=10 value");
  EXPECT_EQ(One({.opcode = 0x02, .key = "k", .extras = extras, .value = "v"}),
            "store binary key=k return_cas opcode=2 mode=1 client_flags=5 exptime=10 value_size=1 value=v");
  EXPECT_EQ(One({.opcode = 0x13, .key = "k", .extras = extras, .value = "v"}),
            "store binary key=k quiet return_cas opcode=19 mode=2 client_flags=5 exptime=10 value_size=1 value=v");
  EXPECT_EQ(One({.opcode = 0x0e, .key = "k", .value = "v"}),
            "store binary key=k return_cas opcode=14 mode=3 value_size=1 value=v");
  EXPECT_EQ(One({.opcode = 0x1a, .key = "k", .value = "v"}),
            "store binary key=k quiet return_cas opcode=26 mode=4 value_size=1 value=v");
}

TEST(BinaryParserTest, CasInTheHeaderIsACondition) {
  const std::string extras = StoreExtras(0, 0);
  // add and replace with a cas only compare.
  for (const int opcode : {1, 2, 3}) {
    EXPECT_EQ(One({.opcode = opcode, .key = "k", .extras = extras, .value = "v", .cas = 99}),
              "store binary key=k return_cas opcode=" + std::to_string(opcode) +
                  " exptime=0 compare_cas=99 value_size=1 value=v");
  }
  EXPECT_EQ(One({.opcode = 0x0e, .key = "k", .value = "v", .cas = 99}),
            "store binary key=k return_cas opcode=14 mode=3 compare_cas=99 value_size=1 value=v");
  EXPECT_EQ(One({.opcode = 0x04, .key = "k", .cas = ~uint64_t{0}}),
            "delete binary key=k return_cas opcode=4 compare_cas=18446744073709551615");
  EXPECT_EQ(One({.opcode = 0x05, .key = "k", .extras = ArithmeticExtras(1, 0, 0), .cas = 3}),
            "arithmetic binary key=k return_cas opcode=5 compare_cas=3 create=0 delta=1");
}

TEST(BinaryParserTest, Arithmetic) {
  EXPECT_EQ(One({.opcode = 0x05, .key = "k", .extras = ArithmeticExtras(3, 7, 60)}),
            "arithmetic binary key=k return_cas opcode=5 create=60 delta=3 initial=7");
  EXPECT_EQ(One({.opcode = 0x16, .key = "k", .extras = ArithmeticExtras(~uint64_t{0}, 0, 0)}),
            "arithmetic binary key=k quiet return_cas opcode=22 create=0 decrement delta=18446744073709551615");
  EXPECT_EQ(One({.opcode = 0x06, .key = "k", .extras = ArithmeticExtras(1, 7, 0xffffffff)}),
            "arithmetic binary key=k return_cas opcode=6 decrement delta=1 initial=7");
}

TEST(BinaryParserTest, TheOtherCommands) {
  EXPECT_EQ(One({.opcode = 0x14, .key = "k"}), "delete binary key=k quiet return_cas opcode=20");
  EXPECT_EQ(One({.opcode = 0x08}), "flush_all binary return_cas opcode=8");
  EXPECT_EQ(One({.opcode = 0x18, .extras = BigEndian(9, 4)}), "flush_all binary quiet return_cas opcode=24 exptime=9");
  EXPECT_EQ(One({.opcode = 0x0b}), "version binary return_cas opcode=11");
  EXPECT_EQ(One({.opcode = 0x10}), "stats binary return_cas opcode=16");
  EXPECT_EQ(One({.opcode = 0x10, .key = "items"}), "stats binary key=items arguments=[items] return_cas opcode=16");
  EXPECT_EQ(One({.opcode = 0x07}), "quit binary close return_cas opcode=7");
  EXPECT_EQ(One({.opcode = 0x17}), "quit binary quiet close return_cas opcode=23");
  EXPECT_EQ(One({.opcode = 0x20}), "sasl binary return_cas opcode=32");
  EXPECT_EQ(One({.opcode = 0x21, .key = "PLAIN", .value = "xyz"}),
            "sasl binary key=PLAIN return_cas opcode=33 value_size=3");
}

TEST(BinaryParserTest, UnknownOpcodesArePassedOver) {
  for (const int opcode : {0x1b, 0x1f, 0x25, 0x30, 0x3c, 0xff}) {
    EXPECT_EQ(One({.opcode = opcode, .key = "k", .extras = "xxxx", .value = "value"}),
              Refused(RequestError::kUnknownCommand, opcode));
  }
  EXPECT_EQ(One({.opcode = 0x30, .value = std::string(100000, 'v')}), Refused(RequestError::kUnknownCommand, 0x30));
}

TEST(BinaryParserTest, SizesThatContradictTheOpcode) {
  const std::string extras = StoreExtras(0, 0);
  for (const Packet& packet : std::vector<Packet>{
           {.opcode = 0x00},
           {.opcode = 0x09},
           {.opcode = 0x00, .key = "k", .extras = "xxxx"},
           {.opcode = 0x00, .key = "k", .value = "v"},
           {.opcode = 0x00, .key = std::string(kKeyBytesMax + 1, 'k')},
           {.opcode = 0x01, .key = "k", .value = "v"},
           {.opcode = 0x01, .extras = extras, .value = "v"},
           {.opcode = 0x01, .key = "k", .extras = extras + "x", .value = "v"},
           {.opcode = 0x04, .key = "k", .value = "v"},
           {.opcode = 0x05, .key = "k", .extras = "short"},
           {.opcode = 0x07, .key = "k"},
           {.opcode = 0x08, .key = "k"},
           {.opcode = 0x08, .extras = "xx"},
           {.opcode = 0x0a, .value = "v"},
           {.opcode = 0x0b, .extras = "x"},
           {.opcode = 0x0e, .key = "k", .extras = "xxxx", .value = "v"},
           {.opcode = 0x10, .key = "k", .value = "v"},
           {.opcode = 0x1c, .key = "k"},
           {.opcode = 0x1d, .extras = "xxxx"},
           {.opcode = 0x21, .value = "xyz"},
       }) {
    EXPECT_EQ(Parse(packet.Bytes()).front(), Closing(RequestError::kInvalidArguments, packet.opcode));
  }
}

TEST(BinaryParserTest, SizesThatLie) {
  EXPECT_EQ(Parse(Packet{.key = "abc", .body_size = 1}.Bytes()).front(), Closing(RequestError::kUnknownCommand, 0));
  EXPECT_EQ(Parse(Packet{.key = "abc", .body_size = 0}.Bytes()).front(), Closing(RequestError::kUnknownCommand, 0));
  EXPECT_EQ(Parse(Packet{.opcode = 1, .key = "abc", .extras = StoreExtras(0, 0), .body_size = 10}.Bytes()).front(),
            Closing(RequestError::kUnknownCommand, 1));
  for (const int64_t body_size : {0x40000001ll, 0x80000000ll, 0xffffffffll}) {
    EXPECT_EQ(
        Parse(Packet{.opcode = 1, .key = "k", .extras = StoreExtras(0, 0), .body_size = body_size}.Bytes()).front(),
        Closing(RequestError::kInvalidArguments, 1));
  }
  // A header that promises more key than ever fits is answered when the block is full.
  EXPECT_EQ(Parse(Packet{.key_size = 65535, .body_size = 65535}.Bytes() + std::string(20000, 'k')).front(),
            Closing(RequestError::kInvalidArguments, 0));
  EXPECT_EQ(Parse(Packet{.key_size = 5, .body_size = 5}.Bytes()), (Lines{"unread 24"}));
}

TEST(BinaryParserTest, WrongMagicCloses) {
  EXPECT_EQ(Parse(kNoopBytes + Packet{.opcode = 0x0a, .magic = 0x81}.Bytes()), (Lines{kNoopLine, "close"}));
  EXPECT_EQ(Parse("get a\r\nget b\r\nget c\r\nget d\r\n"), (Lines{"close"}));
  EXPECT_EQ(Parse("get a\r\n"), (Lines{"unread 7"}));
}

TEST(BinaryParserTest, ValuesOfEverySizeAroundTheInputBlock) {
  const size_t head = kBinaryHeaderBytes + 8 + 1;
  for (const size_t size : {kInputBytesMax - head - 1, kInputBytesMax - head, kInputBytesMax - head + 1, kInputBytesMax,
                            10 * kInputBytesMax}) {
    const std::string value = std::string(size - 1, 'v') + "!";
    EXPECT_EQ(One({.opcode = 1, .key = "k", .extras = StoreExtras(0, 0), .value = value}),
              "store binary key=k return_cas opcode=1 exptime=0 value_size=" + std::to_string(size) +
                  " value=" + std::string(20, 'v') + ".." + std::string(19, 'v') + "!");
  }
}

TEST(BinaryParserTest, ATooLargeValueIsPassedOver) {
  const ParserSettings settings{.item_bytes_max = 1024};
  const std::string value(2000, 'v');
  EXPECT_EQ(Parse(Packet{.opcode = 1, .key = "k", .extras = StoreExtras(0, 0), .value = value}.Bytes() + kNoopBytes,
                  settings),
            (Lines{Refused(RequestError::kTooLarge, 1, " key=k return_cas") + " exptime=0 value_size=2000", kNoopLine,
                   "unread 0"}));
  EXPECT_EQ(
      Parse(Packet{.opcode = 1, .key = "k", .extras = StoreExtras(0, 0), .body_size = 0x40000000}.Bytes(), settings)
          .front(),
      Refused(RequestError::kTooLarge, 1, " key=k return_cas") + " exptime=0 value_size=1073741815");
}

TEST(BinaryParserTest, SaslStepsAreNeverUploads) {
  const std::string fitting(kBinarySaslBytesMax, 'x');
  EXPECT_EQ(One({.opcode = 0x21, .key = "PLAIN", .value = fitting}),
            "sasl binary key=PLAIN return_cas opcode=33 value_size=8192");
  EXPECT_EQ(One({.opcode = 0x21, .key = "PLAIN", .value = fitting + "x"}),
            Refused(RequestError::kInvalidArguments, 33, " key=PLAIN return_cas") + " value_size=8193");
  EXPECT_EQ(
      One({.opcode = 0x21, .key = std::string(33, 'M'), .value = "x"}),
      Refused(RequestError::kInvalidArguments, 33, " key=" + std::string(33, 'M') + " return_cas") + " value_size=1");
}

}  // namespace
}  // namespace holdfast::protocol
