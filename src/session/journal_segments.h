// journal_segments.h - the journal's files: numbered, written one after the other, removed oldest first.
//
// The records in a segment have checks of the segment's own: whatever else was in the same blocks before is no record.
//
// Threads: one at a time: the main thread at start, then the journal's. A SyncJob may run on another.
// Owns:    the directory, by a lock on it; descriptors of the segment being written and of those not synced yet.
// Errors:  Statuses with the file's name. A failed Append leaves the file as it was before.
// Blocks:  every call may wait for the disk.
// Limits:  a new segment begins when the present one has segment_bytes.

#ifndef HOLDFAST_SESSION_JOURNAL_SEGMENTS_H_
#define HOLDFAST_SESSION_JOURNAL_SEGMENTS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "session/journal_format.h"
#include "session/journal_sync.h"

namespace holdfast::session {

class JournalSegments {
 public:
  // Creates the directory if need be. Segments that are there belong to this database, or it is refused. clock is
  // borrowed.
  // inherited_lock: what lock() was in the process that hands over; then that one may still write here.
  static base::Result<std::unique_ptr<JournalSegments>> Open(const std::string& directory,
                                                             const std::string& database_uuid, size_t segment_bytes,
                                                             const base::Clock& clock, int inherited_lock = -1);
  ~JournalSegments();
  JournalSegments(const JournalSegments&) = delete;
  JournalSegments& operator=(const JournalSegments&) = delete;

  // Whole records and fillers, whose checks are seeded from `seed` on, but not those at the offsets `without`, which
  // ascend. *bad counts those that are not whole; they stay out.
  [[nodiscard]] base::Status Append(std::string_view records, uint64_t seed, std::span<const uint32_t> without,
                                    uint64_t* bad);
  // What is kept with the segments that are begun from now on.
  void SetMark(uint64_t mark) { mark_ = mark; }
  // Into a segment of its own, as from the run of the machine that `boot` tells.
  [[nodiscard]] base::Status AppendFromBefore(std::string_view records, const JournalBoot& boot);

  // How many bytes were appended since Open, and up to where they survive the machine.
  uint64_t place() const { return place_; }
  uint64_t synced_place() const { return synced_place_; }
  bool needs_sync() const;
  SyncJob JobToSync() const;
  void NoteSynced(uint64_t place);
  // A sync failed: nothing in files that are not synced yet can be trusted to reach the disk, now or later. They stay,
  // and the next Append begins another.
  void Distrust();
  // All of this at once: what was appended so far survives the machine, or is not to be trusted.
  [[nodiscard]] base::Status Sync(const SyncFile& sync);

  // Closes the present segment; the next Append begins another.
  void Rotate();
  size_t count() const { return segments_.size(); }
  uint64_t bytes() const;
  int64_t begun_us(size_t i) const { return segments_[i].begun_us; }
  uint64_t bytes(size_t i) const { return segments_[i].bytes; }
  // The mark that it was begun with; null: another process did.
  std::optional<uint64_t> mark(size_t i) const { return segments_[i].mark; }
  bool is_open(size_t i) const { return i + 1 == segments_.size() && is_open_; }
  [[nodiscard]] base::Status RemoveOldest();

  // Calls visit for every whole record of segment i, oldest first. *bad_extents counts stretches that are none.
  [[nodiscard]] base::Status ForEachRecord(size_t i, const std::function<void(const DecodedRecord&)>& visit,
                                           uint64_t* bad_extents) const;
  // The same from *offset on (0: the first record), which moves. while_written: another process appends to it, so what
  // is no whole record ends it for now.
  [[nodiscard]] base::Status ForEachRecordFrom(size_t i, uint64_t* offset, bool while_written,
                                               const std::function<void(const DecodedRecord&)>& visit,
                                               uint64_t* bad_extents) const;
  // Looks what is there by now: another process may have begun and removed segments.
  [[nodiscard]] base::Status Refresh();
  uint64_t number(size_t i) const { return segments_[i].number; }
  int lock() const { return directory_file_; }

 private:
  struct Segment {
    uint64_t number;
    uint64_t bytes;
    int64_t begun_us;   // steady; of one from an earlier run of the machine, when this process began
    uint64_t seed = 0;  // 0: its head is damaged, and nothing in it can be read
    bool of_this_boot = true;
    std::shared_ptr<OpenFile> file{};  // null once it is synced and complete, or not to be trusted
    uint64_t synced = 0;               // bytes of it that are on the disk
    std::optional<uint64_t> mark{};
  };

  JournalSegments(std::string directory, std::string uuid, size_t segment_bytes, const base::Clock& clock)
      : directory_(std::move(directory)), uuid_(std::move(uuid)), segment_bytes_(segment_bytes), clock_(clock) {}
  std::string PathOf(uint64_t number) const;
  base::Status Lock();
  base::Status Inherit(int lock);
  base::Status List();
  void OpenUnsynced();
  base::Status ReadHead(Segment& segment) const;
  base::Status Begin(const JournalBoot& boot);

  const std::string directory_;
  const std::string uuid_;
  const size_t segment_bytes_;
  const base::Clock& clock_;
  std::deque<Segment> segments_;
  uint64_t next_number_ = 1;
  int directory_file_ = -1;          // holds the lock
  bool is_open_ = false;             // the last segment takes more; else the next Append begins another
  bool directory_unsynced_ = false;  // has names that may not survive the machine
  std::optional<uint64_t> mark_;     // null until SetMark
  uint64_t place_ = 0;
  uint64_t synced_place_ = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_SEGMENTS_H_
