// How it works: NextBatch takes due keys off the dirty list, sorts them, and copies each item's stamps under its slot
// and its value after (a published value does not change). It clears the item's time, so that any later write enters
// the key anew: whatever happens while the batch is with the database is on the list again. OnOutcomes then locks each
// slot once more and marks the item clean only if its stamps are those that were sent.
//
// What is sent: a tombstone or a reservation over one sends its floor; an item whose value the database has sends its
// expiry alone; anything else the whole row.
//
// The writer sleeps until next_wake_us_; Mark wakes it only for something earlier. Both sides use sequentially
// consistent operations (here and in the dirty list), so a mark and a falling asleep cannot miss each other.

#include "session/write_behind.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

using base::Seconds;
using store::ItemKind;
using store::ItemRef;
using store::Key;
using store::SessionStamps;
using store::Slot;

namespace {

constexpr int64_t kAwake = std::numeric_limits<int64_t>::min();
constexpr int64_t kAnyTime = kNeverMicros - 1;
constexpr int64_t kSecondMicros = 1'000'000;
constexpr size_t kVisitKeys = 1000;
constexpr int64_t kSayAgainMicros = 3600 * kSecondMicros;
// After an error that only a person can mend there is no hurry.
constexpr uint32_t kConfigurationPauseFactor = 10;

}  // namespace

void WriteBehind::Mark(const Key& key, int64_t due_us) {
  dirty_list_.Mark(key, due_us, sessions_.clock().SteadyMicros());
  if (due_us < next_wake_us_.load() && wake_) wake_();
}

void WriteBehind::Hasten(Slot& slot, const Key& key) {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  SessionStamps stamps = slot.item().stamps();
  if (IsProvisional(slot.item())) return;
  if (slot.item().kind() == ItemKind::kValue) {
    // In hand: if it is not clean after that, it is on the list again.
    if (stamps.seen_by == 0 || static_cast<int64_t>(stamps.seen_by) <= now_us) return;
    stamps.seen_by = static_cast<uint64_t>(now_us);
    slot.SetStamps(stamps);
  }
  Mark(key, now_us);
}

void WriteBehind::MakeDirty(Slot& slot, const Key& key) {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  SessionStamps stamps = slot.item().stamps();
  stamps.marks |= kMarkNeedsRow | kMarkSent;
  if (slot.item().kind() == ItemKind::kValue) stamps.seen_by = static_cast<uint64_t>(now_us);
  slot.SetStamps(stamps);
  slot.SetDirty(true);
  AddDirtyBytes(DirtyBytesOf(slot.item()));
  Mark(key, now_us);
}

int64_t WriteBehind::NextDue() {
  if (sessions_.clock().SteadyMicros() < paused_until_us_) return paused_until_us_;  // still awake: nobody need wake us
  while (true) {
    const int64_t listed = dirty_list_.NextDue();
    const int64_t due = listed != kNeverMicros && Hurry() ? 0 : listed;
    next_wake_us_.store(due);
    // Somebody may have marked a key before seeing what we sleep until.
    if (dirty_list_.NextDue() >= due) return due;
  }
}

void WriteBehind::AddDirtyBytes(int64_t bytes) {
  const int64_t before = dirty_bytes_.fetch_add(bytes, std::memory_order_relaxed);
  const int64_t hurry_at = share_bytes_.load(std::memory_order_relaxed) / 4 * 3;
  if (before <= hurry_at && before + bytes > hurry_at && wake_) wake_();
}

void WriteBehind::SetDraining(bool on) {
  draining_.store(on, std::memory_order_relaxed);
  if (wake_) wake_();
}

bool WriteBehind::HasRoomFor(int64_t bytes) const {
  return dirty_bytes() + bytes <= share_bytes_.load(std::memory_order_relaxed);
}

bool WriteBehind::Hurry() const {
  return draining_.load(std::memory_order_relaxed) ||
         dirty_bytes() > share_bytes_.load(std::memory_order_relaxed) / 4 * 3;
}

// Looked at in the order in which keys go from one to the other (VisitDirty); a key that goes from the list into the
// hand is counted in one of them at least.
uint64_t WriteBehind::dirty_items() const {
  const uint64_t provisional = sessions_.provisional().size();
  const std::lock_guard lock(visit_mutex_);
  return provisional + dirty_list_.size() + in_hand_.load(std::memory_order_relaxed) + quarantined();
}

int64_t WriteBehind::LateMicros() const {
  const int64_t due_us = dirty_list_.NextDue();
  const int64_t now_us = sessions_.clock().SteadyMicros();
  return due_us < now_us ? now_us - due_us : 0;
}

int64_t WriteBehind::OldestMicros() const {
  const int64_t since_us = std::min(dirty_list_.OldestSince(), in_hand_since_us_.load(std::memory_order_relaxed));
  const int64_t now_us = sessions_.clock().SteadyMicros();
  return since_us < now_us ? now_us - since_us : 0;
}

// The memory limit may be changed while we run.
void WriteBehind::RefreshShare() {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  if (now_us < share_refresh_us_) return;
  share_refresh_us_ = now_us + kSecondMicros;
  const uint64_t limit = sessions_.store().Totals().memory_limit_bytes;
  share_bytes_.store(static_cast<int64_t>(limit / 100 * sessions_.settings().dirty_share_percent),
                     std::memory_order_relaxed);
}

// -- Taking ---------------------------------------------------------------------------------------

std::span<const Change> WriteBehind::NextBatch(store::Access& access) {
  next_wake_us_.store(kAwake);
  RefreshShare();
  const SessionSettings& settings = sessions_.settings();
  const int64_t now_us = sessions_.clock().SteadyMicros();
  if (now_us < paused_until_us_) return {};

  EmptyHand();  // of keys that lacked nothing
  std::vector<store::DirtyList::Entry> due;
  batch_bytes_ = 0;
  while (batch_.empty()) {
    due.clear();
    TakeDue(Hurry() ? kAnyTime : now_us, &due);
    if (due.empty()) break;
    std::sort(due.begin(), due.end(), [](const auto& a, const auto& b) { return a.key < b.key; });
    for (const auto& [key, since_us] : due) {
      if (batch_bytes_ >= settings.batch_bytes_max) {
        dirty_list_.Mark(Key::Of(key), now_us, since_us);
        continue;
      }
      Change change;
      Sent sent{};
      if (!Copy(access, Key::Of(key), &change, &sent)) continue;
      sent.since_us = since_us;
      batch_bytes_ += change.row.data.size() + change.row.key.size();
      batch_.push_back(std::move(change));
      sent_.push_back(sent);
    }
    access.Quiesce();
  }
  SetInHand();
  return batch_;
}

// What is in hand now, for the numbers.
void WriteBehind::SetInHand() {
  int64_t since_us = kNeverMicros;
  for (const Sent& sent : sent_) since_us = std::min(since_us, sent.since_us);
  in_hand_since_us_.store(since_us, std::memory_order_relaxed);
  in_hand_.store(batch_.size(), std::memory_order_relaxed);
}

// False: the database lacks nothing of this key any more.
bool WriteBehind::Copy(store::Access& access, const Key& key, Change* change, Sent* sent) {
  const base::Clock& clock = sessions_.clock();
  Row& row = change->row;
  ItemRef item;
  SessionStamps stamps;
  Seconds expiry;
  {
    Slot slot = access.Lock(key, clock.Now());
    item = slot.item();
    if (!item || !item.is_session() || !item.is_dirty() || IsProvisional(item)) return false;
    stamps = item.stamps();
    expiry = item.expiry();
    if (item.kind() == ItemKind::kValue) {
      SessionStamps taken = stamps;
      taken.seen_by = 0;
      taken.marks |= kMarkSent;
      slot.SetStamps(taken);
      // Another server may have written the row meanwhile, and then this is what ends it.
      const bool never_sent =
          !sessions_.settings().shared && stamps.synced_version == 0 && stamps.floor == 0 && !Has(stamps, kMarkSent);
      if (never_sent && slot.state() == store::ItemState::kExpired) {
        // It came and went while nobody wrote it down.
        AddDirtyBytes(-DirtyBytesOf(item));
        if (Has(stamps, kMarkQuarantined)) LiftQuarantine(key.bytes);
        slot.SetDirty(false);
        sessions_.stats().coalesced.Add();
        return false;
      }
    }
  }
  *sent = Sent{stamps.version, stamps.touched, 0};
  row.key = key.bytes;
  row.owner = sessions_.stamp_clock().node();
  if (item.kind() == ItemKind::kTombstone || Has(stamps, kMarkReservation)) {
    change->kind = ChangeKind::kDelete;
    row.version = stamps.floor;
    row.expires_us = clock.SteadyMicros() + int64_t{sessions_.settings().tombstone_life_s} * kSecondMicros;
    return true;
  }
  row.version = stamps.version;
  row.born = stamps.born;
  row.floor = stamps.floor;
  row.touched = stamps.touched;
  row.expires_us = ExpiryMicros(clock, expiry);
  row.client_flags = item.client_flags();
  if (!LacksValue(stamps)) {
    change->kind = ChangeKind::kExpiry;
    change->base_version = stamps.version;
    return true;
  }
  change->unseen_since_us = sessions_.forgotten_deletes().UnseenSince(stamps);
  row.data.reserve(item.value_size());
  item.ForEachPiece([&row](std::string_view piece) { row.data += piece; });
  return true;
}

// -- Going through what is dirty ------------------------------------------------------------------

// On the list or in hand, a key is found at any moment.
void WriteBehind::TakeDue(int64_t due_us, std::vector<store::DirtyList::Entry>* due) {
  const std::lock_guard lock(visit_mutex_);
  dirty_list_.Take(due_us, sessions_.settings().batch_rows_max, due);
  for (const store::DirtyList::Entry& entry : *due) hand_.push_back(entry.key);
  in_hand_.store(due->size(), std::memory_order_relaxed);
}

void WriteBehind::Quarantine(std::string_view key) {
  const std::lock_guard lock(visit_mutex_);
  quarantine_.Insert(key);
  quarantined_.store(quarantine_.size(), std::memory_order_relaxed);
}

void WriteBehind::LiftQuarantine(std::string_view key) {
  const std::lock_guard lock(visit_mutex_);
  quarantine_.Erase(key);
  quarantined_.store(quarantine_.size(), std::memory_order_relaxed);
}

std::vector<std::string> WriteBehind::QuarantinedAfter(const std::string& key, size_t count) const {
  const std::lock_guard lock(visit_mutex_);
  return quarantine_.After(key, count);
}

void WriteBehind::EmptyHand() {
  const std::lock_guard lock(visit_mutex_);
  if (is_visited_) left_hand_.insert(left_hand_.end(), hand_.begin(), hand_.end());
  hand_.clear();
}

bool WriteBehind::VisitSet(const std::function<std::vector<std::string>(const std::string&)>& after,
                           const std::function<bool(std::span<const std::string>)>& visit) {
  for (std::vector<std::string> keys = after(""); !keys.empty(); keys = after(keys.back())) {
    if (!visit(keys)) return false;
  }
  return true;
}

// An item goes from the provisional ones or from quarantine to the list, from there into the hand, and from there back
// or to quarantine. It is in the next place before it leaves the one before, so they are looked at in this order, and
// at last what was in the hand or has left it meanwhile.
bool WriteBehind::VisitDirty(const std::function<bool(std::span<const std::string>)>& visit) {
  {
    const std::lock_guard lock(visit_mutex_);
    is_visited_ = true;
  }
  const auto provisional = [&](const std::string& key) { return sessions_.provisional().After(key, kVisitKeys); };
  const auto quarantined = [&](const std::string& key) { return QuarantinedAfter(key, kVisitKeys); };
  bool goes_on = VisitSet(provisional, visit) && VisitSet(quarantined, visit);
  std::vector<std::string> keys;
  for (store::DirtyList::Place place; goes_on && dirty_list_.Keys(&place, &keys);) goes_on = visit(keys);
  for (bool first = true;; first = false) {
    {
      const std::lock_guard lock(visit_mutex_);
      keys = first ? hand_ : std::vector<std::string>();
      keys.insert(keys.end(), left_hand_.begin(), left_hand_.end());
      left_hand_.clear();
      is_visited_ = goes_on && !keys.empty();
      if (!is_visited_) return goes_on;
    }
    goes_on = visit(keys);
  }
}

// -- Answers --------------------------------------------------------------------------------------

void WriteBehind::OnOutcomes(store::Access& access, std::span<const ChangeOutcome> outcomes) {
  CHECK(outcomes.size() == batch_.size());
  const Seconds now = sessions_.clock().Now();
  for (size_t i = 0; i < batch_.size(); ++i) OnOutcome(access, batch_[i], sent_[i], outcomes[i], now);
  access.Quiesce();
  SayWithoutRow(static_cast<uint64_t>(std::count(outcomes.begin(), outcomes.end(), ChangeOutcome::kNoRow)));
  SessionStats& stats = sessions_.stats();
  stats.batches.Add();
  stats.batch_rows.Record(batch_.size());
  stats.batch_bytes.Record(batch_bytes_);
  batch_.clear();
  sent_.clear();
  EmptyHand();
  SetInHand();
  paused_until_us_ = 0;
  pause_ms_ = 0;
}

void WriteBehind::OnOutcome(store::Access& access, const Change& change, const Sent& sent, ChangeOutcome outcome,
                            Seconds now) {
  const Key key = Key::Of(change.row.key);
  Slot slot = access.Lock(key, now);
  if (!slot.item() || !slot.item().is_session()) return;
  SessionStamps stamps = slot.item().stamps();
  // A longer life that a read found in the database meanwhile is no change that it lacks: nobody put it on the list.
  const bool unchanged = slot.item().is_dirty() && stamps.version == sent.version &&
                         (stamps.touched == sent.touched || stamps.touched == stamps.synced_touched);
  switch (outcome) {
    case ChangeOutcome::kDone: {
      NoteDone(change, now, &stamps);
      sessions_.sampler().Note(change);
      const bool was_replayed = sessions_.verification().NoteWritten(key.bytes);
      if (unchanged) SetClean(slot, key);
      slot.SetStamps(stamps);
      // The row may be another server's by now, which has something later that it did not write yet: who wants the
      // session asks for it.
      if (was_replayed && sessions_.settings().shared && !slot.item().is_dirty()) slot.Remove();
      return;
    }
    case ChangeOutcome::kOvertaken:
      // The database has something later than this; the next read brings it.
      sessions_.stats().overtaken.Add();
      if (unchanged && change.kind == ChangeKind::kValue) {
        sessions_.stats().superseded.Add();
        sessions_.losses().Add(Loss::kSuperseded);
      }
      if (!unchanged) return;
      SetClean(slot, key);
      slot.Remove();
      return;
    case ChangeOutcome::kNeedsRow:
      stamps.marks |= kMarkNeedsRow;
      if (slot.item().kind() == ItemKind::kValue && slot.item().is_dirty()) {
        const int64_t due_us = sessions_.clock().SteadyMicros();
        stamps.seen_by = static_cast<uint64_t>(due_us);
        dirty_list_.Mark(key, due_us, sent.since_us);
      }
      slot.SetStamps(stamps);
      return;
    case ChangeOutcome::kBad:
      sessions_.stats().quarantined_total.Add();
      if (!unchanged) return;  // what is there now is on the list and has its own chance
      stamps.marks |= kMarkQuarantined;
      Quarantine(key.bytes);
      slot.SetStamps(stamps);
      return;
    case ChangeOutcome::kNoRow:
      sessions_.stats().quarantined_total.Add();
      sessions_.stats().quarantined_without_row.Add();
      if (!unchanged) return;
      stamps.marks |= kMarkQuarantined | kMarkNoRow;
      stamps.synced_touched = slot.item().expiry();
      Quarantine(key.bytes);
      slot.SetStamps(stamps);
      // Nobody may go on with it here either; who logs in begins another session.
      CHECK(slot.SetExpiry(base::kAlreadyPast));  // a session always has room for one
      return;
  }
}

void WriteBehind::SayWithoutRow(uint64_t count) {
  const int64_t now_us = sessions_.clock().SteadyMicros();
  if (count == 0 || now_us < say_without_row_us_) return;
  say_without_row_us_ = now_us + kSayAgainMicros;
  sessions_.Say(
      "sessions: this server or its journal was away from the database for longer than --tombstone-life, and "
      "sessions that it wants to write have no row: other servers may have deleted them, so they are kept in "
      "quarantine and answered as gone; \"stats quarantine\" lists them; a new login replaces one, and where "
      "outages may last longer a larger --tombstone-life keeps them");
}

void WriteBehind::NoteDone(const Change& change, Seconds now, SessionStamps* stamps) {
  SessionStats& stats = sessions_.stats();
  stats.synced_rows.Add();
  stamps->synced_at = now;
  if (change.kind == ChangeKind::kDelete) {
    stats.synced_deletes.Add();
    return;
  }
  if (change.kind == ChangeKind::kExpiry) {
    stats.synced_expiries.Add();
  } else {
    stats.synced_bytes.Add(change.row.data.size());
    stamps->synced_version = std::max(stamps->synced_version, change.row.version);
    stamps->marks &= static_cast<uint8_t>(~(kMarkNeedsRow | kMarkAfterOutage));
  }
  stamps->synced_touched = std::max(stamps->synced_touched, change.row.touched);
}

void WriteBehind::SetClean(Slot& slot, const Key& key) {
  sessions_.read_through().NoteWritten(key);
  AddDirtyBytes(-DirtyBytesOf(slot.item()));
  slot.SetDirty(false);
}

void WriteBehind::OnFailure(const Failure& failure) {
  const SessionSettings& settings = sessions_.settings();
  const int64_t now_us = sessions_.clock().SteadyMicros();
  for (size_t i = 0; i < batch_.size(); ++i) {
    dirty_list_.Mark(Key::Of(batch_[i].row.key), now_us, sent_[i].since_us);
  }
  batch_.clear();
  sent_.clear();
  EmptyHand();
  SetInHand();
  sessions_.stats().write_failures.Add();
  pause_ms_ = std::clamp(pause_ms_ * 2, settings.retry_ms_min, settings.retry_ms_max);
  const uint32_t factor = failure.kind == FailureClass::kConfiguration ? kConfigurationPauseFactor : 1;
  paused_until_us_ = now_us + int64_t{pause_ms_} * factor * 1000;
}

}  // namespace holdfast::session
