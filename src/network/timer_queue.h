// timer_queue.h - tasks that wait for a time, in the order of their times.
//
// Knows no clock: the worker says what time it is.
//
// Threads: one worker.
// Owns:    the tasks that have neither run nor been cancelled.
// Limits:  none of its own: there is one timer for a parked request, and those are bounded by the connections.

#ifndef HOLDFAST_NETWORK_TIMER_QUEUE_H_
#define HOLDFAST_NETWORK_TIMER_QUEUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <unordered_map>
#include <utility>

namespace holdfast::network {

class TimerQueue {
 public:
  static constexpr int64_t kNothingDue = INT64_MAX;

  // Returns an id that is never 0 and never used again.
  uint64_t Start(int64_t due_us, std::function<void()> task);
  // Ids that have run or are unknown are ignored.
  void Cancel(uint64_t id);
  int64_t next_due_us() const { return by_time_.empty() ? kNothingDue : by_time_.begin()->first.first; }
  // Runs what is due at now_us, earliest first and in order of Start where times are equal. What these tasks start runs
  // at the next call, even when it is due already.
  void RunDue(int64_t now_us);
  size_t size() const { return by_time_.size(); }

 private:
  uint64_t last_id_ = 0;
  std::map<std::pair<int64_t, uint64_t>, std::function<void()>> by_time_;  // (due, id)
  std::unordered_map<uint64_t, int64_t> due_of_;                           // id: due
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_TIMER_QUEUE_H_
