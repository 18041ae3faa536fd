// How it works: pending_ has an entry for each key that somebody waits for; it is either in queue_ or in the batch in
// hand. Waiters stand in deadlines_, in order of time, and their key's entry points to them, so both an answer and a
// deadline find them at once.
//
// An answer may be old: while the query ran, the key can have been written or deleted here, written down and evicted.
// As long as memory holds the key, stamps tell which is later. When it does not, the turn counter does: it counts
// births and deletes of the keys that share a slot, and a query that began before the latest turn is made again. A key
// can be asked for although memory has it (a doubted or an expired copy, a provisional value); then what is written
// down meanwhile counts too, for it may have left memory before the answer comes.
//
// Waiters are woken after the lock is given back.

#include "session/read_through.h"

#include <algorithm>
#include <utility>

#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

using base::Seconds;
using store::ItemKind;
using store::ItemRef;
using store::Key;
using store::Reserve;
using store::SessionStamps;
using store::Slot;

namespace {

constexpr int64_t kSecondMicros = 1'000'000;
constexpr int kDraftTries = 4;
constexpr int64_t kAgainPauseMicros = 1000;  // until readers have passed a quiescent state, or a write has settled

}  // namespace

void ReadThrough::SetWakes(std::function<void()> reader, std::function<void()> ticker) {
  wake_reader_ = std::move(reader);
  wake_ticker_ = std::move(ticker);
}

// -- Asking ---------------------------------------------------------------------------------------

bool ReadThrough::Load(const Key& key, const Waiter& waiter, int64_t until_us, bool fresh) {
  bool is_first_deadline;
  {
    const std::lock_guard lock(mutex_);
    if (deadlines_.size() >= sessions_.settings().parked_max) {
      sessions_.stats().loads_refused.Add();
      return false;
    }
    const auto entry = Enter(key);
    const bool too_late = fresh && entry->second.stage != Stage::kQueued;
    const auto place = deadlines_.emplace(until_us, Parked{entry->first, waiter, too_late});
    entry->second.waiters.push_back(place);
    parked_.store(deadlines_.size(), std::memory_order_relaxed);
    is_first_deadline = place == deadlines_.begin();
  }
  if (wake_reader_) wake_reader_();
  if (is_first_deadline && wake_ticker_) wake_ticker_();
  return true;
}

void ReadThrough::Preload(const Key& key) {
  {
    const std::lock_guard lock(mutex_);
    if (pending_.size() >= sessions_.settings().parked_max) return;
    Enter(key)->second.preload = true;
  }
  if (wake_reader_) wake_reader_();
}

ReadThrough::PendingMap::iterator ReadThrough::Enter(const Key& key) {
  const auto [entry, is_new] = pending_.try_emplace(std::string(key.bytes));
  if (is_new) {
    entry->second.hash = key.hash;
    entry->second.nodes_reads = sessions_.nodes().reads();
    Enqueue(entry, queue_.end());
  }
  return entry;
}

void ReadThrough::NoteWritten(const Key& key) {
  const std::lock_guard lock(mutex_);
  if (!pending_.empty() && pending_.contains(std::string(key.bytes))) NoteTurn(key);
}

void ReadThrough::Enqueue(PendingMap::iterator entry, Queue::iterator before) {
  entry->second.stage = Stage::kQueued;
  entry->second.place = queue_.insert(before, entry->first);
}

// -- The reader -----------------------------------------------------------------------------------

std::span<const std::string_view> ReadThrough::NextBatch() {
  const std::lock_guard lock(mutex_);
  EnterProvisional();
  if (!in_hand_.empty() || sessions_.clock().SteadyMicros() < paused_until_us_) return {};
  while (!queue_.empty() && in_hand_.size() < sessions_.settings().load_keys_max) {
    const auto entry = pending_.find(std::string(queue_.front()));
    queue_.pop_front();
    Pending& pending = entry->second;
    pending.stage = Stage::kInHand;
    pending.epoch = sessions_.verification().epoch();
    pending.turns = Turns(pending.hash).load(std::memory_order_acquire);
    in_hand_.push_back(entry->first);
  }
  if (!in_hand_.empty()) sessions_.stats().load_queries.Add();
  return in_hand_;
}

// Under the lock.
void ReadThrough::EnterProvisional() {
  if (sessions_.provisional().size() == 0 || !queue_.empty()) return;
  for (const std::string& key : sessions_.provisional().Some(sessions_.settings().load_keys_max)) {
    Enter(Key::Of(key))->second.preload = true;
  }
}

int64_t ReadThrough::NextDue() {
  const std::lock_guard lock(mutex_);
  return queue_.empty() && sessions_.provisional().size() == 0 ? kNeverMicros : paused_until_us_;
}

void ReadThrough::NoteAway() {
  int64_t since_us = 0;
  away_since_us_.compare_exchange_strong(since_us, sessions_.clock().SteadyMicros());
}

void ReadThrough::OnRows(store::Access& access, std::vector<Row> rows) {
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) { return a.key < b.key; });
  std::vector<Wake> wakes;
  away_since_us_.store(0, std::memory_order_relaxed);
  // Only the reader takes entries out of hand, so they stay while the lock is not held.
  std::vector<std::string_view> keys;
  {
    const std::lock_guard lock(mutex_);
    keys.swap(in_hand_);
    paused_until_us_ = 0;
    pause_ms_ = 0;
  }
  for (const std::string_view key : keys) {
    Pending* pending;
    {
      const std::lock_guard lock(mutex_);
      pending = &pending_.find(std::string(key))->second;
    }
    const auto row =
        std::lower_bound(rows.begin(), rows.end(), key, [](const Row& a, std::string_view b) { return a.key < b; });
    const bool found = row != rows.end() && row->key == key;
    const Merged merged = found ? Merge(access, *pending, *row) : MergeAbsence(access, *pending, key, 0);

    const std::lock_guard lock(mutex_);
    Settle(pending_.find(std::string(key)), merged, &wakes);
  }
  access.Quiesce();
  Deliver(wakes);
  if (!questions_.empty() && wake_asker_) wake_asker_();
}

void ReadThrough::Settle(PendingMap::iterator entry, Merged merged, std::vector<Wake>* wakes) {
  if (merged == Merged::kLoaded || merged == Merged::kAbsent) {
    sessions_.verification().NoteVerified(entry->first, entry->second.epoch);
    sessions_.provisional().NoteAnswered(entry->first);
  }
  switch (merged) {
    case Merged::kForeign:
      return SettleForeign(entry, wakes);
    case Merged::kLoaded:
      return Finish(entry, LoadOutcome::kLoaded, wakes);
    case Merged::kAbsent:
      return Finish(entry, LoadOutcome::kAbsent, wakes);
    case Merged::kNoMemory:
      sessions_.stats().loads_no_memory.Add();
      return Finish(entry, LoadOutcome::kUnavailable, wakes);
    case Merged::kAgain:
      Enqueue(entry, queue_.end());
      paused_until_us_ = sessions_.clock().SteadyMicros() + kAgainPauseMicros;
      return;
  }
}

// Of whatever class the failure: it is tried again as long as somebody waits.
void ReadThrough::OnFailure() {
  const SessionSettings& settings = sessions_.settings();
  sessions_.stats().load_failures.Add();
  NoteAway();
  const std::lock_guard lock(mutex_);
  const auto front = queue_.begin();
  for (const std::string_view key : in_hand_) {
    const auto entry = pending_.find(std::string(key));
    entry->second.preload = false;
    if (entry->second.wanted()) {
      Enqueue(entry, front);
    } else {
      pending_.erase(entry);
    }
  }
  in_hand_.clear();
  pause_ms_ = std::clamp(pause_ms_ * 2, settings.retry_ms_min, settings.retry_ms_max);
  paused_until_us_ = sessions_.clock().SteadyMicros() + int64_t{pause_ms_} * 1000;
}

// -- Merging --------------------------------------------------------------------------------------

ReadThrough::Merged ReadThrough::MergeAbsence(store::Access& access, const Pending& pending, std::string_view bytes,
                                              uint64_t floor) {
  if (sessions_.provisional().size() > 0 && SettleProvisional(access, Key{bytes, pending.hash}, nullptr, floor)) {
    return Merged::kLoaded;
  }
  // First remembered, then doubted: a write that comes between is seen in the turn, one that comes later erases it.
  const Key key{bytes, pending.hash};
  NegativeCache& negative_cache = sessions_.negative_cache();
  negative_cache.Put(key, sessions_.clock().SteadyMicros() + int64_t{sessions_.settings().negative_ms} * 1000);
  const Merged merged = DropAbsent(access, pending, key);
  if (merged == Merged::kAbsent) {
    sessions_.stats().loads_absent.Add();
  } else {
    negative_cache.Erase(key);
  }
  return merged;
}

// The database has no row, and memory perhaps a copy that was doubted, or is no authority. Under the slot, for while
// the database was asked such a copy can have been written down: then there is a row, and the copy neither dirty nor
// doubted.
ReadThrough::Merged ReadThrough::DropAbsent(store::Access& access, const Pending& pending, const Key& key) {
  Slot slot = access.Lock(key, sessions_.clock().Now());
  if (TurnedSince(pending)) return Merged::kAgain;
  const bool doubted = sessions_.verification().Doubts(key.bytes);
  if (!doubted && !sessions_.IsSharedStrict(key.bytes)) return Merged::kAbsent;
  if (!slot.item() || !slot.item().is_session()) return Merged::kAbsent;
  if (slot.item().is_dirty() || IsReservation(slot.item())) return Merged::kLoaded;
  if (doubted && sessions_.verification().reason() == Doubt::kReplaced) {
    sessions_.write_behind().MakeDirty(slot, key);
    return Merged::kLoaded;
  }
  slot.Remove();
  return Merged::kAbsent;
}

ReadThrough::Merged ReadThrough::KeepOurs(Slot& slot, const Pending& pending, const Row& row) {
  SessionStamps stamps = slot.item().stamps();
  const Key key{row.key, pending.hash};
  const bool is_older = row.version < stamps.version || row.touched < stamps.touched || row.floor < stamps.floor;
  if (is_older && !slot.item().is_dirty() && !IsReservation(slot.item()) &&
      sessions_.verification().reason() == Doubt::kReplaced) {
    sessions_.write_behind().MakeDirty(slot, key);
  }
  if (slot.item().kind() == ItemKind::kValue && row.state == RowState::kLive && row.version == stamps.version &&
      row.touched > stamps.touched && slot.SetExpiry(ExpiryAt(sessions_.clock(), row.expires_us))) {
    stamps = slot.item().stamps();
    stamps.touched = row.touched;
    stamps.synced_touched = row.touched;
    slot.SetStamps(stamps);
  }
  return Merged::kLoaded;
}

ReadThrough::Merged ReadThrough::Merge(store::Access& access, Pending& pending, const Row& row) {
  const base::Clock& clock = sessions_.clock();
  SessionStats& stats = sessions_.stats();
  for (const uint64_t version : {row.version, row.touched, row.floor}) sessions_.stamp_clock().Observe(version);
  if (Merged merged; IsForeign(pending, row, &merged)) return merged;
  // Before anybody is answered by this row. Unless the session was born here after the delete, of which we did not
  // know: then nobody has written down who was answered since.
  if (row.born <= row.floor || !sessions_.stamp_clock().IsOwn(row.born)) {
    sessions_.NoteFloor(Key{row.key, pending.hash}, row.floor);
  }
  if (row.state == RowState::kLive && row.expires_us <= clock.SteadyMicros()) {
    stats.loads_expired.Add();
    sessions_.NoteEnd(Key{row.key, pending.hash}, End::kExpired);
    return MergeAbsence(access, pending, row.key, row.floor);
  }

  const Seconds now = clock.Now();
  store::DraftShape shape;
  shape.key = Key{row.key, pending.hash};
  if (sessions_.provisional().size() > 0 && SettleProvisional(access, shape.key, &row, row.floor)) {
    return Merged::kLoaded;
  }
  shape.value_size = row.data.size();
  shape.client_flags = row.client_flags;
  shape.expiry = row.state == RowState::kLive ? ExpiryAt(clock, row.expires_us) : base::kNever;
  shape.session = true;
  shape.kind = row.state == RowState::kLive ? ItemKind::kValue : ItemKind::kTombstone;
  if (Slot slot = access.Lock(shape.key, now); slot.item() && !IsLater(row, slot)) {
    return slot.item().is_session() ? KeepOurs(slot, pending, row) : Merged::kLoaded;
  }
  store::Draft draft;
  for (int tries = 1;; ++tries) {
    const Reserve reserve = access.NewDraft(shape, &draft);
    if (reserve == Reserve::kOk) break;
    if (reserve != Reserve::kRetry) return Merged::kNoMemory;
    if (tries == kDraftTries) return Merged::kAgain;
    access.Quiesce();
  }
  draft.Append(row.data);
  draft.SetStamps(StampsOf(row, now));

  Slot slot = access.Lock(shape.key, now);
  if (!slot.item()) {
    if (TurnedSince(pending)) return Merged::kAgain;
  } else if (!IsLater(row, slot)) {
    return Merged::kLoaded;
  }
  const int64_t bytes_before = DirtyBytesOf(slot.item());
  slot.Publish(std::move(draft));
  sessions_.write_behind().AddDirtyBytes(-bytes_before);
  (row.state == RowState::kLive ? stats.loads_found : stats.loads_deleted).Add();
  return Merged::kLoaded;
}

// -- Provisional writes ---------------------------------------------------------------------------

bool ReadThrough::LosesUnseen(std::string_view key, uint64_t value_bytes, int64_t set_us) {
  SessionStats& stats = sessions_.stats();
  if (value_bytes == 0) {
    stats.provisional_lost_empty.Add();
  } else if (sessions_.provisional().WasRefused(key, set_us)) {
    stats.provisional_lost_refused.Add();
  } else {
    return false;
  }
  return true;
}

// Counts the outcome.
bool ReadThrough::WinsOver(const Row& row, const ItemRef& item) {
  SessionStats& stats = sessions_.stats();
  if (row.state == RowState::kTombstone) {
    stats.provisional_lost_delete.Add();
  } else if (row.version > item.stamps().version) {
    stats.provisional_lost_later.Add();
  } else if (!LosesUnseen(row.key, item.value_size(), sessions_.stamp_clock().SteadyMicrosOf(item.stamps().version))) {
    stats.provisional_merged.Add();
    return true;
  }
  return false;
}

bool ReadThrough::SettleProvisional(store::Access& access, const Key& key, const Row* row, uint64_t floor) {
  Slot slot = access.Lock(key, sessions_.clock().Now());
  if (!IsProvisional(slot.item())) return false;
  // It is always found among what is dirty, here or there.
  const int64_t due_us = sessions_.clock().SteadyMicros();
  sessions_.write_behind().Mark(key, due_us);
  sessions_.provisional().Forget(key.bytes);
  SessionStamps stamps = slot.item().stamps();
  const int64_t bytes_before = DirtyBytesOf(slot.item());
  const bool is_ours = row != nullptr && row->state == RowState::kLive && row->version == stamps.version;
  // A row of a session that was deleted here, or of a delete that was known here when this was written: it is no rival.
  // A tombstone of a session that the database never had was never born.
  const bool is_dead = row != nullptr && (row->state == RowState::kLive ? row->born : row->floor) <= stamps.floor;
  if (row != nullptr && !is_ours && !is_dead && !WinsOver(*row, slot.item())) {
    sessions_.write_behind().AddDirtyBytes(-bytes_before);
    slot.SetDirty(false);
    slot.Remove();
    sessions_.NoteEnd(key, End::kProvisionalDropped);
    sessions_.losses().Add(Loss::kProvisional);
    return true;
  }
  if (row == nullptr || is_dead) sessions_.stats().provisional_won.Add();
  stamps.marks &= static_cast<uint8_t>(~kMarkProvisional);
  stamps.marks |= kMarkSent;
  if (row == nullptr && sessions_.forgotten_deletes().AfterOutage(stamps.version)) stamps.marks |= kMarkAfterOutage;
  stamps.floor = std::max(stamps.floor, floor);
  if (row != nullptr) {
    if (!is_dead) stamps.born = row->born;
    stamps.synced_version = row->version;
    stamps.synced_touched = row->touched;
  }
  if (row == nullptr && slot.item().value_size() == 0) {
    // A visitor who has stored nothing yet.
    stamps.marks = kMarkReservation;
    slot.SetStamps(stamps);
    slot.SetDirty(false);
    sessions_.write_behind().AddDirtyBytes(-bytes_before);
    return true;
  }
  stamps.seen_by = static_cast<uint64_t>(due_us);
  slot.SetStamps(stamps);
  return true;
}

SessionStamps ReadThrough::StampsOf(const Row& row, Seconds now) const {
  SessionStamps stamps;
  stamps.version = row.version;
  stamps.touched = row.touched;
  stamps.born = row.born;
  stamps.floor = row.floor;
  stamps.synced_version = row.version;
  stamps.synced_touched = row.touched;
  stamps.origin = kOriginDatabase;
  const int64_t age_s = std::max<int64_t>(0, sessions_.clock().SteadyMicros() - row.changed_us) / kSecondMicros;
  stamps.synced_at = age_s + 1 < int64_t{now} ? now - static_cast<Seconds>(age_s) : 1;
  if (const Rule* rule = sessions_.Match(row.key)) {
    stamps.rule = rule->number;
    const int64_t interval_s = std::max<int64_t>(1, sessions_.SyncIntervalOf(*rule));
    stamps.allowance =
        static_cast<uint8_t>(std::min<int64_t>(age_s / interval_s, sessions_.settings().immediate_writes));
  }
  if (row.state == RowState::kTombstone) {
    // The delete was at the time in its stamp; the row knows when it was written down, perhaps much later.
    const int64_t deleted_us = sessions_.stamp_clock().SteadyMicrosOf(row.floor);
    stamps.seen_by = static_cast<uint64_t>(std::min(deleted_us, row.changed_us));
  }
  return stamps;
}

// Is the row later than what memory holds?
bool ReadThrough::IsLater(const Row& row, const Slot& slot) {
  if (!slot.item().is_session()) return false;
  const SessionStamps stamps = slot.item().stamps();
  return row.version > stamps.version && row.born > stamps.floor;
}

// -- Waking ---------------------------------------------------------------------------------------

void ReadThrough::Finish(PendingMap::iterator entry, LoadOutcome outcome, std::vector<Wake>* wakes) {
  std::deque<Deadlines::iterator> left;
  for (const Deadlines::iterator waiter : entry->second.waiters) {
    if (std::exchange(waiter->second.too_late, false)) {
      left.push_back(waiter);
      continue;
    }
    wakes->push_back(Wake{waiter->second.waiter, outcome});
    deadlines_.erase(waiter);
  }
  if (left.empty()) {
    pending_.erase(entry);
  } else {
    entry->second.waiters = std::move(left);
    entry->second.preload = false;
    entry->second.asked = 0;
    Enqueue(entry, queue_.end());
  }
  parked_.store(deadlines_.size(), std::memory_order_relaxed);
}

void ReadThrough::Deliver(const std::vector<Wake>& wakes) {
  for (const Wake& wake : wakes) sessions_.Wake(wake.waiter, wake.outcome);
}

int64_t ReadThrough::Tick() {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  std::vector<Wake> wakes;
  int64_t next_us;
  {
    const std::lock_guard lock(mutex_);
    while (!deadlines_.empty() && deadlines_.begin()->first <= now_us) {
      const auto first = deadlines_.begin();
      const auto entry = pending_.find(std::string(first->second.key));
      Pending& pending = entry->second;
      pending.waiters.erase(std::find(pending.waiters.begin(), pending.waiters.end(), first));
      wakes.push_back(Wake{first->second.waiter, LoadOutcome::kUnavailable});
      deadlines_.erase(first);
      if (pending.stage == Stage::kQueued && !pending.wanted()) {
        queue_.erase(pending.place);
        pending_.erase(entry);
      }
    }
    parked_.store(deadlines_.size(), std::memory_order_relaxed);
    next_us = deadlines_.empty() ? kNeverMicros : deadlines_.begin()->first;
  }
  sessions_.stats().loads_unavailable.Add(wakes.size());
  Deliver(wakes);
  return next_us;
}

}  // namespace holdfast::session
