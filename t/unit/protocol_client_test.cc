// The client's direction: requests that are written parse to themselves, replies that are written parse to themselves.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/block_pool.h"
#include "lib/binary_packets.h"
#include "lib/parse_stream.h"
#include "protocol/binary_parser.h"
#include "protocol/binary_writer.h"
#include "protocol/meta_writer.h"
#include "protocol/reply_parser.h"
#include "protocol/request_writer.h"
#include "protocol/text_parser.h"
#include "protocol/text_writer.h"

namespace holdfast::protocol {
namespace {

using Lines = std::vector<std::string>;

std::string Unsent(const base::Output& output) {
  iovec vectors[1024];
  const int count = output.Gather(vectors, 1024);
  std::string bytes;
  for (int i = 0; i < count; ++i) bytes.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
  EXPECT_EQ(bytes.size(), output.size());
  return bytes;
}

class ClientDirectionTest : public testing::Test {
 protected:
  // Parses a stream, writes what came out, and parses that.
  template <class Parser>
  void ExpectComesBack(const std::string& stream) {
    const ParserSettings settings;
    base::Output output(pool_);
    Parser parser(settings);
    const Lines lines = ParseStream(parser, stream, 0, [&output](const Request& request) {
      WriteRequest(request, output);
      output.Settle();
    });
    Parser again(settings);
    EXPECT_EQ(ParseStream(again, Unsent(output)), lines);
    EXPECT_EQ(lines.back(), "unread 0");
  }

  std::string Written(const Request& request, const Reply& reply) {
    base::Output output(pool_);
    switch (request.syntax) {
      case Syntax::kText:
        WriteText(request, reply, output);
        break;
      case Syntax::kMeta:
        WriteMeta(request, reply, output);
        break;
      case Syntax::kBinary:
        WriteBinary(request, reply, output);
    }
    return Unsent(output);
  }

  // The reply as it arrives at a client, who gets it in one piece at last; before that the parser wants more, and knows
  // how much at least.
  void Read(const Request& request, const std::string& bytes, ParsedReply* reply) {
    input_ = bytes;  // the reply's views go there
    size_t wanted = 1;
    for (size_t size = 0; size < bytes.size(); ++size) {
      const ReplyResult result = ParseReply(request.syntax, bytes.substr(0, size), request.verb, reply);
      ASSERT_EQ(result.outcome, ReplyOutcome::kNeedMore) << size << " bytes of " << bytes;
      ASSERT_GT(result.wanted, size);
      ASSERT_LE(result.wanted, bytes.size());
      ASSERT_GE(result.wanted, wanted) << "more input never means less wanted";
      wanted = result.wanted;
    }
    const ReplyResult result = ParseReply(request.syntax, input_, request.verb, reply);
    ASSERT_EQ(result.outcome, ReplyOutcome::kReply) << bytes;
    ASSERT_EQ(result.consumed, bytes.size());
  }

  static Request Ask(Syntax syntax, Verb verb) {
    Request request;
    request.syntax = syntax;
    request.verb = verb;
    request.last_of_batch = verb != Verb::kGet || syntax != Syntax::kText;  // END is a reply of its own
    request.key = "key";
    request.binary_opaque = 0xdeadbeef;
    if (syntax == Syntax::kBinary && verb != Verb::kInvalid) request.opcode = FindOpcode(request);
    return request;
  }

  static uint8_t FindOpcode(const Request& request) {
    switch (request.verb) {
      case Verb::kGet:
        return request.return_key ? 0x0c : 0x00;
      case Verb::kStore:
        return request.mode == StoreMode::kAdd       ? 2
               : request.mode == StoreMode::kReplace ? 3
               : request.mode == StoreMode::kAppend  ? 0x0e
                                                     : 1;
      case Verb::kDelete:
        return 4;
      case Verb::kArithmetic:
        return 5;
      case Verb::kTouch:
        return 0x1c;
      case Verb::kFlushAll:
        return 8;
      case Verb::kVersion:
        return 0x0b;
      case Verb::kStats:
        return 0x10;
      case Verb::kNoop:
        return 0x0a;
      default:
        return 7;
    }
  }

  static Reply Answer(ReplyCode code, std::string_view text = {}) {
    Reply reply;
    reply.code = code;
    reply.text = text;
    return reply;
  }

  base::BlockBudget budget_{64 * base::kBlockBytes};
  base::BlockPool pool_{budget_};
  std::string input_;
};

TEST_F(ClientDirectionTest, TextRequestsComeBack) {
  ExpectComesBack<TextParser>(
      "get a\r\ngets a b c\r\ngat 10 a b\r\ngats -1 a\r\n"
      "set a 5 10 3\r\nxyz\r\nadd a 0 0 0\r\n\r\nreplace a 0 -1 1\r\nx\r\nappend a 0 0 1 noreply\r\nx\r\nprepend a 0 0 "
      "1\r\nx\r\n"
      "cas a 4294967295 0 1 18446744073709551615\r\nx\r\ncas a 0 0 1 1 noreply\r\nx\r\n"
      "incr a 1\r\ndecr a 18446744073709551615 noreply\r\ntouch a 10\r\ntouch a -1 noreply\r\ndelete a\r\ndelete a "
      "noreply\r\n"
      "flush_all\r\nflush_all 10\r\nflush_all noreply\r\nverbosity 1\r\nversion\r\nstats\r\nstats items\r\nshutdown "
      "graceful\r\n"
      "lru_crawler metadump all\r\nquit\r\n");
  ExpectComesBack<TextParser>("set a 0 0 100000\r\n" + std::string(100000, 'v') + "\r\n");
}

TEST_F(ClientDirectionTest, MetaRequestsComeBack) {
  ExpectComesBack<TextParser>(
      "mg a\r\nmg a v t q Oabc k\r\nmg AAECIA== b k v\r\nmg a T30 N60 R10 E5 C4\r\n"
      "ms a 3 T30 F5 C7 E8 c k I q\r\nxyz\r\nms AAECIA== 0 b MA N10\r\n\r\nmd a I T30 C0 x q\r\nma a D5 N60 J13 MD "
      "v\r\n"
      "me a\r\nme YWJj b\r\nmn\r\n");
}

TEST_F(ClientDirectionTest, BinaryRequestsComeBack) {
  std::string stream;
  const std::string exptime = BigEndian(100, 4);
  for (const int opcode : {0x00, 0x09, 0x0c, 0x0d, 0x04, 0x14})
    stream += Packet{.opcode = opcode, .key = "k", .opaque = 7}.Bytes();
  for (const int opcode : {0x1c, 0x1d, 0x1e, 0x23, 0x24})
    stream += Packet{.opcode = opcode, .key = "k", .extras = exptime}.Bytes();
  for (const int opcode : {0x01, 0x11, 0x02, 0x12, 0x03, 0x13}) {
    stream += Packet{.opcode = opcode, .key = "k", .extras = StoreExtras(5, 10), .value = "val"}.Bytes();
  }
  stream += Packet{.opcode = 0x01, .key = "k", .extras = StoreExtras(5, 10), .value = "", .cas = 9}.Bytes();
  for (const int opcode : {0x0e, 0x19, 0x0f, 0x1a})
    stream += Packet{.opcode = opcode, .key = "k", .value = "val", .cas = 3}.Bytes();
  for (const int opcode : {0x05, 0x15, 0x06, 0x16}) {
    stream += Packet{.opcode = opcode, .key = "k", .extras = ArithmeticExtras(3, 0, 0xffffffff)}.Bytes();
    stream += Packet{.opcode = opcode, .key = "k", .extras = ArithmeticExtras(3, 9, 60), .cas = 8}.Bytes();
  }
  for (const int opcode : {0x08, 0x18, 0x0a, 0x0b, 0x10, 0x20, 0x07, 0x17}) stream += Packet{.opcode = opcode}.Bytes();
  stream += Packet{.opcode = 0x08, .extras = exptime}.Bytes() + Packet{.opcode = 0x10, .key = "items"}.Bytes();
  stream += Packet{.opcode = 0x21, .key = "PLAIN", .value = "xyz"}.Bytes() +
            Packet{.opcode = 0x22, .key = "PLAIN", .value = "xyz"}.Bytes();
  ExpectComesBack<BinaryParser>(stream);
}

TEST_F(ClientDirectionTest, TextKeys) {
  EXPECT_TRUE(IsTextKey("key"));
  EXPECT_TRUE(IsTextKey("sch\xc3\xb6n"));
  EXPECT_TRUE(IsTextKey(std::string(kKeyBytesMax, 'k')));
  for (const std::string& key :
       {std::string(), std::string(kKeyBytesMax + 1, 'k'), std::string("a b"), std::string("a\r\nb"),
        std::string("a\tb"), std::string("a\0b", 3), std::string("\x7f")}) {
    EXPECT_FALSE(IsTextKey(key));
  }
}

TEST_F(ClientDirectionTest, HitsComeBack) {
  const std::string longest_key(kKeyBytesMax, 'k');
  for (const Syntax syntax : {Syntax::kText, Syntax::kMeta, Syntax::kBinary}) {
    for (const size_t size : {0, 1, 100, 5000}) {
      const std::string bytes = std::string(size, 'v');
      const std::string_view piece = bytes;
      Request request = Ask(syntax, Verb::kGet);
      request.key = longest_key;
      request.return_key = request.return_cas = true;
      request.meta_flags = "v k c f s t h l Oq";
      request.flags.Add('v');
      Reply sent = Answer(ReplyCode::kHit);
      sent.key = longest_key;
      sent.value = {&piece, 1};
      sent.value_size = size;
      sent.client_flags = 4294967295;
      sent.cas = 18446744073709551615u;
      ParsedReply reply;
      Read(request, Written(request, sent), &reply);
      EXPECT_EQ(reply.code, ReplyCode::kHit);
      EXPECT_EQ(reply.key, longest_key);
      EXPECT_EQ(reply.piece, bytes);
      EXPECT_EQ(reply.value_size, size);
      EXPECT_EQ(reply.client_flags, 4294967295);
      EXPECT_EQ(reply.cas, 18446744073709551615u);
      if (syntax == Syntax::kMeta) {
        EXPECT_EQ(reply.opaque, "q");
      }
      if (syntax == Syntax::kBinary) {
        EXPECT_EQ(reply.binary_opaque, 0xdeadbeef);
      }
    }
  }
}

TEST_F(ClientDirectionTest, WhatMetaTellsComesBack) {
  Request request = Ask(Syntax::kMeta, Verb::kGet);
  request.meta_flags = "t h l s k b";
  request.binary_key = true;
  request.key = std::string_view("\0 \n", 3);
  Reply sent = Answer(ReplyCode::kHit);
  sent.ttl_seconds = -1;
  sent.hit_before = sent.won = sent.stale = sent.won_by_other = true;
  sent.seconds_since_access = 77;
  sent.value_size = 5;
  ParsedReply reply;
  Read(request, Written(request, sent), &reply);
  EXPECT_EQ(reply.code, ReplyCode::kHit);
  EXPECT_EQ(reply.key, request.key);
  EXPECT_EQ(reply.ttl_seconds, -1);
  EXPECT_EQ(reply.seconds_since_access, 77u);
  EXPECT_EQ(reply.value_size, 5u);
  EXPECT_TRUE(reply.hit_before && reply.won && reply.stale && reply.won_by_other);
}

TEST_F(ClientDirectionTest, CodesComeBack) {
  struct Case {
    Verb verb;
    ReplyCode code;
  };
  const std::vector<Case> everywhere = {
      {Verb::kStore, ReplyCode::kStored},        {Verb::kStore, ReplyCode::kNotStored},
      {Verb::kStore, ReplyCode::kExists},        {Verb::kStore, ReplyCode::kNotFound},
      {Verb::kStore, ReplyCode::kTooLarge},      {Verb::kStore, ReplyCode::kNoMemory},
      {Verb::kDelete, ReplyCode::kDeleted},      {Verb::kDelete, ReplyCode::kNotFound},
      {Verb::kArithmetic, ReplyCode::kNumber},   {Verb::kArithmetic, ReplyCode::kNonNumeric},
      {Verb::kArithmetic, ReplyCode::kNoMemory}, {Verb::kGet, ReplyCode::kServerError},
      {Verb::kNoop, ReplyCode::kNoop},           {Verb::kGet, ReplyCode::kMiss},
  };
  for (const Syntax syntax : {Syntax::kText, Syntax::kMeta, Syntax::kBinary}) {
    for (const Case& c : everywhere) {
      if (syntax == Syntax::kText && c.verb == Verb::kNoop) continue;
      Request request = Ask(syntax, c.verb);
      request.last_of_batch = true;
      request.mode = StoreMode::kAppend;
      if (syntax == Syntax::kBinary) request.opcode = FindOpcode(request);
      request.meta_flags = "v";
      request.flags.Add('v');
      Reply sent = Answer(c.code, "database away");
      sent.number = 18446744073709551615u;
      ParsedReply reply;
      Read(request, Written(request, sent), &reply);
      EXPECT_EQ(reply.code, c.code) << static_cast<int>(syntax) << " " << static_cast<int>(c.verb);
      if (c.code == ReplyCode::kNumber) {
        EXPECT_EQ(reply.number, 18446744073709551615u);
      }
      if (c.code == ReplyCode::kServerError) {
        EXPECT_EQ(reply.text, "database away");
      }
    }
  }
}

TEST_F(ClientDirectionTest, OtherAnswersComeBack) {
  for (const Syntax syntax : {Syntax::kText, Syntax::kBinary}) {
    for (const auto& [verb, code, text] :
         {std::tuple{Verb::kFlushAll, ReplyCode::kOk, ""}, std::tuple{Verb::kTouch, ReplyCode::kTouched, ""},
          std::tuple{Verb::kTouch, ReplyCode::kNotFound, ""}, std::tuple{Verb::kVersion, ReplyCode::kVersion, "1.6.45"},
          std::tuple{Verb::kStats, ReplyCode::kStatEnd, ""}}) {
      ParsedReply reply;
      const Request request = Ask(syntax, verb);
      Read(request, Written(request, Answer(code, text)), &reply);
      EXPECT_EQ(reply.code, code);
      if (code == ReplyCode::kVersion) {
        EXPECT_EQ(reply.text, text);
      }
    }
    Reply row = Answer(ReplyCode::kStat, "a value of words");
    row.key = "name";
    ParsedReply reply;
    Read(Ask(syntax, Verb::kStats), Written(Ask(syntax, Verb::kStats), row), &reply);
    EXPECT_EQ(reply.code, ReplyCode::kStat);
    EXPECT_EQ(reply.key, "name");
    EXPECT_EQ(reply.text, "a value of words");
  }
  ParsedReply reply;
  Read(Ask(Syntax::kText, Verb::kControl), "BUSY now\r\n", &reply);
  EXPECT_EQ(reply.code, ReplyCode::kText);
  EXPECT_EQ(reply.text, "BUSY now");
  Read(Ask(Syntax::kMeta, Verb::kMetaDebug), "ME key exp=-1 la=0\r\n", &reply);
  EXPECT_EQ(reply.code, ReplyCode::kMetaDebug);
  EXPECT_EQ(reply.text, "exp=-1 la=0");
}

TEST_F(ClientDirectionTest, BinaryAddAndReplaceSayNotStoredInTheirWay) {
  for (const StoreMode mode : {StoreMode::kAdd, StoreMode::kReplace}) {
    Request request = Ask(Syntax::kBinary, Verb::kStore);
    request.mode = mode;
    request.opcode = FindOpcode(request);
    ParsedReply reply;
    Read(request, Written(request, Answer(ReplyCode::kNotStored)), &reply);
    EXPECT_EQ(reply.code, ReplyCode::kNotStored);
  }
}

TEST_F(ClientDirectionTest, RefusalsComeBack) {
  for (int i = 1; i <= static_cast<int>(RequestError::kInvalidArguments); ++i) {
    const RequestError error = static_cast<RequestError>(i);
    Request request = Ask(Syntax::kText, Verb::kStore);
    Reply sent = Answer(ReplyCode::kInvalid);
    sent.error = error;
    ParsedReply reply;
    Read(request, Written(request, sent), &reply);
    if (error == RequestError::kTooLarge) {
      EXPECT_EQ(reply.code, ReplyCode::kTooLarge);
    } else if (error == RequestError::kUnknownCommand) {
      EXPECT_EQ(reply.code, ReplyCode::kUnknownCommand);
    } else {
      EXPECT_EQ(reply.code, ReplyCode::kInvalid);
      // The text protocol has one line for both.
      EXPECT_EQ(reply.error, error == RequestError::kInvalidArguments ? RequestError::kBadLine : error);
    }
  }
  ParsedReply reply;
  Read(Ask(Syntax::kText, Verb::kFlushAll), "CLIENT_ERROR flush_all not allowed\r\n", &reply);
  EXPECT_EQ(reply.code, ReplyCode::kClientError);
  EXPECT_EQ(reply.text, "flush_all not allowed");
  Read(Ask(Syntax::kText, Verb::kGet), "ERROR Too many open connections\r\n", &reply);
  EXPECT_EQ(reply.code, ReplyCode::kClientError);
}

TEST_F(ClientDirectionTest, RepliesOfSomebodyElseBreakTheConnection) {
  ParsedReply reply;
  for (const auto& [verb, bytes] :
       {std::pair{Verb::kGet, "STORED\r\n"}, std::pair{Verb::kGet, "5\r\n"}, std::pair{Verb::kStore, "END\r\n"},
        std::pair{Verb::kStore, "VALUE a 0 1\r\nx\r\n"}, std::pair{Verb::kDelete, "TOUCHED\r\n"},
        std::pair{Verb::kArithmetic, "5x\r\n"}, std::pair{Verb::kGet, "VALUE a 0\r\n"},
        std::pair{Verb::kGet, "VALUE a x 1\r\nx\r\n"}, std::pair{Verb::kGet, "VALUE a 0 1\r\nxyz\r\n"},
        std::pair{Verb::kGet, "VALUE a 0 1073741825\r\n"}, std::pair{Verb::kGet, "\r\n"},
        std::pair{Verb::kGet, "garbage\r\n"}}) {
    EXPECT_EQ(ParseTextReply(bytes, verb, &reply).outcome, ReplyOutcome::kBroken) << bytes;
  }
  for (const auto& [verb, bytes] :
       {std::pair{Verb::kGet, "NF\r\n"}, std::pair{Verb::kStore, "EN\r\n"}, std::pair{Verb::kStore, "VA 1\r\nx\r\n"},
        std::pair{Verb::kNoop, "HD\r\n"}, std::pair{Verb::kGet, "VA x\r\n"}, std::pair{Verb::kGet, "VA 1\r\nxyz\r\n"},
        std::pair{Verb::kGet, "HD cx\r\n"}, std::pair{Verb::kGet, "HD kY b\r\n"},
        std::pair{Verb::kArithmetic, "VA 1\r\nx\r\n"}, std::pair{Verb::kGet, "STORED\r\n"}}) {
    EXPECT_EQ(ParseMetaReply(bytes, verb, &reply).outcome, ReplyOutcome::kBroken) << bytes;
  }
  for (const Packet& packet : std::vector<Packet>{{.opcode = 0, .magic = 0x80},
                                                  {.opcode = 0, .magic = 0x81},  // a hit without flags
                                                  {.opcode = 0, .magic = 0x81, .key_size = 5},
                                                  {.opcode = 0, .magic = 0x81, .key_size = 251, .body_size = 251},
                                                  {.opcode = 5, .value = "short", .magic = 0x81},
                                                  {.opcode = 0, .magic = 0x81, .body_size = 0xffffffff}}) {
    EXPECT_EQ(ParseBinaryReply(packet.Bytes(), &reply).outcome, ReplyOutcome::kBroken);
  }
  EXPECT_EQ(ParseTextReply(std::string(kReplyLineBytesMax, 'x'), Verb::kGet, &reply).outcome, ReplyOutcome::kBroken);
  EXPECT_EQ(ParseTextReply(std::string(kReplyLineBytesMax - 1, 'x'), Verb::kGet, &reply).outcome,
            ReplyOutcome::kNeedMore);
}

}  // namespace
}  // namespace holdfast::protocol
