// read_through.h - brings sessions that are not in memory back from the database: one query for a key however many
// wait, one query for the keys of the same moment.
//
// Load parks a waiter on a key. The reader takes a batch with NextBatch, asks the database and hands the answer to
// OnRows, which merges it into the store by version and wakes the waiters; or to OnFailure, which keeps them parked and
// asks again after a pause. A waiter whose rule's budget has passed is woken by Tick with kUnavailable. The database's
// answer is final or it is no answer: a failure never becomes a miss.
//
// Threads: Load, Preload, Note* from any; NextBatch, OnRows, OnFailure from one (the reader); Tick from one.
// Owns:    parked waiters and the keys they wait for.
// Blocks:  never.
// Limits:  parked_max waiters; load_keys_max keys a batch; one batch in hand.
// Invariants
// (1) A waiter is woken exactly once.
// (2) kAbsent is said only if the query began after every write of that key that memory no longer holds.

#ifndef HOLDFAST_SESSION_READ_THROUGH_H_
#define HOLDFAST_SESSION_READ_THROUGH_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "session/driver.h"
#include "session/rule.h"
#include "session/session_settings.h"
#include "store/store.h"

namespace holdfast::session {

class Sessions;

// A parked request: which worker, which connection, which of its requests. Opaque here.
struct Waiter {
  uint32_t worker = 0;
  uint64_t connection = 0;
  uint64_t request = 0;
  bool operator==(const Waiter&) const = default;
};

// How long a request may wait, for the database and for room in the journal alike: its rule's budget, from the first
// wait on.
struct Waits {
  int64_t begun_us = 0;        // steady; 0: it has not waited yet. Preset for who has waited behind another
  int64_t until_us = 0;        // 0: not known yet
  bool were_for_room = false;  // it has stood in line for the journal

  void Begin(const Rule& rule, int64_t now_us) {
    if (until_us != 0) return;
    if (begun_us == 0) begun_us = now_us;
    until_us = begun_us + int64_t{rule.budget_ms} * 1000;
  }
};

enum class LoadOutcome : uint8_t {
  kNone,         // was not asked
  kLoaded,       // the key's row is in memory now, as a session or as a tombstone
  kAbsent,       // the database has no live row
  kUnavailable,  // could not be asked within the rule's budget

  // Of a change of a strict session that was submitted (strict_writes.h):
  kCommitted,   // the database has it, and so has memory
  kOvertaken,   // the database had something else than it was made from: to be decided anew
  kUnwritable,  // the database does not take it
};

class ReadThrough {
 public:
  explicit ReadThrough(Sessions& sessions) : sessions_(sessions) {}
  ReadThrough(const ReadThrough&) = delete;
  ReadThrough& operator=(const ReadThrough&) = delete;

  // Until then at most; if that has passed it is woken at once. False: parked_max requests are parked already.
  // fresh: a query that has begun already is none for this waiter.
  [[nodiscard]] bool Load(const store::Key& key, const Waiter& waiter, int64_t until_us, bool fresh = false);
  void Preload(const store::Key& key);

  // The keys to ask for now; empty when there are none or a pause is kept. One batch at a time: its answer is OnRows or
  // OnFailure. The views live until then.
  std::span<const std::string_view> NextBatch();
  // access belongs to the calling thread.
  void OnRows(store::Access& access, std::vector<Row> rows);
  void OnFailure();
  // There is no connection to ask by.
  void NoteAway();
  // A value of so many bytes that was set, at this steady time, while nobody could know of the live session that it is
  // over: does it lose to that? Then why is counted.
  bool LosesUnseen(std::string_view key, uint64_t value_bytes, int64_t set_us);
  // Steady microseconds since when the database could not be asked; 0: it could the last time.
  int64_t away_since_us() const { return away_since_us_.load(std::memory_order_relaxed); }
  // Steady microseconds when NextBatch may bring something; kNeverMicros: nothing is queued.
  int64_t NextDue();

  // Wakes the waiters whose budget has passed; returns when the next one's will have.
  int64_t Tick();

  // Called with no lock held when NextDue, or what Tick returned, has come closer. Set before anything else.
  void SetWakes(std::function<void()> reader, std::function<void()> ticker);

  // A session of this key came into being or was deleted in memory: what queries begun before bring is no news, unless
  // memory still has the key and can compare.
  void NoteTurn(const store::Key& key) { Turns(key.hash).fetch_add(1, std::memory_order_release); }
  // Has there been a turn since this was asked?
  uint32_t TurnOf(const store::Key& key) { return Turns(key.hash).load(std::memory_order_acquire); }
  // The database has taken what memory has of this key, or has something later, so memory may forget it from now on:
  // what queries begun before bring may be older. Counts as a turn only if somebody asks for the key, so that writing
  // much down does not make queries for other keys be asked again. Callable under the slot, before it is marked clean.
  void NoteWritten(const store::Key& key);

  // -- Rows that other servers own ---------------------------------------------------------------
  // A server to be asked to let go of these keys; empty keys: nobody. Its answer is OnAnswered. From one thread (the
  // asker). wake is called when there may be one, as SetWakes.
  struct Question {
    uint32_t node = 0;
    std::vector<std::string> keys;
  };
  Question NextQuestion(size_t keys_max);
  void OnAnswered(const Question& question, bool silent);
  void SetWakeAsker(std::function<void()> wake) { wake_asker_ = std::move(wake); }

  // Rows to be made ours; the answer is OnClaimed. They live until then. From the reader.
  std::span<const OwnerChange> NextClaims();
  void OnClaimed(bool ok);

  void WakeReader() {
    if (wake_reader_) wake_reader_();
  }

  size_t parked() const { return parked_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kTurnSlots = 4096;

  struct Parked {
    std::string_view key;  // of the Pending's entry
    Waiter waiter;
    bool too_late = false;  // for the query in hand
  };
  using Deadlines = std::multimap<int64_t, Parked>;

  using Queue = std::list<std::string_view>;

  enum class Stage : uint8_t { kQueued, kInHand, kAsking, kClaiming };

  struct Pending {
    uint32_t hash = 0;
    uint32_t turns = 0;        // when the query in hand began
    uint64_t nodes_reads = 0;  // of the table of nodes, when the key came in
    uint64_t epoch = 0;        // of verification, then
    Stage stage = Stage::kQueued;
    bool preload = false;                     // wanted even without waiters
    bool silent = false;                      // its owner did not answer
    uint32_t owner = 0;                       // of the row, another server
    uint32_t asked = 0;                       // the owner that has been asked; 0 none
    Queue::iterator place;                    // in queue_, while kQueued
    std::deque<Deadlines::iterator> waiters;  // by deadline, nearly

    bool wanted() const { return preload || !waiters.empty(); }
  };
  using PendingMap = std::unordered_map<std::string, Pending>;

  struct Wake {
    Waiter waiter;
    LoadOutcome outcome;
  };

  enum class Merged : uint8_t { kLoaded, kAbsent, kNoMemory, kAgain, kForeign };

  std::atomic<uint32_t>& Turns(uint32_t hash) { return turns_[hash % kTurnSlots]; }
  bool TurnedSince(const Pending& pending) {
    return Turns(pending.hash).load(std::memory_order_acquire) != pending.turns;
  }
  PendingMap::iterator Enter(const store::Key& key);
  void Enqueue(PendingMap::iterator entry, Queue::iterator before);
  Merged Merge(store::Access& access, Pending& pending, const Row& row);
  bool IsForeign(Pending& pending, const Row& row, Merged* merged);
  // What memory has is not older than the row.
  Merged KeepOurs(store::Slot& slot, const Pending& pending, const Row& row);
  Merged DropAbsent(store::Access& access, const Pending& pending, const store::Key& key);
  void SettleForeign(PendingMap::iterator entry, std::vector<Wake>* wakes);
  Merged MergeAbsence(store::Access& access, const Pending& pending, std::string_view key, uint64_t floor);
  // Whether the item was provisional, and is settled now. row: null when there is none that is live.
  bool SettleProvisional(store::Access& access, const store::Key& key, const Row* row, uint64_t floor);
  bool WinsOver(const Row& row, const store::ItemRef& item);
  void EnterProvisional();
  store::SessionStamps StampsOf(const Row& row, base::Seconds now) const;
  static bool IsLater(const Row& row, const store::Slot& slot);
  void Settle(PendingMap::iterator entry, Merged merged, std::vector<Wake>* wakes);
  void Finish(PendingMap::iterator entry, LoadOutcome outcome, std::vector<Wake>* wakes);
  void Deliver(const std::vector<Wake>& wakes);

  Sessions& sessions_;
  std::function<void()> wake_reader_;  // null until SetWakes
  std::function<void()> wake_ticker_;  // null until SetWakes
  std::function<void()> wake_asker_;   // null until SetWakeAsker
  std::array<std::atomic<uint32_t>, kTurnSlots> turns_{};
  std::atomic<size_t> parked_{0};
  std::atomic<int64_t> away_since_us_{0};

  std::mutex mutex_;  // guards all below
  PendingMap pending_;
  Queue queue_;  // keys of pending_ that are not in hand, oldest first
  Deadlines deadlines_;
  std::vector<std::string_view> in_hand_;                   // keys of pending_
  std::map<uint32_t, std::vector<std::string>> questions_;  // keys of pending_, by owner
  std::vector<std::string> to_claim_;                       // keys of pending_
  std::vector<std::string> claimed_keys_;                   // in hand
  std::vector<OwnerChange> claims_;                         // in hand
  int64_t paused_until_us_ = 0;
  uint32_t pause_ms_ = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_READ_THROUGH_H_
