#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "lib/parse_stream.h"
#include "protocol/text_parser.h"

namespace holdfast::protocol {
namespace {

using Lines = std::vector<std::string>;

const std::string kLongestKey(kKeyBytesMax, 'k');
const std::string kTooLongKey(kKeyBytesMax + 1, 'k');

Lines Parse(const std::string& stream, const ParserSettings& settings = {}) {
  TextParser parser(settings);
  Lines lines = ParseStream(parser, stream);
  for (const size_t bytes_a_call : {1, 2, 3, 7}) {
    TextParser again(settings);
    EXPECT_EQ(ParseStream(again, stream, bytes_a_call), lines) << "in pieces of " << bytes_a_call;
  }
  return lines;
}

std::string One(const std::string& stream) {
  const Lines lines = Parse(stream + "mn\r\n");
  EXPECT_EQ(lines, (Lines{lines.front(), "noop meta", "unread 0"})) << stream;
  return lines.front();
}

RequestError ErrorOf(const std::string& stream) {
  const std::string line = One(stream);
  const size_t at = line.find("error=");
  return at == std::string::npos ? RequestError::kNone : static_cast<RequestError>(std::stoi(line.substr(at + 6)));
}

TEST(MetaParserTest, Get) {
  EXPECT_EQ(One("mg a\r\n"), "get meta key=a");
  EXPECT_EQ(One("mg a s v t f c k Oabc h l q u\r\n"),
            "get meta key=a quiet return_key return_cas meta_flags=[s v t f c k Oabc h l q u]");
  EXPECT_EQ(One("mg a T30 N60 R10 E5 C4\r\n"),
            "get meta key=a exptime=30 compare_cas=4 new_cas=5 create=60 recache=10 meta_flags=[T30 N60 R10 E5 C4]");
  EXPECT_EQ(One("mg  a   v   k \n"), "get meta key=a return_key meta_flags=[v   k]");
  EXPECT_EQ(One("mg " + kLongestKey + " T-1\r\n"), "get meta key=" + kLongestKey + " exptime=-1 meta_flags=[T-1]");
}

TEST(MetaParserTest, FlagsOfOtherCommandsAreAccepted) {
  EXPECT_EQ(One("mg a I x MX F3 D2 J1 P1 L2\r\n"),
            "get meta key=a client_flags=3 initial=1 meta_flags=[I x MX F3 D2 J1 P1 L2]");
  EXPECT_EQ(One("md a v t\r\n"), "delete meta key=a meta_flags=[v t]");
}

TEST(MetaParserTest, WhatFollowsALetterThatTakesNoTokenIsIgnored) {
  EXPECT_EQ(One("mg a vv kx\r\n"), "get meta key=a return_key meta_flags=[vv kx]");
}

TEST(MetaParserTest, Base64Keys) {
  EXPECT_EQ(One("mg YWJj b k v\r\n"), "get meta key=abc return_key binary_key meta_flags=[b k v]");
  EXPECT_EQ(One("ms AAECIA== 2 b\r\nhi\r\n"),
            "store meta key=" + std::string("\0\1\2 ", 4) + " binary_key meta_flags=[b] value_size=2 value=hi");
  EXPECT_EQ(One("me YWJj b k\r\n"), "debug meta key=abc binary_key");
  EXPECT_EQ(One("mg YWJj v\r\n"), "get meta key=YWJj meta_flags=[v]") << "no b, no decoding";
  const std::string longest(248, 'A');  // 62 groups
  EXPECT_EQ(One("mg " + longest + " b\r\n"), "get meta key=" + std::string(186, '\0') + " binary_key meta_flags=[b]");
  EXPECT_EQ(ErrorOf("mg " + longest + "AAAA b\r\n"), RequestError::kBadLine) << "the encoded length counts";
  for (const char* stream :
       {"mg Y b\r\n", "mg Y!== b\r\n", "mg ==== b\r\n", "ms a 1 b\r\nx\r\n", "md a k b\r\n", "me Y b\r\n"}) {
    const RequestError error = ErrorOf(stream);
    EXPECT_EQ(error, RequestError::kBadBase64) << stream;
  }
}

TEST(MetaParserTest, Store) {
  EXPECT_EQ(One("ms a 3\r\nxyz\r\n"), "store meta key=a value_size=3 value=xyz");
  EXPECT_EQ(One("ms a 0\r\n\r\n"), "store meta key=a value");
  EXPECT_EQ(One("ms a 1 T30 F5 C7 E8 c k s I q Oab\r\nx\r\n"),
            "store meta key=a quiet return_key return_cas client_flags=5 exptime=30 compare_cas=7 new_cas=8 "
            "meta_flags=[T30 F5 C7 E8 c k s I q Oab] value_size=1 value=x");
  EXPECT_EQ(One("ms a 1 MS\r\nx\r\n"), "store meta key=a meta_flags=[MS] value_size=1 value=x");
  EXPECT_EQ(One("ms a 1 ME\r\nx\r\n"), "store meta key=a mode=1 meta_flags=[ME] value_size=1 value=x");
  EXPECT_EQ(One("ms a 1 MR\r\nx\r\n"), "store meta key=a mode=2 meta_flags=[MR] value_size=1 value=x");
  EXPECT_EQ(One("ms a 1 MA N60\r\nx\r\n"),
            "store meta key=a mode=3 create=60 meta_flags=[MA N60] value_size=1 value=x");
  EXPECT_EQ(One("ms a 1 MP\r\nx\r\n"), "store meta key=a mode=4 meta_flags=[MP] value_size=1 value=x");
}

TEST(MetaParserTest, StoreLinesThatAreRefused) {
  // Without a size nobody knows that a value follows.
  for (const std::string stream : {"ms a\r\n", "ms a x\r\n", "ms a -1\r\n", "ms a x !\r\n", "ms a T10 1\r\n",
                                   "ms a 2147483646\r\n", "ms a 99999999999\r\n", "ms\r\n"}) {
    EXPECT_EQ(ErrorOf(stream), RequestError::kBadLine) << stream;
  }
  EXPECT_EQ(ErrorOf("ms " + kTooLongKey + " 1\r\n"), RequestError::kBadLine);
  // With a size the value is passed over.
  for (const auto& [flags, error] :
       {std::pair{"!", RequestError::kInvalidFlag}, std::pair{"c c", RequestError::kDuplicateFlag},
        std::pair{"MZ", RequestError::kBadModeStore}, std::pair{"Ms", RequestError::kBadModeStore},
        std::pair{"M", RequestError::kBadModeLength}, std::pair{"MSxx", RequestError::kBadModeLength},
        std::pair{"F", RequestError::kBadLine}, std::pair{"Fx", RequestError::kBadLine},
        std::pair{"F4294967296", RequestError::kBadLine}, std::pair{"Tx q", RequestError::kBadToken},
        std::pair{"Cx", RequestError::kBadToken}, std::pair{"Ex", RequestError::kBadToken},
        std::pair{"C18446744073709551616", RequestError::kBadToken}}) {
    EXPECT_EQ(ErrorOf(std::string("ms a 4 ") + flags + "\r\nmn\r\n\r\n"), error) << flags;
  }
  EXPECT_EQ(ErrorOf("ms a 20000 !\r\n" + std::string(20000, 'x') + "\r\n"), RequestError::kInvalidFlag);
}

TEST(MetaParserTest, BadDataChunk) {
  EXPECT_EQ(Parse("ms a 1 q\r\nxyzmn\r\n").front(), "invalid meta error=5 key=a quiet meta_flags=[q] value_size=1");
}

TEST(MetaParserTest, ATooLargeValueIsPassedOver) {
  EXPECT_EQ(Parse("ms a 2000 q\r\n" + std::string(2000, 'x') + "\r\nmn\r\n", {.item_bytes_max = 1024}),
            (Lines{"invalid meta error=6 key=a quiet meta_flags=[q] value_size=2000", "noop meta", "unread 0"}));
}

TEST(MetaParserTest, Delete) {
  EXPECT_EQ(One("md a\r\n"), "delete meta key=a");
  EXPECT_EQ(One("md a I T30 C0 E9 x q k O1\r\n"),
            "delete meta key=a quiet return_key exptime=30 compare_cas=0 new_cas=9 meta_flags=[I T30 C0 E9 x q k O1]");
}

TEST(MetaParserTest, Arithmetic) {
  EXPECT_EQ(One("ma a\r\n"), "arithmetic meta key=a delta=1");
  EXPECT_EQ(
      One("ma a D5 N60 J13 T30 v t c\r\n"),
      "arithmetic meta key=a return_cas exptime=30 create=60 delta=5 initial=13 meta_flags=[D5 N60 J13 T30 v t c]");
  for (const char* mode : {"I", "+"})
    EXPECT_EQ(One(std::string("ma a M") + mode + "\r\n"),
              std::string("arithmetic meta key=a delta=1 meta_flags=[M") + mode + "]");
  for (const char* mode : {"D", "-"}) {
    EXPECT_EQ(One(std::string("ma a M") + mode + "\r\n"),
              std::string("arithmetic meta key=a decrement delta=1 meta_flags=[M") + mode + "]");
  }
  EXPECT_EQ(One("ma a C0\r\n"), "arithmetic meta key=a delta=1 meta_flags=[C0]") << "0 is no check";
  EXPECT_EQ(One("ma a C3\r\n"), "arithmetic meta key=a compare_cas=3 delta=1 meta_flags=[C3]");
  for (const char* flags : {"!", "v v", "Dx", "D-1", "Jx", "Tx", "Nx", "C", "D18446744073709551616", "M", "b"}) {
    EXPECT_EQ(ErrorOf(std::string("ma a ") + flags + "\r\n"), RequestError::kBadFlagArithmetic) << flags;
  }
  for (const char* flags : {"MX", "Mi", "Md"}) {
    EXPECT_EQ(ErrorOf(std::string("ma a ") + flags + "\r\n"), RequestError::kBadModeArithmetic) << flags;
  }
}

TEST(MetaParserTest, DebugAndNoop) {
  EXPECT_EQ(One("me a\r\n"), "debug meta key=a");
  EXPECT_EQ(One("me a ! v v\r\n"), "debug meta key=a");
  EXPECT_EQ(One("mn\r\n"), "noop meta");
  EXPECT_EQ(One("mn foo\r\n"), "noop meta");
}

TEST(MetaParserTest, LinesThatAreRefused) {
  for (const std::string name : {"mg", "ms", "md", "ma", "me"}) {
    EXPECT_EQ(ErrorOf(name + "\r\n"), RequestError::kBadLine) << name;
    EXPECT_EQ(ErrorOf(name + " " + kTooLongKey + "\r\n"), RequestError::kBadLine) << name;
  }
  EXPECT_EQ(ErrorOf("mx a\r\n"), RequestError::kUnknownCommand);
  EXPECT_EQ(ErrorOf("mgx a\r\n"), RequestError::kUnknownCommand);
  for (const auto& [flags, error] :
       {std::pair{"!", RequestError::kInvalidFlag}, std::pair{"z", RequestError::kInvalidFlag},
        std::pair{"W", RequestError::kInvalidFlag}, std::pair{"1", RequestError::kInvalidFlag},
        std::pair{"v v", RequestError::kDuplicateFlag}, std::pair{"P1 P2", RequestError::kDuplicateFlag},
        std::pair{"\xff", RequestError::kDuplicateFlag}, std::pair{"T", RequestError::kBadToken},
        std::pair{"Tx", RequestError::kBadToken}, std::pair{"N", RequestError::kBadToken},
        std::pair{"Rx", RequestError::kBadToken}, std::pair{"C", RequestError::kBadToken},
        std::pair{"E-1", RequestError::kBadToken}, std::pair{"Dx", RequestError::kBadMetaDelta},
        std::pair{"Jx", RequestError::kBadInitial}, std::pair{"Fx", RequestError::kBadLine},
        std::pair{"Mxx", RequestError::kBadModeLength}}) {
    EXPECT_EQ(ErrorOf(std::string("mg a ") + flags + "\r\n"), error) << flags;
    EXPECT_EQ(ErrorOf(std::string("md a ") + flags + "\r\n"), error) << flags;
  }
}

TEST(MetaParserTest, OfSeveralErrorsTheSameOneIsTold) {
  EXPECT_EQ(ErrorOf("mg a Tx v v\r\n"), RequestError::kDuplicateFlag);
  EXPECT_EQ(ErrorOf("mg a v v !\r\n"), RequestError::kDuplicateFlag);
  EXPECT_EQ(ErrorOf("mg a ! v v\r\n"), RequestError::kInvalidFlag);
  EXPECT_EQ(ErrorOf("mg a Fx Tx\r\n"), RequestError::kBadToken);
  EXPECT_EQ(ErrorOf("mg a Tx Fx\r\n"), RequestError::kBadToken);
  EXPECT_EQ(ErrorOf("mg a Tx Dx\r\n"), RequestError::kBadMetaDelta);
  const std::string opaque = " O" + std::string(kMetaOpaqueBytesMax + 1, 'x');
  EXPECT_EQ(ErrorOf("ms a 1 MX" + opaque + "\r\nx\r\n"), RequestError::kBadModeStore);
  EXPECT_EQ(ErrorOf("ms a 1 MX Tx" + opaque + "\r\nx\r\n"), RequestError::kBadToken);
}

TEST(MetaParserTest, AnAddComparesNothingAndToAppendZeroIsNoCas) {
  EXPECT_EQ(One("ms a 1 C5 ME\r\nx\r\n"), "store meta key=a mode=1 meta_flags=[C5 ME] value_size=1 value=x");
  EXPECT_EQ(One("ms a 1 C0 MA\r\nx\r\n"), "store meta key=a mode=3 meta_flags=[C0 MA] value_size=1 value=x");
  EXPECT_EQ(One("ms a 1 C5 MP\r\nx\r\n"),
            "store meta key=a mode=4 compare_cas=5 meta_flags=[C5 MP] value_size=1 value=x");
}

TEST(MetaParserTest, OpaqueUpToItsLimit) {
  const std::string longest(kMetaOpaqueBytesMax, 'x');
  EXPECT_EQ(One("mg a O" + longest + "\r\n"), "get meta key=a meta_flags=[O" + longest + "]");
  EXPECT_EQ(One("mg a O\r\n"), "get meta key=a meta_flags=[O]");
  for (const std::string begin : {"mg a ", "md a ", "ma a "}) {
    EXPECT_EQ(ErrorOf(begin + "O" + longest + "x\r\n"), RequestError::kOpaqueTooLong) << begin;
  }
  EXPECT_EQ(ErrorOf("ms a 1 O" + longest + "x\r\nx\r\n"), RequestError::kOpaqueTooLong);
}

TEST(MetaParserTest, WordsUpToTheirLimit) {
  EXPECT_EQ(ErrorOf("mg a c f h k l q s t u v I x O1 T1 R1 N1 D1 J1\r\n"), RequestError::kNone) << "20 words";
  EXPECT_EQ(ErrorOf("mg a c f h k l q s t u v I x O1 T1 R1 N1 D1 J1 F1\r\n"), RequestError::kTooManyFlags);
  EXPECT_EQ(ErrorOf("ms a 1 c f h k l q s t u v I x O1 T1 R1 N1 D1 J1\r\n"), RequestError::kTooManyFlags);
}

}  // namespace
}  // namespace holdfast::protocol
