#include "base/status.h"

#include <gtest/gtest.h>

#include <cerrno>

#include "base/check.h"

namespace holdfast::base {
namespace {

TEST(Status, IsOkUntilToldOtherwise) {
  EXPECT_TRUE(Status().ok());
  EXPECT_TRUE(Status().In("anything").ok());
}

TEST(Status, CarriesKindAndContextOutward) {
  const Status status = Status(ErrorKind::kCorrupt, "bad magic").In("page 3").In("sessions.db");
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.kind(), ErrorKind::kCorrupt);
  EXPECT_EQ(status.message(), "sessions.db: page 3: bad magic");
}

TEST(Status, NamesTheSystemError) {
  const Status status = SystemError("cannot open /x", ENOENT);
  EXPECT_EQ(status.kind(), ErrorKind::kSystem);
  EXPECT_EQ(status.message(), "cannot open /x: No such file or directory");
}

TEST(Result, HoldsAValueOrAStatus) {
  Result<std::string> good = std::string("value");
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(good.value(), "value");
  const Result<std::string> bad = Status(ErrorKind::kRefused, "no");
  ASSERT_FALSE(bad.ok());
  EXPECT_EQ(bad.status().message(), "no");
}

TEST(CheckDeathTest, PrintsPlaceAndCondition) {
  EXPECT_DEATH(CHECK(1 + 1 == 3), "base_status_test.cc:[0-9]+: check failed: 1 \\+ 1 == 3");
}

}  // namespace
}  // namespace holdfast::base
