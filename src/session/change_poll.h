// change_poll.h - looks at what other servers have changed, and drops the copies that are stale by it.
//
// It bounds how long a stale copy lives; it is no basis of correctness. Commits become visible out of order, so every
// poll goes back a little from the latest change seen, and now and then a long way.
//
// Threads: one (the poller's), with its own Access and driver.
// Errors:  Poll: the driver's; the next one goes on where this one ended.
// Limits:  kRowsMax rows a query.

#ifndef HOLDFAST_SESSION_CHANGE_POLL_H_
#define HOLDFAST_SESSION_CHANGE_POLL_H_

#include <atomic>
#include <cstdint>
#include <unordered_set>
#include <vector>

#include "session/driver.h"
#include "store/store.h"

namespace holdfast::session {

class Sessions;

class ChangePoll {
 public:
  explicit ChangePoll(Sessions& sessions) : sessions_(sessions) {}

  // Looks once, if it is due.
  Failure Poll(Driver& driver, store::Access& access);
  int64_t NextDue() const { return next_due_us_; }
  // The database is another one: its clock and changes are too.
  void BeginAnew() { anew_.store(true); }
  // Steady microseconds when the latest poll that succeeded began.
  int64_t polled_us() const { return polled_us_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint32_t kRowsMax = 1000;
  static constexpr int64_t kShortMicros = 2'000'000;
  static constexpr int64_t kLongMicros = 30'000'000;
  static constexpr int kPollsALong = 10;
  static constexpr size_t kSeenMax = 500'000;

  Failure Begin(Driver& driver);
  void Apply(store::Access& access, const RowStamps& row);
  bool IsNews(const RowStamps& row);

  Sessions& sessions_;
  std::atomic<bool> anew_{true};
  std::atomic<int64_t> polled_us_{0};
  int64_t next_due_us_ = 0;
  int64_t latest_us_ = 0;  // the database's clock: the latest change seen
  int polls_ = 0;
  std::unordered_set<uint64_t> seen_;    // changes applied since the last long look
  std::unordered_set<uint64_t> before_;  // and between the two before
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_CHANGE_POLL_H_
