#include "bench/result.h"

#include <algorithm>

namespace holdfast::bench {
namespace {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

}  // namespace

double Cell::median_ns() const { return Median(samples_ns); }

double Cell::cpu_median_ns() const { return Median(cpu_ns); }

double Cell::spread_percent() const {
  if (samples_ns.empty()) return 0;
  const auto [low, high] = std::minmax_element(samples_ns.begin(), samples_ns.end());
  return (*high - *low) / 2 / median_ns() * 100;
}

double Row::ratio() const {
  const Cell& ours = cell(Role::kHoldfast);
  const Cell& theirs = cell(Role::kMemcached);
  return ours.has_figure() && theirs.has_figure() ? theirs.median_ns() / ours.median_ns() : 0;
}

bool Row::has_failed_cell() const {
  return std::any_of(cells.begin(), cells.end(), [](const Cell& cell) { return !cell.failed.empty(); });
}

}  // namespace holdfast::bench
