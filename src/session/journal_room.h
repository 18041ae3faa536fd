// journal_room.h - requests that wait until the journal has room for their record again.
//
// The ring between workers and disk is full while the disk takes nothing. A session write is then parked, as one is
// that waits for the database: it is woken when room has come, oldest first and only as many as find room, or when its
// time has passed. Who comes while others wait stands behind them.
//
// Threads: any.
// Owns:    the parked waiters.
// Blocks:  never. OnRoom and Tick call wake with no lock held.
// Limits:  waiters_max.

#ifndef HOLDFAST_SESSION_JOURNAL_ROOM_H_
#define HOLDFAST_SESSION_JOURNAL_ROOM_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <vector>

#include "session/read_through.h"

namespace holdfast::session {

class JournalRoom {
 public:
  // wake: the request is to be executed again, with this outcome in hand.
  JournalRoom(size_t waiters_max, std::function<void(const Waiter&, LoadOutcome)> wake)
      : waiters_max_(waiters_max), wake_(std::move(wake)) {}
  JournalRoom(const JournalRoom&) = delete;
  JournalRoom& operator=(const JournalRoom&) = delete;

  // until_us: steady; then it is woken even without room. False: too many wait already.
  [[nodiscard]] bool Await(const Waiter& waiter, LoadOutcome in_hand, size_t bytes, int64_t until_us);
  bool is_crowded() const { return waiting_.load(std::memory_order_relaxed) != 0; }

  // There is room for so many bytes now.
  void OnRoom(size_t bytes);
  // Wakes those whose time has passed; returns when the next one's will have, kNeverMicros: nobody waits.
  int64_t Tick(int64_t now_us);

  // Called with no lock held when what Tick returned has come closer. Set before anything else.
  void SetWakeTicker(std::function<void()> wake) { wake_ticker_ = std::move(wake); }

 private:
  struct Parked {
    Waiter waiter;
    LoadOutcome in_hand;
    size_t bytes;
  };

  const size_t waiters_max_;
  const std::function<void(const Waiter&, LoadOutcome)> wake_;
  std::function<void()> wake_ticker_;  // null until SetWakeTicker
  std::atomic<size_t> waiting_{0};     // parked_.size(), to be asked without the lock
  std::mutex mutex_;                   // guards parked_
  std::multimap<int64_t, Parked> parked_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_ROOM_H_
