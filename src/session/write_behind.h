// write_behind.h - carries dirty sessions from the store to the database, in small batches, each row when it is due.
//
// A session is acknowledged when it is in memory (and in the journal); this class makes it durable later. It keeps the
// keys of dirty items with their due times, copies what is due when a batch is made (so ten writes of a session are one
// row), and marks an item clean only if it is still what was sent.
//
// Threads: Mark from any; NextBatch, OnOutcomes, OnFailure from one (the writer); numbers from any.
// Owns:    the dirty list, the batch in hand.
// Blocks:  never.
// Errors:  a failed batch stays dirty and is retried after a pause; a row that can never be written goes to quarantine,
//          where it stays dirty (pinned, listed) until a later write of the session lifts it. So does one that may
//          not make a row (forgotten_deletes.h); it is over for all who ask.
// Limits:  batch_rows_max rows and batch_bytes_max bytes a batch (one row may be larger); one batch in hand.
// Invariants
// (1) A dirty item is on the dirty list, in the batch in hand, or in quarantine.
// (2) Versions of one key reach the database in order.

#ifndef HOLDFAST_SESSION_WRITE_BEHIND_H_
#define HOLDFAST_SESSION_WRITE_BEHIND_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "session/driver.h"
#include "session/key_set.h"
#include "store/dirty_list.h"
#include "store/store.h"

namespace holdfast::session {

class Sessions;

class WriteBehind {
 public:
  explicit WriteBehind(Sessions& sessions) : sessions_(sessions) { RefreshShare(); }
  WriteBehind(const WriteBehind&) = delete;
  WriteBehind& operator=(const WriteBehind&) = delete;

  // The item of this key is dirty and is to be sent at due_us (steady). Callable under its slot.
  void Mark(const store::Key& key, int64_t due_us);

  // What to send now; empty when nothing is due or a pause is kept. Its answer is OnOutcomes or OnFailure. The changes
  // live until then. access belongs to the calling thread.
  std::span<const Change> NextBatch(store::Access& access);
  void OnOutcomes(store::Access& access, std::span<const ChangeOutcome> outcomes);
  void OnFailure(const Failure& failure);
  // Steady microseconds when NextBatch may bring something; kNeverMicros: nothing is dirty.
  int64_t NextDue();

  // The dirty item in the slot is to be sent now.
  void Hasten(store::Slot& slot, const store::Key& key);
  // The database may lack the clean item in the slot: all of it is to be sent.
  void MakeDirty(store::Slot& slot, const store::Key& key);
  void WakeWriter() {
    if (wake_) wake_();
  }

  // While on, everything dirty is due at once (SIGTERM).
  void SetDraining(bool on);
  // Called when NextDue has come closer; it may run under a slot's lock, so it only wakes. Set before anything else.
  void SetWake(std::function<void()> wake) { wake_ = std::move(wake); }

  // Dirty bytes, by our own count: how full the share of unsynced sessions is.
  void AddDirtyBytes(int64_t bytes);
  int64_t dirty_bytes() const { return dirty_bytes_.load(std::memory_order_relaxed); }
  bool HasRoomFor(int64_t bytes) const;
  // Items that the database still lacks something of, those in quarantine included. Never too few; what was written
  // again while it was in hand counts twice.
  uint64_t dirty_items() const;
  uint64_t quarantined() const { return quarantined_.load(std::memory_order_relaxed); }

  // How long the most overdue item has been due: 0 when all is in time.
  int64_t LateMicros() const;
  // How long the item that waits longest has waited for the database, to the second above, whether due or not. Without
  // those in quarantine and the provisional ones. 0 when nothing is dirty.
  int64_t OldestMicros() const;

  // A write has replaced the item of this key, which was in quarantine. Callable under its slot.
  void LiftQuarantine(std::string_view key);

  // At most count keys in quarantine behind this one.
  std::vector<std::string> QuarantinedAfter(const std::string& key, size_t count) const;

  // Calls visit with the key of every item that is dirty all the while, a few at a time and with no lock held; others
  // may be among them. Stops when visit answers false, and answers that.
  bool VisitDirty(const std::function<bool(std::span<const std::string>)>& visit);

 private:
  // The stamps that went with a change, to compare with what the item has when the answer comes.
  struct Sent {
    uint64_t version;
    uint64_t touched;
    int64_t since_us;  // when the item became dirty
  };

  bool Hurry() const;  // everything is due: draining, or the share is nearly full
  void RefreshShare();
  bool Copy(store::Access& access, const store::Key& key, Change* change, Sent* sent);
  void OnOutcome(store::Access& access, const Change& change, const Sent& sent, ChangeOutcome outcome,
                 base::Seconds now);
  void NoteDone(const Change& change, base::Seconds now, store::SessionStamps* stamps);
  void SetClean(store::Slot& slot, const store::Key& key);
  void SetInHand();
  bool VisitSet(const std::function<std::vector<std::string>(const std::string&)>& after,
                const std::function<bool(std::span<const std::string>)>& visit);
  // What has left the list: in the batch, and no more.
  void TakeDue(int64_t due_us, std::vector<store::DirtyList::Entry>* due);
  void Quarantine(std::string_view key);
  void EmptyHand();
  void SayWithoutRow(uint64_t count);

  Sessions& sessions_;
  std::function<void()> wake_;  // null until SetWake
  store::DirtyList dirty_list_;
  std::atomic<int64_t> dirty_bytes_{0};
  std::atomic<uint64_t> in_hand_{0};
  std::atomic<int64_t> in_hand_since_us_{kNeverMicros};  // of the batch in hand, since when its oldest item waits
  std::atomic<uint64_t> quarantined_{0};                 // size of quarantine_
  std::atomic<bool> draining_{false};
  std::atomic<int64_t> next_wake_us_{kNeverMicros};  // what the writer sleeps until; only an earlier due wakes it

  std::atomic<int64_t> share_bytes_{0};

  mutable std::mutex visit_mutex_;  // guards all below, to the next empty line; a key on its way from list to hand
  KeySet quarantine_;
  std::vector<std::string> hand_;  // keys that were taken off the list and are not settled yet
  bool is_visited_ = false;
  std::vector<std::string> left_hand_;  // while visited: keys that were in hand

  // Of the writer's thread:
  int64_t share_refresh_us_ = 0;
  std::vector<Change> batch_;
  std::vector<Sent> sent_;
  size_t batch_bytes_ = 0;
  int64_t paused_until_us_ = 0;
  uint32_t pause_ms_ = 0;
  int64_t say_without_row_us_ = 0;  // not before
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_WRITE_BEHIND_H_
