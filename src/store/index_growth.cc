// How it works. A bucket covers a range of hashes; with an eighth more buckets its range falls on one to three buckets
// that lie at the same place or higher. So the table grows in place: buckets are moved from the top down, and the
// cursor says how far: at or above it, the new mapping holds. Each insertion moves a few, so nobody ever waits for a
// table to be copied.
//
// One moves at a time. Whoever inserts meanwhile goes on, until growth is behind by so much that buckets would
// overflow: chains make moves slow, and growth would fall further and further behind. Then insertions wait for each
// other's moves.
//
// A move locks the bucket and all it falls on (ascending), plans where every entry goes, and only then touches
// anything. An entry that finds its new first place full goes to its second, which may lie anywhere: that one is
// try-locked, and if somebody holds it the move is given up and tried again with the next insertion. What is here in
// its second place goes home if there is room by now; otherwise growth after growth would leave more keys away from
// home.
//
// Keys are read of those alone that go from one place to the other. Of the rest bucket and tag tell the whole hash once
// there are 65,536 buckets: of a bucket's hashes no two end alike then.

#include <algorithm>

#include "base/check.h"
#include "store/index.h"
#include "store/index_move.h"
#include "store/index_words.h"

namespace holdfast::store {

namespace {
constexpr double kLoadToGrow = 0.82;  // of all slots; an eighth more buckets make it 0.73, and the mean over time 0.775
constexpr uint64_t kGrowNumerator = 9, kGrowDenominator = 8;
constexpr double kLoadToReach = 0.75;  // at most this load afterwards, where growth has fallen behind
constexpr double kGrowMost = 1.5;
constexpr double kHaste = 1.5;          // times as fast as would do
constexpr int64_t kStepsMax = 8;        // an insertion; growth takes 1.4 of them
constexpr int64_t kStepsOwedMax = 256;  // with more, insertions wait for each other's steps
// The first hash that maps to position `at` of `parts` equal parts of the hash space.
uint64_t FirstHashOf(uint64_t at, uint64_t parts) { return ((at << 32) + parts - 1) / parts; }
// With so many buckets the tag says which of a bucket's hashes it is.
constexpr uint64_t kBucketsToTellHashes = 1u << 16;
}  // namespace

void Index::NoteItems(int64_t change) { items_.fetch_add(change, std::memory_order_relaxed); }

// How far growth is behind the insertions since it began.
int64_t Index::StepsOwed(const Geometry& geometry) const {
  const auto insertions = static_cast<double>(items_.load(std::memory_order_relaxed) - geometry.items_before);
  const auto before = static_cast<double>(geometry.before), after = static_cast<double>(geometry.after);
  const double due = kHaste * insertions * before / (kLoadToGrow * kSlots * (after - before));
  return static_cast<int64_t>(due) -
         static_cast<int64_t>(geometry.before - geometry.cursor.load(std::memory_order_relaxed));
}

bool Index::IsLoaded(const Geometry& geometry) const {
  return static_cast<double>(items_.load(std::memory_order_relaxed)) >=
         kLoadToGrow * static_cast<double>(geometry.after * kSlots);
}

void Index::Grow() {
  const Geometry* geometry = geometry_.load(std::memory_order_acquire);
  if (!geometry->growing() && !IsLoaded(*geometry)) return;
  std::unique_lock<std::mutex> lock(grow_mutex_, std::try_to_lock);
  if (!lock.owns_lock()) {
    if (!geometry->growing() || StepsOwed(*geometry) < kStepsOwedMax) return;
    lock.lock();
  }
  if (!growing() && !StartGrowing()) return;
  geometry = geometry_.load(std::memory_order_relaxed);
  int64_t steps = std::clamp<int64_t>(StepsOwed(*geometry), 1, kStepsMax);
  while (steps-- > 0 && geometry->growing() && MoveTopBucket()) continue;
}

bool Index::StartGrowing() {
  const Geometry& present = *geometry_.load(std::memory_order_relaxed);
  if (!IsLoaded(present)) return false;
  const uint64_t before = present.after;
  const int64_t items = items_.load(std::memory_order_relaxed);
  const double wanted =
      std::min(static_cast<double>(items) / (kLoadToReach * kSlots), kGrowMost * static_cast<double>(before));
  const uint64_t after =
      std::min(std::max(before * kGrowNumerator / kGrowDenominator, static_cast<uint64_t>(wanted)), buckets_max_);
  if (after == before) return false;
  auto geometry = std::make_unique<Geometry>();
  geometry->before = before;
  geometry->after = after;
  geometry->items_before = items;
  geometry->cursor.store(before, std::memory_order_relaxed);
  geometry_.store(geometry.get(), std::memory_order_release);
  geometries_.push_back(std::move(geometry));
  return true;
}

// False when another writer stood in the way; nothing has changed then.
bool Index::MoveTopBucket() {
  if (move_ == nullptr) move_ = std::make_unique<Move>();
  Move& move = *move_;
  move.Clear();
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

// Where a key with this hash is looked for until the cursor has passed the source, if its place is below that, and
// where it will be if not.
Index::Bucket* Index::BucketAfter(const Move& move, uint32_t hash) {
  const uint64_t before = MapTo(hash, move.geometry->before).bucket;
  return &buckets_[before < move.source_index ? before : MapTo(hash, move.geometry->after).bucket];
}

bool Index::HoldForMove(Move* move, Bucket* bucket) {
  if (move->Holds(bucket)) return true;
  if (!TryLockBucket(bucket)) return false;
  move->locked.push_back(bucket);
  return true;
}

// The hash that brought an entry to the bucket that moves: of its first place or of its second.
uint32_t Index::HashThatLed(const Move& move, uint64_t word) const {
  if (move.geometry->before >= kBucketsToTellHashes) {
    const auto low = static_cast<uint32_t>(FirstHashOf(move.source_index, move.geometry->before));
    return low + ((static_cast<uint32_t>(word >> 48) - low) & 0xffff);
  }
  const std::string_view key = KeyAt(word & kHandleMask);
  return (word & kInSecondPlace) != 0 ? SecondHash(key) : Key::Of(key).hash;
}

bool Index::PlanMove(Move* move) {
  TakeEntries(move);
  return std::all_of(move->words[0].begin(), move->words[0].end(),
                     [&](uint64_t word) { return PlanFromFirst(move, word); }) &&
         std::all_of(move->words[1].begin(), move->words[1].end(),
                     [&](uint64_t word) { return PlanFromSecond(move, word); });
}

void Index::TakeEntries(Move* move) {
  const uint64_t header = move->source->header.load(std::memory_order_relaxed);
  move->source_slices = Header::Slices(header);
  move->source_chain = Header::Link(header);
  for (Bucket* at = move->source; at != nullptr; at = LinkOf(at->header.load(std::memory_order_relaxed))) {
    for (std::atomic<uint64_t>& slot : at->slots) {
      const uint64_t word = slot.load(std::memory_order_relaxed);
      if (word != 0) move->words[(word & kInSecondPlace) != 0].push_back(word);
    }
  }
}

bool Index::PlanFromFirst(Move* move, uint64_t word) {
  Move::Entry entry{word, HashThatLed(*move, word), nullptr, false, false};
  entry.target = BucketAfter(*move, entry.hash);
  if (!move->HasRoom(entry.target)) {
    const uint32_t second_hash = SecondHash(KeyAt(word & kHandleMask));
    entry.word = TagOf(second_hash) | kInSecondPlace | (word & kHandleMask);
    entry.in_second = entry.leaves_home = true;
    entry.target = BucketAfter(*move, second_hash);
    if (!HoldForMove(move, entry.target)) return false;
  }
  move->entries.push_back(entry);
  return true;
}

bool Index::PlanFromSecond(Move* move, uint64_t word) {
  const uint32_t hash = Key::Of(KeyAt(word & kHandleMask)).hash;
  Bucket* const home = BucketAfter(*move, hash);
  if (HoldForMove(move, home) && move->HasRoom(home)) {
    move->entries.push_back({TagOf(hash) | (word & kHandleMask), hash, home, false, false});
    return true;
  }
  Bucket* const target = BucketAfter(*move, HashThatLed(*move, word));
  if (!HoldForMove(move, target)) return false;
  move->entries.push_back({word, hash, target, true, false});
  return true;
}

void Index::CommitMove(Move* move) {
  for (Bucket* at = move->source; at != nullptr; at = LinkOf(at->header.load(std::memory_order_relaxed))) {
    for (std::atomic<uint64_t>& slot : at->slots) slot.store(0, std::memory_order_release);
  }
  const uint64_t header = move->source->header.load(std::memory_order_relaxed);
  move->source->header.store(Header::WithLink(Header::WithoutSlices(header), 0), std::memory_order_release);
  InheritSlices(*move);
  // All buckets that this changes are locked. Whoever is to make room for an entry looks by the mapping that holds
  // then.
  const_cast<Geometry*>(move->geometry)->cursor.store(move->source_index, std::memory_order_release);
  // Those in their second places last: they take what is left, or the chain.
  for (const Move::Entry& entry : move->entries) {
    if (entry.in_second) continue;
    std::atomic<uint64_t>* slot = FreeSlot(entry.target);
    CHECK(slot != nullptr);
    slot->store(entry.word, std::memory_order_release);
  }
  for (const Move::Entry& entry : move->entries) {
    if (!entry.in_second) continue;
    if (entry.leaves_home) MarkSlice(MapTo(entry.hash, move->geometry->after));
    FreeSlotWithLinks(entry.target)->store(entry.word, std::memory_order_release);
  }
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
      MarkSlice({i / 8, static_cast<uint32_t>(i % 8)});
    }
  }
}

}  // namespace holdfast::store
