// index.h - from a key to the handle of its item: buckets of one cache line, read without locks.
//
// A key has a first place (top bits of its hash) and a second (top bits of a keyed XXH3, computed only when needed).
// Where both are full a key of the second place makes room that can go to its own second place; if none can, it hangs
// off the second place in chained buckets. The table grows in place by an eighth at a time, a few buckets with each
// insertion: a bucket's hash range only moves up, so buckets are moved from the top down behind a cursor that look-ups
// consult.
//
// Threads: Find, Prefetch, LookAhead from any registered reader (epoch.h) without locks; Lock, Insert, Replace,
// Erase, Unlock, Grow
//          from any thread. A locked place excludes other writers of its buckets, never readers.
// Owns:    buckets and chained buckets. Borrows the items' arena.
// Limits:  buckets_max, given at creation; handles below 2^47; kLinkMax chained buckets.
// Invariants
// (1) A key is in at most one slot.
// (2) Find answers 0 only if the key was absent at some moment during the call: both buckets' versions and the mapping
// were unchanged. (3) A key in its second place has its slice's bit set in its first place's header. (4) Buckets are
// locked in ascending order; whoever must lock against it uses try-lock and gives way.

#ifndef HOLDFAST_STORE_INDEX_H_
#define HOLDFAST_STORE_INDEX_H_

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#include "base/prefetch.h"
#include "base/spin_lock.h"
#include "base/status.h"
#include "store/arena.h"
#include "store/index_words.h"
#include "store/item.h"
#include "store/key.h"

namespace holdfast::store {

class Index {
 public:
  static constexpr int kSlots = 7;
  static constexpr uint32_t kLinkMax = (1u << 24) - 1;
  static constexpr uint64_t kBucketsMax = 1u << 28;  // 16 GiB of them, two thousand million items; slices have 32 bits

  struct alignas(64) Bucket {
    std::atomic<uint64_t> header;         // see Header in index.cc
    std::atomic<uint64_t> slots[kSlots];  // 0: empty
  };
  static_assert(sizeof(Bucket) == 64);

  // The locked place of one key.
  struct Locked {
    Bucket* first = nullptr;
    Bucket* second = nullptr;                // null when it was not needed
    std::atomic<uint64_t>* place = nullptr;  // null when the key is absent
    uint64_t handle = 0;                     // 0 when the key is absent
  };

  static base::Result<std::unique_ptr<Index>> Create(uint64_t buckets_max, uint64_t buckets_first,
                                                     const char* items_begin, bool items_have_cas);

  uint64_t Find(const Key& key) const;
  void Prefetch(const Key& key, bool to_write) const { base::Prefetch(&buckets_[MapOf(key.hash).bucket], to_write); }

  // Hints: the first slot in the first place whose tag fits, for prefetching the item and for Find; and if there is
  // none, or several that fit, the second place if the key may be there, which is then being fetched.
  struct Ahead {
    const std::atomic<uint64_t>* slot = nullptr;  // null: none
    uint64_t word = 0;                            // what it held
    const Bucket* second = nullptr;               // null: none
    uint64_t second_tag = 0;                      // of the key, there
    uint64_t handle() const { return word & kHandleMask; }
  };
  Ahead LookAhead(const Key& key) const {
    const Mapped first = MapOf(key.hash);
    const Bucket& bucket = buckets_[first.bucket];
    const uint32_t found = SlotsWithTag(bucket, TagOf(key.hash));
    // Two of one tag are hardly ever chance: they were made, and those that come after are in their second places.
    if (std::has_single_bit(found) || !Header::Slice(bucket.header.load(std::memory_order_relaxed), first.slice)) {
      return At(bucket, found);
    }
    return LookAheadToSecond(key);
  }
  // The same in the second place, when that has come.
  static Ahead LookAheadIn(const Bucket& place, uint64_t tag) { return At(place, SlotsWithTag(place, tag)); }
  // As Find above, quicker if `ahead` is still so.
  uint64_t Find(const Key& key, const Ahead& ahead) const {
    const bool unchanged = ahead.slot != nullptr && ahead.slot->load(std::memory_order_acquire) == ahead.word;
    if (unchanged && KeyAt(ahead.handle()) == key.bytes) return ahead.handle();
    return Find(key);
  }

  ~Index();

  Locked Lock(const Key& key);
  void Unlock(Locked& locked);
  void Insert(Locked& locked, const Key& key, uint64_t handle);  // key must be absent
  void Replace(Locked& locked, uint64_t handle);                 // key must be present
  void Erase(Locked& locked);                                    // key must be present

  // Says that items came or went.
  void NoteItems(int64_t change);
  // Grows by a few buckets if the load asks for it. For after an insertion, with no place locked.
  void Grow();

  // Calls visit(handle) for each item whose slot hangs off this bucket, which must be below buckets().
  template <class F>
  void ForEachInBucket(uint64_t bucket, F&& visit);

  uint64_t items() const { return static_cast<uint64_t>(items_.load(std::memory_order_relaxed)); }
  uint64_t buckets() const { return geometry_.load(std::memory_order_acquire)->after; }
  // Memory taken by buckets, and by chained ones that were used once.
  uint64_t bytes() const { return (buckets() + links_fresh_.load(std::memory_order_relaxed)) * sizeof(Bucket); }
  bool growing() const { return geometry_.load(std::memory_order_acquire)->growing(); }

 private:
  // While growing, hashes whose old bucket is at or above the cursor live by `after`, the others by `before`.
  struct Geometry {
    uint64_t before;
    uint64_t after;
    int64_t items_before;
    std::atomic<uint64_t> cursor;  // 0: not growing
    bool growing() const { return cursor.load(std::memory_order_acquire) != 0; }
  };
  struct Mapped {
    uint64_t bucket;
    uint32_t slice;  // eighth of the bucket's hash range
    bool operator==(const Mapped&) const = default;
  };
  struct Move;

  Index(std::unique_ptr<Arena> buckets, std::unique_ptr<Arena> links, uint64_t buckets_max, uint64_t buckets_first,
        const char* items_begin, bool items_have_cas);

  static Mapped MapTo(uint32_t hash, uint64_t buckets) {
    const uint64_t product = hash * buckets;
    return {product >> 32, static_cast<uint32_t>(product >> 29) & 7};
  }
  Mapped MapOf(uint32_t hash) const {
    const Geometry* geometry = geometry_.load(std::memory_order_acquire);
    const Mapped before = MapTo(hash, geometry->before);
    if (before.bucket < geometry->cursor.load(std::memory_order_acquire)) return before;
    return MapTo(hash, geometry->after);
  }
  uint32_t SecondHash(std::string_view key) const;
  std::string_view KeyAt(uint64_t handle) const {
    return ItemRef(const_cast<char*>(items_begin_ + handle * 8), items_begin_, items_have_cas_).key();
  }
  std::atomic<uint64_t>* Scan(const Bucket& bucket, uint64_t tag, std::string_view key, uint64_t* handle) const;
  std::atomic<uint64_t>* ScanWithLinks(const Bucket& bucket, uint64_t header, uint64_t tag, std::string_view key,
                                       uint64_t* handle) const;
  // Bit i: slots[i] has the tag. A hint, for with vectors the words are not read one by one; and an empty slot has the
  // tag 0.
  static uint32_t SlotsWithTag(const Bucket& bucket, uint64_t tag) {
    static_assert(offsetof(Bucket, slots) == sizeof(uint64_t) && kSlots == 7);
#if defined(__SSE2__) && !defined(__SANITIZE_THREAD__)
    const __m128i wanted = _mm_set1_epi64x(static_cast<int64_t>(tag));
    const auto* const words = reinterpret_cast<const __m128i*>(&bucket);
    uint32_t found = 0;
    for (int pair = 0; pair < 4; ++pair) {  // the sign of a double is the highest bit of the tag's comparison
      const __m128i equal = _mm_cmpeq_epi16(_mm_load_si128(words + pair), wanted);
      found |= static_cast<uint32_t>(_mm_movemask_pd(_mm_castsi128_pd(equal))) << 2 * pair;
    }
    return found >> 1;
#else
    uint32_t found = 0;
    for (int i = 0; i < kSlots; ++i) {
      found |= uint32_t{(bucket.slots[i].load(std::memory_order_relaxed) & kTagMask) == tag} << i;
    }
    return found;
#endif
  }
  static Ahead At(const Bucket& bucket, uint32_t found) {
    if (found == 0) return {};
    const std::atomic<uint64_t>* const slot = &bucket.slots[std::countr_zero(found)];
    const uint64_t word = slot->load(std::memory_order_acquire);
    return word == 0 ? Ahead() : Ahead{.slot = slot, .word = word};
  }
  Ahead LookAheadToSecond(const Key& key) const;
  Bucket* LinkOf(uint64_t header) const;
  void LockBucket(Bucket* bucket);
  bool TryLockBucket(Bucket* bucket);
  static void UnlockBucket(Bucket* bucket);
  std::vector<uint64_t> HandlesIn(uint64_t bucket);
  std::atomic<uint64_t>* FreeSlot(Bucket* bucket) const;
  std::atomic<uint64_t>* FreeSlotWithLinks(Bucket* bucket);
  std::atomic<uint64_t>* MakeRoomIn(Bucket* bucket);
  uint32_t TakeLink();
  void GiveLinks(uint32_t first);

  int64_t StepsOwed(const Geometry& geometry) const;
  bool IsLoaded(const Geometry& geometry) const;
  bool StartGrowing();
  bool MoveTopBucket();
  bool PlanMove(Move* move);
  void TakeEntries(Move* move);
  bool PlanFromFirst(Move* move, uint64_t word);
  bool PlanFromSecond(Move* move, uint64_t word);
  Bucket* BucketAfter(const Move& move, uint32_t hash);
  bool HoldForMove(Move* move, Bucket* bucket);
  uint32_t HashThatLed(const Move& move, uint64_t word) const;
  void CommitMove(Move* move);
  void InheritSlices(const Move& move);
  void MarkSlice(const Mapped& at);

  std::unique_ptr<Arena> bucket_arena_;
  std::unique_ptr<Arena> link_arena_;
  Bucket* const buckets_;
  Bucket* const links_;  // links_[0] is never used: link 0 means none
  const uint64_t buckets_max_;
  const char* const items_begin_;
  const bool items_have_cas_;        // decides where an item's key begins
  std::array<uint8_t, 192> secret_;  // of the second hash; random, fixed for the process
  std::atomic<const Geometry*> geometry_;
  std::atomic<int64_t> items_{0};

  base::SpinLock links_lock_;             // guards links_free_, links_fresh_
  uint32_t links_free_ = 0;               // head of the free links, chained by their headers
  std::atomic<uint32_t> links_fresh_{1};  // the first never used

  std::mutex grow_mutex_;                              // guards the two below and serialises moves
  std::unique_ptr<Move> move_;                         // one after the other, with the room that those before needed
  std::vector<std::unique_ptr<Geometry>> geometries_;  // kept: readers may hold old ones
};

template <class F>
void Index::ForEachInBucket(uint64_t bucket, F&& visit) {
  for (const uint64_t handle : HandlesIn(bucket)) visit(handle);
}

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_INDEX_H_
