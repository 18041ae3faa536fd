// How it works: of each server there is one with one thread and one with two, all loaded alike, each thread on a core
// of its own. On a machine of two cores the client has none left, so the load comes in bursts: it is sent while the
// server is held, and the client sleeps while it is answered. Both threads are busy all the time then, as one is alone.
// A round measures one thread, then two, and takes the ratio of what an operation cost.
//
// Shown beside it, so that one can tell what stands in the way: the same load on two servers of one thread each, which
// share nothing but the machine and its kernel.
#include <array>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>

#include "bench/load.h"
#include "bench/study.h"

namespace holdfast::bench {
namespace {

// Enough that a burst takes a while, and no more than a worker keeps buffers for: the pauses between bursts would make
// it fetch further ones from the kernel anew each time.
constexpr int kConnectionsOfThread = 32;
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

// What serves in a round: indices of Lineup.
enum Arrangement { kOneThread, kTwoThreads, kTwoServers };
constexpr size_t kArrangements = 3;

struct Lineup {
  std::unique_ptr<ServerProcess> one;      // one thread
  std::unique_ptr<ServerProcess> another;  // the same, on the second core
  std::unique_ptr<ServerProcess> both;     // two threads
};

class ThreadsStudy {
 public:
  explicit ThreadsStudy(ServerStarter& starter)
      : starter_(starter), keyspace_(KeyspaceOf(Keys::kSmall, starter.options().items)) {
    for (const Measured& measured : kMeasured) {
      findings_.push_back({.title = measured.title, .target = measured.target});
    }
  }

  std::vector<Finding> Run() {
    ForBoth(findings_, [this](Role role) { Start(role); });
    for (size_t row = 0; row < kMeasured.size(); ++row) {
      std::array<Costs, 2> costs;
      for (int round = 0; round < starter_.options().rounds; ++round) {
        ForBoth({&findings_[row], 1}, [&](Role role) {
          if (lineup(role).both != nullptr) MeasureRound(role, row, round, costs[static_cast<size_t>(role)]);
        });
      }
      for (const Role role : {Role::kHoldfast, Role::kMemcached}) {
        findings_[row].cell(role).aside = Describe(costs[static_cast<size_t>(role)]);
      }
    }
    return std::move(findings_);
  }

 private:
  using Costs = std::array<std::vector<double>, kArrangements>;  // ns an operation

  Lineup& lineup(Role role) { return lineups_[static_cast<size_t>(role)]; }

  void Start(Role role) {
    const std::vector<int>& cpus = starter_.cpus();
    const auto start = [&](int threads, const std::vector<int>& on) {
      auto server = StartOrSkip(starter_, role, {.threads = threads}, findings_);
      if (server == nullptr) return server;
      Preload(*server, Keys::kSmall, keyspace_);
      if (starter_.circumstances().is_pinned) server->SpreadBusiestOver(on);
      return server;
    };
    lineup(role).one = start(1, {cpus.front()});
    if (lineup(role).one == nullptr) return;
    lineup(role).another = start(1, {cpus.back()});
    lineup(role).both = start(2, {cpus.front(), cpus.back()});
  }

  void MeasureRound(Role role, size_t row, int round, Costs& costs) {
    const Lineup& servers = lineup(role);
    const auto measure = [&](Arrangement arrangement, const std::vector<ServerProcess*>& used) {
      costs[arrangement].push_back(MeasureCost(arrangement, used, row, round));
      std::fprintf(stderr, " %.0f", costs[arrangement].back());
      return costs[arrangement].back();
    };
    const double one_ns = measure(kOneThread, {servers.one.get()});
    const double both_ns = measure(kTwoThreads, {servers.both.get()});
    measure(kTwoServers, {servers.one.get(), servers.another.get()});
    findings_[row].cell(role).samples.push_back(both_ns / one_ns);
  }

  // Of an operation; each thread has as many connections, however many threads there are.
  double MeasureCost(Arrangement arrangement, const std::vector<ServerProcess*>& servers, size_t row, int round) {
    const Measured& measured = kMeasured[row];
    const Workload workload{.name = "threads",
                            .title = measured.title,
                            .verb = measured.verb,
                            .syntax = Syntax::kText,
                            .memcached_syntax = measured.memcached_syntax,
                            .keys = Keys::kSmall,
                            .draw = Draw::kUniform,
                            .connections = kConnectionsOfThread * (arrangement == kTwoThreads ? 2 : 1),
                            .depth = kDepth,
                            .target = measured.target};
    Keyspace keyspace = keyspace_;
    if (measured.one_key) keyspace.keys = 1;
    std::vector<std::unique_ptr<Load>> owned;
    std::vector<Load*> loads;
    for (ServerProcess* server : servers) {
      const Syntax syntax = server->role() == Role::kMemcached ? workload.memcached_syntax : workload.syntax;
      const auto seed = static_cast<uint64_t>(round) + 1;
      owned.push_back(std::make_unique<Load>(*server, workload, syntax, keyspace, seed));
      loads.push_back(owned.back().get());
    }
    const Options& options = starter_.options();
    return Load::MeasureBursts(loads, options.warm_up, options.run).cpu_per_operation_ns();
  }

  static std::string Describe(const Costs& costs) {
    const auto ns = [&](Arrangement arrangement) { return std::to_string(std::lround(Median(costs[arrangement]))); };
    return ns(kOneThread) + " and " + ns(kTwoThreads) + " ns; 2 servers of 1: " + ns(kTwoServers) + " ns";
  }

  ServerStarter& starter_;
  const Keyspace keyspace_;
  std::vector<Finding> findings_;
  std::array<Lineup, 2> lineups_;  // by Role
};

}  // namespace

std::vector<Finding> MeasureThreads(ServerStarter& starter) { return ThreadsStudy(starter).Run(); }

}  // namespace holdfast::bench
