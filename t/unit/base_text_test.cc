#include "base/text.h"

#include <gtest/gtest.h>

namespace holdfast::base {
namespace {

using Views = std::vector<std::string_view>;

TEST(Text, SplitKeepsEmptyParts) {
  EXPECT_EQ(Split("a,,b,", ','), (Views{"a", "", "b", ""}));
  EXPECT_EQ(Split("", ','), (Views{""}));
}

TEST(Text, JoinIsTheOppositeOfSplit) {
  const std::vector<std::string> parts = {"a", "", "b"};
  EXPECT_EQ(Join(parts, ","), "a,,b");
  EXPECT_EQ(Join({}, ","), "");
}

TEST(Text, TrimTakesBlanksAtBothEnds) {
  EXPECT_EQ(Trim(" \ta b\r\n"), "a b");
  EXPECT_EQ(Trim(" \t "), "");
  EXPECT_EQ(Trim(""), "");
}

TEST(Text, LowerCaseLeavesOtherBytesAlone) { EXPECT_EQ(LowerCase("AbZ\xc4-9"), "abz\xc4-9"); }

TEST(Text, EditDistanceCountsEdits) {
  EXPECT_EQ(EditDistance("", ""), 0u);
  EXPECT_EQ(EditDistance("", "abc"), 3u);
  EXPECT_EQ(EditDistance("kitten", "sitting"), 3u);
  EXPECT_EQ(EditDistance("memory-limt", "memory-limit"), 1u);
}

TEST(Text, WrapBreaksAtBlanksAndIndents) {
  EXPECT_EQ(Wrap("one two three four", 9, 2), "one two\n  three\n  four");
  EXPECT_EQ(Wrap("alonglongword x", 4, 0), "alonglongword\nx");
  EXPECT_EQ(Wrap("", 4, 0), "");
}

}  // namespace
}  // namespace holdfast::base
