// journal_format.h - a record of the journal as bytes, the same in the ring and in the segment files.
//
// A record is a RecordHead, the key, the value, and padding to 16. Its check stands first and is stored last, so a
// record that was cut off by the end of the process has none. In the ring it is the XXH3 of the rest of the head: there
// the bytes behind it cannot be missing when it is there. In a file it is that of all behind the check, for disks are
// less faithful. It is seeded by the file's own random number and by the record's place in it: what an earlier use of
// the same blocks has left, or an earlier round of the same ring, passes nowhere.
//
// Times are steady ones, which no step of the wall clock moves; beside them stands how far the wall clock was ahead,
// by which they are understood after the machine was started anew.
//
// Threads: pure functions.
// Errors:  Decode answers null for what is no whole record.
// Limits:  kRecordBytesMax.

#ifndef HOLDFAST_SESSION_JOURNAL_FORMAT_H_
#define HOLDFAST_SESSION_JOURNAL_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "base/clock.h"
#include "session/driver.h"
#include "session/journal.h"

namespace holdfast::session {

// All integers in the order of the machine: a journal is read where it was written.
struct RecordHead {
  uint64_t check;
  uint32_t bytes;  // of the whole record, a multiple of 16
  uint8_t kind;    // RecordKind, or kRecordFiller
  uint8_t rule;
  uint8_t key_bytes;
  uint8_t marks;  // kMarkProvisional or 0
  uint64_t version;
  uint64_t touched;
  uint64_t born;
  uint64_t floor;
  int64_t when_us;        // of a delete, when it was; else when it expires, kNeverMicros: never
  int64_t wall_ahead_us;  // of the steady clock, when this was written
  uint32_t client_flags;
  uint32_t value_bytes;
};
static_assert(sizeof(RecordHead) == 72);

// Of a record's length and place, so that what is left before the end of the ring always has room for a filler.
inline constexpr size_t kRecordAlignment = 16;
inline constexpr uint8_t kRecordFiller = 255;  // takes the place up to the ring's end
inline constexpr size_t kRecordBytesMax = size_t{1} << 30;
inline constexpr size_t kRecordBytesMin = sizeof(RecordHead) + kRecordAlignment;

struct DecodedRecord {
  RecordKind kind;
  std::string_view key;
  std::string_view value;
  store::SessionStamps stamps;  // version, touched, born, floor, rule, marks as above; the rest is zero
  int64_t when_us;
  int64_t wall_ahead_us;
  uint32_t client_flags;
  size_t bytes;
  bool of_this_boot;  // when_us is a time of the steady clock as it runs now

  // The same moment by the steady clock as it runs now.
  int64_t WhenBy(const base::Clock& clock) const {
    if (of_this_boot || when_us == kNeverMicros) return when_us;
    return when_us + wall_ahead_us - clock.WallMicros() + clock.SteadyMicros();
  }
};

// The machine's run that a file was begun in.
struct JournalBoot {
  uint64_t id;
  int64_t begun_us;  // steady: later than now means another run, whatever the id

  static JournalBoot Now(const base::Clock& clock) { return {clock.BootId(), clock.SteadyMicros()}; }
  bool IsNow(const base::Clock& clock) const {
    return id != 0 && id == clock.BootId() && begun_us <= clock.SteadyMicros();
  }
};

// Unlike that of any other file, and not 0.
uint64_t NewSeed();

size_t RecordBytes(const JournalRecord& record);
// What a record's check covers, beside the length and the place: in the ring, and in a file.
enum class Cover : uint8_t { kHead, kAll };
// Seeds are those of the record's place: the file's seed plus the offset. Writes all but the check, which is returned;
// it covers the head.
uint64_t EncodeRecord(const JournalRecord& record, const base::Clock& clock, uint64_t seed, char* to);
// The record at the front of bytes, if it is whole.
std::optional<DecodedRecord> DecodeRecord(std::string_view bytes, uint64_t seed, bool of_this_boot, Cover cover);
// Appends the whole records among `from`, which came from a ring and whose checks have this seed at its front, to `to`,
// where they get another that is seeded by to_seed and the place in `to`. Fillers go, and so do the records at the
// offsets `without`, which ascend. Returns how many were not whole.
size_t CopyRecords(std::string_view from, uint64_t from_seed, std::span<const uint32_t> without, std::string* to,
                   uint64_t to_seed, Cover to_cover);
// How many bytes the thing at the front of `bytes` says that it has; 0 when that cannot be.
size_t ClaimedBytes(std::string_view bytes);

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_FORMAT_H_
