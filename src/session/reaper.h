// reaper.h - removes from the database what nobody can want any more: sessions expired for longer than the grace, and
// tombstones that have lived their life. Small batches, between the writer's own.
//
// Threads: one (the writer's).
// Limits:  reaper_rows_max rows a transaction, a pause after each.

#ifndef HOLDFAST_SESSION_REAPER_H_
#define HOLDFAST_SESSION_REAPER_H_

#include <cstdint>

#include "session/driver.h"

namespace holdfast::session {

class Sessions;

class Reaper {
 public:
  explicit Reaper(Sessions& sessions);

  // Steady microseconds when the next sweep is due.
  int64_t NextDue() const { return next_due_us_; }
  // Sweeps once, if it is due. The failure, if any, has been counted and a pause arranged; it is returned for the
  // caller to reconnect.
  Failure Sweep(Driver& driver);

 private:
  static constexpr int64_t kPauseMicros = 100'000;  // after a full batch: more is waiting, but others come first

  Sessions& sessions_;
  int64_t next_due_us_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_REAPER_H_
