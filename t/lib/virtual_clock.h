// virtual_clock.h - a clock that stands still until a test moves it.
//
// Steady time begins at kStartMicros and only goes forward; wall time can also be set to anything, as an administrator
// may.
//
// Threads: any may ask while one moves it.

#ifndef HOLDFAST_T_LIB_VIRTUAL_CLOCK_H_
#define HOLDFAST_T_LIB_VIRTUAL_CLOCK_H_

#include <atomic>
#include <cstdint>

#include "base/check.h"
#include "base/clock.h"

namespace holdfast::test {

class VirtualClock final : public base::Clock {
 public:
  static constexpr int64_t kStartMicros = 1'000'000'000;              // the machine has been up for a while
  static constexpr int64_t kStartWallMicros = 1'800'000'000'000'000;  // 2027-01-15 08:00 UTC

  int64_t SteadyMicros() const override { return steady_micros_.load(std::memory_order_relaxed); }
  int64_t WallMicros() const override { return wall_micros_.load(std::memory_order_relaxed); }
  base::Seconds Now() const override {
    return static_cast<base::Seconds>((SteadyMicros() - kStartMicros) / 1'000'000) + 2;
  }

  int64_t SteadyMicrosAt(base::Seconds second) const override {
    return kStartMicros + (int64_t{second} - 2) * 1'000'000;
  }

  uint64_t BootId() const override { return boot_id_.load(std::memory_order_relaxed); }

  // The machine was off: steady time begins anew, wall time goes on.
  void Reboot() {
    boot_id_.fetch_add(1, std::memory_order_relaxed);
    steady_micros_.store(kStartMicros, std::memory_order_relaxed);
  }

  // Both clocks go on.
  void AdvanceMicros(int64_t micros) {
    CHECK(micros >= 0);
    steady_micros_.fetch_add(micros, std::memory_order_relaxed);
    wall_micros_.fetch_add(micros, std::memory_order_relaxed);
  }
  void AdvanceMillis(int64_t millis) { AdvanceMicros(millis * 1'000); }
  void AdvanceSeconds(int64_t seconds) { AdvanceMicros(seconds * 1'000'000); }

  // The wall clock steps, steady time stays.
  void SetWallMicros(int64_t micros) { wall_micros_.store(micros, std::memory_order_relaxed); }

 private:
  std::atomic<int64_t> steady_micros_{kStartMicros};
  std::atomic<int64_t> wall_micros_{kStartWallMicros};
  std::atomic<uint64_t> boot_id_{1};
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_VIRTUAL_CLOCK_H_
