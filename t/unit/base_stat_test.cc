#include "base/stat.h"

#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace holdfast::base {
namespace {

struct WorkerCounters {
  Counter get_hits, get_misses;
};
uint64_t CmdGet(const WorkerCounters& counters) { return counters.get_hits.value() + counters.get_misses.value(); }

class Machine {
 public:
  size_t items() const { return 7; }
  const char* version() const { return "1.2"; }
  int negative() const { return -1; }
};
std::string RusageUser(const Machine&) { return "0.012345"; }

constexpr StatRow kWorkerStats[] = {
    {.name = "cmd_get", .field = Stat<&CmdGet>, .help = "keys asked for"},
    {.name = "get_hits", .field = Stat<&WorkerCounters::get_hits>, .help = "keys found"},
    {.name = "get_misses", .field = Stat<&WorkerCounters::get_misses>, .help = "keys not found"},
};
constexpr StatRow kMachineStats[] = {
    {.name = "curr_items", .field = Stat<&Machine::items>, .kind = StatKind::kGauge, .help = "items held"},
    {.name = "version", .field = Stat<&Machine::version>, .help = "of the server"},
    {.name = "rusage_user", .field = Stat<&RusageUser>, .unit = StatUnit::kSeconds, .help = "CPU time"},
};

using Lines = std::vector<std::pair<std::string, std::string>>;

Lines All(const StatSet& stats, std::string_view group) {
  Lines lines;
  stats.ForEach(group, [&](std::string_view name, std::string_view value) { lines.emplace_back(name, value); });
  return lines;
}

class StatTest : public testing::Test {
 protected:
  StatTest() {
    stats_.Add("", kWorkerStats, std::vector<const WorkerCounters*>{&workers_[0], &workers_[1]});
    stats_.Add("", kMachineStats, machine_);
    stats_.Add("sessions", kMachineStats, machine_);
  }
  WorkerCounters workers_[2];
  Machine machine_;
  StatSet stats_;
};

TEST_F(StatTest, SumsTheWorkersInDeclaredOrder) {
  workers_[0].get_hits.Add(2);
  workers_[1].get_hits.Add(3);
  workers_[1].get_misses.Add();
  EXPECT_EQ(All(stats_, ""), (Lines{{"cmd_get", "6"},
                                    {"get_hits", "5"},
                                    {"get_misses", "1"},
                                    {"curr_items", "7"},
                                    {"version", "1.2"},
                                    {"rusage_user", "0.012345"}}));
  EXPECT_EQ(stats_.Value("", "get_hits"), "5");
}

TEST_F(StatTest, GroupsAreApart) {
  EXPECT_TRUE(stats_.HasGroup("sessions"));
  EXPECT_FALSE(stats_.HasGroup("nonsense"));
  EXPECT_EQ(All(stats_, "sessions").size(), 3u);
  EXPECT_TRUE(All(stats_, "nonsense").empty());
}

TEST_F(StatTest, ResetRestartsCountersOnly) {
  workers_[0].get_hits.Add(10);
  stats_.Reset();
  EXPECT_EQ(stats_.Value("", "get_hits"), "0");
  EXPECT_EQ(stats_.Value("", "cmd_get"), "0");
  EXPECT_EQ(stats_.Value("", "curr_items"), "7");
  EXPECT_EQ(stats_.Value("", "version"), "1.2");
  workers_[1].get_hits.Add(4);
  EXPECT_EQ(stats_.Value("", "get_hits"), "4");
}

TEST_F(StatTest, NumbersIgnoreResets) {
  workers_[0].get_hits.Add(10);
  stats_.Reset();
  int texts = 0;
  uint64_t hits = 0;
  stats_.ForEachNumber([&](std::string_view, const StatRow& row, uint64_t value) {
    if (std::string_view(row.name) == "get_hits") hits = value;
    if (row.field.text != nullptr) ++texts;
  });
  EXPECT_EQ(hits, 10u);
  EXPECT_EQ(texts, 0);
}

TEST_F(StatTest, MayBeReadWhileCountersMove) {
  std::atomic<bool> stop{false};
  std::thread worker([&] {
    while (!stop) workers_[0].get_hits.Add();
  });
  uint64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    const uint64_t now = std::stoull(stats_.Value("", "get_hits"));
    EXPECT_GE(now, last);
    last = now;
  }
  stop = true;
  worker.join();
}

TEST_F(StatTest, BugsInTablesAreFoundAtStart) {
  EXPECT_DEATH(stats_.Add("sessions", kMachineStats, machine_), "check failed") << "a name twice";
  EXPECT_DEATH(stats_.Add("x", kMachineStats, workers_[0]), "check failed") << "rows of another source";
}

}  // namespace
}  // namespace holdfast::base
