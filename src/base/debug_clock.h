// debug_clock.h - the system's clocks, with a steady one that `debugtime` can stop and put forward: for tests of what
// happens after hours. Only builds with checks use it. The wall clock stays as it is, so absolute times mean the same.
//
// Threads: any. It never goes back, so Jump takes no negative numbers.

#ifndef HOLDFAST_BASE_DEBUG_CLOCK_H_
#define HOLDFAST_BASE_DEBUG_CLOCK_H_

#include <atomic>
#include <cstdint>
#include <mutex>

#include "base/clock.h"

namespace holdfast::base {

class DebugClock final : public Clock {
 public:
  int64_t SteadyMicros() const override;
  int64_t WallMicros() const override { return system_.WallMicros(); }
  uint64_t BootId() const override { return system_.BootId(); }
  Seconds Now() const override;
  int64_t SteadyMicrosAt(Seconds second) const override { return system_.SteadyMicrosAt(second); }

  // Until Resume no time passes but by Jump. Twice is as once.
  void Pause();
  // Time passes again from where it stood.
  void Resume();
  void Jump(uint32_t seconds);

 private:
  SystemClock system_;
  std::mutex mutex_;                          // of those who change
  std::atomic<int64_t> ahead_micros_{0};      // of the system's clock
  std::atomic<int64_t> stands_at_micros_{0};  // 0: it does not stand
};

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_DEBUG_CLOCK_H_
