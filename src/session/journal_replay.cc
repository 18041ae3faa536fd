// How it works: as journal_replay.h says; each Apply locks the key's slot and compares stamps as the database's guards
// do.

#include "session/journal_replay.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/check.h"
#include "session/marks.h"

namespace holdfast::session {

using store::ItemKind;
using store::Key;
using store::SessionStamps;
using store::Slot;

namespace {
constexpr int kDraftTries = 1000;
}  // namespace

int64_t JournalReplay::TtlMicros(const DecodedRecord& record) const {
  if (record.when_us == kNeverMicros) return kNeverMicros;
  return record.WhenBy(clock_) - clock_.SteadyMicros();
}

Seconds JournalReplay::ExpiryAfter(int64_t ttl_us) const {
  if (ttl_us == kNeverMicros) return base::kNever;
  return ttl_us <= 0 ? base::kAlreadyPast : ExpiryAt(sessions_.clock(), sessions_.clock().SteadyMicros() + ttl_us);
}

void JournalReplay::Apply(const DecodedRecord& record) {
  ++records_;
  for (const uint64_t version : {record.stamps.version, record.stamps.touched, record.stamps.floor}) {
    sessions_.stamp_clock().Observe(version);
  }
  const Key key = Key::Of(record.key);
  switch (record.kind) {
    case RecordKind::kValue:
      return ApplyValue(record, key);
    case RecordKind::kExpiry:
      return ApplyExpiry(record, key);
    case RecordKind::kDelete:
      return ApplyDelete(record, key);
  }
}

bool JournalReplay::NewDraft(const store::DraftShape& shape, store::Draft* draft) {
  for (int tries = 0; tries < kDraftTries; ++tries) {
    const store::Reserve reserve = access_.NewDraft(shape, draft);
    if (reserve != store::Reserve::kRetry) return reserve == store::Reserve::kOk;
    access_.Quiesce();
  }
  return false;
}

void JournalReplay::Publish(Slot& slot, store::Draft&& draft, SessionStamps stamps, const DecodedRecord& record,
                            const Key& key) {
  sessions_.NoteFloor(key, stamps.floor);
  const int64_t now_us = sessions_.clock().SteadyMicros();
  const int64_t bytes_before = DirtyBytesOf(slot.item());
  // A tombstone keeps when the session was deleted; anything else when it is due, and that the database may know of it.
  const bool is_delete = draft.item().kind() == ItemKind::kTombstone;
  stamps.seen_by = static_cast<uint64_t>(is_delete ? std::min(record.WhenBy(clock_), now_us) : now_us);
  const bool provisional = !is_delete && Has(stamps, kMarkProvisional);
  stamps.origin = kOriginJournal;
  if (!is_delete) stamps.marks = provisional ? kMarkProvisional : kMarkSent;
  draft.SetStamps(stamps);
  if (!slot.item()) ++restored_;
  slot.Publish(std::move(draft), {.dirty = true});
  sessions_.write_behind().AddDirtyBytes(DirtyBytesOf(slot.item()) - bytes_before);
  sessions_.verification().DoubtKey(key.bytes);
  if (provisional) {
    sessions_.provisional().Note(key.bytes);
  } else {
    sessions_.provisional().Forget(key.bytes);
    sessions_.write_behind().Mark(key, now_us);
  }
}

void JournalReplay::ApplyValue(const DecodedRecord& record, const Key& key) {
  const int64_t ttl_us = TtlMicros(record);
  const base::Clock& clock = sessions_.clock();
  const Seconds now = clock.Now();
  SessionStamps before;
  bool is_unsettled = false;  // what may lose to this yet
  {
    const Slot slot = access_.Lock(key, now);
    if (slot.item() && slot.item().is_session()) before = slot.item().stamps();
    is_unsettled = IsProvisional(slot.item()) && !Has(record.stamps, kMarkProvisional);
  }
  // Written down again, perhaps with a later expiry in place of a record of that alone.
  if (before.version == record.stamps.version) return ApplyExpiry(record, key);
  if (before.floor >= record.stamps.born) return;
  if (before.version > record.stamps.version) {
    if (is_unsettled) KeepDirect(ChangeKind::kValue, record, before.floor);
    return;
  }
  if (rest_.VersionOf(std::string(record.key)) > record.stamps.version) return;
  const Rule* const rule = sessions_.Match(record.key);
  store::DraftShape shape{.key = key, .value_size = record.value.size(), .client_flags = record.client_flags};
  shape.session = true;
  shape.expiry = ExpiryAfter(ttl_us);
  store::Draft draft;
  // What is over must still be told to the database, which may know an older, longer life.
  const bool no_place = ttl_us <= 0 || rule == nullptr || !NewDraft(shape, &draft);
  if (no_place && Has(record.stamps, kMarkProvisional)) {
    if (ttl_us > 0) WriteDirectly(ChangeKind::kCompared, record, key);  // over no row alone
    return;
  }
  if (no_place) return WriteDirectly(ChangeKind::kValue, record, key);
  draft.Append(record.value);
  SessionStamps stamps = record.stamps;
  stamps.rule = rule->number;
  stamps.floor = std::max(stamps.floor, before.floor);
  stamps.allowance = static_cast<uint8_t>(sessions_.settings().immediate_writes);
  // Whether that value counts is not known before the database has this one.
  if (!Has(record.stamps, kMarkProvisional)) rest_.Forget(std::string(record.key));
  Slot slot = access_.Lock(key, now);
  Publish(slot, std::move(draft), stamps, record, key);
}

void JournalReplay::ApplyExpiry(const DecodedRecord& record, const Key& key) {
  const int64_t ttl_us = TtlMicros(record);
  const Seconds now = sessions_.clock().Now();
  Slot slot = access_.Lock(key, now);
  if (!slot.item() || !slot.item().is_session()) {
    { const Slot gone = std::move(slot); }
    return WriteDirectly(ChangeKind::kExpiry, record, key);
  }
  SessionStamps stamps = slot.item().stamps();
  const bool is_of_another = stamps.version < record.stamps.version || IsProvisional(slot.item());
  if (is_of_another && stamps.version != record.stamps.version && stamps.floor < record.stamps.born) {
    // Of a value that another server wrote later, and that was read from the database: it has this value, too. Or of
    // one that what was stored provisionally may lose to.
    { const Slot gone = std::move(slot); }
    return KeepDirect(ChangeKind::kExpiry, record, stamps.floor);
  }
  if (slot.item().kind() == ItemKind::kTombstone || stamps.version != record.stamps.version ||
      stamps.touched >= record.stamps.touched) {
    return;
  }
  stamps.touched = record.stamps.touched;
  slot.SetStamps(stamps);
  CHECK(slot.SetExpiry(ExpiryAfter(ttl_us)));  // a session always has room for one
}

void JournalReplay::ApplyDelete(const DecodedRecord& record, const Key& key) {
  const Seconds now = sessions_.clock().Now();
  {
    Slot slot = access_.Lock(key, now);
    if (slot.item() && slot.item().is_session()) {
      SessionStamps stamps = slot.item().stamps();
      if (stamps.floor >= record.stamps.floor) return;
      if (slot.item().kind() == ItemKind::kValue && stamps.born > record.stamps.floor) {
        stamps.floor = record.stamps.floor;  // a later login stands here already
        slot.SetStamps(stamps);
        sessions_.NoteFloor(key, stamps.floor);
        return;
      }
    }
  }
  const Rule* const rule = sessions_.Match(record.key);
  store::Draft tombstone;
  if (rule == nullptr || !NewDraft(Sessions::TombstoneShape(key), &tombstone)) {
    return WriteDirectly(ChangeKind::kDelete, record, key);
  }
  SessionStamps stamps = record.stamps;
  stamps.rule = rule->number;
  rest_.Forget(std::string(record.key));
  Slot slot = access_.Lock(key, now);
  Publish(slot, std::move(tombstone), stamps, record, key);
}

void JournalReplay::WriteDirectly(ChangeKind kind, const DecodedRecord& record, const Key& key) {
  uint64_t floor = record.stamps.floor;
  if (Slot slot = access_.Lock(key, sessions_.clock().Now()); slot.item() && slot.item().is_session()) {
    floor = std::max(floor, slot.item().stamps().floor);
    sessions_.write_behind().AddDirtyBytes(-DirtyBytesOf(slot.item()));
    slot.SetDirty(false);
    slot.Remove();
    sessions_.provisional().Forget(key.bytes);
  }
  KeepDirect(kind, record, floor);
}

void JournalReplay::KeepDirect(ChangeKind kind, const DecodedRecord& record, uint64_t floor) {
  Change change;
  change.kind = kind;
  change.base_version = kind == ChangeKind::kCompared ? 0 : record.stamps.version;
  Row& row = change.row;
  row.key = record.key;
  row.version = kind == ChangeKind::kDelete ? record.stamps.floor : record.stamps.version;
  row.born = record.stamps.born;
  row.floor = floor;
  row.touched = record.stamps.touched;
  const int64_t ttl_us =
      kind == ChangeKind::kDelete ? int64_t{sessions_.settings().tombstone_life_s} * 1'000'000 : TtlMicros(record);
  row.expires_us = ttl_us == kNeverMicros ? kNeverMicros : sessions_.clock().SteadyMicros() + ttl_us;
  row.client_flags = record.client_flags;
  row.data = record.value;
  rest_.Keep(std::move(change));
}

}  // namespace holdfast::session
