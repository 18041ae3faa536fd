// database_moment.h - one moment by the database's clock and by ours, to turn times of one into the other's.

#ifndef HOLDFAST_SESSION_DATABASE_MOMENT_H_
#define HOLDFAST_SESSION_DATABASE_MOMENT_H_

#include <cstdint>

#include "session/driver.h"

namespace holdfast::session {

struct DatabaseMoment {
  int64_t database_us;
  int64_t steady_us;

  int64_t FromDatabase(int64_t time_us) const {
    return time_us == kNeverMicros ? kNeverMicros : time_us - database_us + steady_us;
  }
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_DATABASE_MOMENT_H_
