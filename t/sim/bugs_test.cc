// A judge that was never seen to fail proves nothing: each fault that is put into the simulated database and journal on
// purpose is found within a short run, and by the same run without it nothing is.

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>

#include "sim/simulation.h"

namespace holdfast::sim {
namespace {

struct Directory {
  Directory() {
    path = (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/holdfast-sim-XXXXXX");
    if (mkdtemp(path.data()) == nullptr) std::abort();
  }
  ~Directory() { std::filesystem::remove_all(path); }
  std::string path;
};

constexpr int kAllStrict = 7;

// The first seed that fails; 0: none of them. nodes: 0, as the seed says. strict: which rules are, cuts: which links
// are cut; -1, as the seed says.
uint64_t FirstFailure(Bug bug, uint64_t seeds, uint32_t nodes = 0, int strict = -1, int cuts = -1) {
  Directory directory;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SimulationSettings settings;
    settings.seed = seed;
    settings.bug = bug;
    settings.nodes = nodes;
    settings.strict = strict;
    settings.cuts = cuts;
    settings.directory = directory.path;
    const SimulationResult simulated = Simulate(settings);
    if (simulated.failures.empty()) continue;
    std::printf("seed %llu: %s\n", static_cast<unsigned long long>(seed), simulated.failures.front().c_str());
    return seed;
  }
  return 0;
}

// A run ends at the first seed that fails, so only the one without a fault is long: the sanitizers get a shorter one.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeedsWithout = 300;
#else
constexpr uint64_t kSeedsWithout = 1500;
#endif
constexpr uint64_t kSeeds = 1500;

TEST(SeededBug, none_is_seen_where_none_is) {
  EXPECT_EQ(FirstFailure(Bug::kNone, kSeedsWithout), 0u);
  EXPECT_EQ(FirstFailure(Bug::kNone, kSeedsWithout / 3, 2), 0u);
  EXPECT_EQ(FirstFailure(Bug::kNone, kSeedsWithout / 3, 0, kAllStrict), 0u);
  EXPECT_EQ(FirstFailure(Bug::kNone, kSeedsWithout / 3, 3, -1, kCutDatabase + kCutPeers), 0u);
}
TEST(SeededBug, an_acknowledgement_before_the_journal_is_seen) {
  EXPECT_NE(FirstFailure(Bug::kAckBeforeJournal, kSeeds), 0u);
}
TEST(SeededBug, an_unguarded_delete_is_seen) { EXPECT_NE(FirstFailure(Bug::kUnguardedDelete, kSeeds), 0u); }
TEST(SeededBug, a_version_assigned_first_is_seen) { EXPECT_NE(FirstFailure(Bug::kVersionFirst, kSeeds), 0u); }
TEST(SeededBug, a_flush_that_drops_tombstones_is_seen) {
  EXPECT_NE(FirstFailure(Bug::kFlushDropsTombstones, kSeeds), 0u);
}
// Of one server a touch always has the latest value; it takes another that has written meanwhile.
TEST(SeededBug, a_touch_that_carries_the_value_is_seen_among_several_servers) {
  EXPECT_NE(FirstFailure(Bug::kTouchCarriesValue, kSeeds, 2), 0u);
}
TEST(SeededBug, a_dropped_tail_of_the_journal_is_seen) {
  EXPECT_NE(FirstFailure(Bug::kJournalTailDropped, kSeeds), 0u);
}

TEST(SeededBug, a_strict_change_that_is_acknowledged_before_its_commit_is_seen) {
  EXPECT_NE(FirstFailure(Bug::kAckBeforeCommit, kSeeds, 0, kAllStrict), 0u);
}
TEST(SeededBug, a_strict_change_that_is_acknowledged_although_nobody_knows_of_its_commit_is_seen) {
  EXPECT_NE(FirstFailure(Bug::kAckInDoubt, kSeeds, 0, kAllStrict), 0u);
}
TEST(SeededBug, a_strict_change_over_another_than_it_was_made_from_is_seen_among_several_servers) {
  EXPECT_NE(FirstFailure(Bug::kUncompared, kSeeds, 2, kAllStrict), 0u);
}

TEST(Simulation, a_seed_gives_the_same_run_every_time) {
  Directory directory;
  SimulationSettings settings;
  settings.seed = 42;
  settings.directory = directory.path;
  const SimulationResult first = Simulate(settings), second = Simulate(settings);
  EXPECT_EQ(first.operations, second.operations);
  EXPECT_EQ(first.acknowledged, second.acknowledged);
  EXPECT_EQ(first.kills, second.kills);
}

}  // namespace
}  // namespace holdfast::sim
