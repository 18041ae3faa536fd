// How it works: head, key and value are laid down one after the other; the check is never 0, which means "not yet
// written".

#include "session/journal_format.h"

#include <sys/random.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "session/marks.h"

namespace holdfast::session {

namespace {

size_t ValueBytes(const JournalRecord& record) {
  if (record.kind != RecordKind::kValue) return 0;
  return record.item ? static_cast<size_t>(record.item.value_size()) : record.value.size();
}

uint64_t CheckOf(const char* record, size_t bytes, uint64_t seed, Cover cover) {
  const size_t covered = cover == Cover::kHead ? std::min(bytes, sizeof(RecordHead)) : bytes;
  const uint64_t hash = XXH3_64bits_withSeed(record + sizeof(uint64_t), covered - sizeof(uint64_t), seed);
  return hash == 0 ? 1 : hash;
}

uint64_t CheckIn(const char* record) {
  uint64_t check;
  std::memcpy(&check, record, sizeof check);
  return check;
}

bool IsFiller(std::string_view record) {
  return static_cast<uint8_t>(record[offsetof(RecordHead, kind)]) == kRecordFiller;
}

}  // namespace

size_t RecordBytes(const JournalRecord& record) {
  return (sizeof(RecordHead) + record.key.size() + ValueBytes(record) + kRecordAlignment - 1) / kRecordAlignment *
         kRecordAlignment;
}

uint64_t EncodeRecord(const JournalRecord& record, const base::Clock& clock, uint64_t seed, char* to) {
  RecordHead head{};
  head.bytes = static_cast<uint32_t>(RecordBytes(record));
  head.kind = static_cast<uint8_t>(record.kind);
  head.rule = record.stamps.rule;
  head.key_bytes = static_cast<uint8_t>(record.key.size());
  if (record.kind != RecordKind::kDelete) head.marks = record.stamps.marks & kMarkProvisional;
  head.version = record.stamps.version;
  head.touched = record.stamps.touched;
  head.born = record.stamps.born;
  head.floor = record.stamps.floor;
  if (record.kind == RecordKind::kDelete) {
    head.when_us = static_cast<int64_t>(record.stamps.seen_by);
  } else {
    head.when_us = ExpiryMicros(clock, record.expiry);
  }
  head.wall_ahead_us = clock.WallAheadMicros();
  head.value_bytes = static_cast<uint32_t>(ValueBytes(record));
  if (record.kind == RecordKind::kValue) {
    head.client_flags = record.item ? record.item.client_flags() : record.client_flags;
  }

  constexpr size_t kBehindCheck = sizeof(uint64_t);
  std::memcpy(to + kBehindCheck, reinterpret_cast<const char*>(&head) + kBehindCheck, sizeof head - kBehindCheck);
  char* at = to + sizeof head;
  std::memcpy(at, record.key.data(), record.key.size());
  at += record.key.size();
  if (record.kind == RecordKind::kValue) {
    const auto append = [&at](std::string_view piece) {
      if (!piece.empty()) std::memcpy(at, piece.data(), piece.size());
      at += piece.size();
    };
    if (record.item) {
      record.item.ForEachPiece(append);
    } else {
      append(record.value);
    }
  }
  std::memset(at, 0, static_cast<size_t>(to + head.bytes - at));
  return CheckOf(to, head.bytes, seed, Cover::kHead);
}

size_t ClaimedBytes(std::string_view bytes) {
  if (bytes.size() < 2 * sizeof(uint64_t)) return 0;
  uint32_t claimed;
  std::memcpy(&claimed, bytes.data() + offsetof(RecordHead, bytes), sizeof claimed);
  return claimed < 2 * sizeof(uint64_t) || claimed % kRecordAlignment != 0 || claimed > bytes.size() ? 0 : claimed;
}

std::optional<DecodedRecord> DecodeRecord(std::string_view bytes, uint64_t seed, bool of_this_boot, Cover cover) {
  const size_t claimed = ClaimedBytes(bytes);
  if (claimed < sizeof(RecordHead)) return std::nullopt;
  RecordHead head;
  std::memcpy(&head, bytes.data(), sizeof head);
  if (head.kind > static_cast<uint8_t>(RecordKind::kDelete) || head.key_bytes == 0 ||
      sizeof head + head.key_bytes + uint64_t{head.value_bytes} > claimed ||
      head.check != CheckOf(bytes.data(), claimed, seed, cover)) {
    return std::nullopt;
  }
  DecodedRecord record{};
  record.kind = static_cast<RecordKind>(head.kind);
  record.key = bytes.substr(sizeof head, head.key_bytes);
  record.value = bytes.substr(sizeof head + head.key_bytes, head.value_bytes);
  record.stamps.version = head.version;
  record.stamps.touched = head.touched;
  record.stamps.born = head.born;
  record.stamps.floor = head.floor;
  record.stamps.rule = head.rule;
  record.stamps.marks = head.marks & kMarkProvisional;
  record.when_us = head.when_us;
  record.wall_ahead_us = head.wall_ahead_us;
  record.of_this_boot = of_this_boot;
  record.client_flags = head.client_flags;
  record.bytes = claimed;
  return record;
}

size_t CopyRecords(std::string_view from, uint64_t from_seed, std::span<const uint32_t> without, std::string* to,
                   uint64_t to_seed, Cover to_cover) {
  size_t bad = 0;
  for (size_t at = 0; at < from.size();) {
    const size_t claimed = ClaimedBytes(from.substr(at));
    if (claimed == 0) return bad + 1;
    const std::string_view record = from.substr(at, claimed);
    if (!without.empty() && without.front() == at) {
      without = without.subspan(1);
    } else if (IsFiller(record)) {
      // nothing
    } else if (CheckIn(record.data()) != CheckOf(record.data(), claimed, from_seed + at, Cover::kHead)) {
      ++bad;
    } else {
      const size_t place = to->size();
      to->append(record);
      const uint64_t check = CheckOf(record.data(), claimed, to_seed + place, to_cover);
      std::memcpy(to->data() + place, &check, sizeof check);
    }
    at += claimed;
  }
  return bad;
}

uint64_t NewSeed() {
  uint64_t seed = 0;
  while (::getrandom(&seed, sizeof seed, 0) != sizeof seed || seed == 0) {
    // Interrupted: it is there since the machine was started.
  }
  return seed;
}

}  // namespace holdfast::session
