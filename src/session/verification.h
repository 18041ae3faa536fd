// verification.h - which copies in memory may be served, and which must be held against the database first.
//
// Copies are doubted for three reasons:
//
//   stopped   this process did not run for a while (SIGSTOP, a suspended machine): others may have asked in vain and
//             gone on without it. All copies, until each has been looked up or a poll of the others' changes has
//             passed; after a stop that outlasts what the database remembers, clean copies are dropped.
//   replayed  the journal of the process before brought it: until it has been written or looked up.
//   replaced  the database is another one, or an older copy of itself: all copies, until each has been looked up or
//             made dirty.
//
// A worker asks Doubts before it serves; a doubted key is loaded as if memory did not have it, and the answer merged.
//
// Threads: any. Without doubt and with one server, Doubts is one load; with several it also reads the clock.
// Limits:  kVerifiedMax keys are remembered as looked up; beyond, they are looked up again.

#ifndef HOLDFAST_SESSION_VERIFICATION_H_
#define HOLDFAST_SESSION_VERIFICATION_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>

#include "base/clock.h"
#include "session/driver.h"

namespace holdfast::session {

enum class Doubt : uint8_t { kNone, kStopped, kStoppedLong, kReplaced };

class Verification {
 public:
  // clock is borrowed. stall_us: a process that did not run for longer has been stopped; 0: nobody else shares the
  // database, and stops do no harm. long_us: after a stop of this length nothing can be told from changes.
  Verification(const base::Clock& clock, int64_t stall_us, int64_t long_us)
      : clock_(clock), stall_us_(stall_us), long_us_(long_us), alive_until_us_(clock.SteadyMicros() + stall_us) {}

  // Called more often than stall_us, by a thread that never waits for long.
  void Beat();
  // Is a copy of this key in memory not to be served before it has been looked up?
  bool Doubts(std::string_view key) {
    if (stall_us_ != 0 && clock_.SteadyMicros() > alive_until_us_.load(std::memory_order_relaxed)) NoteStop();
    return doubts_.load(std::memory_order_acquire) && DoubtsKey(key);
  }
  // Is it doubted for no other reason than that the journal brought it?
  bool IsOnlyReplayed() const { return reason() == Doubt::kNone; }

  void DoubtAll(Doubt reason);
  void DoubtKey(std::string_view key);
  // The key's row has been compared, by a query that began in this epoch.
  void NoteVerified(std::string_view key, uint64_t epoch);
  // The database has what the journal brought, and nothing later. True: the journal brought it, and nobody has looked
  // it up since.
  bool NoteWritten(std::string_view key);
  // All copies have: by what began in this epoch.
  void NoteAllVerified(uint64_t epoch);

  uint64_t epoch() const { return epoch_.load(std::memory_order_acquire); }
  Doubt reason() const { return reason_.load(std::memory_order_acquire); }
  uint64_t stops() const { return stops_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kVerifiedMax = 1'000'000;

  void NoteStop();
  bool DoubtsKey(std::string_view key);
  void Update();

  const base::Clock& clock_;
  const int64_t stall_us_;
  const int64_t long_us_;
  std::atomic<int64_t> alive_until_us_;
  std::atomic<bool> doubts_{false};  // somebody is doubted
  std::atomic<uint64_t> epoch_{0};
  std::atomic<Doubt> reason_{Doubt::kNone};
  std::atomic<uint64_t> stops_{0};

  std::mutex mutex_;                          // guards the rest
  std::unordered_set<std::string> verified_;  // while all are doubted: these are not
  std::unordered_set<std::string> replayed_;  // doubted anyway
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_VERIFICATION_H_
