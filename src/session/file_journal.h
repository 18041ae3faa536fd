// file_journal.h - the journal on this machine: a ring in shared memory for the workers, segment files behind it, and
// the thread between them.
//
// An acknowledged session write is in the ring, which outlives kill -9 of the process; the thread carries it, unless a
// later write of the session is there too, to a segment and to the disk every fsync_ms, by another thread, so that a
// slow disk does not fill the ring. A segment is removed when it is old enough that nearly all of it is in the
// database; the rest is copied forward first. When a sync fails, everything that the database lacks is written anew, to
// another segment.
//
// Threads: Append from any; the others from the main thread.
// Owns:    ring, segments, two threads, one of them with an Access. Borrows Sessions from Start to Stop.
// Blocks:  Replay for the database; Stop for the disk.
// Errors:  Open, Replay: one line with cause and remedy. Later failed writes are retried, counted (journal_failures)
//          and logged; failed syncs too (journal_sync_failures). While writes fail the ring fills, and then Append is
//          false; when there is room again Sessions' journal_room() is told.

#ifndef HOLDFAST_SESSION_FILE_JOURNAL_H_
#define HOLDFAST_SESSION_FILE_JOURNAL_H_

#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>

#include "base/log.h"
#include "base/status.h"
#include "session/driver.h"
#include "session/journal.h"
#include "session/journal_overtaken.h"
#include "session/journal_rest.h"
#include "session/journal_ring.h"
#include "session/journal_segments.h"
#include "session/journal_sync.h"
#include "store/store.h"

namespace holdfast::session {

class Sessions;

struct FileJournalSettings {
  std::string directory;
  std::string ring_path;
  size_t ring_bytes = 32u << 20;
  size_t segment_bytes = 16u << 20;
  uint32_t fsync_ms = 1000;
  uint32_t keep_s = 150;          // older segments are copied forward and removed: a little more than the sync interval
  size_t bytes_max = 256u << 20;  // and so are the oldest beyond this much and twice what the database lacks
  SyncFile sync = ::fdatasync;    // a test's disk may be slow, or fail
};

class FileJournal final : public Journal {
 public:
  // log and clock are borrowed. clock: what its wall time says is what is believed after a start of the machine
  // (Database::StepFree).
  static base::Result<std::unique_ptr<FileJournal>> Open(const FileJournalSettings& settings,
                                                         const std::string& database_uuid, const base::Clock& clock,
                                                         const base::Log& log);
  // The journal of a process that hands over and still writes to it: by the descriptors of its locks, this one's now.
  // Catch up with it instead of Replay.
  struct Locks {
    int directory = -1;
    int ring = -1;
  };
  static base::Result<std::unique_ptr<FileJournal>> Inherit(const FileJournalSettings& settings, const Locks& locks,
                                                            const std::string& database_uuid, const base::Clock& clock,
                                                            const base::Log& log);
  ~FileJournal() override;

  bool Append(const JournalRecord& record) override { return ring_->Append(record); }
  size_t record_bytes_max() const override { return ring_->record_bytes_max(); }

  // Once, before Start: brings back what the process before left behind. driver: null while the database cannot be
  // asked; what has no place in memory then stays in the journal until WriteRest.
  base::Status Replay(Sessions& sessions, Driver* driver);
  // From one thread at a time. No-op when nothing was left. is_stopping: asked between batches; true leaves the others.
  Failure WriteRest(Sessions& sessions, Driver& driver, const std::function<bool()>& is_stopping = {});
  // What WriteRest has still to write. Until that is done, an end leaves the journal.
  size_t rest() const { return rest_.size(); }
  void Start(Sessions& sessions);
  // What Start lets the thread do a hundred times a second; for who has no thread, in place of Start.
  void Round(Sessions& sessions, store::Access& access);
  // empty: everything is in the database, so the journal goes too. Else what the ring holds goes to a segment.
  void Stop(bool empty);

  // -- Hand-over. The process that has the journal:
  Locks locks() const { return {segments_->lock(), ring_->lock()}; }
  // While held no segment is removed: somebody else reads them.
  void Hold(bool held) { held_.store(held); }
  // Nothing is appended any more, and nothing carried to a segment until Start. Must follow the last Append. Does not
  // wait for a sync.
  void Seal();
  bool sealed() const { return !thread_.joinable(); }
  // After Seal: another process has it. Nothing is removed.
  void Leave();

  // -- The process that takes it over. Both on the thread that made it, before Start:
  // Applies what there is by now; may be called again and again. What the other process leaves no gap for in the
  // database is kept for the next time.
  struct Progress {
    uint64_t records = 0;    // that there were
    uint64_t unwritten = 0;  // rows that are kept
  };
  base::Status CatchUp(Sessions& sessions, Driver& driver, Progress* progress);
  // After the other's Seal: the rest. May be called again when it fails.
  base::Status CatchUpToEnd(Sessions& sessions, Driver& driver);

 private:
  struct Reading;
  FileJournal(const FileJournalSettings& settings, const base::Clock& clock, const base::Log& log);
  void LinkRing() const;
  void RemoveRing();
  base::Status ReadSegments(bool to_the_end);
  void EndThread();
  void Run();
  bool MoveIsDue(bool sync_is_due) const;
  // What the ring holds by now goes to a segment. False: it could not be written.
  bool MoveRing();
  bool MoveStretch(const OvertakenRecords::Stretch& stretch);
  bool MoveRingUpTo(uint64_t end);
  void TellOfRoom();
  void BeginSync(int64_t now_us);
  void TakeSyncResult();
  void RewriteWhenDue(store::Access& access);
  // How many of the oldest segments are to go.
  size_t SegmentsDue() const;
  void RetireWhenDue(store::Access& access);
  void RemoveOldest(size_t count);
  // Appends anew what the database lacks, unless it was stamped after the mark (null: all of it), and carries it to a
  // segment. False: it could not be written. *copied counts.
  bool CopyDirty(store::Access& access, std::optional<uint64_t> mark, uint64_t* copied);
  bool CopyRest(store::Access& access, uint64_t* copied);
  enum class Copied : uint8_t { kNothing, kCopied, kRefused };
  // While there is no room the ring is emptied. access is online.
  Copied CopyWithRoom(store::Access& access, const std::function<Copied()>& copy);
  Copied CopyKey(store::Access& access, std::string_view key, std::optional<uint64_t> mark);
  bool IsStampedAfter(const store::ItemRef& item, uint64_t mark) const;
  JournalRecord RecordOf(const Change& change) const;
  // What the database lacks of a dirty session, as it is now.
  JournalRecord LackOf(const store::Slot& slot, const store::Key& key) const;
  void MakeDelete(const store::Slot& slot, JournalRecord* record) const;
  void Complain(const base::Status& status);

  const FileJournalSettings settings_;
  const base::Clock& clock_;
  const base::Log& log_;
  base::LogLimit complain_limit_;
  std::unique_ptr<JournalRing> ring_;
  std::unique_ptr<JournalSegments> segments_;
  JournalRest rest_;
  Sessions* sessions_ = nullptr;  // null before Start
  int64_t next_sync_us_ = 0;
  int64_t next_retire_us_ = 0;
  bool can_write_ = true;  // the latest move did not fail
  JournalSync sync_;
  // The oldest segments go when the journal is synced up to this place.
  struct Retiring {
    uint64_t place;
    size_t segments;
  };
  std::optional<Retiring> retiring_;
  bool rewrites_ = false;    // a sync has failed, and what it was to save has not been written anew yet
  bool sync_fails_ = false;  // said so in the log
  int64_t next_rewrite_us_ = 0;

  std::mutex mutex_;  // guards stop_
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
  std::atomic<bool> held_{false};
  std::unique_ptr<Reading> reading_;  // null but while it catches up with another process
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_FILE_JOURNAL_H_
