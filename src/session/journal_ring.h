// journal_ring.h - where workers put records: a ring in a file of shared memory, which outlives the process that wrote
// it.
//
// A record's check is seeded by the ring's number, drawn anew by every process, and by the record's position.
//
// The file lies on a file system without a disk (/dev/shm), so that writing to it never waits for one. What the last
// process left in the ring unread is handed out by Open.
//
// Threads: Append from any; Peek and Consume from one (the journal's thread).
// Owns:    the mapping and the descriptor, by which the file is locked; Remove deletes the file.
// Errors:  Open: the file cannot be made, is in use, damaged, or belongs to another database: one line with cause and
//          remedy. Append: false when full.
// Limits:  a record takes at most half of the ring.
// Invariants
// (1) Bytes between tail and head belong to records whose length is written; a record whose check is 0 is not whole.

#ifndef HOLDFAST_SESSION_JOURNAL_RING_H_
#define HOLDFAST_SESSION_JOURNAL_RING_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/spin_lock.h"
#include "base/status.h"
#include "session/journal_format.h"

namespace holdfast::session {

class JournalRing {
 public:
  // clock is borrowed. left_over gets the whole records of the process before, one after the other, with
  // checks as CopyRecords gives them from seed 0; left_over_boot when they were written.
  static base::Result<std::unique_ptr<JournalRing>> Open(const std::string& path, const std::string& database_uuid,
                                                         size_t bytes, const base::Clock& clock, std::string* left_over,
                                                         JournalBoot* left_over_boot);
  // The ring of the process that hands over, by its descriptor; that one may still write. Its records are this one's to
  // read once it writes no more.
  static base::Result<std::unique_ptr<JournalRing>> Inherit(const std::string& path, int file,
                                                            const std::string& database_uuid, const base::Clock& clock);
  ~JournalRing();
  JournalRing(const JournalRing&) = delete;
  JournalRing& operator=(const JournalRing&) = delete;

  [[nodiscard]] bool Append(const JournalRecord& record);

  // The whole records at the tail, in one piece; not many more bytes than bytes_max. They stay until Consume. Their
  // checks are seeded from seed_at_tail on.
  // Each of them, fillers too, is visited on the way.
  std::string_view Peek(size_t bytes_max,
                        const std::function<void(std::string_view record, size_t offset)>& visit = {}) const;
  uint64_t seed_at_tail() const;
  void Consume(size_t bytes);

  uint64_t bytes() const { return bytes_; }
  size_t record_bytes_max() const { return bytes_ / 2; }
  uint64_t bytes_waiting() const;
  // Where the next record goes, and whether everything before a place has been read.
  uint64_t end() const;
  bool HasRead(uint64_t end) const;
  // Empties it: what it held is safe elsewhere. It begins anew, with another seed.
  void Reset();
  void Remove();
  // The whole records in it, as left_over of Open; nobody may write meanwhile. They stay. False: it is damaged.
  bool Collect(std::string* whole) const;
  int lock() const { return file_; }

 private:
  struct Head;
  JournalRing(std::string path, int file, char* mapping, size_t bytes, const base::Clock& clock);
  static base::Result<int> OpenLocked(const std::string& path);
  bool IsSound(size_t bytes) const;
  std::string CollectWhole() const;
  void FetchForWriting(const char* from, size_t bytes) const;

  const std::string path_;
  const int file_;
  Head* const head_;
  char* const data_;
  const size_t bytes_;
  const base::Clock& clock_;
  uint64_t seed_ = 0;    // head_->seed
  base::SpinLock lock_;  // guards the reservation of room: head_->head and the heads of records
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_RING_H_
