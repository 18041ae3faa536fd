// session.h - what the command layer knows of sessions: which keys they are, whether a key's state is known, and how it
// is changed so that no acknowledged session is lost and no deleted one comes back.
//
// A verb on a session key goes like this (Match was not null):
//
//   Found found = access.Find(key, now);                        // or Slot slot = access.Lock(key, now), then
//   slot.state() switch (sessions.Judge(*rule, key, found.state, in_hand, now)) {
//     kLive:        go on with the item
//     kMiss:        a definitive miss
//     kDeleted:     also a definitive miss; call NoteMiss before answering it
//     kAsk:         (let go of the slot) Load(*rule, key, waiter), answer kPending; when woken execute the whole
//     request
//                   again, with the outcome in hand for this key
//     kUnavailable: answer what rule->action says, and NoteRefused (a delete and a blind set go on, see below)
//   }
//
// A multiget calls Load for the first key that must be asked and Preload for the others: they travel together, and most
// are in memory when the first one's waiter is woken.
//
// Changes are made under the slot's lock, after Judge of *that* slot said kLive, kMiss or kDeleted (never on kAsk):
//
//   store     a draft with shape.session = true; Write gives it stamps, journals, publishes and marks it dirty.
//             kMiss and kDeleted are the same here as in memcached: replace, append, incr, cas fail before Write.
//   touch     Touch, on a live slot. A touch or a set whose expiry is already past is a delete.
//   delete    a draft of TombstoneShape, then Delete, on a live slot, or on an unknown one that is kUnavailable
//             (answer DELETED). On kMiss and kDeleted: NOT_FOUND, nothing is changed.
//   unknown   a blind set of a key that MayWriteUnknown: Write with provisional = true (provisional.h).
//   strict    all of these, under a rule that is strict: strict_writes() in place of Write, Touch and Delete, and
//             JudgeStrict before. There is no Write of an unknown key, and no provisional one.
//   probe     IsExistenceProbe: answer NOT_STORED on kLive, STORED on a miss; nothing is stored.
//
// NoteHit belongs to every hit that was answered to a connection, NoteMiss to every kDeleted miss: by them a writer
// that read before a logout is told from one that came after it.
//
// Threads: Match, Judge, Load, Preload, Write, Touch, Delete, Note* from any thread, each with its own Access. The
// parts
//          (write_behind, read_through, reaper) say their own; SessionThreads drives them, or a test does.
// Owns:    rules, stamp clock, dirty list, parked waiters, negative answers. Borrows clock, store, journal.
// Blocks:  never: short critical sections, memory only.
// Errors:  Write, Touch and Delete say kRefused (dirty memory full) or kNoRoom; the previous value stays.
// Limits:  SessionSettings.
// Invariants
// (1) A session item is dirty in the store exactly while the database may lack something of it.
// (2) A dirty item is on the dirty list, in the batch in hand, in quarantine, or provisional.
// (3) Versions of one key grow, and reach the database in that order.
// (4) kMiss and kDeleted are said only of what memory or the database knows.
//
// Lock order: slot, then any one lock in here; none of them is held while another is taken or a callback runs.

#ifndef HOLDFAST_SESSION_SESSION_H_
#define HOLDFAST_SESSION_SESSION_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "session/answer_book.h"
#include "session/change_poll.h"
#include "session/doubt_walk.h"
#include "session/forgotten_deletes.h"
#include "session/journal.h"
#include "session/journal_room.h"
#include "session/loss_record.h"
#include "session/negative_cache.h"
#include "session/nodes.h"
#include "session/provisional.h"
#include "session/read_through.h"
#include "session/reaper.h"
#include "session/recent_ends.h"
#include "session/rule.h"
#include "session/sampler.h"
#include "session/session_settings.h"
#include "session/session_stats.h"
#include "session/stamp.h"
#include "session/strict_writes.h"
#include "session/verification.h"
#include "session/write_behind.h"
#include "session/write_request.h"
#include "session/yields.h"
#include "store/store.h"

namespace holdfast::session {

using base::Seconds;

enum class Verdict : uint8_t { kLive, kMiss, kDeleted, kAsk, kUnavailable };

// `add KEY 0 2678400 0`: libmemcached asks whether a key exists. (31 days as an absolute time are long past.)
inline constexpr int64_t kExistenceProbeExptime = 2678400;
inline bool IsExistenceProbe(bool is_add, int64_t exptime, uint64_t value_size) {
  return is_add && exptime == kExistenceProbeExptime && value_size == 0;
}

class Sessions {
 public:
  // wake is called from module threads, with no lock held, once for each waiter: the request is to be executed again
  // with this outcome in hand. It may come before Load has returned.
  struct Doors {
    const base::Clock& clock;
    store::Store& store;
    Journal& journal;
    std::function<void(const Waiter&, LoadOutcome)> wake;
    const Database* database = nullptr;  // says how large a value may be; null: any size
    LossRecord* losses = nullptr;        // null: they are counted for this process alone
  };

  Sessions(const SessionSettings& settings, Rules rules, Doors doors);
  ~Sessions();
  Sessions(const Sessions&) = delete;
  Sessions& operator=(const Sessions&) = delete;

  // The rule of a session key; null: an ordinary cache key.
  const Rule* Match(std::string_view key) const { return rules_.Match(key); }

  // What may be said of a key that is in this state in memory. in_hand: the outcome this request was woken with, when
  // it was parked for this very key; kNone otherwise.
  Verdict Judge(const Rule& rule, const store::Key& key, store::ItemState state, LoadOutcome in_hand, Seconds now);

  // The same under a strict rule. fresh: it is to be said of a row that was read after the request came, unless this is
  // the only server, whose memory is as good.
  Verdict JudgeStrict(const Rule& rule, const store::Key& key, store::ItemState state, LoadOutcome in_hand, Seconds now,
                      bool fresh);
  // Is it a session that other servers may change without asking?
  bool IsSharedStrict(std::string_view key) const;

  // Parks a request. False: too many are parked, do as for kUnavailable. Not under a slot. waits: the request's own.
  [[nodiscard]] bool Load(const Rule& rule, const store::Key& key, const Waiter& waiter, Waits* waits);
  // Asks for a key that this request will want next. A hint.
  void Preload(const store::Key& key);

  // May a blind set be stored although nobody knows what the database has? Judge has said kAsk or kUnavailable.
  bool MayWriteUnknown(const Rule& rule, Verdict verdict) const;
  // A request for this key, that was no blind set, is answered what the rule's action says.
  void NoteRefused(const store::Key& key) {
    provisional_.NoteRefused(key.bytes, clock_.SteadyMicros());
    NoteEnd(key, End::kRefused);
  }
  // For who asks later what became of the session.
  void NoteEnd(const store::Key& key, End how, const ClientAddress& client = {}) {
    recent_ends_.Note(key.bytes, {clock_.WallMicros(), client, how});
  }

  // Both lock the key's slot for a moment.
  void NoteHit(store::Access& access, const Rule& rule, const store::Key& key, const store::ItemRef& item,
               uint64_t connection, Seconds now);
  void NoteMiss(store::Access& access, const Rule& rule, const store::Key& key, uint64_t connection, Seconds now);

  // A row says that the session was deleted once; on another server perhaps, and then nobody here was told yet.
  void NoteFloor(const store::Key& key, uint64_t floor);

  using WriteRequest = session::WriteRequest;
  // Under the slot. The draft was made with session = true and holds its whole value.
  WriteOutcome Write(store::Slot& slot, store::Draft&& draft, const WriteRequest& request);

  // Under a live slot: another expiry, not a past one.
  WriteOutcome Touch(store::Slot& slot, const Rule& rule, const store::Key& key, Seconds expiry, Seconds now);

  // Parks a request whose write found no room in the journal, or that must stand behind those who wait for some. False:
  // it is refused, for it has waited for its rule's budget, or too many wait. A slot may be held.
  [[nodiscard]] bool AwaitRoom(const Rule& rule, const Waiter& waiter, LoadOutcome in_hand, size_t bytes, Waits* waits);
  bool MustAwaitRoom(const Waits& waits) const { return !waits.were_for_room && journal_room_.is_crowded(); }

  static store::DraftShape TombstoneShape(const store::Key& key);
  // Under the slot: the key is deleted, here at once, in the database soon, and stays so.
  WriteOutcome Delete(store::Slot& slot, store::Draft&& tombstone, const Rule& rule, const store::Key& key,
                      Seconds now);

  // What another process must know to go on in this one's place, besides journal and database. Between them nobody may
  // use either.
  std::string SaveState();
  void RestoreState(std::string_view state);

  const Rules& rules() const { return rules_; }
  void Wake(const Waiter& waiter, LoadOutcome outcome) const { wake_(waiter, outcome); }
  const SessionSettings& settings() const { return settings_; }
  const base::Clock& clock() const { return clock_; }
  store::Store& store() { return store_; }
  StampClock& stamp_clock() { return stamp_clock_; }
  const StampClock& stamp_clock() const { return stamp_clock_; }
  WriteBehind& write_behind() { return write_behind_; }
  StrictWrites& strict_writes() { return strict_writes_; }
  ReadThrough& read_through() { return read_through_; }
  Reaper& reaper() { return reaper_; }
  Nodes& nodes() { return nodes_; }
  ChangePoll& change_poll() { return change_poll_; }
  Yields& yields() { return yields_; }
  Verification& verification() { return verification_; }
  const Verification& verification() const { return verification_; }
  DoubtWalk& doubt_walk() { return doubt_walk_; }
  ForgottenDeletes& forgotten_deletes() { return forgotten_deletes_; }
  RecentEnds& recent_ends() { return recent_ends_; }
  Sampler& sampler() { return sampler_; }
  LossRecord& losses() { return losses_; }
  const LossRecord& losses() const { return losses_; }

  // The database is another one, or an older copy of itself: everything in memory is held against it or written anew.
  void OnDatabaseReplaced(const std::string& how);
  // This process was away for so long.
  void OnStopped(int64_t for_us);
  // Called with what an operator should read in the log. Set before anything else.
  void SetSay(std::function<void(const std::string&)> say) { say_ = std::move(say); }
  void Say(const std::string& line) const {
    if (say_) say_(line);
  }
  JournalRoom& journal_room() { return journal_room_; }
  NegativeCache& negative_cache() { return negative_cache_; }
  Provisional& provisional() { return provisional_; }
  const Provisional& provisional() const { return provisional_; }
  SessionStats& stats() { return stats_; }
  const SessionStats& stats() const { return stats_; }
  const WriteBehind& write_behind() const { return write_behind_; }
  const ReadThrough& read_through() const { return read_through_; }

  // For the parts. A request that read the session before the latest delete and writes it after.
  bool ComesFromBeforeDelete(const WriteRequest& request, store::ItemState state, const store::SessionStamps& before);
  // The database would not take it.
  bool IsTooLarge(uint64_t value_bytes);
  // A connection has written this; the key was deleted with this floor: by them late writers are known.
  void NoteWrittenBy(const store::Key& key, const AnsweredFrom& written, uint64_t connection, Seconds now);
  void NoteDeleted(const Rule& rule, const store::Key& key, uint64_t floor, Seconds now);

  // For the parts and tests: N of a rule, and when a change is due that came now and need not be sent at once.
  uint32_t SyncIntervalOf(const Rule& rule) const;
  int64_t LazyDue(const Rule& rule, Seconds synced_at, Seconds expiry_before, Seconds expiry, Seconds now,
                  int64_t now_us) const;

 private:
  Verdict JudgeDoubted(LoadOutcome in_hand);
  Seconds WindowEnd(const Rule& rule, int64_t deleted_us, Seconds now) const;
  void NoteDeleteBelow(const store::ItemRef& item, const store::Key& key, Seconds now);
  int64_t PollLateMicros() const { return int64_t{settings_.poll_ms} * 2000 + 1'000'000; }
  bool IsLatest(const store::ItemRef& item) const;
  bool LosesAtOnce(const store::Slot& slot, const store::Draft& draft, const WriteRequest& request);
  store::SessionStamps StampsOf(const WriteRequest& request, const store::Slot& slot, const store::ItemRef& draft,
                                const base::Moment& moment);
  int64_t ChargeAllowance(const WriteRequest& request, const store::Slot& slot, const store::ItemRef& draft,
                          store::SessionStamps* stamps, int64_t now_us) const;
  // kStored: the journal has it.
  WriteOutcome Journalled(RecordKind kind, const store::Key& key, const store::SessionStamps& stamps, Seconds expiry,
                          const store::ItemRef& item);

  const SessionSettings settings_;
  const Rules rules_;
  const base::Clock& clock_;
  store::Store& store_;
  Journal& journal_;
  const Database* const database_;  // null when any value will do
  const std::function<void(const Waiter&, LoadOutcome)> wake_;
  StampClock stamp_clock_;
  SessionStats stats_;
  AnswerBook answer_book_;
  NegativeCache negative_cache_;
  Provisional provisional_;
  WriteBehind write_behind_;
  StrictWrites strict_writes_;
  ReadThrough read_through_;
  JournalRoom journal_room_;
  Reaper reaper_;
  Nodes nodes_;
  ChangePoll change_poll_;
  Yields yields_;
  Verification verification_;
  DoubtWalk doubt_walk_;
  ForgottenDeletes forgotten_deletes_;
  RecentEnds recent_ends_;
  Sampler sampler_;
  LossRecord own_losses_;
  LossRecord& losses_;                           // own_losses_ where no other is given
  std::function<void(const std::string&)> say_;  // null until SetSay
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SESSION_H_
