// How it works: of each server there is one with one thread and one with two, all loaded alike, each thread on a core
// of its own. On a machine of two cores the client has none left, so the load comes in bursts: it is sent while the
// server is held, and the client sleeps while it is answered. Both threads are busy all the time then, as one is alone.
// A round measures one thread, then two, and takes the ratio of what an operation cost.
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "bench/load.h"
#include "bench/study.h"

namespace holdfast::bench {
namespace {

constexpr int kConnections = 256;  // so that a burst takes some milliseconds
constexpr int kDepth = 32;

struct Measured {
  const char* title;
  Verb verb;
  Syntax memcached_syntax;  // as in workload.cc
  bool one_key;
  double target;
};
constexpr std::array kMeasured = {
    Measured{"2 threads: CPU of a GET pipelined 32, over 1 thread (1)", Verb::kGet, Syntax::kMeta, false, 1.05},
    Measured{"the same with one hot key (1)", Verb::kGet, Syntax::kMeta, true, 1.05},
    Measured{"2 threads: CPU of a SET pipelined 32, over 1 thread", Verb::kSet, Syntax::kText, false, 1.1},
};

// One server with one thread and one with two.
using Pair = std::array<std::unique_ptr<ServerProcess>, 2>;

class ThreadsStudy {
 public:
  explicit ThreadsStudy(ServerStarter& starter)
      : starter_(starter), keyspace_(KeyspaceOf(Keys::kSmall, starter.options().items)) {
    for (const Measured& measured : kMeasured) {
      findings_.push_back({.title = measured.title, .target = measured.target});
    }
  }

  std::vector<Finding> Run() {
    ForBoth(findings_, [this](Role role) { StartPair(role); });
    for (size_t i = 0; i < kMeasured.size(); ++i) {
      for (int round = 0; round < starter_.options().rounds; ++round) {
        ForBoth({&findings_[i], 1}, [&](Role role) { MeasureRound(role, i, round); });
      }
      for (Finding* finding = &findings_[i]; const Role role : {Role::kHoldfast, Role::kMemcached}) {
        const auto& costs = costs_ns_[i][static_cast<size_t>(role)];
        finding->cell(role).aside = std::to_string(std::lround(Median(costs[0]))) + " and " +
                                    std::to_string(std::lround(Median(costs[1]))) + " ns";
      }
    }
    return std::move(findings_);
  }

 private:
  void StartPair(Role role) {
    Pair& pair = pairs_[static_cast<size_t>(role)];
    for (size_t i = 0; i < pair.size(); ++i) {
      pair[i] = StartOrSkip(starter_, role, {.threads = static_cast<int>(i) + 1}, findings_);
      if (pair[i] == nullptr) return;
      Preload(*pair[i], Keys::kSmall, keyspace_);
      if (starter_.circumstances().is_pinned) pair[i]->SpreadBusiestOver(starter_.cpus());
    }
  }

  void MeasureRound(Role role, size_t row, int round) {
    const Pair& pair = pairs_[static_cast<size_t>(role)];
    if (pair[1] == nullptr) return;
    const Measured& measured = kMeasured[row];
    const Workload workload{.name = "threads",
                            .title = measured.title,
                            .verb = measured.verb,
                            .syntax = Syntax::kText,
                            .memcached_syntax = measured.memcached_syntax,
                            .keys = Keys::kSmall,
                            .draw = Draw::kUniform,
                            .connections = kConnections,
                            .depth = kDepth,
                            .target = measured.target};
    Keyspace keyspace = keyspace_;
    if (measured.one_key) keyspace.keys = 1;
    double costs_ns[2];
    for (size_t i = 0; i < pair.size(); ++i) {
      const Syntax syntax = role == Role::kMemcached ? workload.memcached_syntax : workload.syntax;
      Load load(*pair[i], workload, syntax, keyspace, static_cast<uint64_t>(round) + 1);
      const Options& options = starter_.options();
      costs_ns[i] = load.MeasureBursts(options.warm_up, options.run).cpu_per_operation_ns();
      costs_ns_[row][static_cast<size_t>(role)][i].push_back(costs_ns[i]);
      std::fprintf(stderr, " %.0f", costs_ns[i]);
    }
    findings_[row].cell(role).samples.push_back(costs_ns[1] / costs_ns[0]);
  }

  ServerStarter& starter_;
  const Keyspace keyspace_;
  std::vector<Finding> findings_;
  std::array<Pair, 2> pairs_;                                                                 // by Role
  std::array<std::array<std::array<std::vector<double>, 2>, 2>, kMeasured.size()> costs_ns_;  // by row, Role, threads
};

}  // namespace

std::vector<Finding> MeasureThreads(ServerStarter& starter) { return ThreadsStudy(starter).Run(); }

}  // namespace holdfast::bench
