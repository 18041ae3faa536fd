#include "base/debug_clock.h"

namespace holdfast::base {

int64_t DebugClock::SteadyMicros() const {
  const int64_t stands_at = stands_at_micros_.load(std::memory_order_acquire);
  return stands_at != 0 ? stands_at : system_.SteadyMicros() + ahead_micros_.load(std::memory_order_acquire);
}

Seconds DebugClock::Now() const {
  const int64_t start_micros = system_.SteadyMicrosAt(kAlreadyPast + 1);
  return static_cast<Seconds>((SteadyMicros() - start_micros) / 1'000'000) + kAlreadyPast + 1;
}

void DebugClock::Pause() {
  const std::lock_guard<std::mutex> guard(mutex_);
  stands_at_micros_.store(SteadyMicros(), std::memory_order_release);
}

void DebugClock::Resume() {
  const std::lock_guard<std::mutex> guard(mutex_);
  const int64_t stands_at = stands_at_micros_.load(std::memory_order_relaxed);
  if (stands_at == 0) return;
  ahead_micros_.store(stands_at - system_.SteadyMicros(), std::memory_order_release);
  stands_at_micros_.store(0, std::memory_order_release);
}

void DebugClock::Jump(uint32_t seconds) {
  const std::lock_guard<std::mutex> guard(mutex_);
  const int64_t micros = int64_t{seconds} * 1'000'000;
  if (const int64_t stands_at = stands_at_micros_.load(std::memory_order_relaxed); stands_at != 0) {
    stands_at_micros_.store(stands_at + micros, std::memory_order_release);
  } else {
    ahead_micros_.fetch_add(micros, std::memory_order_acq_rel);
  }
}

}  // namespace holdfast::base
