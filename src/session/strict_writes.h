// strict_writes.h - changes of sessions whose rule is strict: in memory, and acknowledged, only when the database has
// committed them.
//
// A change is decided under the slot's lock like any other, from what memory holds, but it is not published: it is
// submitted, with the version that it was made from, and the request parked. The writer sends it; the database takes it
// if its row still has that version. Then the change is put in memory, clean, and the request is woken with kCommitted
// to give the reply that it has ready. If the database had something else, memory's copy goes and the request is woken
// with kOvertaken to decide anew from the row. Nobody reads the change before that; there is nothing to journal.
//
// Of a key there is one change on its way at a time. Who wants another waits, and is woken with kNone to begin again.
//
// A call that failed may have committed. The same change is sent again as long as its request waits: versions are
// unique, so the database knows its own. If by then the row is neither what it was nor this change, nobody can say
// whether it was committed in between; the request is told what its rule says for a database that cannot be asked,
// never that it was stored, and never decided anew. The same when the request's budget is over before the answer is
// there. Such a change may still take effect, once, but only over the version that it was made from.
//
// A delete, an expiry and an empty value are changes like others: a strict session has no reservations, no provisional
// writes, no delays.
//
// Threads: Write, Touch, Delete, IsUnsent from any; NextBatch, OnOutcomes, OnFailure from one (the writer); Tick from
//          one.
// Owns:    the changes on their way, and the waiters for them.
// Blocks:  never.
// Limits:  parked_max waiters; dirty_share of the memory for values; batch_rows_max and batch_bytes_max a batch, and
//          with several servers one row, for there each is a transaction of its own.
// Invariants
// (1) A waiter is woken exactly once.
// (2) kCommitted is said only of what an answer of the database says it holds.
// (3) The item of a strict session is clean. (But for what a journal from before the rule became strict has brought,
//     and what a replaced database lacks: that is written behind, and changes wait for it.)

#ifndef HOLDFAST_SESSION_STRICT_WRITES_H_
#define HOLDFAST_SESSION_STRICT_WRITES_H_

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "session/driver.h"
#include "session/read_through.h"
#include "session/write_request.h"
#include "store/store.h"

namespace holdfast::session {

class Sessions;

class StrictWrites {
 public:
  explicit StrictWrites(Sessions& sessions) : sessions_(sessions) {}
  StrictWrites(const StrictWrites&) = delete;
  StrictWrites& operator=(const StrictWrites&) = delete;

  // Whose change it is.
  struct Sender {
    const Waiter& waiter;
    Waits& waits;
  };

  // All under the slot, after Judge of that slot. kSubmitted: *stamp is the change's; the waiter is woken with what
  // becomes of it. kBehindAnother: the waiter is woken to begin again. kUnavailable: its time is over, or too many
  // wait. Write: the draft is what memory is to hold, with this expiry instead of its own.
  WriteOutcome Write(store::Slot& slot, const store::Draft& draft, const WriteRequest& request, base::Seconds expiry,
                     const Sender& sender, uint64_t* stamp);
  // On a live slot; another expiry, not a past one.
  WriteOutcome Touch(store::Slot& slot, const Rule& rule, const store::Key& key, base::Seconds expiry,
                     const Sender& sender);
  WriteOutcome Delete(store::Slot& slot, const Rule& rule, const store::Key& key, const Sender& sender);

  // What to send now; empty when there is nothing or a pause is kept. Its answer is OnOutcomes or OnFailure. access
  // belongs to the calling thread.
  std::span<const Change> NextBatch(store::Access& access);
  void OnOutcomes(store::Access& access, std::span<const ChangeOutcome> outcomes);
  void OnFailure();
  // Steady microseconds when NextBatch may bring something; kNeverMicros: nothing waits to be sent.
  int64_t NextDue();

  // Wakes those whose time has passed; returns when the next one's will have.
  int64_t Tick();

  // While on, nothing more is sent: another process may take over. True: something is on its way all the same.
  bool Hold(bool on);
  // Was nothing of this waiter's change sent, so that its request may begin anew in another process? While it is held.
  bool IsUnsent(std::string_view key, const Waiter& waiter);

  // Called with the slot's lock held, perhaps, when what Tick returned has come closer. Set before anything else.
  void SetWakeTicker(std::function<void()> wake) { wake_ticker_ = std::move(wake); }

 private:
  struct Parked {
    std::string_view key;  // of orders_
    Waiter waiter;
    bool is_sender;  // else it waits for its turn
  };
  using Deadlines = std::multimap<int64_t, Parked>;
  using Queue = std::list<std::string_view>;

  // A change on its way.
  struct Order {
    Change change;
    const Rule* rule = nullptr;
    base::Seconds expiry = 0;
    store::Slot::PublishOptions options;
    uint64_t connection = 0;
    uint32_t hash = 0;
    uint32_t turns = 0;       // of its key when it was made
    uint64_t epoch = 0;       // of verification, then
    int64_t bytes = 0;        // counted in queued_bytes_
    bool in_hand = false;     // else in queue_
    bool was_sent = false;    // in vain: it may be committed all the same
    bool has_sender = false;  // who still waits for it
    Deadlines::iterator sender;
    std::vector<Deadlines::iterator> behind;
    Queue::iterator place;  // in queue_, unless in hand
  };
  using Orders = std::unordered_map<std::string, Order>;
  struct Wake {
    Waiter waiter;
    LoadOutcome outcome;
  };

  // What keeps a change from being made at all; kSubmitted: nothing.
  WriteOutcome Admit(store::Slot& slot, const Rule& rule, const store::Key& key, const Sender& sender);
  void Submit(const store::Key& key, Order order, const Sender& sender);
  Order OrderFor(const Rule& rule, const store::Key& key, const store::SessionStamps& before);
  LoadOutcome Settle(store::Access& access, const Order& order, ChangeOutcome outcome);
  void PutInMemory(store::Access& access, const Order& order);
  void PutValue(store::Access& access, const store::Key& key, const Order& order);
  void PutTombstone(store::Access& access, const store::Key& key, const Order& order);
  // Unless memory has something later, or may have learned of it.
  void PutInPlace(store::Access& access, const store::Key& key, const Order& order, store::Draft&& draft,
                  const store::Slot::PublishOptions& options);
  // Memory's copy, of which nobody knows any more whether it is the row's.
  void Forget(store::Access& access, const Order& order);
  bool HasTurned(const Order& order);
  std::vector<std::pair<std::string, const Order*>> GivenUp();
  void Finish(Orders::iterator entry, LoadOutcome outcome, std::vector<Wake>* wakes);
  void Drop(Deadlines::iterator parked, LoadOutcome outcome, std::vector<Wake>* wakes);
  void Deliver(const std::vector<Wake>& wakes);

  Sessions& sessions_;
  std::function<void()> wake_ticker_;  // null until SetWakeTicker

  // Of the writer's thread:
  std::vector<Change> batch_;
  std::vector<std::string_view> batch_keys_;  // of orders_

  std::mutex mutex_;  // guards all below
  Orders orders_;
  Queue queue_;  // keys of orders_ that are not in hand, oldest first
  Deadlines deadlines_;
  int64_t queued_bytes_ = 0;
  size_t given_up_ = 0;  // in queue_, sent before, and nobody waits for them
  bool held_ = false;
  bool has_batch_ = false;
  int64_t paused_until_us_ = 0;
  uint32_t pause_ms_ = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_STRICT_WRITES_H_
