// clock.h - time as the product sees it: one steady clock for deadlines and expiry, one wall clock for stamps.
//
// Expiry in memory is counted in Seconds of the steady clock since the process began, so that a step of the wall clock
// logs nobody out. Absolute times from clients and from the database are turned into Seconds once, when they come in.
//
// Threads: Clock is const and may be asked from any thread. A test replaces it (VirtualClock in t/lib).

#ifndef HOLDFAST_BASE_CLOCK_H_
#define HOLDFAST_BASE_CLOCK_H_

#include <cstdint>

namespace holdfast::base {

// Steady seconds since the clock was made, counted from 2. As an expiry 0 is "never" and 1 "already past".
using Seconds = uint32_t;
inline constexpr Seconds kNever = 0;
inline constexpr Seconds kAlreadyPast = 1;

// Microseconds of CLOCK_MONOTONIC, for how long something takes: whatever clock the product goes by.
int64_t MonotonicMicros();

// Both clocks, read once for what happens together.
struct Moment {
  int64_t steady_us;
  int64_t wall_us;
  int64_t wall_ahead_us() const { return wall_us - steady_us; }
};

class Clock {
 public:
  virtual ~Clock() = default;

  // Microseconds of a clock that never steps and goes on during suspend (CLOCK_BOOTTIME).
  virtual int64_t SteadyMicros() const = 0;
  // Microseconds since 1970 (CLOCK_REALTIME); may step.
  virtual int64_t WallMicros() const = 0;
  Moment ReadBoth() const { return {SteadyMicros(), WallMicros()}; }
  // How far the wall clock is ahead of the steady one.
  virtual int64_t WallAheadMicros() const { return ReadBoth().wall_ahead_us(); }
  // Steady whole seconds since this clock was made, plus 2.
  virtual Seconds Now() const = 0;
  // Names the run of the machine that SteadyMicros counts in: between two of the same name a steady time means the
  // same. 0: not known.
  virtual uint64_t BootId() const { return 1; }
  // Steady microseconds at which Now becomes this second (not kNever): for times that leave the process.
  virtual int64_t SteadyMicrosAt(Seconds second) const = 0;
};

class SystemClock final : public Clock {
 public:
  SystemClock();
  int64_t SteadyMicros() const override;
  int64_t WallMicros() const override;
  uint64_t BootId() const override { return boot_id_; }
  Seconds Now() const override;
  int64_t SteadyMicrosAt(Seconds second) const override;

 private:
  const int64_t start_steady_micros_;
  const uint64_t boot_id_;
};

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_CLOCK_H_
