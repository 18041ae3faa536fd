// result.h - what was measured: a cell per workload and server.

#ifndef HOLDFAST_BENCH_RESULT_H_
#define HOLDFAST_BENCH_RESULT_H_

#include <array>
#include <string>
#include <vector>

#include "bench/load.h"
#include "bench/workload.h"

namespace holdfast::bench {

// Cell - the samples of one workload on one server, one a round; or why there are none.
struct Cell {
  std::vector<double> samples_ns;  // what the workload's quantity says, an operation
  std::vector<double> cpu_ns;      // server CPU an operation, whatever the quantity
  std::string skipped;             // not measured, and that is no failure
  std::string failed;              // could not be measured

  bool has_figure() const { return !samples_ns.empty() && failed.empty(); }
  double median_ns() const;
  double cpu_median_ns() const;
  // Half of (largest - smallest) over the median, in percent.
  double spread_percent() const;
};

inline constexpr size_t kRoles = 3;

struct Row {
  const Workload* workload = nullptr;
  std::array<Cell, kRoles> cells;  // by Role

  Cell& cell(Role role) { return cells[static_cast<size_t>(role)]; }
  const Cell& cell(Role role) const { return cells[static_cast<size_t>(role)]; }

  // memcached / Holdfast: above 1 Holdfast is cheaper. 0: one of them has no figure.
  double ratio() const;
  // A target that could not be checked is missed too.
  bool has_missed_target() const { return ratio() < workload->target; }
  bool has_failed_cell() const;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_RESULT_H_
