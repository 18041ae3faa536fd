// journal_segments.h - the journal's files: numbered, written one after the other, removed oldest first.
//
// Threads: one at a time: the main thread at start, then the journal's.
// Owns:    the directory, by a lock on it, and the descriptor of the segment being written.
// Errors:  Statuses with the file's name. A failed Append leaves the file as it was before.
// Blocks:  every call may wait for the disk.
// Limits:  a new segment begins when the present one has segment_bytes.

#ifndef HOLDFAST_SESSION_JOURNAL_SEGMENTS_H_
#define HOLDFAST_SESSION_JOURNAL_SEGMENTS_H_

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/status.h"
#include "session/journal_format.h"

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

  [[nodiscard]] base::Status Append(std::string_view records);
  // What was appended so far survives the machine.
  [[nodiscard]] base::Status Sync();
  bool needs_sync() const { return unsynced_; }

  // Closes the present segment; the next Append begins another.
  void Rotate();
  size_t count() const { return segments_.size(); }
  uint64_t bytes() const;
  // Of the oldest segment; asked only when there is one.
  int64_t oldest_begun_us() const { return segments_.front().begun_us; }
  bool oldest_is_open() const { return segments_.size() == 1 && file_ >= 0; }
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
    int64_t begun_us;  // steady; of one from before this process, when that began
  };

  JournalSegments(std::string directory, std::string uuid, size_t segment_bytes, const base::Clock& clock)
      : directory_(std::move(directory)), uuid_(std::move(uuid)), segment_bytes_(segment_bytes), clock_(clock) {}
  std::string PathOf(uint64_t number) const;
  base::Status Lock();
  base::Status Inherit(int lock);
  base::Status List();
  base::Status Begin();

  const std::string directory_;
  const std::string uuid_;
  const size_t segment_bytes_;
  const base::Clock& clock_;
  std::deque<Segment> segments_;
  uint64_t next_number_ = 1;
  int directory_file_ = -1;  // holds the lock
  int file_ = -1;            // of the last segment; -1 when the next Append begins one
  bool unsynced_ = false;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_SEGMENTS_H_
