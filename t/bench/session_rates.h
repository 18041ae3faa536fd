// session_rates.h - what a session costs beside a cache key of the same size on the same server: the time of a hit, and
// how many sets there are for the money.
//
// Threads: one, pinned by the caller; the server is pinned to `cpu`.
// Errors:  BenchError.

#ifndef HOLDFAST_BENCH_SESSION_RATES_H_
#define HOLDFAST_BENCH_SESSION_RATES_H_

#include <optional>
#include <vector>

#include "bench/open_loop.h"
#include "bench/session_options.h"

namespace holdfast::bench {

// One interleaved run each, plain and session.
struct HitFigures {
  double capacity_per_s = 0;  // of plain gets, in a closed loop
  double rate_per_s = 0;      // half of that
  std::vector<OpenLoopFigures> plain, session;
  std::vector<double> ratios;  // of the p99 of each pair
};
HitFigures MeasureHits(const SessionOptions& options, std::optional<int> cpu);

struct SetFigures {
  int depth = 1;
  int connections = 1;
  std::vector<double> plain_per_s, session_per_s;
  std::vector<double> plain_cpu_ns, session_cpu_ns;  // a set, all threads of the server
  std::vector<double> throughput_ratios;             // session / plain
  std::vector<double> cpu_ratios;                    // plain / session: what is there for the same processor time
};
std::vector<SetFigures> MeasureSets(const SessionOptions& options, std::optional<int> cpu);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_SESSION_RATES_H_
