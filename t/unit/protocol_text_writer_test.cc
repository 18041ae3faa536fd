#include "protocol/text_writer.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/block_pool.h"

namespace holdfast::protocol {
namespace {

class TextWriterTest : public testing::Test {
 protected:
  std::string Written(const Request& request, const Reply& reply) {
    base::Output output(pool_);
    WriteText(request, reply, output);
    iovec vectors[64];
    const int count = output.Gather(vectors, 64);
    std::string bytes;
    for (int i = 0; i < count; ++i) bytes.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
    EXPECT_EQ(bytes.size(), output.size());
    return bytes;
  }

  std::string Written(Verb verb, ReplyCode code, std::string_view text = {}) {
    Request request;
    request.verb = verb;
    Reply reply;
    reply.code = code;
    reply.text = text;
    return Written(request, reply);
  }

  base::BlockBudget budget_{64 * base::kBlockBytes};
  base::BlockPool pool_{budget_};
};

TEST_F(TextWriterTest, Hit) {
  Request request;
  request.verb = Verb::kGet;
  Reply reply;
  reply.code = ReplyCode::kHit;
  reply.key = "key";
  reply.client_flags = 7;
  reply.cas = 18446744073709551615u;
  const std::string_view pieces[] = {"ab", "", "cde"};
  reply.value = pieces;
  reply.value_size = 5;
  EXPECT_EQ(Written(request, reply), "VALUE key 7 5\r\nabcde\r\nEND\r\n");
  request.last_of_batch = false;
  EXPECT_EQ(Written(request, reply), "VALUE key 7 5\r\nabcde\r\n");
  request.return_cas = true;
  EXPECT_EQ(Written(request, reply), "VALUE key 7 5 18446744073709551615\r\nabcde\r\n");
  reply.value = {};
  reply.value_size = 0;
  EXPECT_EQ(Written(request, reply), "VALUE key 7 0 18446744073709551615\r\n\r\n");
}

TEST_F(TextWriterTest, HitOfEverySizeAroundTheLimits) {
  const std::string key(kKeyBytesMax, 'k');
  for (const size_t size : {1u, 3500u, 3700u, 3770u, 3800u, 4096u, 5000u, 16383u, 16384u, 16385u, 100000u}) {
    const std::string bytes(size, 'v');
    const std::string_view pieces[] = {std::string_view(bytes).substr(0, size / 3),
                                       std::string_view(bytes).substr(size / 3)};
    Request request;
    request.return_cas = true;
    Reply reply;
    reply.code = ReplyCode::kHit;
    reply.key = key;
    reply.client_flags = 4294967295;
    reply.cas = 18446744073709551615u;
    reply.value = pieces;
    reply.value_size = size;
    EXPECT_EQ(Written(request, reply), "VALUE " + key + " 4294967295 " + std::to_string(size) +
                                           " 18446744073709551615\r\n" + bytes + "\r\nEND\r\n");
  }
}

TEST_F(TextWriterTest, LongPiecesAreLentNotCopied) {
  const std::string bytes(kLendBytesMin, 'v');
  const std::string_view piece = bytes;
  Request request;
  Reply reply;
  reply.code = ReplyCode::kHit;
  reply.key = "k";
  reply.value = {&piece, 1};
  reply.value_size = bytes.size();
  base::Output output(pool_);
  WriteText(request, reply, output);
  iovec vectors[8];
  const int count = output.Gather(vectors, 8);
  ASSERT_EQ(count, 3);
  EXPECT_EQ(vectors[1].iov_base, bytes.data());
}

TEST_F(TextWriterTest, MissSaysEndOnlyAtTheEnd) {
  EXPECT_EQ(Written(Verb::kGet, ReplyCode::kMiss), "END\r\n");
  Request request;
  request.last_of_batch = false;
  Reply reply;
  reply.code = ReplyCode::kMiss;
  EXPECT_EQ(Written(request, reply), "");
}

TEST_F(TextWriterTest, Lines) {
  EXPECT_EQ(Written(Verb::kStore, ReplyCode::kStored), "STORED\r\n");
  EXPECT_EQ(Written(Verb::kStore, ReplyCode::kNotStored), "NOT_STORED\r\n");
  EXPECT_EQ(Written(Verb::kStore, ReplyCode::kExists), "EXISTS\r\n");
  EXPECT_EQ(Written(Verb::kStore, ReplyCode::kNotFound), "NOT_FOUND\r\n");
  EXPECT_EQ(Written(Verb::kDelete, ReplyCode::kDeleted), "DELETED\r\n");
  EXPECT_EQ(Written(Verb::kTouch, ReplyCode::kTouched), "TOUCHED\r\n");
  EXPECT_EQ(Written(Verb::kFlushAll, ReplyCode::kOk), "OK\r\n");
  EXPECT_EQ(Written(Verb::kStats, ReplyCode::kReset), "RESET\r\n");
  EXPECT_EQ(Written(Verb::kVersion, ReplyCode::kVersion, "1.6.45"), "VERSION 1.6.45\r\n");
  EXPECT_EQ(Written(Verb::kStats, ReplyCode::kStatEnd), "END\r\n");
  EXPECT_EQ(Written(Verb::kControl, ReplyCode::kText, "BUSY now"), "BUSY now\r\n");
  EXPECT_EQ(Written(Verb::kQuit, ReplyCode::kNone), "");
  Request request;
  Reply reply;
  reply.code = ReplyCode::kNumber;
  reply.number = 18446744073709551615u;
  EXPECT_EQ(Written(request, reply), "18446744073709551615\r\n");
  reply.code = ReplyCode::kStat;
  reply.key = "pid";
  reply.text = "1";
  EXPECT_EQ(Written(request, reply), "STAT pid 1\r\n");
}

TEST_F(TextWriterTest, ErrorStrings) {
  EXPECT_EQ(Written(Verb::kStore, ReplyCode::kTooLarge), "SERVER_ERROR object too large for cache\r\n");
  EXPECT_EQ(Written(Verb::kStore, ReplyCode::kNoMemory), "SERVER_ERROR out of memory storing object\r\n");
  EXPECT_EQ(Written(Verb::kArithmetic, ReplyCode::kNoMemory), "SERVER_ERROR out of memory\r\n");
  EXPECT_EQ(Written(Verb::kGet, ReplyCode::kNoMemory), "SERVER_ERROR out of memory writing get response\r\n");
  EXPECT_EQ(Written(Verb::kArithmetic, ReplyCode::kNonNumeric),
            "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
  EXPECT_EQ(Written(Verb::kFlushAll, ReplyCode::kClientError, "flush_all not allowed"),
            "CLIENT_ERROR flush_all not allowed\r\n");
  EXPECT_EQ(Written(Verb::kGet, ReplyCode::kServerError, "database away"), "SERVER_ERROR database away\r\n");
  EXPECT_EQ(Written(Verb::kControl, ReplyCode::kUnknownCommand), "ERROR\r\n");
  EXPECT_EQ(Written(Verb::kGet, ReplyCode::kAuthError), "CLIENT_ERROR unauthenticated\r\n");

  const std::pair<RequestError, const char*> kLines[] = {
      {RequestError::kUnknownCommand, "ERROR\r\n"},
      {RequestError::kBadLine, "CLIENT_ERROR bad command line format\r\n"},
      {RequestError::kDeleteUsage, "CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]\r\n"},
      {RequestError::kBadExptime, "CLIENT_ERROR invalid exptime argument\r\n"},
      {RequestError::kBadDelta, "CLIENT_ERROR invalid numeric delta argument\r\n"},
      {RequestError::kBadDataChunk, "CLIENT_ERROR bad data chunk\r\n"},
      {RequestError::kTooLarge, "SERVER_ERROR object too large for cache\r\n"},
  };
  for (const auto& [error, line] : kLines) {
    Request request;
    request.Refuse(error);
    Reply reply;
    reply.code = ReplyCode::kInvalid;
    EXPECT_EQ(Written(request, reply), line) << "taken from the request";
    reply.error = error;
    EXPECT_EQ(Written(Request(), reply), line) << "said by the verb";
  }
}

TEST_F(TextWriterTest, NoreplySilencesAll) {
  Request request;
  request.quiet = true;
  for (const ReplyCode code :
       {ReplyCode::kStored, ReplyCode::kNotFound, ReplyCode::kInvalid, ReplyCode::kTooLarge, ReplyCode::kNoMemory}) {
    Reply reply;
    reply.code = code;
    EXPECT_EQ(Written(request, reply), "");
  }
}

}  // namespace
}  // namespace holdfast::protocol
