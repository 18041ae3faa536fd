// How it works: one server with a session rule; keys under the rule's prefix and keys beside it take turns, and who
// goes first changes from run to run. Before anything is measured each session has used up its immediate writes, so
// that what is measured is the clicking user: the journal takes every set, the database one row in N.
//
// The open loop sends one set in ten among its gets, so that each reply shows whether the latest value was served.
#include "bench/session_rates.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "bench/load.h"
#include "bench/session_server.h"

namespace holdfast::bench {
namespace {

constexpr uint32_t kKeys = 10'000;
constexpr uint32_t kSetEvery = 10;
constexpr int kStoredBefore = 6;  // more than the immediate writes
constexpr auto kWarmUp = std::chrono::milliseconds(300);
constexpr auto kQuiet = std::chrono::milliseconds(500);
constexpr int kQuietTries = 120;

constexpr Keyspace kPlain{"page:", 1024, kKeys, false};
constexpr Keyspace kSession{"sess:", 1024, kKeys, false};

Workload WorkloadOf(Verb verb, int connections, int depth) {
  return {.name = "sessions",
          .title = "sessions",
          .verb = verb,
          .syntax = Syntax::kText,
          .memcached_syntax = Syntax::kText,
          .keys = Keys::kLarge,
          .draw = Draw::kUniform,
          .connections = connections,
          .depth = depth,
          .target = 0};
}

std::unique_ptr<ServerProcess> Start(const BenchDirectory& directory, const SessionOptions& options,
                                     std::optional<int> cpu) {
  return directory.StartWithSessions(options, {"-t", "1", "-m", "512", "-c", "1000", "--session-rule=prefix=sess:"},
                                     cpu);
}

// Until the writer has no more to do at once.
void WaitUntilQuiet(const ServerProcess& server) {
  uint64_t before = UINT64_MAX;
  for (int i = 0; i < kQuietTries; ++i) {
    const uint64_t rows = server.Statistic("synced_rows", "sessions");
    if (rows == before) return;
    before = rows;
    std::this_thread::sleep_for(kQuiet);
  }
}

double PerSecond(const Measurement& measured) {
  return static_cast<double>(measured.operations) * 1e9 / static_cast<double>(measured.wall_ns);
}

SetFigures MeasureSetsAt(ServerProcess& server, const SessionOptions& options, int connections, int depth) {
  SetFigures figures;
  figures.depth = depth;
  figures.connections = connections;
  const Workload workload = WorkloadOf(Verb::kSet, connections, depth);
  const auto measure = [&](const Keyspace& keyspace, int run, std::vector<double>& per_s, std::vector<double>& cpu_ns) {
    Load load(server, workload, Syntax::kText, keyspace, options.seed + static_cast<uint64_t>(run));
    const Measurement measured = load.Measure(kWarmUp, std::chrono::milliseconds(options.run_ms));
    per_s.push_back(PerSecond(measured));
    cpu_ns.push_back(measured.cpu_per_operation_ns());
  };
  for (int run = 0; run < options.runs; ++run) {
    const auto plain = [&] { measure(kPlain, run, figures.plain_per_s, figures.plain_cpu_ns); };
    const auto session = [&] { measure(kSession, run, figures.session_per_s, figures.session_cpu_ns); };
    if (run % 2 == 0) plain();
    session();
    WaitUntilQuiet(server);
    if (run % 2 != 0) plain();
    figures.throughput_ratios.push_back(figures.session_per_s.back() / figures.plain_per_s.back());
    figures.cpu_ratios.push_back(figures.plain_cpu_ns.back() / figures.session_cpu_ns.back());
    std::fprintf(stderr, "sets, pipeline %d: throughput %.2f, processor time %.2f\n", depth,
                 figures.throughput_ratios.back(), figures.cpu_ratios.back());
  }
  return figures;
}

}  // namespace

HitFigures MeasureHits(const SessionOptions& options, std::optional<int> cpu) {
  const BenchDirectory directory;
  const std::unique_ptr<ServerProcess> server = Start(directory, options, cpu);
  HitFigures figures;
  {
    Preload(*server, Keys::kLarge, kPlain);
    const Workload gets = WorkloadOf(Verb::kGet, 50, 1);
    Load load(*server, gets, Syntax::kText, kPlain, options.seed);
    figures.capacity_per_s = PerSecond(load.Measure(kWarmUp, std::chrono::milliseconds(options.run_ms)));
    figures.rate_per_s = figures.capacity_per_s / 2;
  }
  OpenLoop plain(server->port(), kPlain.prefix, kKeys, kSetEvery, options.seed);
  OpenLoop session(server->port(), kSession.prefix, kKeys, kSetEvery, options.seed);
  for (int i = 0; i < kStoredBefore; ++i) session.StoreAll();
  plain.StoreAll();
  WaitUntilQuiet(*server);
  const std::chrono::milliseconds run_ms(options.run_ms);
  for (int run = 0; run < options.runs; ++run) {
    if (run % 2 == 0) figures.plain.push_back(plain.Run(figures.rate_per_s, run_ms));
    figures.session.push_back(session.Run(figures.rate_per_s, run_ms));
    if (run % 2 != 0) figures.plain.push_back(plain.Run(figures.rate_per_s, run_ms));
    figures.ratios.push_back(figures.session.back().p99_us / figures.plain.back().p99_us);
    std::fprintf(stderr, "hits: p99 plain %.0f us, session %.0f us\n", figures.plain.back().p99_us,
                 figures.session.back().p99_us);
  }
  return figures;
}

std::vector<SetFigures> MeasureSets(const SessionOptions& options, std::optional<int> cpu) {
  const BenchDirectory directory;
  const std::unique_ptr<ServerProcess> server = Start(directory, options, cpu);
  Preload(*server, Keys::kLarge, kPlain);
  for (int i = 0; i < kStoredBefore; ++i) {
    Preload(*server, Keys::kLarge, kSession);
    WaitUntilQuiet(*server);
  }
  std::vector<SetFigures> all;
  all.push_back(MeasureSetsAt(*server, options, 50, 1));
  all.push_back(MeasureSetsAt(*server, options, 16, 32));
  return all;
}

}  // namespace holdfast::bench
