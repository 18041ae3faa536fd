// loss_record.h - how many sessions were lost, by reason, since the first start of all: a page of a file that every
// process of this server maps in its turn, so that a count survives whatever ends the process.
//
// Threads: any; each count is an atomic of its own. Two processes may have the file at a time (a hand-over).
// Owns:    the mapping. Without a file it counts for this process alone.
// Blocks:  a store into the page may wait for the disk: never from a worker.
// Errors:  Open: the file cannot be used, or is not one of these.

#ifndef HOLDFAST_SESSION_LOSS_RECORD_H_
#define HOLDFAST_SESSION_LOSS_RECORD_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "base/status.h"

namespace holdfast::session {

// In the order of the file: new ones go to the end.
enum class Loss : uint8_t {
  kUnwritten,   // sessions that a stop could not write, and there was no journal
  kKilled,      // sessions that the database lacked, to the second, when the process ended without a stop or journal
  kMemoryGone,  // times that the journal's shared memory was gone after an end without a stop
  kJournalDamaged,  // damaged stretches of a journal that was read, or moved; what was in them is not known
  kUnwritable,      // sessions of a journal that the database does not take as they are
  kProvisional,     // sets of an outage that lost to what the database had
  kSuperseded,      // values that never came into the database, for a later one of another server was there
};
inline constexpr size_t kLosses = 7;

class LossRecord {
 public:
  static constexpr size_t kFileBytes = 4096;

  LossRecord();
  ~LossRecord();
  LossRecord(const LossRecord&) = delete;
  LossRecord& operator=(const LossRecord&) = delete;

  // Makes the file if it is missing.
  static base::Result<std::unique_ptr<LossRecord>> Open(const std::string& path);

  void Add(Loss loss, uint64_t n = 1) { CountOf(loss).fetch_add(n, std::memory_order_relaxed); }
  uint64_t value(Loss loss) const { return CountOf(loss).load(std::memory_order_relaxed); }

  // What the next start must know. Phase: kEnded but from a start to a stop; unsynced: what would be lost if it ended
  // now.
  enum class Phase : uint64_t { kEnded, kRunning, kRunningWithJournal };
  void SetPhase(Phase phase) { page_->phase.store(static_cast<uint64_t>(phase), std::memory_order_relaxed); }
  Phase phase() const { return static_cast<Phase>(page_->phase.load(std::memory_order_relaxed)); }
  void SetUnsynced(uint64_t sessions) {
    if (unsynced() != sessions) page_->unsynced.store(sessions, std::memory_order_relaxed);
  }
  uint64_t unsynced() const { return page_->unsynced.load(std::memory_order_relaxed); }

 private:
  struct Page {
    std::atomic<uint64_t> magic{0};
    std::atomic<uint64_t> phase{0};
    std::atomic<uint64_t> unsynced{0};
    std::array<std::atomic<uint64_t>, 13> reserved{};
    std::array<std::atomic<uint64_t>, kLosses> counts{};
  };
  static_assert(sizeof(Page) <= kFileBytes && std::atomic<uint64_t>::is_always_lock_free);

  std::atomic<uint64_t>& CountOf(Loss loss) const { return page_->counts[static_cast<size_t>(loss)]; }

  std::unique_ptr<Page> own_;  // null when it is a file
  Page* page_;                 // own_, or the mapping
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_LOSS_RECORD_H_
