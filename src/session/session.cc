// How it works: a write is decided under the slot's lock in four steps. Is it from before a delete (then it is
// dropped)? What are its stamps? Is there room for another dirty item, and does the journal take it (else it is refused
// and nothing has changed)? When is it due? Then it is published dirty, and its key entered in the dirty list, unless
// it stands there with an earlier time already: the item itself remembers that (marks.h), so a session that is written
// ten times a second goes to the list once.
//
// An item is a reservation while all that was ever stored is an empty value: PHP makes one for every visitor. It has
// stamps like a session, because it may stand over a delete that the database does not know yet, but no row.

#include "session/session.h"

#include <algorithm>
#include <utility>

#include "session/journal_format.h"
#include "session/marks.h"

namespace holdfast::session {

using store::ItemKind;
using store::ItemRef;
using store::ItemState;
using store::Key;
using store::SessionStamps;
using store::Slot;

namespace {

// Whoever has waited for the database in vain gets a moment for the journal all the same.
constexpr int64_t kRoomMicrosLeast = 250'000;

// Is there a session in the slot, and not merely a reservation?
bool HoldsSession(const Slot& slot) { return slot.live() && slot.item().is_session() && !IsReservation(slot.item()); }

// An expired session of which the database lacks something, its shorter expiry perhaps: it must not be forgotten.
bool HoldsUnsyncedRest(const Slot& slot) {
  return slot.state() == ItemState::kExpired && slot.item().is_session() && slot.item().is_dirty() &&
         !IsReservation(slot.item());
}

// A session of which the database lacks something that was acknowledged; it may be over.
bool HoldsUnwritten(const Slot& slot) {
  return ((HoldsSession(slot) && slot.item().is_dirty()) || HoldsUnsyncedRest(slot)) && !IsProvisional(slot.item());
}

// Is the item's floor still to be brought to the database? A tombstone carries it, and a reservation over one.
bool FloorUnsynced(const Slot& slot) {
  return slot.item() && slot.item().is_dirty() &&
         (slot.item().kind() == ItemKind::kTombstone || IsReservation(slot.item()));
}

// For who is told of it. A provisional value may turn out to be of a session of long ago.
uint64_t BirthOf(const SessionStamps& stamps) { return Has(stamps, kMarkProvisional) ? 0 : stamps.born; }

bool IsShorter(Seconds expiry, Seconds than) {
  if (expiry == base::kNever) return false;
  return than == base::kNever || expiry < than;
}

}  // namespace

Sessions::Sessions(const SessionSettings& settings, Rules rules, Doors doors)
    : settings_(settings),
      rules_(std::move(rules)),
      clock_(doors.clock),
      store_(doors.store),
      journal_(doors.journal),
      database_(doors.database),
      wake_(std::move(doors.wake)),
      stamp_clock_(clock_, settings_.node),
      write_behind_(*this),
      strict_writes_(*this),
      read_through_(*this),
      journal_room_(settings_.parked_max, wake_),
      reaper_(*this),
      nodes_(*this),
      change_poll_(*this),
      yields_(*this),
      verification_(clock_, settings_.shared ? int64_t{settings_.stall_ms} * 1000 : 0,
                    int64_t{std::min(settings_.grace_s, settings_.tombstone_life_s)} * 1'000'000 / 2),
      doubt_walk_(*this),
      forgotten_deletes_(*this),
      recent_ends_(settings_.ends_max),
      sampler_(*this),
      losses_(doors.losses != nullptr ? *doors.losses : own_losses_) {}

Sessions::~Sessions() = default;

// -- Reading --------------------------------------------------------------------------------------

void Sessions::OnDatabaseReplaced(const std::string& how) {
  stats_.database_replaced.Add();
  verification_.DoubtAll(Doubt::kReplaced);
  change_poll_.BeginAnew();
  write_behind_.WakeWriter();
  if (say_)
    say_("sessions: the database was replaced or restored (" + how + "): everything in memory is written to it");
}

void Sessions::OnStopped(int64_t for_us) {
  const bool is_long = for_us > int64_t{std::min(settings_.grace_s, settings_.tombstone_life_s)} * 1'000'000 / 2;
  verification_.DoubtAll(is_long ? Doubt::kStoppedLong : Doubt::kStopped);
}

// May what memory has of the key be served as it is?
Verdict Sessions::JudgeDoubted(LoadOutcome in_hand) {
  if (in_hand != LoadOutcome::kUnavailable) {
    stats_.unverified_asked.Add();
    return Verdict::kAsk;
  }
  // What the journal brought is the latest there is, if there is no other server.
  return !settings_.shared && verification_.IsOnlyReplayed() ? Verdict::kLive : Verdict::kUnavailable;
}

bool Sessions::IsSharedStrict(std::string_view key) const {
  if (!settings_.shared) return false;
  const Rule* const rule = Match(key);
  return rule != nullptr && rule->is_strict();
}

Verdict Sessions::JudgeStrict(const Rule& rule, const Key& key, ItemState state, LoadOutcome in_hand, Seconds now,
                              bool fresh) {
  if (settings_.shared && fresh) {
    if (in_hand == LoadOutcome::kNone) return Verdict::kAsk;
    if (in_hand == LoadOutcome::kUnavailable) return Verdict::kUnavailable;
  }
  return Judge(rule, key, state, in_hand, now);
}

Verdict Sessions::Judge(const Rule& rule, const Key& key, ItemState state, LoadOutcome in_hand, Seconds now) {
  if (state != ItemState::kAbsent && state != ItemState::kFlushed && verification_.Doubts(key.bytes)) {
    const Verdict verdict = JudgeDoubted(in_hand);
    if (verdict != Verdict::kLive) return verdict;
  }
  if (settings_.shared) {
    const int64_t late_us = clock_.SteadyMicros() - change_poll_.polled_us();
    if (late_us > PollLateMicros()) {
      // How stale a strict copy may be is promised, and cannot be known: of a delete as of a value.
      if (rule.is_strict() && (state == ItemState::kLive || state == ItemState::kTombstone)) {
        if (in_hand == LoadOutcome::kNone) return Verdict::kAsk;
        if (in_hand == LoadOutcome::kUnavailable) return Verdict::kUnavailable;
      }
      if (!rule.is_strict() && state == ItemState::kLive) stats_.serving_unverified.Add();
    }
    // Another server may have prolonged it: as long as the row was not read, nobody knows.
    const bool is_unread = in_hand == LoadOutcome::kNone || in_hand == LoadOutcome::kUnavailable;
    if (state == ItemState::kExpired && is_unread) state = ItemState::kAbsent;
  }
  // An expired value that was stored provisionally says nothing of what the database has.
  if (state == ItemState::kExpired && provisional_.Holds(key.bytes)) state = ItemState::kAbsent;
  // Whoever is told that there is nothing, soon after a delete, is remembered, whatever the reason is by now.
  const Verdict miss = answer_book_.Recent(key, now) ? Verdict::kDeleted : Verdict::kMiss;
  switch (state) {
    case ItemState::kLive:
      return Verdict::kLive;
    case ItemState::kTombstone:
      return Verdict::kDeleted;
    case ItemState::kExpired:
      // Memory has the latest, and so the database has no later expiry; but it has the delete below a reservation.
      NoteEnd(key, End::kExpired);
      return Verdict::kDeleted;
    case ItemState::kAbsent:
    case ItemState::kFlushed:
      break;
  }
  switch (in_hand) {
    case LoadOutcome::kUnavailable:
      return Verdict::kUnavailable;
    case LoadOutcome::kAbsent:
      return miss;
    case LoadOutcome::kNone:
    case LoadOutcome::kLoaded:  // it came, and is gone again: once more
    case LoadOutcome::kCommitted:
    case LoadOutcome::kOvertaken:
    case LoadOutcome::kUnwritable:
      break;
  }
  if (!negative_cache_.Has(key, clock_.SteadyMicros())) return Verdict::kAsk;
  stats_.negative_hits.Add();
  return miss;
}

bool Sessions::Load(const Rule& rule, const Key& key, const Waiter& waiter, Waits* waits) {
  waits->Begin(rule, clock_.SteadyMicros());
  return read_through_.Load(key, waiter, waits->until_us, settings_.shared && rule.is_strict());
}

bool Sessions::MayWriteUnknown(const Rule& rule, Verdict verdict) const {
  if (rule.is_strict()) return false;
  if (verdict == Verdict::kUnavailable) return true;
  const int64_t away_since_us = read_through_.away_since_us();
  return verdict == Verdict::kAsk && away_since_us != 0 &&
         clock_.SteadyMicros() - away_since_us >= int64_t{rule.budget_ms} * 1000;
}

void Sessions::Preload(const Key& key) { read_through_.Preload(key); }

// A reservation may leave memory, and then the tombstone that it was made over stands here again. Under the slot.
void Sessions::NoteDeleteBelow(const ItemRef& item, const Key& key, Seconds now) {
  if (!IsReservation(item)) return;
  const uint64_t floor = item.stamps().floor;
  if (floor > answer_book_.FloorOf(key)) answer_book_.NoteDelete(key, floor, now, now);
}

void Sessions::NoteHit(store::Access& access, const Rule& rule, const Key& key, const ItemRef& item,
                       uint64_t connection, Seconds now) {
  const bool may_be_reservation = item.value_size() == 0;
  if (!may_be_reservation && !answer_book_.Recent(key, now)) return;
  const Seconds keep_until = may_be_reservation ? now + rule.writer_window_s + 1 : 0;
  uint64_t born = 0;
  {
    const Slot slot = access.Lock(key, now);
    NoteDeleteBelow(slot.item(), key, now);
    if (slot.item() && slot.item().is_session() && slot.item().cas() == item.cas())
      born = BirthOf(slot.item().stamps());
  }
  answer_book_.NoteAnswer(key, {item.cas(), born}, connection, keep_until);
}

// Of a session deleted then. Both this second and what is left of the window have begun: it is open until it has surely
// ended.
Seconds Sessions::WindowEnd(const Rule& rule, int64_t deleted_us, Seconds now) const {
  const int64_t left_us = deleted_us + int64_t{rule.writer_window_s} * 1'000'000 - clock_.SteadyMicros();
  return left_us > 0 ? now + static_cast<Seconds>(left_us / 1'000'000) + 2 : now;
}

void Sessions::NoteFloor(const Key& key, uint64_t floor) {
  const Rule* const rule = settings_.shared && floor != 0 ? Match(key.bytes) : nullptr;
  if (rule == nullptr || answer_book_.FloorOf(key) >= floor) return;
  const Seconds now = clock_.Now();
  const Seconds until = WindowEnd(*rule, stamp_clock_.SteadyMicrosOf(floor), now);
  if (until > now) answer_book_.NoteDelete(key, floor, now, until);
}

void Sessions::NoteMiss(store::Access& access, const Rule& rule, const Key& key, uint64_t connection, Seconds now) {
  // The tombstone may leave memory before this connection writes.
  const Seconds keep_until = now + rule.writer_window_s + 1;
  Slot slot = access.Lock(key, now);
  if (slot.state() != ItemState::kTombstone || !slot.item().is_session()) {
    NoteDeleteBelow(slot.item(), key, now);
    const uint64_t now_version = stamp_clock_.Next(0);
    answer_book_.NoteAnswer(key, {now_version, now_version}, connection, keep_until);
    return;
  }
  SessionStamps stamps = slot.item().stamps();
  // Not asked of Recent: that is a filter, and true for a key that shares its place with another.
  if (answer_book_.FloorOf(key) < stamps.version) {
    // Deleted before this process began, or so long ago that it does not matter who was told.
    answer_book_.NoteDelete(key, stamps.version, now, WindowEnd(rule, static_cast<int64_t>(stamps.seen_by), now));
  }
  // Told of none as of now: of a delete since then on another server too, of which nothing is known here yet.
  answer_book_.NoteAnswer(key, {stamps.version, stamp_clock_.Next(0)}, connection, keep_until);
  if (Has(stamps, kMarkMissAnswered)) return;
  stamps.marks |= kMarkMissAnswered;
  slot.SetStamps(stamps);
}

// -- Writing --------------------------------------------------------------------------------------

uint32_t Sessions::SyncIntervalOf(const Rule& rule) const {
  return rule.sync_interval_s != 0 ? rule.sync_interval_s : settings_.sync_interval_s;
}

// By N or a quarter of the session's life after the last sync, whichever is sooner: of the life that it is to have, and
// of that which the row has, which would be over before.
int64_t Sessions::LazyDue(const Rule& rule, Seconds synced_at, Seconds expiry_before, Seconds expiry, Seconds now,
                          int64_t now_us) const {
  if (synced_at == 0) return now_us;
  int64_t delay_us = int64_t{SyncIntervalOf(rule)} * 1'000'000;
  for (const auto& [begin, end] : {std::pair(now, expiry), std::pair(synced_at, expiry_before)}) {
    if (end == base::kNever) continue;
    const int64_t life_us = end > begin ? int64_t{end - begin} * 1'000'000 : 0;
    delay_us = std::min(delay_us, life_us / 4);
  }
  return std::max(now_us, clock_.SteadyMicrosAt(synced_at) + delay_us);
}

bool Sessions::ComesFromBeforeDelete(const WriteRequest& request, ItemState state, const SessionStamps& before) {
  if (request.kind != WriteKind::kSet) return false;
  const Rule& rule = request.rule;
  if (request.provisional && state != ItemState::kLive) {
    // Memory has forgotten the tombstone and the database cannot be asked: the book may know.
    const Answered answered = answer_book_.Ask(request.key, request.connection, request.now);
    return answered == Answered::kNo || (answered == Answered::kYes && rule.fresh_ids);
  }
  if (state != ItemState::kTombstone) {
    // A new session stands here, and then a late writer can only be told where each request has its own connection; or
    // one stood here and is over.
    return (state != ItemState::kLive || rule.connection_per_request) &&
           answer_book_.Recent(request.key, request.now) &&
           answer_book_.Ask(request.key, request.connection, request.now) == Answered::kNo;
  }
  if (rule.fresh_ids) return true;
  // The book may know of an earlier delete only, when another server made this one.
  if (answer_book_.FloorOf(request.key) >= before.floor &&
      answer_book_.Ask(request.key, request.connection, request.now) == Answered::kYes) {
    return false;
  }
  const int64_t age_us = clock_.SteadyMicros() - static_cast<int64_t>(before.seen_by);
  return !Has(before, kMarkMissAnswered) || age_us <= int64_t{rule.writer_window_s} * 1'000'000;
}

SessionStamps Sessions::StampsOf(const WriteRequest& request, const Slot& slot, const ItemRef& draft,
                                 const base::Moment& moment) {
  const SessionStamps before = StampsIn(slot.item());
  const bool goes_on = slot.live() && slot.item().is_session();
  SessionStamps stamps = before;
  stamps.version = stamp_clock_.Next(SeenOf(before), moment);
  const bool keeps_expiry = goes_on && request.kind == WriteKind::kRewrite && draft.expiry() == slot.item().expiry();
  if (!keeps_expiry) stamps.touched = stamps.version;
  stamps.born = goes_on ? before.born : stamps.version;
  stamps.rule = request.rule.number;
  stamps.origin = kOriginClient;
  stamps.allowance = goes_on ? before.allowance : static_cast<uint8_t>(settings_.immediate_writes);
  stamps.marks = before.marks & kMarkSent;
  if (goes_on) stamps.marks |= before.marks & kMarkAfterOutage;
  if (request.provisional || IsProvisional(slot.item())) {
    stamps.marks |= kMarkProvisional;
    return stamps;
  }
  if (draft.value_size() == 0 && !HoldsSession(slot) && !HoldsUnsyncedRest(slot)) stamps.marks |= kMarkReservation;
  return stamps;
}

// When the write is due; takes one of the session's immediate writes if that is why it is due at once.
int64_t Sessions::ChargeAllowance(const WriteRequest& request, const Slot& slot, const ItemRef& draft,
                                  SessionStamps* stamps, int64_t now_us) const {
  const bool overwrites = HoldsSession(slot);
  if (overwrites && draft.value_size() == 0) return now_us;
  if (overwrites && IsShorter(draft.expiry(), slot.item().expiry())) return now_us;
  const uint32_t interval = SyncIntervalOf(request.rule);
  if (stamps->synced_at != 0 && interval != 0 && request.now > stamps->synced_at) {
    const uint32_t regained = (request.now - stamps->synced_at) / interval;
    stamps->allowance = static_cast<uint8_t>(std::min(stamps->allowance + regained, settings_.immediate_writes));
  }
  if (stamps->allowance > 0) {
    --stamps->allowance;
    return now_us;
  }
  const Seconds expiry_before = overwrites ? slot.item().expiry() : base::kNever;
  return LazyDue(request.rule, stamps->synced_at, expiry_before, draft.expiry(), request.now, now_us);
}

WriteOutcome Sessions::Journalled(RecordKind kind, const Key& key, const SessionStamps& stamps, Seconds expiry,
                                  const ItemRef& item) {
  const JournalRecord record{kind, key.bytes, stamps, expiry, item};
  if (journal_.Append(record)) return WriteOutcome::kStored;
  if (RecordBytes(record) <= journal_.record_bytes_max()) return WriteOutcome::kNoRoom;
  stats_.refused_too_large.Add();
  return WriteOutcome::kTooLarge;
}

bool Sessions::AwaitRoom(const Rule& rule, const Waiter& waiter, LoadOutcome in_hand, size_t bytes, Waits* waits) {
  const int64_t now_us = clock_.SteadyMicros();
  waits->Begin(rule, now_us);
  if (!std::exchange(waits->were_for_room, true)) {
    waits->until_us = std::max(waits->until_us, now_us + kRoomMicrosLeast);
    stats_.journal_waits.Add();
  }
  // What the database said of the key may be no longer so when the wait is over; that it could not be asked, is.
  if (in_hand != LoadOutcome::kUnavailable) in_hand = LoadOutcome::kNone;
  if (now_us < waits->until_us && journal_room_.Await(waiter, in_hand, bytes, waits->until_us)) return true;
  stats_.refused_journal.Add();
  return false;
}

// What the database will not take would be acknowledged and never be safe.
bool Sessions::IsTooLarge(uint64_t value_bytes) {
  if (database_ == nullptr || value_bytes <= database_->value_bytes_max()) return false;
  stats_.refused_too_large.Add();
  return true;
}

void Sessions::NoteWrittenBy(const Key& key, const AnsweredFrom& written, uint64_t connection, Seconds now) {
  if (answer_book_.Recent(key, now)) answer_book_.NoteAnswer(key, written, connection);
}

void Sessions::NoteDeleted(const Rule& rule, const Key& key, uint64_t floor, Seconds now) {
  answer_book_.NoteDelete(key, floor, now, now + rule.writer_window_s + 1);
  stats_.tombstones.Add();
}

// Without other servers memory, and what the journal brought into it, is later than the database; but a provisional
// value is not known to be.
bool Sessions::IsLatest(const ItemRef& item) const {
  return !settings_.shared && verification_.IsOnlyReplayed() && item && item.is_session() && !IsProvisional(item);
}

// A set that would be provisional, over a session of which the database lacks an acknowledged change, its shorter
// expiry perhaps: stored so it would take the place of that, and both would go if it lost. So it is decided now, as it
// would be over such a row (provisional.h). If it does not lose it is the next change of a session that lives, or
// begins one where that is over; that another server has ended the session, or gone on with it later, the database says
// when it is written.
bool Sessions::LosesAtOnce(const Slot& slot, const store::Draft& draft, const WriteRequest& request) {
  if (!HoldsUnwritten(slot) || IsLatest(slot.item())) return false;
  if (!read_through_.LosesUnseen(request.key.bytes, draft.item().value_size(), clock_.SteadyMicros())) return false;
  NoteEnd(request.key, End::kProvisionalDropped);
  losses_.Add(Loss::kProvisional);
  return true;
}

WriteOutcome Sessions::Write(Slot& slot, store::Draft&& draft, const WriteRequest& request) {
  if (IsTooLarge(draft.item().value_size())) return WriteOutcome::kTooLarge;
  if (request.provisional && LosesAtOnce(slot, draft, request)) return WriteOutcome::kDropped;
  if (request.provisional && (IsLatest(slot.item()) || HoldsUnwritten(slot))) {
    WriteRequest ordinary = request;
    ordinary.provisional = false;
    return Write(slot, std::move(draft), ordinary);
  }
  const SessionStamps before = StampsIn(slot.item());
  if (ComesFromBeforeDelete(request, slot.state(), before)) {
    stats_.resurrections_refused.Add();
    return WriteOutcome::kDropped;
  }
  const base::Moment moment = clock_.ReadBoth();
  SessionStamps stamps = StampsOf(request, slot, draft.item(), moment);
  const bool reservation = Has(stamps, kMarkReservation);
  const bool provisional = Has(stamps, kMarkProvisional);
  const bool dirty = !reservation || FloorUnsynced(slot);
  const int64_t due_us =
      reservation ? moment.steady_us : ChargeAllowance(request, slot, draft.item(), &stamps, moment.steady_us);

  const bool grows = !slot.live() || draft.item().value_size() > slot.item().value_size();
  if (dirty && grows && !write_behind_.HasRoomFor(static_cast<int64_t>(draft.item().value_size()))) {
    stats_.refused_dirty_full.Add();
    return WriteOutcome::kRefused;
  }

  const ItemRef old = slot.item();
  const bool was_dirty = old && old.is_dirty() && old.is_session();
  const bool on_list = !provisional && was_dirty && old.kind() == ItemKind::kValue && before.seen_by != 0 &&
                       static_cast<int64_t>(before.seen_by) <= due_us && dirty;
  stamps.seen_by = !dirty || provisional ? 0 : on_list ? before.seen_by : static_cast<uint64_t>(due_us);
  draft.SetStamps(stamps);
  // Before its record is in the journal: who looks for what is dirty, to keep its records, finds it and waits for the
  // slot. If the record is refused, an entry says nothing wrong.
  if (provisional) provisional_.Note(request.key.bytes);
  if (!provisional && !on_list && dirty) write_behind_.Mark(request.key, due_us);
  if (!reservation) {
    const WriteOutcome journalled =
        Journalled(RecordKind::kValue, request.key, stamps, draft.item().expiry(), draft.item());
    if (journalled != WriteOutcome::kStored) {
      if (provisional && !IsProvisional(old)) provisional_.Forget(request.key.bytes);
      return journalled;
    }
  }

  const int64_t bytes_before = DirtyBytesOf(old);
  if (was_dirty && Has(before, kMarkQuarantined)) write_behind_.LiftQuarantine(request.key.bytes);
  if (!slot.live()) {
    read_through_.NoteTurn(request.key);
    negative_cache_.Erase(request.key);
  }
  Slot::PublishOptions options = request.options;
  options.cas = 0;
  options.dirty = dirty;
  slot.Publish(std::move(draft), options);

  write_behind_.AddDirtyBytes(DirtyBytesOf(slot.item()) - bytes_before);
  NoteWrittenBy(request.key, {stamps.version, BirthOf(stamps)}, request.connection, request.now);
  if (reservation) stats_.reservations.Add();
  if (provisional) {
    if (request.provisional) stats_.provisional_writes.Add();
    read_through_.WakeReader();
  } else if (on_list) {
    stats_.coalesced.Add();
  }
  return WriteOutcome::kStored;
}

WriteOutcome Sessions::Touch(Slot& slot, const Rule& rule, const Key& key, Seconds expiry, Seconds now) {
  const ItemRef item = slot.item();
  const Seconds expiry_before = item.expiry();
  // Another server may have given it another one a moment ago.
  if (expiry == expiry_before && !settings_.shared) return WriteOutcome::kStored;
  if (!item.is_session()) return slot.SetExpiry(expiry) ? WriteOutcome::kStored : WriteOutcome::kRefused;

  const SessionStamps before = item.stamps();
  SessionStamps stamps = before;
  const base::Moment moment = clock_.ReadBoth();
  stamps.touched = stamp_clock_.Next(SeenOf(before), moment);
  if (Has(before, kMarkReservation)) {
    slot.SetStamps(stamps);
    return slot.SetExpiry(expiry) ? WriteOutcome::kStored : WriteOutcome::kRefused;
  }
  const int64_t due_us = IsShorter(expiry, expiry_before)
                             ? moment.steady_us
                             : LazyDue(rule, before.synced_at, expiry_before, expiry, now, moment.steady_us);
  const bool on_list =
      IsProvisional(item) || (item.is_dirty() && before.seen_by != 0 && static_cast<int64_t>(before.seen_by) <= due_us);
  if (!on_list) stamps.seen_by = static_cast<uint64_t>(due_us);
  if (!on_list) write_behind_.Mark(key, due_us);
  const WriteOutcome journalled = Journalled(RecordKind::kExpiry, key, stamps, expiry, ItemRef());
  if (journalled != WriteOutcome::kStored) return journalled;

  if (item.is_dirty() && Has(before, kMarkQuarantined)) {
    stamps.marks &= static_cast<uint8_t>(~kMarkQuarantined);
    write_behind_.LiftQuarantine(key.bytes);
  }
  const int64_t bytes_before = DirtyBytesOf(item);
  if (!slot.SetExpiry(expiry)) return WriteOutcome::kRefused;  // a session always has room for one
  slot.SetStamps(stamps);
  slot.SetDirty(true);
  write_behind_.AddDirtyBytes(DirtyBytesOf(slot.item()) - bytes_before);
  if (on_list) stats_.coalesced.Add();
  return WriteOutcome::kStored;
}

store::DraftShape Sessions::TombstoneShape(const Key& key) {
  store::DraftShape shape;
  shape.key = key;
  shape.session = true;
  shape.kind = ItemKind::kTombstone;
  return shape;
}

WriteOutcome Sessions::Delete(Slot& slot, store::Draft&& tombstone, const Rule& rule, const Key& key, Seconds now) {
  const SessionStamps before = StampsIn(slot.item());
  SessionStamps stamps;
  const base::Moment moment = clock_.ReadBoth();
  stamps.version = stamp_clock_.Next(SeenOf(before), moment);
  stamps.touched = stamps.version;
  stamps.born = before.born;
  stamps.floor = stamps.version;
  stamps.synced_version = before.synced_version;
  stamps.synced_at = before.synced_at;
  stamps.rule = rule.number;
  stamps.seen_by = static_cast<uint64_t>(moment.steady_us);
  tombstone.SetStamps(stamps);
  write_behind_.Mark(key, moment.steady_us);
  const WriteOutcome journalled = Journalled(RecordKind::kDelete, key, stamps, base::kNever, ItemRef());
  if (journalled != WriteOutcome::kStored) return journalled;

  const ItemRef old = slot.item();
  const int64_t bytes_before = DirtyBytesOf(old);
  if (old && old.is_dirty() && Has(before, kMarkQuarantined)) write_behind_.LiftQuarantine(key.bytes);
  if (IsProvisional(old)) provisional_.Forget(key.bytes);
  read_through_.NoteTurn(key);  // a query that began before may have seen the session
  negative_cache_.Erase(key);
  slot.Publish(std::move(tombstone), {.dirty = true});
  write_behind_.AddDirtyBytes(DirtyBytesOf(slot.item()) - bytes_before);
  NoteDeleted(rule, key, stamps.version, now);
  return WriteOutcome::kStored;
}

std::string Sessions::SaveState() {
  base::Packer packer;
  stamp_clock_.Save(&packer);
  answer_book_.Save(clock_, &packer);
  return packer.Take();
}

void Sessions::RestoreState(std::string_view state) {
  base::Unpacker unpacker(state);
  stamp_clock_.Restore(&unpacker);
  answer_book_.Restore(clock_, &unpacker);
}

}  // namespace holdfast::session
