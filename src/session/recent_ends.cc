// How it works: a key's hash names a set of eight entries. It takes the one it has, or an empty one, or that of the
// oldest event. So a visitor who asks for his expired session a thousand times fills one entry and not the table.

#include "session/recent_ends.h"

#include <xxhash.h>

#include <bit>
#include <mutex>

namespace holdfast::session {

namespace {

uint64_t HashOf(std::string_view key) { return XXH3_64bits(key.data(), key.size()); }

}  // namespace

RecentEnds::RecentEnds(uint32_t entries) {
  if (entries == 0) return;
  const size_t sets = std::bit_ceil((entries + kWays - 1) / kWays);
  set_mask_ = sets - 1;
  entries_.resize(sets * kWays);
}

void RecentEnds::Note(std::string_view key, const RecentEnd& end) {
  if (entries_.empty()) return;
  const uint64_t hash = HashOf(key);
  const std::lock_guard lock(LockOf(hash));
  Entry* const set = SetOf(hash);
  Entry* place = set;
  for (Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->end.how != End::kNone && entry->hash == hash) {
      place = entry;
      break;
    }
    // An empty one is of the time 0, and so the oldest.
    if (entry->end.at_us < place->end.at_us) place = entry;
  }
  const bool displaces = place->end.how != End::kNone && place->hash != hash;
  if (displaces && end.how == End::kRefused && place->end.how != End::kRefused) return;
  *place = {hash, end};
}

std::optional<RecentEnd> RecentEnds::Find(std::string_view key) {
  if (entries_.empty()) return std::nullopt;
  const uint64_t hash = HashOf(key);
  const std::lock_guard lock(LockOf(hash));
  const Entry* const set = SetOf(hash);
  for (const Entry* entry = set; entry != set + kWays; ++entry) {
    if (entry->end.how != End::kNone && entry->hash == hash) return entry->end;
  }
  return std::nullopt;
}

}  // namespace holdfast::session
