// How it works: the heads are gone through from the last to the first, with a table
// of the keys that have come already: so each record meets the one after it that overtakes most.

#include "session/journal_overtaken.h"

#include <xxhash.h>

#include <algorithm>
#include <bit>
#include <cstring>

#include "session/journal_format.h"
#include "session/marks.h"

namespace holdfast::session {

namespace {

constexpr size_t kPlacesMin = 64;

bool IsDelete(uint8_t kind) { return kind == static_cast<uint8_t>(RecordKind::kDelete); }
bool IsExpiry(uint8_t kind) { return kind == static_cast<uint8_t>(RecordKind::kExpiry); }

}  // namespace

const std::vector<OvertakenRecords::Stretch>& OvertakenRecords::Find(std::string_view records, size_t stretch_bytes) {
  Mark();
  Cut(records, stretch_bytes);
  return stretches_;
}

// Fillers, and what has a length that cannot be, stand for themselves.
void OvertakenRecords::Add(std::string_view record, size_t offset) {
  RecordHead head;
  if (record.size() < sizeof head) return;
  std::memcpy(&head, record.data(), sizeof head);
  if (head.kind == kRecordFiller || sizeof head + head.key_bytes > record.size()) return;
  const XXH128_hash_t hash = XXH3_128bits_withSeed(record.data() + sizeof head, head.key_bytes, secret_);
  records_.push_back({.key = {hash.low64, hash.high64},
                      .version = head.version,
                      .offset = static_cast<uint32_t>(offset),
                      .kind = head.kind,
                      .marks = head.marks,
                      .is_overtaken = false});
}

uint32_t& OvertakenRecords::PlaceOf(const Record& record) {
  const size_t mask = latest_.size() - 1;
  for (size_t place = record.key[0] & mask;; place = (place + 1) & mask) {
    if (latest_[place] == 0) return latest_[place];
    const Record& other = records_[latest_[place] - 1];
    if (other.key[0] == record.key[0] && other.key[1] == record.key[1]) return latest_[place];
  }
}

void OvertakenRecords::Mark() {
  latest_.assign(std::bit_ceil(std::max(kPlacesMin, records_.size() * 2)), 0);
  for (size_t i = records_.size(); i-- > 0;) {
    Record& record = records_[i];
    uint32_t& place = PlaceOf(record);
    if (place != 0 && !IsDelete(record.kind)) {
      const Record& later = records_[place - 1];
      record.is_overtaken = later.version >= record.version &&
                            ((later.marks & kMarkProvisional) == 0 || (record.marks & kMarkProvisional) != 0);
    }
    if (!record.is_overtaken && !IsExpiry(record.kind)) place = static_cast<uint32_t>(i + 1);
  }
}

void OvertakenRecords::Cut(std::string_view records, size_t stretch_bytes) {
  overtaken_.clear();
  for (const Record& record : records_) {
    if (record.is_overtaken) overtaken_.push_back(record.offset);
  }
  stretches_.clear();
  size_t begin = 0, first = 0;
  const auto cut_at = [&](size_t end) {
    size_t last = first;
    while (last < overtaken_.size() && overtaken_[last] < end) ++last;
    for (size_t i = first; i < last; ++i) overtaken_[i] -= static_cast<uint32_t>(begin);
    stretches_.push_back({records.substr(begin, end - begin), std::span(overtaken_).subspan(first, last - first)});
    first = last;
    begin = end;
  };
  for (const Record& record : records_) {
    if (record.offset - begin >= stretch_bytes) cut_at(record.offset);
  }
  if (begin < records.size()) cut_at(records.size());
}

}  // namespace holdfast::session
