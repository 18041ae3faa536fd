#include "protocol/decimal.h"

#include <gtest/gtest.h>

#include <limits>
#include <string>

namespace holdfast::protocol {
namespace {

std::string Written(uint64_t number) {
  char text[kDecimalBytesMax];
  return std::string(text, WriteDecimal(text, number));
}

std::string WrittenSigned(int64_t number) {
  char text[kDecimalBytesMax];
  return std::string(text, WriteSignedDecimal(text, number));
}

TEST(DecimalTest, WritesEveryLengthAtItsEdges) {
  uint64_t power = 1;
  for (int digits = 1; digits <= 20; ++digits) {
    EXPECT_EQ(Written(power), std::to_string(power));
    EXPECT_EQ(Written(power - 1), std::to_string(power - 1));
    EXPECT_EQ(Written(power + 1), std::to_string(power + 1));
    if (digits < 20) power *= 10;
  }
  EXPECT_EQ(Written(0), "0");
  EXPECT_EQ(Written(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(WrittenSigned(-1), "-1");
  EXPECT_EQ(WrittenSigned(std::numeric_limits<int64_t>::min()), "-9223372036854775808");
}

TEST(DecimalTest, ReadsUpToTheLimitAndNotBeyond) {
  uint64_t number = 0;
  EXPECT_TRUE(ParseDecimal("18446744073709551615", &number));
  EXPECT_EQ(number, std::numeric_limits<uint64_t>::max());
  EXPECT_TRUE(ParseDecimal("0000000000000000000000000000000000007", &number));
  EXPECT_EQ(number, 7u);
  for (const char* text : {"18446744073709551616", "18446744073709551620", "99999999999999999999",
                           "100000000000000000000", "28446744073709551615"}) {
    EXPECT_FALSE(ParseDecimal(text, &number)) << text;
  }
  EXPECT_EQ(number, 7u) << "a wrong number must leave the result alone";

  uint32_t small = 0;
  EXPECT_TRUE(ParseDecimal("4294967295", &small));
  EXPECT_EQ(small, 4294967295u);
  EXPECT_FALSE(ParseDecimal("4294967296", &small));
}

TEST(DecimalTest, ReadsSignedUpToTheLimits) {
  int64_t number = 0;
  EXPECT_TRUE(ParseSignedDecimal("-9223372036854775808", &number));
  EXPECT_EQ(number, std::numeric_limits<int64_t>::min());
  EXPECT_TRUE(ParseSignedDecimal("9223372036854775807", &number));
  EXPECT_EQ(number, std::numeric_limits<int64_t>::max());
  EXPECT_FALSE(ParseSignedDecimal("9223372036854775808", &number));
  EXPECT_FALSE(ParseSignedDecimal("-9223372036854775809", &number));
}

TEST(DecimalTest, RefusesWhatIsNoNumber) {
  uint64_t number = 0;
  int64_t with_sign = 0;
  for (const char* text : {"", "+", "x", "1x", "x1", "1 ", " 1", "1.0", "0x10", "++1", "1\r", "/", ":"}) {
    EXPECT_FALSE(ParseDecimal(text, &number)) << text;
    EXPECT_FALSE(ParseSignedDecimal(text, &with_sign)) << text;
  }
  EXPECT_FALSE(ParseDecimal("-1", &number));
  for (const char* text : {"-", "--1", "-+1", "+-1"}) EXPECT_FALSE(ParseSignedDecimal(text, &with_sign)) << text;
  EXPECT_TRUE(ParseDecimal("+5", &number));
  EXPECT_EQ(number, 5u);
}

}  // namespace
}  // namespace holdfast::protocol
