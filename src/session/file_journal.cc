// How it works: a hundred times a second the thread appends what is whole in the ring to the present segment. When the
// oldest segment has become old, each of its records is held against memory: what is clean, or was written again later,
// is of no use any more; the rest is appended anew, under the key's slot, so that the order of a key's records stays
// the order of its versions. It goes when these copies have been synced.

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
constexpr int64_t kRetirePauseMicros = 1'000'000;   // after a segment could not be removed
constexpr int64_t kRewritePauseMicros = 1'000'000;  // between syncs that fail
constexpr int kRewriteRounds = 2;
constexpr size_t kMoveBytes = 1 << 20;  // at a time: so soon others may use the room
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
base::Status WriteDirect(JournalReplay& replay, Driver& driver) {
  const Failure failure = replay.Finish(driver);
  return failure.ok() ? base::Status() : base::Status(base::ErrorKind::kUnavailable, failure.detail);
}
}  // namespace

base::Status FileJournal::Replay(Sessions& sessions, Driver& driver) {
  if (segments_->count() == 0) return {};
  const int64_t begun_us = clock_.SteadyMicros();
  store::Access access(sessions.store());
  JournalReplay replay(sessions, access);
  uint64_t bad_extents = 0;
  for (size_t i = 0; i < segments_->count(); ++i) {
    base::Status status = segments_->ForEachRecord(
        i, [&](const DecodedRecord& record) { replay.Apply(record); }, &bad_extents);
    if (!status.ok()) return status;
    access.Quiesce();
  }
  if (base::Status status = WriteDirect(replay, driver); !status.ok()) return status.In("replaying the journal");
  sessions.stats().journal_replayed.Add(replay.records());
  sessions.stats().journal_bad_extents.Add(bad_extents);
  log_.Format(base::LogLevel::kNotice, "journal replayed: %llu sessions from %llu records in %lld ms%s",
              static_cast<unsigned long long>(replay.sessions()), static_cast<unsigned long long>(replay.records()),
              static_cast<long long>((clock_.SteadyMicros() - begun_us) / 1000),
              bad_extents == 0 ? "" : " (damaged parts were skipped: journal_bad_extents in stats sessions)");
  return {};
}

// How far it has read what another process writes. A record that is applied twice does no harm, for it is applied by
// its stamps; so a place that is too early is safe.
struct FileJournal::Reading {
  explicit Reading(Sessions& sessions) : access(sessions.store()), replay(sessions, access) {}
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
    reading_ = std::make_unique<Reading>(sessions);
  } else {
    reading_->access.Online();
  }
  const uint64_t before = reading_->replay.records();
  base::Status status = ReadSegments(false);
  if (status.ok()) static_cast<void>(reading_->replay.Finish(driver));
  reading_->access.Offline();
  *progress = {reading_->replay.records() - before, reading_->replay.unwritten()};
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
    const auto record = DecodeRecord(std::string_view(whole).substr(at), at, true);
    if (!record) break;
    reading_->replay.Apply(*record);
    at += record->bytes;
  }
  if (status.ok()) status = WriteDirect(reading_->replay, driver);
  if (!status.ok()) {
    reading_->access.Offline();
    return status.In("reading the rest of the journal");
  }
  sessions.stats().journal_replayed.Add(reading_->replay.records());
  sessions.stats().journal_bad_extents.Add(reading_->bad_extents);
  reading_.reset();
  return {};
}

void FileJournal::Seal() {
  EndThread();
  // Only to leave less in the ring: who takes over reads that too.
  static_cast<void>(MoveRing());
}

void FileJournal::Leave() {
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
  const bool moved = MoveRing();
  TellOfRoom();  // also of what was there before somebody began to wait
  sessions.journal_room().Tick(clock_.SteadyMicros());
  SyncWhenDue();
  RewriteWhenDue(access);
  RetireWhenDue(access, moved);
  sessions.stats().journal_bytes.Set(segments_->bytes() + ring_->bytes_waiting());
}

void FileJournal::TellOfRoom() {
  if (sessions_ != nullptr) sessions_->journal_room().OnRoom(ring_->bytes() - ring_->bytes_waiting());
}

// Not what is appended meanwhile: under load that has no end.
bool FileJournal::MoveRing() {
  const uint64_t end = ring_->end();
  while (!ring_->HasRead(end)) {
    const std::string_view records = ring_->Peek(kMoveBytes);
    if (records.empty()) return true;
    uint64_t bad = 0;
    if (base::Status status = segments_->Append(records, ring_->seed_at_tail(), &bad); !status.ok()) {
      Complain(status);
      return false;
    }
    if (bad != 0 && sessions_ != nullptr) sessions_->stats().journal_bad_extents.Add(bad);
    ring_->Consume(records.size());
    TellOfRoom();
  }
  return true;
}

bool FileJournal::MoveRingUpTo(uint64_t end) {
  while (MoveRing()) {
    if (ring_->HasRead(end)) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // a worker is in the middle of a record
  }
  return false;
}

void FileJournal::SyncWhenDue() {
  TakeSyncResult();
  const int64_t now_us = clock_.SteadyMicros();
  if (sync_.busy() || !segments_->needs_sync() || now_us < next_sync_us_) return;
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
  retires_at_.reset();
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
  rewrites_ = !RewriteUnsynced(access);
  next_rewrite_us_ = clock_.SteadyMicros() + kRewritePauseMicros;
  if (!rewrites_) next_sync_us_ = 0;
}

// What is moved meanwhile a round may miss: two rounds, and the segments that are not trusted stay until it is their
// time and their records have been looked at.
bool FileJournal::RewriteUnsynced(store::Access& access) {
  access.Online();
  bool all = true;
  for (int round = 0; all && round < kRewriteRounds; ++round) {
    uint32_t page = 0;
    int tries = 0;
    do {
      access.Offline();
      const bool moved = MoveRing();
      access.Online();
      bool refused = false;
      const uint32_t next =
          sessions_->store().VisitSessions(access, page, 1, [&](store::Slot& slot, const store::Key& key) {
            if (!refused) refused = !AppendUnsynced(slot, key);
          });
      if (!refused) {
        page = next;
        tries = 0;
      }
      all = moved && (!refused || ++tries < kForwardTries);
    } while (all && (page != 0 || tries != 0));
  }
  access.Offline();
  return all && MoveRing();
}

bool FileJournal::AppendUnsynced(const store::Slot& slot, const store::Key& key) {
  return !slot.item().is_dirty() || ring_->Append(LackOf(slot, key));
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
  const bool lacks_value = stamps.synced_version != stamps.version || Has(stamps, kMarkNeedsRow);
  record.kind = lacks_value ? RecordKind::kValue : RecordKind::kExpiry;
  record.expiry = slot.item().expiry();
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

// By age; and by size, so that a busy site's journal stays readable within seconds. Twice what is unsynced: so at most
// half of what is read is copied.
bool FileJournal::OldestIsDue() const {
  if (segments_->count() == 0) return false;
  if (clock_.SteadyMicros() - segments_->oldest_begun_us() >= int64_t{settings_.keep_s} * 1'000'000) return true;
  const int64_t unsynced = std::max<int64_t>(sessions_->write_behind().dirty_bytes(), 0);
  return segments_->count() > 1 && segments_->bytes() > settings_.bytes_max + 2 * static_cast<uint64_t>(unsynced);
}

void FileJournal::RetireWhenDue(store::Access& access, bool may_copy) {
  if (held_.load() || rewrites_ || clock_.SteadyMicros() < next_retire_us_) return;
  if (retires_at_.has_value()) {
    // What was copied must be on the disk before the segment goes.
    if (segments_->synced_place() < *retires_at_) return;
    retires_at_.reset();
    if (!RemoveOldest()) return;
  }
  if (!OldestIsDue()) return;
  if (segments_->oldest_is_open()) segments_->Rotate();
  bool copied = false;
  if (!RescueOldest(access, may_copy, &copied)) {
    next_retire_us_ = clock_.SteadyMicros() + kRetirePauseMicros;
  } else if (copied) {
    retires_at_ = segments_->place();
    next_sync_us_ = 0;
  } else {
    static_cast<void>(RemoveOldest());
  }
}

bool FileJournal::RemoveOldest() {
  const base::Status status = segments_->RemoveOldest();
  if (status.ok()) return true;
  Complain(status);
  next_retire_us_ = clock_.SteadyMicros() + kRetirePauseMicros;
  return false;
}

bool FileJournal::RescueOldest(store::Access& access, bool may_copy, bool* copied) {
  bool all = true;
  uint64_t bad_extents = 0;  // counted when it was replayed
  access.Online();
  const base::Status status = segments_->ForEachRecord(
      0,
      [&](const DecodedRecord& record) {
        if (!all) return;
        Forward forward = CopyForward(access, record, may_copy);
        // Workers share the ring: it is emptied on the way.
        for (int tries = 0; may_copy && tries < kForwardTries; ++tries) {
          if (forward != Forward::kRefused && ring_->bytes_waiting() < ring_->bytes() / 4) break;
          access.Offline();
          may_copy = MoveRing();
          access.Online();
          if (forward != Forward::kRefused) break;
          forward = CopyForward(access, record, may_copy);
        }
        *copied = *copied || forward == Forward::kCopied;
        all = forward != Forward::kRefused;
      },
      &bad_extents);
  const uint64_t end = ring_->end();
  access.Offline();
  if (!status.ok()) Complain(status);
  return status.ok() && all && (!*copied || MoveRingUpTo(end));
}

FileJournal::Forward FileJournal::CopyForward(store::Access& access, const DecodedRecord& record, bool may_copy) {
  const store::Key key = store::Key::Of(record.key);
  access.Quiesce();
  const store::Slot slot = access.Lock(key, clock_.Now());
  if (!slot.item() || !slot.item().is_session() || !slot.item().is_dirty()) return Forward::kNothing;
  const store::SessionStamps stamps = slot.item().stamps();
  const JournalRecord copy = LackOf(slot, key);
  if ((record.kind == RecordKind::kDelete) != (copy.kind == RecordKind::kDelete)) return Forward::kNothing;
  if (record.kind == RecordKind::kDelete) {
    if (stamps.floor != record.stamps.floor) return Forward::kNothing;
  } else {
    const bool lacks_value = copy.kind == RecordKind::kValue;
    const bool is_latest = record.kind == RecordKind::kValue ? record.stamps.version == stamps.version
                                                             : !lacks_value && record.stamps.touched == stamps.touched;
    const bool is_latest_touch = record.kind == RecordKind::kValue && record.stamps.touched == stamps.touched;
    if (!(is_latest && lacks_value) && !(is_latest && record.kind == RecordKind::kExpiry) &&
        !(is_latest_touch && !lacks_value)) {
      return Forward::kNothing;
    }
  }
  if (!may_copy || !ring_->Append(copy)) return Forward::kRefused;
  sessions_->stats().journal_forwarded.Add();
  return Forward::kCopied;
}

void FileJournal::EndThread() {
  {
    const std::lock_guard guard(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
  sync_.Stop();
}

void FileJournal::Stop(bool empty) {
  EndThread();
  if (empty) {
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
    if (!RewriteUnsynced(access)) return;
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
