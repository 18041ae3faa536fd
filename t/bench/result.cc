#include "bench/result.h"

#include <algorithm>
#include <cmath>

namespace holdfast::bench {

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

std::string WithThousands(double number) {
  const std::string digits = std::to_string(std::llround(number));
  std::string text;
  for (size_t i = 0; i < digits.size(); ++i) {
    if (i > 0 && (digits.size() - i) % 3 == 0) text += ',';
    text += digits[i];
  }
  return text;
}

double Cell::spread_percent() const {
  if (samples.empty()) return 0;
  const auto [low, high] = std::minmax_element(samples.begin(), samples.end());
  return (*high - *low) / 2 / median() * 100;
}

double Row::ratio() const {
  const Cell& ours = cell(Role::kHoldfast);
  const Cell& theirs = cell(Role::kMemcached);
  return ours.has_figure() && theirs.has_figure() ? theirs.median() / ours.median() : 0;
}

bool Row::has_failed_cell() const {
  return std::any_of(cells.begin(), cells.end(), [](const Cell& cell) { return !cell.failed.empty(); });
}

bool Finding::has_missed_target() const {
  if (!left_out.empty()) return false;
  if (!holdfast.has_figure()) return true;
  return bound == Bound::kAtMost ? holdfast.median() > target : holdfast.median() < target;
}

}  // namespace holdfast::bench
