// busy_poll.h - a worker that has just served looks for the next request for a few microseconds before it sleeps: what
// a client waits for is mostly a worker that falls asleep and is woken.
//
// It costs a processor, so it is done sparingly: only while the last waits were so short that looking would have paid;
// by one worker of the process at a time; not for a while after the processor was wanted by somebody else.
//
// Threads: a BusyPoll belongs to its worker; SpareProcessor is shared by all of a process.

#ifndef HOLDFAST_NETWORK_BUSY_POLL_H_
#define HOLDFAST_NETWORK_BUSY_POLL_H_

#include <atomic>
#include <cstdint>

#include "base/clock.h"
#include "base/counter.h"

namespace holdfast::network {

// The right to spend a processor on waiting. One has it at most.
class SpareProcessor {
 public:
  bool TryTake() {
    return !taken_.load(std::memory_order_relaxed) && !taken_.exchange(true, std::memory_order_acquire);
  }
  void GiveBack() { taken_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> taken_{false};
};

struct BusyPollCounters {
  base::Counter won;        // somebody came while it looked
  base::Counter lost;       // nobody did
  base::Counter contended;  // another thread wanted the processor
  base::Counter micros;     // spent looking
};

class BusyPoll {
 public:
  BusyPoll(SpareProcessor* spare, BusyPollCounters& counters) : spare_(spare), counters_(counters) {}

  // How long it may look, in microseconds; 0: never.
  void SetLimit(uint32_t micros);
  bool is_on() const { return limit_us_ > 0 && spare_ != nullptr; }

  // Before the worker sleeps: calls `poll`, which must not block, until it says that there is work, or the time is up.
  // True: there is work. False at once when looking does not pay now.
  template <class Poll>
  bool Look(Poll&& poll) {
    began_us_ = base::MonotonicMicros();
    if (!Pays()) return false;
    bool found = false;
    int64_t now_us = began_us_;
    while (!found && now_us - began_us_ < limit_us_) {
      found = poll();
      if (!found) now_us = LetOthersRun(now_us);
      if (now_us < rest_until_us_) break;
    }
    Finish(found);
    return found;
  }
  // When the worker has work again, however it waited for it.
  void NoteWork();

 private:
  bool Pays();
  int64_t LetOthersRun(int64_t before_us);
  void Finish(bool found);

  SpareProcessor* const spare_;
  BusyPollCounters& counters_;
  int64_t limit_us_ = 0;
  int64_t began_us_ = 0;       // of the present wait
  int64_t rest_until_us_ = 0;  // the processor is wanted by others until then, as far as is known
  int64_t rest_us_ = 0;        // how long the last rest was
  int short_waits_ = 0;        // of the last waits, weighted; kAllShort: all
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_BUSY_POLL_H_
