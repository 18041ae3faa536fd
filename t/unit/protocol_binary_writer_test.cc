#include "protocol/binary_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/block_pool.h"
#include "lib/binary_packets.h"

namespace holdfast::protocol {
namespace {

constexpr uint32_t kOpaque = 0xdeadbeef;

class BinaryWriterTest : public testing::Test {
 protected:
  std::string Written(const Request& request, const Reply& reply) {
    base::Output output(pool_);
    WriteBinary(request, reply, output);
    iovec vectors[64];
    const int count = output.Gather(vectors, 64);
    std::string bytes;
    for (int i = 0; i < count; ++i) bytes.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
    EXPECT_EQ(bytes.size(), output.size());
    return bytes;
  }

  static Request Ask(Verb verb, uint8_t opcode) {
    Request request;
    request.syntax = Syntax::kBinary;
    request.verb = verb;
    request.opcode = opcode;
    request.binary_opaque = kOpaque;
    request.key = "key";
    return request;
  }

  static Reply Answer(ReplyCode code) {
    Reply reply;
    reply.code = code;
    reply.cas = 77;
    return reply;
  }

  static std::string Success(int opcode, uint64_t cas = 0, const std::string& value = "") {
    return Packet{.opcode = opcode, .value = value, .cas = cas, .opaque = kOpaque, .magic = 0x81}.Bytes();
  }

  static std::string Failure(int opcode, int status, const std::string& text) {
    return Packet{.opcode = opcode, .value = text, .opaque = kOpaque, .magic = 0x81, .status = status}.Bytes();
  }

  base::BlockBudget budget_{64 * base::kBlockBytes};
  base::BlockPool pool_{budget_};
};

TEST_F(BinaryWriterTest, Hit) {
  const std::string_view pieces[] = {"va", "lue"};
  Reply reply = Answer(ReplyCode::kHit);
  reply.key = "key";
  reply.client_flags = 0x01020304;
  reply.value = pieces;
  reply.value_size = 5;
  Request request = Ask(Verb::kGet, 0x00);
  const std::string extras = BigEndian(0x01020304, 4);
  EXPECT_EQ(
      Written(request, reply),
      (Packet{.opcode = 0, .extras = extras, .value = "value", .cas = 77, .opaque = kOpaque, .magic = 0x81}.Bytes()));
  request = Ask(Verb::kGet, 0x0d);
  request.quiet = request.return_key = true;
  EXPECT_EQ(
      Written(request, reply),
      (Packet{
          .opcode = 13, .key = "key", .extras = extras, .value = "value", .cas = 77, .opaque = kOpaque, .magic = 0x81}
           .Bytes()));
  reply.code = ReplyCode::kTouched;
  EXPECT_EQ(Written(Ask(Verb::kTouch, 0x1c), reply),
            (Packet{.opcode = 0x1c, .extras = extras, .cas = 77, .opaque = kOpaque, .magic = 0x81}.Bytes()));
}

TEST_F(BinaryWriterTest, HitOfEverySizeAroundTheLimits) {
  for (const size_t size : {0u, 1u, 3800u, 3818u, 3819u, 4096u, 16384u, 100000u}) {
    const std::string value(size, 'v');
    const std::string_view piece = value;
    Reply reply = Answer(ReplyCode::kHit);
    reply.value = {&piece, 1};
    reply.value_size = size;
    EXPECT_EQ(
        Written(Ask(Verb::kGet, 0), reply),
        (Packet{.opcode = 0, .extras = BigEndian(0, 4), .value = value, .cas = 77, .opaque = kOpaque, .magic = 0x81}
             .Bytes()));
  }
}

TEST_F(BinaryWriterTest, Miss) {
  Request request = Ask(Verb::kGet, 0x00);
  EXPECT_EQ(Written(request, Answer(ReplyCode::kMiss)), Failure(0, 1, "Not found"));
  request.quiet = true;
  EXPECT_EQ(Written(request, Answer(ReplyCode::kMiss)), "");
  request = Ask(Verb::kGet, 0x0c);
  request.return_key = true;
  EXPECT_EQ(Written(request, Answer(ReplyCode::kMiss)),
            (Packet{.opcode = 0x0c, .key = "key", .opaque = kOpaque, .magic = 0x81, .status = 1}.Bytes()))
      << "the key alone, no text";
}

TEST_F(BinaryWriterTest, Successes) {
  EXPECT_EQ(Written(Ask(Verb::kStore, 1), Answer(ReplyCode::kStored)), Success(1, 77));
  EXPECT_EQ(Written(Ask(Verb::kDelete, 4), Answer(ReplyCode::kDeleted)), Success(4));
  EXPECT_EQ(Written(Ask(Verb::kFlushAll, 8), Answer(ReplyCode::kOk)), Success(8));
  EXPECT_EQ(Written(Ask(Verb::kNoop, 10), Answer(ReplyCode::kNoop)), Success(10));
  EXPECT_EQ(Written(Ask(Verb::kQuit, 7), Answer(ReplyCode::kNone)), Success(7));
  Reply reply = Answer(ReplyCode::kVersion);
  reply.text = "1.6.45";
  EXPECT_EQ(Written(Ask(Verb::kVersion, 11), reply), Success(11, 0, "1.6.45"));
  reply = Answer(ReplyCode::kNumber);
  reply.number = 0x0102030405060708;
  EXPECT_EQ(Written(Ask(Verb::kArithmetic, 5), reply), Success(5, 77, "\x01\x02\x03\x04\x05\x06\x07\x08"));
}

TEST_F(BinaryWriterTest, QuietHidesSuccessButNoError) {
  for (const ReplyCode code :
       {ReplyCode::kStored, ReplyCode::kDeleted, ReplyCode::kOk, ReplyCode::kNumber, ReplyCode::kNone}) {
    Request request = Ask(code == ReplyCode::kNone ? Verb::kQuit : Verb::kStore, 0x11);
    request.quiet = true;
    EXPECT_EQ(Written(request, Answer(code)), "");
  }
  Request request = Ask(Verb::kDelete, 0x14);
  request.quiet = true;
  EXPECT_EQ(Written(request, Answer(ReplyCode::kNotFound)), Failure(0x14, 1, "Not found"));
  EXPECT_EQ(Written(request, Answer(ReplyCode::kExists)), Failure(0x14, 2, "Data exists for key."));
}

TEST_F(BinaryWriterTest, Stats) {
  Reply reply = Answer(ReplyCode::kStat);
  reply.key = "pid";
  reply.text = "1";
  EXPECT_EQ(Written(Ask(Verb::kStats, 16), reply),
            (Packet{.opcode = 16, .key = "pid", .value = "1", .opaque = kOpaque, .magic = 0x81}.Bytes()));
  EXPECT_EQ(Written(Ask(Verb::kStats, 16), Answer(ReplyCode::kStatEnd)), Success(16));
  EXPECT_EQ(Written(Ask(Verb::kStats, 16), Answer(ReplyCode::kReset)), Success(16));
  EXPECT_EQ(Written(Ask(Verb::kStats, 16), Answer(ReplyCode::kUnknownCommand)), Failure(16, 1, "Not found"));
}

TEST_F(BinaryWriterTest, NotStoredSaysWhy) {
  Request request = Ask(Verb::kStore, 2);
  request.mode = StoreMode::kAdd;
  EXPECT_EQ(Written(request, Answer(ReplyCode::kNotStored)), Failure(2, 2, "Data exists for key."));
  request.mode = StoreMode::kReplace;
  EXPECT_EQ(Written(request, Answer(ReplyCode::kNotStored)), Failure(2, 1, "Not found"));
  request.mode = StoreMode::kAppend;
  EXPECT_EQ(Written(request, Answer(ReplyCode::kNotStored)), Failure(2, 5, "Not stored."));
}

TEST_F(BinaryWriterTest, Failures) {
  EXPECT_EQ(Written(Ask(Verb::kStore, 1), Answer(ReplyCode::kExists)), Failure(1, 2, "Data exists for key."));
  EXPECT_EQ(Written(Ask(Verb::kStore, 1), Answer(ReplyCode::kTooLarge)), Failure(1, 3, "Too large."));
  EXPECT_EQ(Written(Ask(Verb::kStore, 1), Answer(ReplyCode::kNoMemory)),
            Failure(1, 0x82, "Out of memory allocating item"));
  EXPECT_EQ(Written(Ask(Verb::kArithmetic, 5), Answer(ReplyCode::kNoMemory)),
            Failure(5, 0x82, "Out of memory incrementing value"));
  EXPECT_EQ(Written(Ask(Verb::kArithmetic, 5), Answer(ReplyCode::kNonNumeric)),
            Failure(5, 6, "Non-numeric server-side value for incr or decr"));
  EXPECT_EQ(Written(Ask(Verb::kSasl, 0x20), Answer(ReplyCode::kUnknownCommand)),
            Failure(0x20, 0x81, "Unknown command"));
  EXPECT_EQ(Written(Ask(Verb::kGet, 0), Answer(ReplyCode::kAuthError)), Failure(0, 0x20, "Auth failure."));
  EXPECT_EQ(Written(Ask(Verb::kFlushAll, 8), Answer(ReplyCode::kClientError)), Failure(8, 0x20, "Auth failure."));
  Reply away = Answer(ReplyCode::kServerError);
  away.text = "database away";
  EXPECT_EQ(Written(Ask(Verb::kGet, 0), away), Failure(0, 0x84, "database away"));
  for (const auto& [error, status, text] : {std::tuple{RequestError::kUnknownCommand, 0x81, "Unknown command"},
                                            std::tuple{RequestError::kInvalidArguments, 4, "Invalid arguments"},
                                            std::tuple{RequestError::kTooLarge, 3, "Too large."}}) {
    Request request = Ask(Verb::kInvalid, 1);
    request.error = error;
    EXPECT_EQ(Written(request, Answer(ReplyCode::kInvalid)), Failure(1, status, text));
  }
}

}  // namespace
}  // namespace holdfast::protocol
