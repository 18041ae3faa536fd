#include "base/clock.h"

#include <gtest/gtest.h>

#include "base/debug_clock.h"
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

TEST(DebugClock, HasTheNameOfTheMachinesRun) {
  EXPECT_EQ(DebugClock().BootId(), SystemClock().BootId());
  EXPECT_NE(SystemClock().BootId(), 1u);
}

TEST(DebugClock, JumpsAndStandsAndGoesOnFromThere) {
  const SystemClock system;
  DebugClock clock;
  EXPECT_EQ(clock.Now(), 2u);
  const int64_t before = clock.SteadyMicros();
  clock.Jump(1000);
  EXPECT_GE(clock.SteadyMicros() - before, 1'000'000'000);
  EXPECT_GE(clock.Now(), 1002u);

  clock.Pause();
  const int64_t stands = clock.SteadyMicros();
  clock.Pause();  // twice is as once
  while (system.Now() < 4) {
  }
  EXPECT_EQ(clock.SteadyMicros(), stands);
  clock.Jump(10);
  EXPECT_EQ(clock.SteadyMicros(), stands + 10'000'000);
  clock.Resume();
  clock.Resume();
  const int64_t resumed = clock.SteadyMicros();
  EXPECT_GE(resumed, stands + 10'000'000);
  EXPECT_LT(resumed, stands + 10'000'000 + 600'000'000) << "the time that it stood for is not made up for";
  EXPECT_LE(clock.SteadyMicrosAt(clock.Now()), clock.SteadyMicros());
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
