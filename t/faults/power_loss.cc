// The history is judged with more and more of its end in doubt, until nothing is found.

#include "faults/power_loss.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace holdfast::faults {
namespace {

constexpr int64_t kGrainMicros = 50'000;

bool Writes(const test::Operation& op) {
  return op.act != test::Act::kGet && op.act != test::Act::kProbe && op.act != test::Act::kRow;
}

}  // namespace

bool PowerLosses::Concern(const History& done) const {
  return std::any_of(losses_us_.begin(), losses_us_.end(), [&](int64_t loss_us) {
    return std::any_of(done.begin(), done.end(),
                       [loss_us](const test::Operation& op) { return op.begun_us < loss_us; });
  });
}

PowerLosses::History PowerLosses::Doubted(History done, int64_t bound_us) const {
  for (test::Operation& op : done) {
    for (const int64_t loss_us : losses_us_) {
      if (!Writes(op) || op.strict || op.ended_us <= loss_us - bound_us || op.begun_us > loss_us) continue;
      op.said = test::Said::kNothing;
      op.ended_us = test::kForever;
    }
  }
  return done;
}

void PowerLosses::Measure(const History& done, const std::function<bool(const History&)>& finds) {
  int64_t bound_us = 0;
  while (bound_us < kMicrosMax && finds(Doubted(done, bound_us))) bound_us += kGrainMicros;
  lost_us_.push_back(bound_us);
}

void PowerLosses::Report() const {
  if (lost_us_.empty()) return;
  std::vector<int64_t> lost = lost_us_;
  std::sort(lost.begin(), lost.end());
  std::printf("  lost with the power: changes of the last %.2f s at most, median %.2f s (%zu looks)\n",
              static_cast<double>(lost.back()) / 1e6, static_cast<double>(lost[lost.size() / 2]) / 1e6, lost.size());
}

}  // namespace holdfast::faults
