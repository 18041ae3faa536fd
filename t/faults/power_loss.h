// power_loss.h - what may be gone with the power: changes acknowledged shortly before; how shortly is measured.
//
// Threads: one.

#ifndef HOLDFAST_T_FAULTS_POWER_LOSS_H_
#define HOLDFAST_T_FAULTS_POWER_LOSS_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "lib/judge.h"

namespace holdfast::faults {

class PowerLosses {
 public:
  using History = std::vector<test::Operation>;

  void Add(int64_t at_us) { losses_us_.push_back(at_us); }
  // Had any of these begun when power was lost?
  bool Concern(const History& done) const;
  // The same, but whatever was acknowledged less than so long before a loss may be undone. Nothing of strict sessions:
  // that was committed, and a commit is synced.
  History Doubted(History done, int64_t bound_us) const;
  // Notes how old the oldest change was that went: the least bound under which nothing is found. finds: does the judge?
  void Measure(const History& done, const std::function<bool(const History&)>& finds);
  // One line, if power was lost at all.
  void Report() const;

  // What may be lost: the time between two syncs (1 s), that of one, and of a machine with much to do.
  static constexpr int64_t kMicrosMax = 2'500'000;

 private:
  std::vector<int64_t> losses_us_;  // when
  std::vector<int64_t> lost_us_;    // how much
};

}  // namespace holdfast::faults

#endif  // HOLDFAST_T_FAULTS_POWER_LOSS_H_
