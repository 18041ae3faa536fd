// How it works: by deadline, and so, where budgets are alike, by age. OnRoom lets go of as many as fit; whoever was
// woken and finds the room taken after all parks again with the deadline that it had.

#include "session/journal_room.h"

#include "session/driver.h"

namespace holdfast::session {

bool JournalRoom::Await(const Waiter& waiter, LoadOutcome in_hand, size_t bytes, int64_t until_us) {
  bool is_first = false;
  {
    const std::lock_guard lock(mutex_);
    if (parked_.size() >= waiters_max_) return false;
    is_first = parked_.emplace(until_us, Parked{waiter, in_hand, bytes}) == parked_.begin();
    waiting_.store(parked_.size(), std::memory_order_relaxed);
  }
  if (is_first && wake_ticker_) wake_ticker_();
  return true;
}

void JournalRoom::OnRoom(size_t bytes) {
  if (!is_crowded()) return;
  std::vector<Parked> woken;
  {
    const std::lock_guard lock(mutex_);
    while (!parked_.empty() && parked_.begin()->second.bytes <= bytes) {
      bytes -= parked_.begin()->second.bytes;
      woken.push_back(parked_.begin()->second);
      parked_.erase(parked_.begin());
    }
    waiting_.store(parked_.size(), std::memory_order_relaxed);
  }
  for (const Parked& parked : woken) wake_(parked.waiter, parked.in_hand);
}

int64_t JournalRoom::Tick(int64_t now_us) {
  if (!is_crowded()) return kNeverMicros;
  std::vector<Parked> woken;
  int64_t next_us = kNeverMicros;
  {
    const std::lock_guard lock(mutex_);
    while (!parked_.empty() && parked_.begin()->first <= now_us) {
      woken.push_back(parked_.begin()->second);
      parked_.erase(parked_.begin());
    }
    if (!parked_.empty()) next_us = parked_.begin()->first;
    waiting_.store(parked_.size(), std::memory_order_relaxed);
  }
  for (const Parked& parked : woken) wake_(parked.waiter, parked.in_hand);
  return next_us;
}

}  // namespace holdfast::session
