// What TimerQueue must hold, under times that the test makes up.

#include "network/timer_queue.h"

#include <gtest/gtest.h>

#include <string>

namespace holdfast::network {
namespace {

TEST(TimerQueue, RunsByTimeAndThenByOrderOfStart) {
  TimerQueue timers;
  std::string ran;
  timers.Start(30, [&] { ran += 'd'; });
  timers.Start(10, [&] { ran += 'a'; });
  timers.Start(20, [&] { ran += 'b'; });
  timers.Start(20, [&] { ran += 'c'; });
  EXPECT_EQ(10, timers.next_due_us());
  timers.RunDue(9);
  EXPECT_EQ("", ran);
  timers.RunDue(20);
  EXPECT_EQ("abc", ran);
  EXPECT_EQ(30, timers.next_due_us());
  timers.RunDue(1000);
  EXPECT_EQ("abcd", ran);
  EXPECT_EQ(TimerQueue::kNothingDue, timers.next_due_us());
}

TEST(TimerQueue, CancelledTimersDoNotRunAndIdsAreNotReused) {
  TimerQueue timers;
  const uint64_t first = timers.Start(10, [] { FAIL(); });
  timers.Cancel(first);
  timers.Cancel(first);
  timers.Cancel(0);
  EXPECT_EQ(0u, timers.size());
  bool ran = false;
  const uint64_t second = timers.Start(10, [&] { ran = true; });
  EXPECT_NE(0u, second);
  EXPECT_NE(first, second);
  timers.RunDue(10);
  EXPECT_TRUE(ran);
  timers.Cancel(second);
}

TEST(TimerQueue, ATaskMayCancelAnotherAndItself) {
  TimerQueue timers;
  uint64_t self = 0;
  uint64_t other = 0;
  self = timers.Start(1, [&] {
    timers.Cancel(self);
    timers.Cancel(other);
  });
  other = timers.Start(2, [] { FAIL(); });
  timers.RunDue(5);
  EXPECT_EQ(0u, timers.size());
}

TEST(TimerQueue, ATaskThatStartsItselfAnewRunsOnceACall) {
  TimerQueue timers;
  int runs = 0;
  std::function<void()> again = [&] {
    ++runs;
    timers.Start(0, again);
  };
  timers.Start(0, again);
  timers.RunDue(1);
  EXPECT_EQ(1, runs);
  timers.RunDue(1);
  EXPECT_EQ(2, runs);
}

}  // namespace
}  // namespace holdfast::network
