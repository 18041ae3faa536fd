#include "base/clock.h"

#include <gtest/gtest.h>

#include "lib/virtual_clock.h"

namespace holdfast::base {
namespace {

TEST(SystemClock, CountsSecondsFromTwo) {
  const SystemClock clock;
  EXPECT_EQ(clock.Now(), 2u);
}

TEST(SystemClock, GoesForward) {
  const SystemClock clock;
  const int64_t before = clock.SteadyMicros();
  EXPECT_GE(clock.SteadyMicros(), before);
  EXPECT_GT(clock.WallMicros(), int64_t{1'600'000'000} * 1'000'000);
}

TEST(SystemClock, KnowsWhenASecondBegins) {
  const SystemClock clock;
  const int64_t begin = clock.SteadyMicrosAt(clock.Now());
  EXPECT_LE(begin, clock.SteadyMicros());
  EXPECT_EQ(clock.SteadyMicrosAt(12) - clock.SteadyMicrosAt(2), 10'000'000);
}

TEST(VirtualClock, MovesOnlyWhenMoved) {
  test::VirtualClock clock;
  EXPECT_EQ(clock.Now(), 2u);
  const int64_t wall = clock.WallMicros();
  clock.AdvanceMillis(999);
  EXPECT_EQ(clock.Now(), 2u);
  clock.AdvanceMillis(1);
  EXPECT_EQ(clock.Now(), 3u);
  EXPECT_EQ(clock.WallMicros(), wall + 1'000'000);
}

TEST(VirtualClock, WallStepLeavesSteadyTimeAlone) {
  test::VirtualClock clock;
  const int64_t steady = clock.SteadyMicros();
  clock.SetWallMicros(0);
  EXPECT_EQ(clock.WallMicros(), 0);
  EXPECT_EQ(clock.SteadyMicros(), steady);
  EXPECT_EQ(clock.Now(), 2u);
}

}  // namespace
}  // namespace holdfast::base
