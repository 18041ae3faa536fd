#include "protocol/meta_writer.h"

#include <gtest/gtest.h>

#include <string>

#include "base/block_pool.h"
#include "protocol/text_parser.h"

namespace holdfast::protocol {
namespace {

// Requests are written as a client would: the parser makes them.
class MetaWriterTest : public testing::Test {
 protected:
  std::string Written(const std::string& line, const Reply& reply) {
    const ParserSettings settings;
    TextParser parser(settings);
    Request request;
    const ParseResult result = parser.Parse(line, &request);
    EXPECT_EQ(result.outcome, Outcome::kRequest) << line;
    base::Output output(pool_);
    WriteMeta(request, reply, output);
    iovec vectors[64];
    const int count = output.Gather(vectors, 64);
    std::string bytes;
    for (int i = 0; i < count; ++i) bytes.append(static_cast<const char*>(vectors[i].iov_base), vectors[i].iov_len);
    EXPECT_EQ(bytes.size(), output.size());
    return bytes;
  }

  std::string Written(const std::string& line, ReplyCode code, std::string_view text = {}) {
    Reply reply;
    reply.code = code;
    reply.text = text;
    return Written(line, reply);
  }

  static Reply Hit(const std::string_view* value) {
    Reply reply;
    reply.code = ReplyCode::kHit;
    reply.key = "a";
    reply.value = {value, 1};
    reply.value_size = value->size();
    reply.client_flags = 7;
    reply.cas = 42;
    reply.ttl_seconds = 30;
    reply.seconds_since_access = 5;
    reply.hit_before = true;
    return reply;
  }

  base::BlockBudget budget_{64 * base::kBlockBytes};
  base::BlockPool pool_{budget_};
};

TEST_F(MetaWriterTest, HitReturnsWhatWasAskedForInOrder) {
  const std::string_view value = "xyz";
  Reply reply = Hit(&value);
  EXPECT_EQ(Written("mg a\r\n", reply), "HD\r\n");
  EXPECT_EQ(Written("mg a v\r\n", reply), "VA 3\r\nxyz\r\n");
  EXPECT_EQ(Written("mg a s v t f c k Oabc h l q\r\n", reply), "VA 3 s3 t30 f7 c42 ka Oabc h1 l5\r\nxyz\r\n");
  EXPECT_EQ(Written("mg a l h Oabc k c f t s\r\n", reply), "HD l5 h1 Oabc ka c42 f7 t30 s3\r\n");
  EXPECT_EQ(Written("mg a q k\r\n", reply), "HD ka\r\n") << "quiet does not hide a hit";
  reply.ttl_seconds = -1;
  reply.hit_before = false;
  EXPECT_EQ(Written("mg a t h P1 L1 T5\r\n", reply), "HD t-1 h0\r\n");
}

TEST_F(MetaWriterTest, TokensOfRecachingComeLast) {
  const std::string_view value = "x";
  Reply reply = Hit(&value);
  reply.won = true;
  EXPECT_EQ(Written("mg a v t\r\n", reply), "VA 1 t30 W\r\nx\r\n");
  reply.stale = true;
  EXPECT_EQ(Written("mg a v t\r\n", reply), "VA 1 t30 X W\r\nx\r\n");
  reply.won = false;
  reply.won_by_other = true;
  EXPECT_EQ(Written("mg a v t\r\n", reply), "VA 1 t30 Z X\r\nx\r\n");
}

TEST_F(MetaWriterTest, HitOfEverySizeAroundTheLimits) {
  for (const size_t size : {0u, 1u, 3300u, 3500u, 3700u, 4096u, 16384u, 100000u}) {
    const std::string bytes(size, 'v');
    const std::string_view value = bytes;
    EXPECT_EQ(Written("mg " + std::string(250, 'k') + " v k O" + std::string(31, 'o') + "\r\n", Hit(&value)),
              "VA " + std::to_string(size) + " k" + std::string(250, 'k') + " O" + std::string(31, 'o') + "\r\n" +
                  bytes + "\r\n");
  }
}

TEST_F(MetaWriterTest, TheLongestHeadFits) {
  const std::string_view value = "x";
  Reply reply = Hit(&value);
  reply.binary_key = true;
  reply.cas = reply.seconds_since_access = ~uint64_t{0};
  reply.client_flags = ~uint32_t{0};
  reply.ttl_seconds = INT64_MIN;
  reply.won = reply.stale = reply.won_by_other = true;
  const std::string written =
      Written("mg " + std::string(250, 'k') + " s v t f c k h l O" + std::string(31, 'o') + "\r\n", reply);
  EXPECT_TRUE(written.ends_with(" Z X W\r\nx\r\n"));
}

TEST_F(MetaWriterTest, MissEchoesOpaqueAndKey) {
  EXPECT_EQ(Written("mg a v t\r\n", ReplyCode::kMiss), "EN\r\n");
  EXPECT_EQ(Written("mg a Ox k v\r\n", ReplyCode::kMiss), "EN Ox ka\r\n");
  EXPECT_EQ(Written("mg a k Ox q\r\n", ReplyCode::kMiss), "");
}

TEST_F(MetaWriterTest, BinaryKeysGoBackAsBase64) {
  const std::string_view value = "hi";
  EXPECT_EQ(Written("mg YWJj b k v\r\n", Hit(&value)), "VA 2 kYWJj b\r\nhi\r\n");
  EXPECT_EQ(Written("mg YWJj k b Ox\r\n", ReplyCode::kMiss), "EN kYWJj b Ox\r\n");
  Reply reply = Hit(&value);
  reply.binary_key = true;
  EXPECT_EQ(Written("mg abc v k\r\n", reply), "VA 2 kYWJj b\r\nhi\r\n") << "stored under a base64 key";
  EXPECT_EQ(Written("mg YWJj b v\r\n", Hit(&value)), "VA 2\r\nhi\r\n") << "b alone says nothing";
}

TEST_F(MetaWriterTest, Store) {
  Reply reply;
  reply.code = ReplyCode::kStored;
  reply.cas = 9;
  reply.value_size = 12;
  EXPECT_EQ(Written("ms a 1 c k s Ob T1\r\nx\r\n", reply), "HD c9 ka s12 Ob\r\n");
  EXPECT_EQ(Written("ms a 1 q c\r\nx\r\n", reply), "");
  EXPECT_EQ(Written("ms a 1 c k Oa s\r\nx\r\n", ReplyCode::kExists), "EX c0 ka Oa s1\r\n");
  EXPECT_EQ(Written("ms a 1 q k\r\nx\r\n", ReplyCode::kNotStored), "NS ka\r\n");
  EXPECT_EQ(Written("ms a 1 C9\r\nx\r\n", ReplyCode::kNotFound), "NF\r\n");
}

TEST_F(MetaWriterTest, Delete) {
  EXPECT_EQ(Written("md a k O1\r\n", ReplyCode::kDeleted), "HD ka O1\r\n");
  EXPECT_EQ(Written("md a q\r\n", ReplyCode::kDeleted), "");
  EXPECT_EQ(Written("md a q k O1\r\n", ReplyCode::kNotFound), "NF ka O1\r\n");
  EXPECT_EQ(Written("md a C1 k c t\r\n", ReplyCode::kExists), "EX ka\r\n");
}

TEST_F(MetaWriterTest, Arithmetic) {
  Reply reply;
  reply.code = ReplyCode::kNumber;
  reply.number = 18446744073709551615u;
  reply.cas = 4;
  EXPECT_EQ(Written("ma a k Oa t c\r\n", reply), "HD ka Oa t-1 c4\r\n");
  EXPECT_EQ(Written("ma a N0 J5 k O1 v t c\r\n", reply), "VA 20 ka O1 t-1 c4\r\n18446744073709551615\r\n");
  EXPECT_EQ(Written("ma a q v t\r\n", reply), "");
  EXPECT_EQ(Written("ma a k Oa t c v\r\n", ReplyCode::kNotFound), "NF ka Oa\r\n");
  EXPECT_EQ(Written("ma a q C1 k Oa c t v\r\n", ReplyCode::kExists), "EX ka Oa\r\n");
  EXPECT_EQ(Written("ma a\r\n", ReplyCode::kNonNumeric),
            "CLIENT_ERROR cannot increment or decrement non-numeric value\r\n");
}

TEST_F(MetaWriterTest, DebugAndNoop) {
  EXPECT_EQ(Written("mn\r\n", ReplyCode::kNoop), "MN\r\n");
  EXPECT_EQ(Written("me a\r\n", ReplyCode::kMetaDebug, "exp=-1 la=0"), "ME a exp=-1 la=0\r\n");
  EXPECT_EQ(Written("me a\r\n", ReplyCode::kMiss), "EN\r\n");
  EXPECT_EQ(Written("me a\r\n", ReplyCode::kNotFound), "EN\r\n");
  EXPECT_EQ(Written("me DQo= b\r\n", ReplyCode::kMetaDebug, "exp=-1"), "ME DQo= exp=-1\r\n") << "a key of a line end";
}

TEST_F(MetaWriterTest, QuietHidesNoError) {
  for (const auto& [line, text] :
       {std::pair{"mg a q z\r\n", "CLIENT_ERROR invalid flag\r\n"},
        std::pair{"mg a q v v\r\n", "CLIENT_ERROR duplicate flag\r\n"},
        std::pair{"mg a q Tx\r\n", "CLIENT_ERROR bad token in command line format\r\n"},
        std::pair{"mg Y q b\r\n", "CLIENT_ERROR error decoding key\r\n"},
        std::pair{"mg a q Dx\r\n", "CLIENT_ERROR invalid numeric delta value\r\n"},
        std::pair{"mg a q Jx\r\n", "CLIENT_ERROR invalid numeric initial value\r\n"},
        std::pair{"mg a q Oxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n", "CLIENT_ERROR opaque token too long\r\n"},
        std::pair{"mg a q b c f h k l s t u v O1 N1 R1 T1 C1 D1 E1 F1 I J1\r\n",
                  "CLIENT_ERROR options flags are too long\r\n"},
        std::pair{"ms a 1 q MZ\r\nx\r\n", "CLIENT_ERROR invalid mode for ms M token\r\n"},
        std::pair{"ms a 1 q M\r\nx\r\n", "CLIENT_ERROR incorrect length for M token\r\n"},
        std::pair{"ms a 1 q\r\nxyz", "CLIENT_ERROR bad data chunk\r\n"},
        std::pair{"ms a 2000000 q\r\n", "SERVER_ERROR object too large for cache\r\n"},
        std::pair{"ma a q MX\r\n", "CLIENT_ERROR invalid mode for ma M token\r\n"},
        std::pair{"ma a q q\r\n", "CLIENT_ERROR invalid or duplicate flag\r\n"}}) {
    EXPECT_EQ(Written(line, ReplyCode::kInvalid), text) << line;
  }
  EXPECT_EQ(Written("ms a 1 q\r\nx\r\n", ReplyCode::kNoMemory), "SERVER_ERROR out of memory storing object\r\n");
  EXPECT_EQ(Written("ma a q N1\r\n", ReplyCode::kNoMemory), "SERVER_ERROR Out of memory allocating new item\r\n");
  EXPECT_EQ(Written("mg a q\r\n", ReplyCode::kServerError, "database away"), "SERVER_ERROR database away\r\n");
}

}  // namespace
}  // namespace holdfast::protocol
