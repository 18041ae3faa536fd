// How it works: three processes with a store each, loaded alike. Two of them have one thread on either core, and work
// at the same time as "separate processes"; the third has a thread on each core. A round lets both arrangements work in
// turn, and the third once with one thread only.
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "bench/store_team.h"
#include "bench/study.h"

namespace holdfast::bench {
namespace {

struct Totals {
  double per_second = 0;
  double cpu_ns = 0;  // an operation
};

class StoreStudy {
 public:
  explicit StoreStudy(const ServerStarter& starter)
      : options_(starter.options()),
        cpus_(starter.circumstances().is_pinned ? starter.cpus() : std::vector<int>{-1, -1}),
        separate_{StoreTeam(options_.items, {cpus_[0]}), StoreTeam(options_.items, {cpus_[1]})},
        shared_(options_.items, {cpus_[0], cpus_[1]}) {}

  // The throughput of two threads on one store over that of two processes, or of one thread.
  void AgainstProcesses(StoreWork work, Finding& throughput) {
    for (int round = 0; round < options_.rounds; ++round) {
      const double apart = Together(work, {{&separate_[0], 0}, {&separate_[1], 0}}).per_second;
      Add(throughput, Together(work, {{&shared_, 0}, {&shared_, 1}}).per_second / apart);
    }
  }
  void AgainstOneThread(StoreWork work, Finding& throughput, Finding& cpu) {
    std::vector<double> alone_ns, both_ns;
    for (int round = 0; round < options_.rounds; ++round) {
      const Totals alone = Together(work, {{&shared_, 0}});
      const Totals both = Together(work, {{&shared_, 0}, {&shared_, 1}});
      Add(throughput, both.per_second / alone.per_second);
      Add(cpu, both.cpu_ns / alone.cpu_ns);
      alone_ns.push_back(alone.cpu_ns);
      both_ns.push_back(both.cpu_ns);
    }
    cpu.holdfast.aside =
        std::to_string(std::lround(Median(alone_ns))) + " and " + std::to_string(std::lround(Median(both_ns))) + " ns";
  }

 private:
  struct Thread {
    StoreTeam* team;
    size_t number;
  };

  Totals Together(StoreWork work, const std::vector<Thread>& threads) {
    const StoreOrder order{work, static_cast<uint32_t>(options_.warm_up.count()),
                           static_cast<uint32_t>(options_.run.count())};
    for (const Thread& thread : threads) thread.team->Begin(thread.number, order);
    Totals totals;
    uint64_t operations = 0, cpu_ns = 0;
    for (const Thread& thread : threads) {
      const StoreFigures figures = thread.team->Finish(thread.number);
      totals.per_second += figures.per_second();
      operations += figures.operations;
      cpu_ns += figures.cpu_ns;
    }
    totals.cpu_ns = static_cast<double>(cpu_ns) / static_cast<double>(operations);
    return totals;
  }

  static void Add(Finding& finding, double sample) {
    finding.holdfast.samples.push_back(sample);
    std::fprintf(stderr, " %.3f", sample);
  }

  const Options& options_;
  const std::vector<int> cpus_;
  std::array<StoreTeam, 2> separate_;
  StoreTeam shared_;
};

}  // namespace

std::vector<Finding> MeasureStoreThreads(ServerStarter& starter) {
  std::vector<Finding> findings{
      {.title = "store alone, gets: 2 threads over 2 processes of one", .bound = Bound::kAtLeast, .target = 0.95},
      {.title = "the same with one hot key", .bound = Bound::kAtLeast, .target = 0.95},
      {.title = "store alone, sets: 2 threads over 1", .bound = Bound::kAtLeast, .target = 1.8},
      {.title = "and their CPU of a set", .target = 1.1},
  };
  if (starter.cpus().size() < 2) {
    for (Finding& finding : findings) finding.left_out = "needs two cores";
    return findings;
  }
  try {
    StoreStudy study(starter);
    study.AgainstProcesses(StoreWork::kGet, findings[0]);
    study.AgainstProcesses(StoreWork::kGetOneKey, findings[1]);
    study.AgainstOneThread(StoreWork::kSet, findings[2], findings[3]);
  } catch (const BenchError& error) {
    for (Finding& finding : findings) finding.holdfast.failed = error.what();
  }
  return findings;
}

}  // namespace holdfast::bench
