// How it works. A slot is one word: 16-bit tag, one bit that says "in its second place", 47-bit handle. The tag comes
// of the hash that chose the place, so that keys made to have one hash differ in the second. A bucket's header is one
// word too:
//
//   bit 0       lock, for writers
//   bits 1-31   version, one more with every unlock
//   bits 32-39  slices: for each eighth of the bucket's hash range, may a key of it be in its second place? (sticky)
//   bits 40-63  link to a chained bucket, 0 none
//
// A reader takes header, slots, then perhaps the second place's header, slots and chain. A hit needs no more: the key
// was compared, and the item stays readable until the reader is quiescent. A miss is believed only if the headers have
// not changed, were not locked, and the key still maps to the same buckets; else the reader looks again. Writers
// therefore may shuffle slots freely while they hold the lock.
//
// A writer locks the first place, and the second if the key might be or go there. If that is full too, it moves one
// that is in its first place there to where that one's second place is (try-locked, written there before it is
// overwritten here). Chains are for what not even that helps: keys made to collide. Growth is in index_growth.cc.

#include "store/index.h"

#include <sys/random.h>
#include <xxhash.h>

#include "base/check.h"
#include "store/index_move.h"
#include "store/index_words.h"
#include "store/item.h"

namespace holdfast::store {

base::Result<std::unique_ptr<Index>> Index::Create(uint64_t buckets_max, uint64_t buckets_first,
                                                   const char* items_begin, bool items_have_cas) {
  auto buckets = Arena::Create(buckets_max * sizeof(Bucket), "the index");
  if (!buckets.ok()) return buckets.status();
  const uint64_t links_max = std::min<uint64_t>(kLinkMax, buckets_max) + 1;
  auto links = Arena::Create(links_max * sizeof(Bucket), "the index's overflow", Arena::Pages::kSmall);
  if (!links.ok()) return links.status();
  return std::unique_ptr<Index>(new Index(std::move(buckets.value()), std::move(links.value()), buckets_max,
                                          buckets_first, items_begin, items_have_cas));
}

Index::Index(std::unique_ptr<Arena> buckets, std::unique_ptr<Arena> links, uint64_t buckets_max, uint64_t buckets_first,
             const char* items_begin, bool items_have_cas)
    : bucket_arena_(std::move(buckets)),
      link_arena_(std::move(links)),
      buckets_(reinterpret_cast<Bucket*>(bucket_arena_->begin())),
      links_(reinterpret_cast<Bucket*>(link_arena_->begin())),
      buckets_max_(buckets_max),
      items_begin_(items_begin),
      items_have_cas_(items_have_cas) {
  // So many at once the kernel gives whole.
  CHECK(::getrandom(secret_.data(), secret_.size(), 0) == static_cast<ssize_t>(secret_.size()));
  auto geometry = std::make_unique<Geometry>();
  geometry->before = geometry->after = std::min(buckets_first, buckets_max);
  geometry->cursor.store(0);
  geometry_.store(geometry.get(), std::memory_order_release);
  geometries_.push_back(std::move(geometry));
}

Index::~Index() = default;

uint32_t Index::SecondHash(std::string_view key) const {
  return static_cast<uint32_t>(XXH3_64bits_withSecret(key.data(), key.size(), secret_.data(), secret_.size()) >> 32);
}

std::atomic<uint64_t>* Index::Scan(const Bucket& bucket, uint64_t tag, std::string_view key, uint64_t* handle) const {
  for (const std::atomic<uint64_t>& slot : bucket.slots) {
    const uint64_t word = slot.load(std::memory_order_acquire);
    if ((word & kTagMask) != tag || word == 0) continue;
    const uint64_t candidate = word & kHandleMask;
    if (KeyAt(candidate) != key) continue;
    *handle = candidate;
    return const_cast<std::atomic<uint64_t>*>(&slot);
  }
  return nullptr;
}

std::atomic<uint64_t>* Index::ScanWithLinks(const Bucket& bucket, uint64_t header, uint64_t tag, std::string_view key,
                                            uint64_t* handle) const {
  const Bucket* at = &bucket;
  for (int hops = 0; at != nullptr; ++hops) {
    if (auto* slot = Scan(*at, tag, key, handle)) return slot;
    // A chain cut and reused under a reader's eyes could lead in a circle; the version check sorts it out, if we get
    // there.
    if (hops > kHopsMax) return nullptr;
    at = LinkOf(header);
    if (at != nullptr) header = at->header.load(std::memory_order_acquire);
  }
  return nullptr;
}

Index::Bucket* Index::LinkOf(uint64_t header) const {
  const uint32_t link = Header::Link(header);
  return link == 0 ? nullptr : &links_[link];
}

uint64_t Index::Find(const Key& key) const {
  base::SpinWait wait;
  for (;; wait.Once()) {
    uint64_t handle = 0;
    const Mapped first = MapOf(key.hash);
    const Bucket& first_bucket = buckets_[first.bucket];
    const uint64_t first_header = first_bucket.header.load(std::memory_order_acquire);
    if (Scan(first_bucket, TagOf(key.hash), key.bytes, &handle) != nullptr) return handle;
    if (!Header::Slice(first_header, first.slice)) {
      if (!Header::Locked(first_header) && first_bucket.header.load(std::memory_order_acquire) == first_header &&
          MapOf(key.hash) == first) {
        return 0;
      }
      continue;
    }
    const uint32_t second_hash = SecondHash(key.bytes);
    const Mapped second = MapOf(second_hash);
    const Bucket& second_bucket = buckets_[second.bucket];
    const uint64_t second_header = second_bucket.header.load(std::memory_order_acquire);
    const uint64_t second_tag = TagOf(second_hash);
    if (ScanWithLinks(second_bucket, second_header, second_tag, key.bytes, &handle) != nullptr) return handle;
    if (Header::Locked(first_header) || Header::Locked(second_header)) continue;
    if (second_bucket.header.load(std::memory_order_acquire) != second_header ||
        first_bucket.header.load(std::memory_order_acquire) != first_header) {
      continue;
    }
    if (MapOf(key.hash) == first && MapOf(second_hash) == second) return 0;
  }
}

Index::Ahead Index::LookAheadToSecond(const Key& key) const {
  const uint32_t second_hash = SecondHash(key.bytes);
  const Bucket* const second = &buckets_[MapOf(second_hash).bucket];
  __builtin_prefetch(second);
  return {.second = second, .second_tag = TagOf(second_hash)};
}

void Index::LockBucket(Bucket* bucket) {
  base::SpinWait wait;
  while (!TryLockBucket(bucket)) wait.Once();
}

bool Index::TryLockBucket(Bucket* bucket) {
  uint64_t header = bucket->header.load(std::memory_order_relaxed);
  return !Header::Locked(header) &&
         bucket->header.compare_exchange_strong(header, header | Header::kLock, std::memory_order_acquire);
}

void Index::UnlockBucket(Bucket* bucket) {
  bucket->header.store(Header::Unlocked(bucket->header.load(std::memory_order_relaxed)), std::memory_order_release);
}

Index::Locked Index::Lock(const Key& key) {
  Locked locked;
  bool has_second_hash = false;
  uint32_t second_hash = 0;
  for (;;) {
    const Mapped first = MapOf(key.hash);
    locked.first = &buckets_[first.bucket];
    locked.second = nullptr;
    LockBucket(locked.first);
    if (MapOf(key.hash) != first) {
      UnlockBucket(locked.first);
      continue;
    }
    locked.place = Scan(*locked.first, TagOf(key.hash), key.bytes, &locked.handle);
    if (locked.place != nullptr) return locked;
    const uint64_t header = locked.first->header.load(std::memory_order_relaxed);
    if (!Header::Slice(header, first.slice) && FreeSlot(locked.first) != nullptr) return locked;

    if (!has_second_hash) second_hash = SecondHash(key.bytes);
    has_second_hash = true;
    const Mapped second = MapOf(second_hash);
    locked.second = &buckets_[second.bucket];
    if (locked.second < locked.first) {
      UnlockBucket(locked.first);
      LockBucket(locked.second);
      LockBucket(locked.first);
    } else if (locked.second > locked.first) {
      LockBucket(locked.second);
    }
    if (MapOf(key.hash) == first && MapOf(second_hash) == second) break;
    Unlock(locked);
  }
  locked.place = Scan(*locked.first, TagOf(key.hash), key.bytes, &locked.handle);
  if (locked.place == nullptr) {
    const uint64_t header = locked.second->header.load(std::memory_order_relaxed);
    locked.place = ScanWithLinks(*locked.second, header, TagOf(second_hash), key.bytes, &locked.handle);
  }
  return locked;
}

void Index::Unlock(Locked& locked) {
  if (locked.second != nullptr && locked.second != locked.first) UnlockBucket(locked.second);
  UnlockBucket(locked.first);
}

std::vector<uint64_t> Index::HandlesIn(uint64_t number) {
  std::vector<uint64_t> handles;
  handles.reserve(kSlots);
  Bucket* const first = &buckets_[number];
  LockBucket(first);
  for (const Bucket* bucket = first; bucket != nullptr;
       bucket = LinkOf(bucket->header.load(std::memory_order_relaxed))) {
    for (const std::atomic<uint64_t>& slot : bucket->slots) {
      const uint64_t word = slot.load(std::memory_order_relaxed);
      if (word != 0) handles.push_back(word & kHandleMask);
    }
  }
  UnlockBucket(first);
  return handles;
}

std::atomic<uint64_t>* Index::FreeSlot(Bucket* bucket) const {
  for (std::atomic<uint64_t>& slot : bucket->slots) {
    if (slot.load(std::memory_order_relaxed) == 0) return &slot;
  }
  return nullptr;
}

// A slot of a full, locked bucket whose key could go to its second place.
std::atomic<uint64_t>* Index::MakeRoomIn(Bucket* bucket) {
  for (std::atomic<uint64_t>& slot : bucket->slots) {
    const uint64_t word = slot.load(std::memory_order_relaxed);
    if ((word & kInSecondPlace) != 0) continue;
    const std::string_view key = KeyAt(word & kHandleMask);
    const uint32_t second_hash = SecondHash(key);
    Bucket* const second = &buckets_[MapOf(second_hash).bucket];
    if (!TryLockBucket(second)) continue;
    auto* const place = &buckets_[MapOf(second_hash).bucket] == second ? FreeSlot(second) : nullptr;
    if (place != nullptr) {
      place->store(TagOf(second_hash) | kInSecondPlace | (word & kHandleMask), std::memory_order_release);
      MarkSlice(MapOf(Key::Of(key).hash));
      slot.store(0, std::memory_order_release);
    }
    UnlockBucket(second);
    if (place != nullptr) return &slot;
  }
  return nullptr;
}

// The bucket is locked.
void Index::MarkSlice(const Mapped& at) {
  std::atomic<uint64_t>& header = buckets_[at.bucket].header;
  header.store(Header::WithSlice(header.load(std::memory_order_relaxed), at.slice), std::memory_order_release);
}

// A free slot in a locked bucket or its chain, which grows if it must.
std::atomic<uint64_t>* Index::FreeSlotWithLinks(Bucket* bucket) {
  if (auto* const slot = FreeSlot(bucket)) return slot;
  if (auto* const slot = MakeRoomIn(bucket)) return slot;
  for (Bucket* at = bucket;;) {
    if (auto* slot = FreeSlot(at)) return slot;
    const uint64_t header = at->header.load(std::memory_order_relaxed);
    Bucket* next = LinkOf(header);
    if (next == nullptr) {
      const uint32_t link = TakeLink();
      at->header.store(Header::WithLink(header, link), std::memory_order_release);
      next = &links_[link];
    }
    at = next;
  }
}

uint32_t Index::TakeLink() {
  std::lock_guard<base::SpinLock> guard(links_lock_);
  uint32_t link = links_free_;
  if (link != 0) {
    links_free_ = Header::Link(links_[link].header.load(std::memory_order_relaxed));
  } else {
    link = links_fresh_.load(std::memory_order_relaxed);
    links_fresh_.store(link + 1, std::memory_order_relaxed);
    CHECK(link <= kLinkMax && (link + 1) * sizeof(Bucket) <= link_arena_->bytes());
  }
  links_[link].header.store(0, std::memory_order_relaxed);
  return link;
}

// Takes a whole chain back; its slots are already empty.
void Index::GiveLinks(uint32_t first) {
  std::lock_guard<base::SpinLock> guard(links_lock_);
  while (first != 0) {
    const uint32_t next = Header::Link(links_[first].header.load(std::memory_order_relaxed));
    links_[first].header.store(Header::WithLink(0, links_free_), std::memory_order_release);
    links_free_ = first;
    first = next;
  }
}

void Index::Insert(Locked& locked, const Key& key, uint64_t handle) {
  DCHECK(locked.place == nullptr);
  locked.handle = handle;
  locked.place = FreeSlot(locked.first);
  if (locked.place != nullptr) {
    locked.place->store(TagOf(key.hash) | handle, std::memory_order_release);
    return;
  }
  CHECK(locked.second != nullptr);
  MarkSlice(MapOf(key.hash));
  locked.place = FreeSlotWithLinks(locked.second);
  locked.place->store(TagOf(SecondHash(key.bytes)) | kInSecondPlace | handle, std::memory_order_release);
}

void Index::Replace(Locked& locked, uint64_t handle) {
  const uint64_t word = locked.place->load(std::memory_order_relaxed);
  locked.place->store((word & ~kHandleMask) | handle, std::memory_order_release);
  locked.handle = handle;
}

void Index::Erase(Locked& locked) {
  locked.place->store(0, std::memory_order_release);
  locked.place = nullptr;
  locked.handle = 0;
}

}  // namespace holdfast::store
