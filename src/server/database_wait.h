// database_wait.h - how long a start waits for a database server that cannot be asked yet: one that starts itself, is
// recovering, or belongs to a cluster that elects.
//
// What only a person can mend (wrong password, missing table) is not waited for: that is ErrorKind::kRefused.
//
// Threads: one.
// Blocks:  For, as long as it waits.
// Errors:  that of the last try.

#ifndef HOLDFAST_SERVER_DATABASE_WAIT_H_
#define HOLDFAST_SERVER_DATABASE_WAIT_H_

#include <cstdint>
#include <functional>

#include "base/log.h"
#include "base/status.h"

namespace holdfast::server {

class DatabaseWait {
 public:
  // seconds: from now on; 0 waits for nothing. is_asked_to_end: true ends the wait. All borrowed.
  DatabaseWait(uint32_t seconds, const std::function<bool()>& is_asked_to_end, const base::Log& log);

  // Tries until it succeeds, or waiting is of no use any more. The time is one for all calls.
  base::Status For(const std::function<base::Status()>& attempt);
  // It has answered.
  void Answered() const;

 private:
  // Does it pay to try once more, after this? Says so in the log, and returns when it is time.
  bool Again(const base::Status& status);

  const std::function<bool()>& is_asked_to_end_;
  const base::Log& log_;
  const int64_t until_us_;
  int64_t say_at_us_ = 0;  // 0: nothing said yet
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_DATABASE_WAIT_H_
