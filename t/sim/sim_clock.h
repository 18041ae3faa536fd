// sim_clock.h - the time of a simulated world: one steady time for all, and for each node a wall clock that may be
// wrong.
//
// A node's clock can also be told to crash its node: the n-th look at it from now throws Crash. Code looks at the clock
// in the middle of nearly everything, so that is a way to die there.
//
// Threads: one.

#ifndef HOLDFAST_T_SIM_SIM_CLOCK_H_
#define HOLDFAST_T_SIM_SIM_CLOCK_H_

#include <cstdint>

#include "base/clock.h"

namespace holdfast::sim {

// kill -9, as seen from inside the node. Nothing of the node is used afterwards but what outlives a process.
struct Crash {};

struct WorldTime {
  static constexpr int64_t kStartMicros = 1'000'000'000;
  static constexpr int64_t kStartWallMicros = 1'800'000'000'000'000;  // 2027-01-15 08:00 UTC
  int64_t steady_us = kStartMicros;
  int64_t wall_us() const { return kStartWallMicros + steady_us - kStartMicros; }
};

class SimClock final : public base::Clock {
 public:
  explicit SimClock(const WorldTime& time) : time_(time) {}

  int64_t SteadyMicros() const override { return Look(time_.steady_us); }
  int64_t WallMicros() const override { return Look(time_.wall_us() + offset_us_); }
  base::Seconds Now() const override {
    return static_cast<base::Seconds>((Look(time_.steady_us) - WorldTime::kStartMicros) / 1'000'000) + 2;
  }
  int64_t SteadyMicrosAt(base::Seconds second) const override {
    return WorldTime::kStartMicros + (int64_t{second} - 2) * 1'000'000;
  }

  void StepWall(int64_t micros) { offset_us_ += micros; }
  // looks: 0 is never.
  void CrashAfter(uint32_t looks) { looks_left_ = looks; }

 private:
  int64_t Look(int64_t time) const {
    if (looks_left_ != 0 && --looks_left_ == 0) throw Crash();
    return time;
  }

  const WorldTime& time_;
  int64_t offset_us_ = 0;
  mutable uint32_t looks_left_ = 0;
};

}  // namespace holdfast::sim

#endif  // HOLDFAST_T_SIM_SIM_CLOCK_H_
