// journal.h - the door through which an acknowledged session write survives kill -9.
//
// Append is called under the slot's lock, after the stamps are known and before the draft is published, so the order of
// records of a key is the order of its versions and a refused append leaves the previous value in place.
//
// Threads: any.
// Blocks:  never. Append copies into memory that outlives the process; files are another thread's business.
// Errors:  false: there is no room for the record now, the write waits or is refused. One of more than
//          record_bytes_max will never find any.

#ifndef HOLDFAST_SESSION_JOURNAL_H_
#define HOLDFAST_SESSION_JOURNAL_H_

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string_view>

#include "store/item.h"

namespace holdfast::session {

enum class RecordKind : uint8_t { kValue, kExpiry, kDelete };

// Views are valid during Append only.
struct JournalRecord {
  RecordKind kind = RecordKind::kValue;
  std::string_view key;
  store::SessionStamps stamps;
  base::Seconds expiry = base::kNever;
  store::ItemRef item;  // kValue: flags and value of the draft; null otherwise
  // kValue without an item: flags and value.
  std::string_view value{};
  uint32_t client_flags = 0;
};

class Journal {
 public:
  virtual ~Journal() = default;
  [[nodiscard]] virtual bool Append(const JournalRecord& record) = 0;
  virtual size_t record_bytes_max() const { return std::numeric_limits<size_t>::max(); }
};

// No journal: kill -9 keeps only what was synced.
class NullJournal final : public Journal {
 public:
  bool Append(const JournalRecord&) override { return true; }
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_H_
