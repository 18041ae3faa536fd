// How it works: a sweep deletes one small batch. A full one means that more is waiting, so the next comes soon;
// otherwise after the reaper's interval.

#include "session/reaper.h"

#include "session/session.h"

namespace holdfast::session {

namespace {
constexpr int64_t kSecondMicros = 1'000'000;
}  // namespace

Reaper::Reaper(Sessions& sessions)
    : sessions_(sessions),
      next_due_us_(sessions.clock().SteadyMicros() + int64_t{sessions.settings().reaper_interval_s} * kSecondMicros) {}

Failure Reaper::Sweep(Driver& driver) {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  if (now_us < next_due_us_) return {};
  const SessionSettings& settings = sessions_.settings();
  if (settings.shared) {
    bool held = false;
    const int64_t life_us = 2 * int64_t{settings.reaper_interval_s} * kSecondMicros;
    Failure failure = driver.TakeLease("reaper", sessions_.stamp_clock().node(), life_us, &held);
    if (!failure.ok()) sessions_.stats().reaper_failures.Add();
    if (!failure.ok() || !held) {
      next_due_us_ = now_us + int64_t{settings.reaper_interval_s} * kSecondMicros;
      return failure;
    }
  }
  uint64_t deleted = 0;
  Failure failure = driver.Sweep(int64_t{settings.grace_s} * kSecondMicros, settings.reaper_rows_max, &deleted);
  const bool more = failure.ok() && deleted >= settings.reaper_rows_max;
  next_due_us_ = now_us + (more ? kPauseMicros : int64_t{settings.reaper_interval_s} * kSecondMicros);
  sessions_.stats().reaped.Add(deleted);
  if (!failure.ok()) sessions_.stats().reaper_failures.Add();
  return failure;
}

}  // namespace holdfast::session
