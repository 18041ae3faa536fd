// How it works. A bucket covers a range of hashes; with a quarter more buckets its range falls on one to three buckets
// that lie at the same place or higher. So the table grows in place: buckets are moved from the top down, and the
// cursor says how far: at or above it, the new mapping holds. Each insertion moves a few, so nobody ever waits for a
// table to be copied.
//
// A move locks the bucket and all it falls on (ascending), plans where every entry goes, and only then touches
// anything. An entry that finds its new first place full goes to its second, which may lie anywhere: that one is
// try-locked, and if somebody holds it the move is given up and tried again with the next insertion.

#include <algorithm>

#include "base/check.h"
#include "store/index.h"
#include "store/index_words.h"

namespace holdfast::store {

namespace {
constexpr double kLoadToGrow =
    0.80;  // of all slots; a quarter more buckets make it 0.64... and the mean over time 0.72
constexpr uint64_t kGrowNumerator = 5, kGrowDenominator = 4;
constexpr int64_t kStepsPerInsertion = 2;
// The first hash that maps to position `at` of `parts` equal parts of the hash space.
uint64_t FirstHashOf(uint64_t at, uint64_t parts) { return ((at << 32) + parts - 1) / parts; }
}  // namespace

// One bucket's move, planned before it is done.
struct Index::Move {
  struct Entry {
    uint64_t word;
    uint32_t hash;   // of the key's first place
    Bucket* target;  // whose slots, or chain when in_second, take it
    bool in_second;
  };
  const Geometry* geometry;
  Bucket* source;
  uint64_t source_index;
  uint64_t low, high;  // buckets it falls on
  uint32_t source_slices;
  uint32_t source_chain;  // first link, 0 none
  std::vector<Entry> entries;
  std::vector<Bucket*> locked;  // ascending but for try-locked ones at the end

  bool Holds(const Bucket* bucket) const { return std::find(locked.begin(), locked.end(), bucket) != locked.end(); }
};

void Index::NoteItems(int64_t change) { items_.fetch_add(change, std::memory_order_relaxed); }

void Index::GrowSteps(int steps) {
  if (!growing()) {
    const auto slots = static_cast<double>(buckets() * kSlots);
    if (static_cast<double>(items_.load(std::memory_order_relaxed)) < kLoadToGrow * slots) return;
  }
  std::unique_lock<std::mutex> lock(grow_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) return;
  if (!growing() && !StartGrowing()) return;
  for (int64_t i = 0; i < steps * kStepsPerInsertion && growing(); ++i) {
    if (!MoveTopBucket()) return;
  }
}

bool Index::StartGrowing() {
  const uint64_t before = geometry_.load(std::memory_order_relaxed)->after;
  if (static_cast<double>(items_.load(std::memory_order_relaxed)) <
      kLoadToGrow * static_cast<double>(before * kSlots)) {
    return false;
  }
  const uint64_t after = std::min(before * kGrowNumerator / kGrowDenominator, buckets_max_);
  if (after == before) return false;
  auto geometry = std::make_unique<Geometry>();
  geometry->before = before;
  geometry->after = after;
  geometry->cursor.store(before, std::memory_order_relaxed);
  geometry_.store(geometry.get(), std::memory_order_release);
  geometries_.push_back(std::move(geometry));
  return true;
}

// False when another writer stood in the way; nothing has changed then.
bool Index::MoveTopBucket() {
  Move move;
  move.geometry = geometry_.load(std::memory_order_relaxed);
  move.source_index = move.geometry->cursor.load(std::memory_order_relaxed) - 1;
  move.source = &buckets_[move.source_index];
  const uint64_t before = move.geometry->before, after = move.geometry->after;
  move.low = MapTo(static_cast<uint32_t>(FirstHashOf(move.source_index, before)), after).bucket;
  move.high = MapTo(static_cast<uint32_t>(FirstHashOf(move.source_index + 1, before) - 1), after).bucket;
  LockBucket(move.source);
  move.locked.push_back(move.source);
  for (uint64_t i = std::max(move.low, move.source_index + 1); i <= move.high; ++i) {
    LockBucket(&buckets_[i]);
    move.locked.push_back(&buckets_[i]);
  }
  const bool planned = PlanMove(&move);
  if (planned) CommitMove(&move);
  for (Bucket* bucket : move.locked) UnlockBucket(bucket);
  if (planned) GiveLinks(move.source_chain);
  return planned;
}

bool Index::PlanMove(Move* move) {
  const uint64_t header = move->source->header.load(std::memory_order_relaxed);
  move->source_slices = Header::Slices(header);
  move->source_chain = Header::Link(header);
  for (Bucket* at = move->source; at != nullptr; at = LinkOf(at->header.load(std::memory_order_relaxed))) {
    for (std::atomic<uint64_t>& slot : at->slots) {
      const uint64_t word = slot.load(std::memory_order_relaxed);
      if (word != 0) move->entries.push_back({word, Key::Of(KeyAt(word & kHandleMask)).hash, nullptr, false});
    }
  }
  // Those at home in their first place choose first; what came here as its second place takes what is left, or the
  // chain.
  std::stable_partition(move->entries.begin(), move->entries.end(),
                        [](const Move::Entry& entry) { return (entry.word & kInSecondPlace) == 0; });
  std::vector<int> room;
  for (uint64_t i = move->low; i <= move->high; ++i) {
    int used = 0;
    for (const auto& slot : buckets_[i].slots) used += slot.load(std::memory_order_relaxed) != 0;
    room.push_back(i == move->source_index ? kSlots : kSlots - used);
  }
  for (Move::Entry& entry : move->entries) {
    entry.in_second = (entry.word & kInSecondPlace) != 0;
    if (!entry.in_second) {
      const uint64_t bucket = MapTo(entry.hash, move->geometry->after).bucket;
      entry.target = &buckets_[bucket];
      if (room[bucket - move->low]-- > 0) continue;
      entry.in_second = true;
    }
    const uint32_t second_hash = SecondHash(KeyAt(entry.word & kHandleMask));
    entry.word = TagOf(second_hash) | (entry.word & ~kTagMask);
    const uint64_t old_bucket = MapTo(second_hash, move->geometry->before).bucket;
    const bool moved = old_bucket >= move->source_index;
    entry.target = &buckets_[moved ? MapTo(second_hash, move->geometry->after).bucket : old_bucket];
    if (move->Holds(entry.target)) continue;
    if (!TryLockBucket(entry.target)) return false;
    move->locked.push_back(entry.target);
  }
  return true;
}

void Index::CommitMove(Move* move) {
  for (Bucket* at = move->source; at != nullptr; at = LinkOf(at->header.load(std::memory_order_relaxed))) {
    for (std::atomic<uint64_t>& slot : at->slots) slot.store(0, std::memory_order_release);
  }
  const uint64_t header = move->source->header.load(std::memory_order_relaxed);
  move->source->header.store(Header::WithLink(Header::WithoutSlices(header), 0), std::memory_order_release);
  InheritSlices(*move);
  for (const Move::Entry& entry : move->entries) {
    uint64_t word = entry.word & ~kInSecondPlace;
    if (entry.in_second) {
      word |= kInSecondPlace;
      if ((entry.word & kInSecondPlace) == 0) {
        const Mapped first = MapTo(entry.hash, move->geometry->after);
        Bucket& bucket = buckets_[first.bucket];
        bucket.header.store(Header::WithSlice(bucket.header.load(std::memory_order_relaxed), first.slice),
                            std::memory_order_release);
      }
      FreeSlotWithLinks(entry.target)->store(word, std::memory_order_release);
    } else {
      std::atomic<uint64_t>* slot = FreeSlot(entry.target);
      CHECK(slot != nullptr);
      slot->store(word, std::memory_order_release);
    }
  }
  const_cast<Geometry*>(move->geometry)->cursor.store(move->source_index, std::memory_order_release);
}

// A slice of the old bucket that had keys elsewhere marks the slices it falls on.
void Index::InheritSlices(const Move& move) {
  const uint64_t parts = move.geometry->before * 8;
  for (uint32_t slice = 0; slice < 8; ++slice) {
    if ((move.source_slices >> slice & 1) == 0) continue;
    const uint64_t at = move.source_index * 8 + slice;
    const Mapped low = MapTo(static_cast<uint32_t>(FirstHashOf(at, parts)), move.geometry->after);
    const Mapped high = MapTo(static_cast<uint32_t>(FirstHashOf(at + 1, parts) - 1), move.geometry->after);
    for (uint64_t i = low.bucket * 8 + low.slice; i <= high.bucket * 8 + high.slice; ++i) {
      Bucket& bucket = buckets_[i / 8];
      bucket.header.store(Header::WithSlice(bucket.header.load(std::memory_order_relaxed), i % 8),
                          std::memory_order_release);
    }
  }
}

}  // namespace holdfast::store
