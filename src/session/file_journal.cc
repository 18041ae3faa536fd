// How it works: a hundred times a second the thread looks whether the ring is to be emptied, before each sync and when
// it is three quarters full; then it appends what is whole and not overtaken to the present segment. When segments have
// become old, what is dirty is gone through, and what was stamped before the first segment that stays was begun is
// appended anew, under the key's slot, so that the order of a key's records stays the order of its versions. The old
// ones go, unread, when these copies have been synced.

#include "session/file_journal.h"

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <utility>

#include "session/journal_replay.h"
#include "session/marks.h"
#include "session/session.h"

namespace holdfast::session {

namespace {
constexpr int kRoundMillis = 10;
constexpr int kForwardTries = 100;
constexpr uint64_t kQuiesceRecords = 1000;
constexpr int64_t kProgressMicros = 1'000'000;
constexpr uint64_t kProgressRecords = 1024;         // between looks at the clock
constexpr int64_t kRetirePauseMicros = 1'000'000;   // after a segment could not be removed
constexpr int64_t kRewritePauseMicros = 1'000'000;  // between syncs that fail
constexpr size_t kLookBytes = 256u << 20;           // at a time, for what is overtaken
constexpr size_t kMoveBytes = 1 << 20;              // at a time: so soon others may use the room
}  // namespace

base::Result<std::unique_ptr<FileJournal>> FileJournal::Open(const FileJournalSettings& settings,
                                                             const std::string& database_uuid, const base::Clock& clock,
                                                             const base::Log& log) {
  std::unique_ptr<FileJournal> journal(new FileJournal(settings, clock, log));
  auto segments = JournalSegments::Open(settings.directory, database_uuid, settings.segment_bytes, clock);
  if (!segments.ok()) return segments.status();
  journal->segments_ = std::move(segments.value());
  std::string left_over;
  JournalBoot boot{};
  auto ring = JournalRing::Open(settings.ring_path, database_uuid, settings.ring_bytes, clock, &left_over, &boot);
  if (!ring.ok()) return ring.status();
  journal->ring_ = std::move(ring.value());
  journal->LinkRing();
  if (!left_over.empty()) {
    if (base::Status status = journal->segments_->AppendFromBefore(left_over, boot); !status.ok()) return status;
    if (base::Status status = journal->segments_->Sync(settings.sync); !status.ok()) return status;
  }
  journal->ring_->Reset();
  return journal;
}

// So that who looks into the directory finds the shared memory that belongs to it.
void FileJournal::LinkRing() const {
  const std::string link = settings_.directory + "/ring";
  if (link == settings_.ring_path) return;
  ::unlink(link.c_str());
  if (::symlink(settings_.ring_path.c_str(), link.c_str()) != 0) {
    log_.Warning("cannot link " + link + " to " + settings_.ring_path + ": the journal works all the same");
  }
}

void FileJournal::RemoveRing() {
  const std::string link = settings_.directory + "/ring";
  if (link != settings_.ring_path) ::unlink(link.c_str());
  ring_->Reset();
  ring_->Remove();
}

FileJournal::~FileJournal() {
  if (thread_.joinable()) Stop(false);
}

namespace {
// Since the start of this process, and since the first of all.
void NoteDamage(Sessions& sessions, uint64_t extents) {
  if (extents == 0) return;
  sessions.stats().journal_bad_extents.Add(extents);
  sessions.losses().Add(Loss::kJournalDamaged, extents);
}

// Says how far it is, where that takes long.
class ReplayProgress {
 public:
  ReplayProgress(const base::Clock& clock, const base::Log& log, uint64_t bytes)
      : clock_(clock), log_(log), bytes_(bytes), say_at_us_(clock.SteadyMicros() + kProgressMicros) {}
  void Note(uint64_t bytes_read) {
    if (clock_.SteadyMicros() < say_at_us_) return;
    log_.Format(base::LogLevel::kNotice, "replaying the journal: %llu of %llu MB",
                static_cast<unsigned long long>(bytes_read >> 20), static_cast<unsigned long long>(bytes_ >> 20));
    say_at_us_ += kProgressMicros;
  }

 private:
  const base::Clock& clock_;
  const base::Log& log_;
  const uint64_t bytes_;
  int64_t say_at_us_;
};
}  // namespace

Failure FileJournal::WriteRest(Sessions& sessions, Driver& driver, const std::function<bool()>& is_stopping) {
  const auto send = [&](std::span<Change> batch, std::vector<ChangeOutcome>* outcomes) {
    if (is_stopping && is_stopping()) return Failure{FailureClass::kRetry, "the server is told to end"};
    for (Change& change : batch) {
      change.row.owner = sessions.stamp_clock().node();
      if (change.kind != ChangeKind::kValue && change.kind != ChangeKind::kCompared) continue;
      change.unseen_since_us = sessions.forgotten_deletes().UnseenSince({.born = change.row.born});
    }
    return sessions.forgotten_deletes().Write(driver, batch, outcomes);
  };
  JournalRest::Written written;
  Failure failure = rest_.Write(send, &written);
  sessions.stats().quarantined_without_row.Add(written.without_row);
  sessions.stats().quarantined_total.Add(written.unwritable + written.without_row);
  sessions.losses().Add(Loss::kUnwritable, written.unwritable + written.without_row);
  return failure;
}

base::Status FileJournal::Replay(Sessions& sessions, Driver* driver) {
  if (segments_->count() == 0) return {};
  const int64_t begun_us = clock_.SteadyMicros();
  store::Access access(sessions.store());
  JournalReplay replay(sessions, access, clock_, rest_);
  ReplayProgress progress(clock_, log_, segments_->bytes());
  uint64_t bad_extents = 0;
  uint64_t bytes_read = 0;
  for (size_t i = 0; i < segments_->count(); ++i) {
    base::Status status = segments_->ForEachRecord(
        i,
        [&](const DecodedRecord& record) {
          replay.Apply(record);
          bytes_read += record.bytes;
          if (replay.records() % kProgressRecords == 0) progress.Note(bytes_read);
        },
        &bad_extents);
    if (!status.ok()) return status;
    access.Quiesce();
  }
  const size_t rest = rest_.size();
  if (driver != nullptr) {
    if (const Failure failure = WriteRest(sessions, *driver); !failure.ok()) {
      return StatusOf(failure).In("replaying the journal");
    }
  }
  sessions.stats().journal_replayed.Add(replay.records());
  NoteDamage(sessions, bad_extents);
  log_.Format(base::LogLevel::kNotice, "journal replayed: %llu sessions from %llu records in %lld ms%s",
              static_cast<unsigned long long>(replay.sessions() + rest),
              static_cast<unsigned long long>(replay.records()),
              static_cast<long long>((clock_.SteadyMicros() - begun_us) / 1000),
              bad_extents == 0 ? "" : " (damaged parts were skipped: journal_bad_extents in stats sessions)");
  return {};
}

// How far it has read what another process writes. A record that is applied twice does no harm, for it is applied by
// its stamps; so a place that is too early is safe.
struct FileJournal::Reading {
  Reading(Sessions& sessions, const base::Clock& clock, JournalRest& rest)
      : access(sessions.store()), replay(sessions, access, clock, rest) {}
  store::Access access;
  JournalReplay replay;
  std::map<uint64_t, uint64_t> offsets;  // by the segment's number
  uint64_t bad_extents = 0;
};

FileJournal::FileJournal(const FileJournalSettings& settings, const base::Clock& clock, const base::Log& log)
    : settings_(settings), clock_(clock), log_(log), sync_(settings.sync) {}

base::Result<std::unique_ptr<FileJournal>> FileJournal::Inherit(const FileJournalSettings& settings, const Locks& locks,
                                                                const std::string& database_uuid,
                                                                const base::Clock& clock, const base::Log& log) {
  std::unique_ptr<FileJournal> journal(new FileJournal(settings, clock, log));
  auto ring = JournalRing::Inherit(settings.ring_path, locks.ring, database_uuid, clock);
  auto segments =
      JournalSegments::Open(settings.directory, database_uuid, settings.segment_bytes, clock, locks.directory);
  if (!ring.ok()) return ring.status();
  if (!segments.ok()) return segments.status();
  journal->ring_ = std::move(ring.value());
  journal->segments_ = std::move(segments.value());
  return journal;
}

base::Status FileJournal::ReadSegments(bool to_the_end) {
  if (base::Status status = segments_->Refresh(); !status.ok()) return status;
  for (size_t i = 0; i < segments_->count(); ++i) {
    const bool while_written = !to_the_end && i + 1 == segments_->count();
    base::Status status = segments_->ForEachRecordFrom(
        i, &reading_->offsets[segments_->number(i)], while_written,
        [&](const DecodedRecord& record) { reading_->replay.Apply(record); }, &reading_->bad_extents);
    if (!status.ok()) return status;
    reading_->access.Quiesce();
  }
  return {};
}

base::Status FileJournal::CatchUp(Sessions& sessions, Driver& driver, Progress* progress) {
  if (reading_ == nullptr) {
    reading_ = std::make_unique<Reading>(sessions, clock_, rest_);
  } else {
    reading_->access.Online();
  }
  const uint64_t before = reading_->replay.records();
  base::Status status = ReadSegments(false);
  if (status.ok()) static_cast<void>(WriteRest(sessions, driver));
  reading_->access.Offline();
  *progress = {reading_->replay.records() - before, rest_.size()};
  return status.In("reading the journal");
}

base::Status FileJournal::CatchUpToEnd(Sessions& sessions, Driver& driver) {
  reading_->access.Online();
  base::Status status = ReadSegments(true);
  std::string whole;
  if (status.ok() && !ring_->Collect(&whole)) {
    status = base::Status(base::ErrorKind::kCorrupt, settings_.ring_path + " is damaged");
  }
  for (size_t at = 0; status.ok() && at < whole.size();) {
    // Of this boot: the process that wrote it has just handed over.
    const auto record = DecodeRecord(std::string_view(whole).substr(at), at, true, Cover::kHead);
    if (!record) break;
    reading_->replay.Apply(*record);
    at += record->bytes;
  }
  if (status.ok()) status = StatusOf(WriteRest(sessions, driver));
  if (!status.ok()) {
    reading_->access.Offline();
    return status.In("reading the rest of the journal");
  }
  sessions.stats().journal_replayed.Add(reading_->replay.records());
  NoteDamage(sessions, reading_->bad_extents);
  reading_.reset();
  return {};
}

// Without the disk, which may take its time: who takes over reads the ring too, and it does not see whether the
// segments are synced.
void FileJournal::Seal() { EndThread(); }

void FileJournal::Leave() {
  sync_.Stop();
  TakeSyncResult();
  if (base::Status status = segments_->Sync(settings_.sync); !status.ok()) Complain(status);
  segments_->Rotate();
}

void FileJournal::Start(Sessions& sessions) {
  sessions_ = &sessions;
  stop_ = false;
  sync_.Start();
  thread_ = std::thread([this] { Run(); });
}

void FileJournal::Run() {
  store::Access access(sessions_->store());
  access.Offline();
  for (;;) {
    {
      std::unique_lock lock(mutex_);
      wake_.wait_for(lock, std::chrono::milliseconds(kRoundMillis), [this] { return stop_; });
      if (stop_) return;
    }
    Round(*sessions_, access);
  }
}

void FileJournal::Round(Sessions& sessions, store::Access& access) {
  sessions_ = &sessions;
  TakeSyncResult();
  const int64_t now_us = clock_.SteadyMicros();
  const bool sync_is_due = !sync_.busy() && now_us >= next_sync_us_;
  if (MoveIsDue(sync_is_due)) static_cast<void>(MoveRing());
  TellOfRoom();  // also of what was there before somebody began to wait
  sessions.journal_room().Tick(now_us);
  if (sync_is_due) BeginSync(now_us);
  RewriteWhenDue(access);
  RetireWhenDue(access);
  sessions.stats().journal_bytes.Set(segments_->bytes() + ring_->bytes_waiting());
}

void FileJournal::TellOfRoom() {
  if (sessions_ != nullptr) sessions_->journal_room().OnRoom(ring_->bytes() - ring_->bytes_waiting());
}

// The longer records wait, the more of them are overtaken by then: until they are to be synced, or room gets short, or
// somebody reads the segments.
bool FileJournal::MoveIsDue(bool sync_is_due) const {
  const uint64_t waiting = ring_->bytes_waiting();
  if (waiting == 0) return false;
  if (sync_is_due || held_.load() || rewrites_ || !can_write_) return true;
  return waiting >= ring_->bytes() / 4 * 3 || sessions_->journal_room().is_crowded();
}

// Not what is appended meanwhile: under load that has no end.
bool FileJournal::MoveRing() {
  const uint64_t end = ring_->end();
  while (!ring_->HasRead(end)) {
    OvertakenRecords overtaken(ring_->seed_at_tail());
    const std::string_view records =
        ring_->Peek(kLookBytes, [&](std::string_view record, size_t offset) { overtaken.Add(record, offset); });
    if (records.empty()) break;
    if (sessions_ != nullptr) segments_->SetMark(sessions_->stamp_clock().Mark());
    for (const OvertakenRecords::Stretch& stretch : overtaken.Find(records, kMoveBytes)) {
      can_write_ = MoveStretch(stretch);
      if (!can_write_) return false;
    }
  }
  return true;
}

bool FileJournal::MoveStretch(const OvertakenRecords::Stretch& stretch) {
  uint64_t bad = 0;
  const base::Status status = segments_->Append(stretch.records, ring_->seed_at_tail(), stretch.overtaken, &bad);
  if (!status.ok()) {
    Complain(status);
    return false;
  }
  if (sessions_ != nullptr) {
    NoteDamage(*sessions_, bad);
    sessions_->stats().journal_overtaken.Add(stretch.overtaken.size());
  }
  ring_->Consume(stretch.records.size());
  TellOfRoom();
  return true;
}

bool FileJournal::MoveRingUpTo(uint64_t end) {
  while (MoveRing()) {
    if (ring_->HasRead(end)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a worker is in the middle of a record
  }
  return false;
}

// Of all that was moved before: a sync leaves nothing in the ring that was there when it became due.
void FileJournal::BeginSync(int64_t now_us) {
  if (!segments_->needs_sync()) return;
  next_sync_us_ = now_us + int64_t{settings_.fsync_ms} * 1000;
  sync_.Begin(segments_->JobToSync());
  TakeSyncResult();  // without a thread it is there
}

void FileJournal::TakeSyncResult() {
  const auto result = sync_.Take();
  if (!result.has_value()) return;
  if (sessions_ != nullptr) sessions_->stats().fsync_micros.Record(static_cast<uint64_t>(result->took_us));
  if (result->status.ok()) {
    segments_->NoteSynced(result->place);
    if (sync_fails_ && !rewrites_) log_.Notice("the journal is on the disk again");
    sync_fails_ = sync_fails_ && rewrites_;
    return;
  }
  segments_->Distrust();
  retiring_.reset();
  next_rewrite_us_ = rewrites_ || sync_fails_ ? clock_.SteadyMicros() + kRewritePauseMicros : 0;
  rewrites_ = true;
  if (sessions_ != nullptr) sessions_->stats().journal_sync_failures.Add();
  if (std::exchange(sync_fails_, true)) return;
  log_.Error(result->status.message() +
             ": what the database lacks is written anew to another segment; until that is synced, loss of the machine "
             "loses more than --journal-sync says (journal_sync_failures in stats sessions)");
}

void FileJournal::RewriteWhenDue(store::Access& access) {
  if (!rewrites_ || clock_.SteadyMicros() < next_rewrite_us_) return;
  uint64_t copied = 0;
  rewrites_ = !CopyDirty(access, std::nullopt, &copied);
  next_rewrite_us_ = clock_.SteadyMicros() + kRewritePauseMicros;
  if (!rewrites_) next_sync_us_ = 0;
}

bool FileJournal::CopyDirty(store::Access& access, std::optional<uint64_t> mark, uint64_t* copied) {
  access.Online();
  const bool all = sessions_->write_behind().VisitDirty([&](std::span<const std::string> keys) {
    for (const std::string& key : keys) {
      const Copied result = CopyWithRoom(access, [&] { return CopyKey(access, key, mark); });
      if (result == Copied::kRefused) return false;
      if (result == Copied::kCopied) ++*copied;
    }
    access.Quiesce();
    return true;
  }) && CopyRest(access, copied);
  access.Offline();
  sessions_->stats().journal_forwarded.Add(*copied);
  return all && (*copied == 0 || MoveRingUpTo(ring_->end()));
}

// Of which nobody knows when it was stamped: all of it.
bool FileJournal::CopyRest(store::Access& access, uint64_t* copied) {
  return rest_.ForEach([&](const Change& change) {
    if (*copied % kQuiesceRecords == 0) access.Quiesce();
    const auto copy = [&] {
      return can_write_ && ring_->Append(RecordOf(change)) ? Copied::kCopied : Copied::kRefused;
    };
    if (CopyWithRoom(access, copy) == Copied::kRefused) return false;
    ++*copied;
    return true;
  });
}

// Workers share the ring: it is emptied on the way.
FileJournal::Copied FileJournal::CopyWithRoom(store::Access& access, const std::function<Copied()>& copy) {
  Copied result = copy();
  for (int tries = 0; tries < kForwardTries; ++tries) {
    if (result != Copied::kRefused && ring_->bytes_waiting() < ring_->bytes() / 4 * 3) break;
    access.Offline();
    const bool moved = MoveRing();
    access.Online();
    if (!moved || result != Copied::kRefused) break;
    result = copy();
  }
  return result;
}

JournalRecord FileJournal::RecordOf(const Change& change) const {
  const Row& row = change.row;
  JournalRecord record;
  record.key = row.key;
  record.stamps.version = row.version;
  record.stamps.touched = row.touched;
  record.stamps.born = row.born;
  record.stamps.floor = row.floor;
  if (change.kind == ChangeKind::kDelete) {
    record.kind = RecordKind::kDelete;
    record.stamps.floor = row.version;
    record.stamps.seen_by =
        static_cast<uint64_t>(std::max<int64_t>(sessions_->stamp_clock().SteadyMicrosOf(row.version), 0));
    return record;
  }
  record.expiry = ExpiryAt(clock_, row.expires_us);
  if (change.kind == ChangeKind::kExpiry) {
    record.kind = RecordKind::kExpiry;
    return record;
  }
  record.value = row.data;
  record.client_flags = row.client_flags;
  if (change.kind == ChangeKind::kCompared) record.stamps.marks = kMarkProvisional;
  return record;
}

FileJournal::Copied FileJournal::CopyKey(store::Access& access, std::string_view bytes, std::optional<uint64_t> mark) {
  const store::Key key = store::Key::Of(bytes);
  const store::Slot slot = access.Lock(key, clock_.Now());
  if (!slot.item() || !slot.item().is_session() || !slot.item().is_dirty()) return Copied::kNothing;
  if (mark.has_value() && IsStampedAfter(slot.item(), *mark)) return Copied::kNothing;
  return can_write_ && ring_->Append(LackOf(slot, key)) ? Copied::kCopied : Copied::kRefused;
}

// Of what the database lacks of it.
bool FileJournal::IsStampedAfter(const store::ItemRef& item, uint64_t mark) const {
  const store::SessionStamps stamps = item.stamps();
  const StampClock& clock = sessions_->stamp_clock();
  if (item.kind() == store::ItemKind::kTombstone || IsReservation(item)) return clock.IsIssuedAfter(stamps.floor, mark);
  return clock.IsIssuedAfter(LacksValue(stamps) ? stamps.version : stamps.touched, mark);
}

JournalRecord FileJournal::LackOf(const store::Slot& slot, const store::Key& key) const {
  const store::SessionStamps stamps = slot.item().stamps();
  JournalRecord record;
  record.key = key.bytes;
  record.stamps = stamps;
  if (slot.item().kind() == store::ItemKind::kTombstone || IsReservation(slot.item())) {
    MakeDelete(slot, &record);
    return record;
  }
  const bool lacks_value = LacksValue(stamps);
  record.kind = lacks_value ? RecordKind::kValue : RecordKind::kExpiry;
  record.expiry = ExpiryOf(slot.item(), stamps);
  if (lacks_value) record.item = slot.item();
  return record;
}

// A reservation over a delete that the database does not know yet keeps the floor, but not when that was.
void FileJournal::MakeDelete(const store::Slot& slot, JournalRecord* record) const {
  record->kind = RecordKind::kDelete;
  if (!IsReservation(slot.item())) return;
  const int64_t deleted_us = sessions_->stamp_clock().SteadyMicrosOf(record->stamps.floor);
  record->stamps.seen_by = static_cast<uint64_t>(std::max<int64_t>(deleted_us, 0));
}

// By age, a quarter of that late, so that what is dirty is gone through seldom; and by size, the older half, so that a
// busy site's journal stays readable within seconds.
size_t FileJournal::SegmentsDue() const {
  const size_t count = segments_->count();
  const int64_t now_us = clock_.SteadyMicros(), keep_us = int64_t{settings_.keep_s} * 1'000'000;
  size_t due = 0;
  if (count > 0 && now_us - segments_->begun_us(0) >= keep_us / 4 * 5) {
    while (due < count && now_us - segments_->begun_us(due) >= keep_us) ++due;
  }
  const int64_t unsynced =
      std::max<int64_t>(sessions_->write_behind().dirty_bytes(), 0) + static_cast<int64_t>(rest_.bytes());
  const uint64_t bytes = segments_->bytes();
  if (count > 1 && bytes > settings_.bytes_max + 2 * static_cast<uint64_t>(unsynced)) {
    uint64_t older = 0;
    for (size_t i = 0; i + 1 < count && older < bytes / 2; ++i) {
      older += segments_->bytes(i);
      due = std::max(due, i + 1);
    }
  }
  return due;
}

void FileJournal::RetireWhenDue(store::Access& access) {
  if (held_.load() || rewrites_ || clock_.SteadyMicros() < next_retire_us_) return;
  if (retiring_.has_value()) {
    // What was copied must be on the disk before the segments go.
    if (segments_->synced_place() < retiring_->place) return;
    RemoveOldest(std::exchange(retiring_, std::nullopt)->segments);
  }
  const size_t due = SegmentsDue();
  if (due == 0) return;
  if (segments_->is_open(due - 1)) segments_->Rotate();
  // What was stamped after the first of those that stay was begun is in them, or in the ring.
  const std::optional<uint64_t> mark = due < segments_->count() ? segments_->mark(due) : std::nullopt;
  uint64_t copied = 0;
  if (!CopyDirty(access, mark, &copied)) {
    next_retire_us_ = clock_.SteadyMicros() + kRetirePauseMicros;
  } else if (copied != 0) {
    retiring_ = Retiring{segments_->place(), due};
    next_sync_us_ = 0;
  } else {
    RemoveOldest(due);
  }
}

void FileJournal::RemoveOldest(size_t count) {
  base::Status status;
  for (; status.ok() && count > 0; --count) status = segments_->RemoveOldest();
  if (status.ok()) return;
  Complain(status);
  next_retire_us_ = clock_.SteadyMicros() + kRetirePauseMicros;
}

void FileJournal::EndThread() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void FileJournal::Stop(bool empty) {
  EndThread();
  sync_.Stop();
  if (empty && rest_.size() == 0) {
    base::Status status;
    while (status.ok() && segments_->count() > 0) status = segments_->RemoveOldest();
    if (!status.ok()) Complain(status);
    RemoveRing();
    return;
  }
  // If the files cannot be written the ring stays, and the next process finds it.
  if (!MoveRing()) return;
  TakeSyncResult();
  if (rewrites_) {
    store::Access access(sessions_->store());
    access.Offline();
    uint64_t copied = 0;
    if (!CopyDirty(access, std::nullopt, &copied)) return;
  }
  if (base::Status status = segments_->Sync(settings_.sync); !status.ok()) return Complain(status);
  RemoveRing();
}

void FileJournal::Complain(const base::Status& status) {
  if (sessions_ != nullptr) sessions_->stats().journal_failures.Add();
  log_.Limited(complain_limit_, base::LogLevel::kError,
               status.message() + "; session writes wait when the journal's memory is full, and are then refused");
}

}  // namespace holdfast::session
