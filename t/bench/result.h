// result.h - what was measured: a cell per workload and server, and findings, which are held against a fixed bound.

#ifndef HOLDFAST_BENCH_RESULT_H_
#define HOLDFAST_BENCH_RESULT_H_

#include <array>
#include <string>
#include <vector>

#include "bench/load.h"
#include "bench/workload.h"

namespace holdfast::bench {

// Of an even number of values the mean of the two in the middle; 0 of none.
double Median(std::vector<double> values);

// 1234567.8 as 1,234,568.
std::string WithThousands(double number);

// Cell - the samples of one figure on one server, one a round; or why there are none.
struct Cell {
  std::vector<double> samples;  // of a workload: what its quantity says, in ns an operation
  std::vector<double> cpu_ns;   // of a workload: server CPU an operation, whatever the quantity
  std::string aside;            // shown behind the figure
  std::string skipped;          // not measured, and that is no failure
  std::string failed;           // could not be measured

  bool has_figure() const { return !samples.empty() && failed.empty(); }
  double median() const { return Median(samples); }
  // Half of (largest - smallest) over the median, in percent.
  double spread_percent() const;
};

inline constexpr size_t kRoles = 3;

struct Row {
  const Workload* workload = nullptr;
  std::array<Cell, kRoles> cells = {};  // by Role
  std::string left_out = {};            // why it was not to be measured at all; its target is not missed then

  Cell& cell(Role role) { return cells[static_cast<size_t>(role)]; }
  const Cell& cell(Role role) const { return cells[static_cast<size_t>(role)]; }

  // memcached / Holdfast: above 1 Holdfast is cheaper. 0: one of them has no figure.
  double ratio() const;
  // A target that could not be checked is missed too.
  bool has_missed_target() const { return left_out.empty() && ratio() < workload->target; }
  bool has_failed_cell() const;
};

enum class Bound { kAtMost, kAtLeast };

// Finding - a figure with a target of its own, that is no ratio to memcached; memcached's is shown beside it.
struct Finding {
  std::string title;
  Bound bound = Bound::kAtMost;
  double target = 0;
  std::string unit = {};  // behind each figure
  int decimals = 2;
  std::string left_out = {};  // as in a Row
  Cell holdfast = {};
  Cell memcached = {};

  Cell& cell(Role role) { return role == Role::kMemcached ? memcached : holdfast; }
  // A target that could not be checked is missed too.
  bool has_missed_target() const;
  bool has_failed_cell() const { return !holdfast.failed.empty() || !memcached.failed.empty(); }
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_RESULT_H_
