// journal_format.h - a record of the journal as bytes, the same in the ring and in the segment files.
//
// A record is a RecordHead, the key, the value, and padding to 16. Its check is the XXH3 of all behind the check and
// stands last when the record is written, so a record that was cut off by the end of the process is recognised. Times
// that leave the process are wall-clock.
//
// Threads: pure functions.
// Errors:  Decode answers null for what is no whole record.
// Limits:  kRecordBytesMax.

#ifndef HOLDFAST_SESSION_JOURNAL_FORMAT_H_
#define HOLDFAST_SESSION_JOURNAL_FORMAT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/clock.h"
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
  int64_t expires_wall_us;  // kNeverMicros: never
  uint32_t client_flags;
  uint32_t value_bytes;
};
static_assert(sizeof(RecordHead) == 64);

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
  int64_t expires_wall_us;
  uint32_t client_flags;
  size_t bytes;
};

size_t RecordBytes(const JournalRecord& record);
// Writes all but the check, which is returned.
uint64_t EncodeRecord(const JournalRecord& record, const base::Clock& clock, char* to);
// The record at the front of bytes, if it is whole.
std::optional<DecodedRecord> DecodeRecord(std::string_view bytes);
// How many bytes the thing at the front of `bytes` says that it has; 0 when that cannot be.
size_t ClaimedBytes(std::string_view bytes);

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_FORMAT_H_
