// parked.h - whether plain cache traffic on the only worker notices that the database hangs and thousands of requests
// wait for it; and whether any of these waits longer than it is told to.
//
// Threads: one, pinned by the caller, and one of its own for the requests that wait.
// Errors:  BenchError.

#ifndef HOLDFAST_BENCH_PARKED_H_
#define HOLDFAST_BENCH_PARKED_H_

#include <optional>
#include <vector>

#include "bench/open_loop.h"
#include "bench/session_options.h"

namespace holdfast::bench {

struct ParkedFigures {
  uint32_t parked = 0;
  uint32_t budget_ms = 0;
  double rate_per_s = 0;
  std::vector<OpenLoopFigures> undisturbed, hanging;
  std::vector<double> ratios;  // of the p99 of each pair
  // Of all requests that waited, in all pairs.
  uint64_t answered = 0;   // with the rule's error
  uint64_t others = 0;     // anything else, or nothing
  double earliest_ms = 0;  // answer
  double latest_ms = 0;
};
ParkedFigures MeasureParked(const SessionOptions& options, std::optional<int> cpu);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_PARKED_H_
