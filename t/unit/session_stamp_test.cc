#include "session/stamp.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <thread>
#include <vector>

#include "lib/virtual_clock.h"

namespace holdfast::session {
namespace {

using test::VirtualClock;

TEST(StampClock, VersionsGrowWhileTheClockStands) {
  VirtualClock clock;
  StampClock stamps(clock, 3);
  const uint64_t first = stamps.Next(0);
  EXPECT_EQ(StampClock::MicrosOf(first), clock.WallMicros());
  EXPECT_EQ(StampClock::NodeOf(first), 3u);
  EXPECT_GT(stamps.Next(0), first);
}

TEST(StampClock, VersionsGrowWhenTheWallClockStepsBack) {
  VirtualClock clock;
  StampClock stamps(clock, 0);
  const uint64_t before = stamps.Next(0);
  clock.SetWallMicros(clock.WallMicros() - int64_t{3600} * 1'000'000);
  EXPECT_GT(stamps.Next(0), before);
}

TEST(StampClock, AVersionIsAboveWhatWasSeenOfTheKey) {
  VirtualClock clock;
  StampClock stamps(clock, 0);
  const uint64_t seen = static_cast<uint64_t>(clock.WallMicros() + 5'000'000) << kNodeBits | 1023;
  EXPECT_GT(stamps.Next(seen), seen);
  EXPECT_GT(stamps.Next(0), seen) << "what was seen is adopted";
}

TEST(StampClock, WhatWasObservedIsOutdone) {
  VirtualClock clock;
  StampClock stamps(clock, 0);
  const uint64_t observed = static_cast<uint64_t>(clock.WallMicros() + 5'000'000) << kNodeBits | 7;
  stamps.Observe(observed);
  EXPECT_GT(stamps.Next(0), observed);
}

TEST(StampClock, AnotherNodesFarFutureIsOutdoneForItsKeyAndNotAdopted) {
  VirtualClock clock;
  StampClock stamps(clock, 0);
  const uint64_t far = static_cast<uint64_t>(clock.WallMicros() + kFutureMaxMicros + 1'000'000) << kNodeBits | 7;
  stamps.Observe(far);
  EXPECT_LT(stamps.Next(0), far);
  EXPECT_GT(stamps.Next(far), far);
  EXPECT_LT(stamps.Next(0), far);
}

// The wall clock was set back by an hour, and the server started anew.
TEST(StampClock, WhatThisNodeHasIssuedIsOutdoneHoweverFarAheadItIs) {
  VirtualClock clock;
  StampClock stamps(clock, 3);
  const uint64_t before = static_cast<uint64_t>(clock.WallMicros() + int64_t{3600} * 1'000'000) << kNodeBits | 3;
  stamps.Observe(before);
  EXPECT_GT(stamps.Next(0), before);
}

TEST(StampClock, FitsInASignedNumber) {
  VirtualClock clock;
  clock.SetWallMicros(int64_t{4'102'444'800} * 1'000'000);  // the year 2100
  StampClock stamps(clock, kNodesMax - 1);
  EXPECT_GT(static_cast<int64_t>(stamps.Next(0)), 0);
}

TEST(StampClock, WhatTheNumberIssuedBeforeItWasOursIsNotOurs) {
  VirtualClock clock;
  StampClock other(clock, 3);
  const uint64_t theirs = other.Next(0);
  clock.AdvanceMillis(1);
  StampClock stamps(clock, 1);
  const uint64_t as_one = stamps.Next(0);
  EXPECT_TRUE(stamps.IsOwn(as_one));
  stamps.SetNode(3);
  EXPECT_FALSE(stamps.IsOwn(theirs));
  EXPECT_FALSE(stamps.IsOwn(as_one));
  EXPECT_TRUE(stamps.IsOwn(stamps.Next(0)));
}

TEST(StampClock, WhatTheProcessBeforeIssuedIsOursAfterAHandOver) {
  VirtualClock clock;
  StampClock first(clock, 0);
  first.SetNode(3);
  const uint64_t of_first = first.Next(0);
  StampClock second(clock, 0);
  second.SetNode(4);
  base::Packer packer;
  first.Save(&packer);
  const std::string state = packer.Take();
  base::Unpacker unpacker(state);
  second.Restore(&unpacker);
  EXPECT_TRUE(unpacker.ok() && unpacker.at_end());
  EXPECT_TRUE(second.IsOwn(of_first));
  EXPECT_GT(second.Next(0), of_first);
  clock.AdvanceMillis(1);
  StampClock stranger(clock, 3);
  EXPECT_FALSE(second.IsOwn(stranger.Next(0)));
}

TEST(StampClock, ThreadsNeverGetTheSameVersion) {
  VirtualClock clock;
  StampClock stamps(clock, 0);
  std::vector<std::vector<uint64_t>> versions(3);
  std::vector<std::thread> threads;
  for (std::vector<uint64_t>& mine : versions) {
    threads.emplace_back([&stamps, &mine] {
      for (int i = 0; i < 5000; ++i) mine.push_back(stamps.Next(0));
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<uint64_t> all;
  for (const std::vector<uint64_t>& mine : versions) {
    EXPECT_TRUE(std::is_sorted(mine.begin(), mine.end()));
    all.insert(all.end(), mine.begin(), mine.end());
  }
  std::sort(all.begin(), all.end());
  EXPECT_EQ(std::adjacent_find(all.begin(), all.end()), all.end());
}

}  // namespace
}  // namespace holdfast::session
