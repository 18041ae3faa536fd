// journal_overtaken.h - which of the records that wait in the ring need not be written, for a later one of the same key
// waits there too.
//
// A page that is loaded writes its session several times within a second. In the ring all of it survives the process;
// what goes to the disk is the last.
//
// Overtaken is a value or an expiry by a later value or delete of its key. A delete never is: its floor must be known.
// A value that is certain is not overtaken by a provisional one, which may yet be given up.
//
// Keys are told apart by a secret hash of 128 bits (XXH3).
//
// Threads: one.
// Owns:    what it found.
// Limits:  the records are whole ones, one after the other, as JournalRing::Peek has them; below 4 GiB.

#ifndef HOLDFAST_SESSION_JOURNAL_OVERTAKEN_H_
#define HOLDFAST_SESSION_JOURNAL_OVERTAKEN_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace holdfast::session {

class OvertakenRecords {
 public:
  // secret: nobody who makes up keys may know it.
  explicit OvertakenRecords(uint64_t secret) : secret_(secret) {}

  // A stretch of whole records, as many bytes as were asked for or a little more.
  struct Stretch {
    std::string_view records;
    std::span<const uint32_t> overtaken;  // offsets of those in it, ascending
  };

  // The next record, at this offset from the first. Its bytes must be there until Find.
  void Add(std::string_view record, size_t offset);
  // Which of those that were added are overtaken, and all of it cut into stretches; the records stay the caller's.
  const std::vector<Stretch>& Find(std::string_view records, size_t stretch_bytes);

 private:
  struct Record {
    uint64_t key[2];  // its hash
    uint64_t version;
    uint32_t offset;
    uint8_t kind;
    uint8_t marks;
    bool is_overtaken;
  };
  void Mark();
  void Cut(std::string_view records, size_t stretch_bytes);
  // Where latest_ has the record's key, or would have it.
  uint32_t& PlaceOf(const Record& record);

  const uint64_t secret_;

  std::vector<Record> records_;
  std::vector<uint32_t> latest_;  // number of a key's overtaking record, plus one; by open addressing, 0: free
  std::vector<uint32_t> overtaken_;
  std::vector<Stretch> stretches_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_OVERTAKEN_H_
