#include "base/clock.h"

#include <time.h>
#include <xxhash.h>

#include <fstream>
#include <string>

#include "base/check.h"

namespace holdfast::base {

namespace {

int64_t Micros(clockid_t id) {
  timespec now;
  CHECK(clock_gettime(id, &now) == 0);
  return int64_t{now.tv_sec} * 1000000 + now.tv_nsec / 1000;
}

uint64_t ReadBootId() {
  std::string id;
  std::ifstream("/proc/sys/kernel/random/boot_id") >> id;
  return id.empty() ? 0 : XXH3_64bits(id.data(), id.size());
}

}  // namespace

int64_t MonotonicMicros() { return Micros(CLOCK_MONOTONIC); }

SystemClock::SystemClock() : start_steady_micros_(Micros(CLOCK_BOOTTIME)), boot_id_(ReadBootId()) {}

int64_t SystemClock::SteadyMicros() const { return Micros(CLOCK_BOOTTIME); }

int64_t SystemClock::WallMicros() const { return Micros(CLOCK_REALTIME); }

Seconds SystemClock::Now() const { return static_cast<Seconds>((SteadyMicros() - start_steady_micros_) / 1000000) + 2; }

int64_t SystemClock::SteadyMicrosAt(Seconds second) const {
  return start_steady_micros_ + (int64_t{second} - 2) * 1000000;
}

}  // namespace holdfast::base
