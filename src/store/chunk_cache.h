// chunk_cache.h - one thread's free chunks: what it freed it uses again, without a lock that others want.
//
// Of each class and queue there is a small stack. What is in it is "in use" for its page, so the page's free list and
// the class's lock are only touched when a stack is empty or full. Nothing here makes a page wait: who begins to drain
// a page takes its chunks out of all caches first, and who finds no memory has all caches emptied.
//
// Threads: Allocate and Free on its own thread; the others from any. Its lock is the owner's nearly always.
// Owns:    the chunks in it. Borrows the pool, which knows all caches from their constructor to their destructor.
// Limits:  kStackMax chunks and half a page for each class and queue, a page's bytes altogether.
// Invariants (1) What is here is on a page that is queued, never on one that drains.

#ifndef HOLDFAST_STORE_CHUNK_CACHE_H_
#define HOLDFAST_STORE_CHUNK_CACHE_H_

#include <atomic>
#include <cstdint>
#include <mutex>
#include <span>
#include <vector>

#include "base/spin_lock.h"
#include "store/eviction.h"

namespace holdfast::store {

class SlabPool;

class alignas(64) ChunkCache {
 public:
  static constexpr uint32_t kStackMax = 64;

  explicit ChunkCache(SlabPool& pool);
  ~ChunkCache();
  ChunkCache(const ChunkCache&) = delete;
  ChunkCache& operator=(const ChunkCache&) = delete;

  // For a draft; otherwise as the pool's.
  uint64_t Allocate(uint32_t size_class, Queue queue);
  void Free(std::span<const uint64_t> handles);

  // Gives the chunks of a page that begins to drain back to the pool.
  void GiveBackOf(uint32_t page);
  void GiveBackAll();

  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // Calls visit(handle) for each chunk in it, under its lock.
  template <class F>
  void ForEach(F&& visit);

 private:
  using Stack = std::vector<uint64_t>;

  static constexpr uint32_t kBatch = 16;                       // taken from the pool at once
  static constexpr uint32_t kBatchShare = 8, kStackShare = 2;  // of a page's chunks at most

  uint32_t AtMost(uint32_t size_class, uint32_t chunks, uint32_t share) const;
  Stack& StackOf(uint32_t size_class, Queue queue) {
    return stacks_[size_class * kQueues + static_cast<size_t>(queue)];
  }
  void FetchAhead(const Stack& stack, uint32_t size_class) const;
  void Put(uint64_t handle);
  void GiveBack(Stack& stack, size_t count);
  void Empty();
  void AddBytes(uint64_t bytes) {
    bytes_.store(bytes_.load(std::memory_order_relaxed) + bytes, std::memory_order_relaxed);
  }

  SlabPool& pool_;
  base::SpinLock lock_;             // guards the two below; class locks are taken under it
  std::vector<Stack> stacks_;       // by class and queue; the last freed is used first
  std::atomic<uint64_t> bytes_{0};  // of all chunks here; read by any
};

template <class F>
void ChunkCache::ForEach(F&& visit) {
  std::lock_guard<base::SpinLock> guard(lock_);
  for (const Stack& stack : stacks_) {
    for (const uint64_t handle : stack) visit(handle);
  }
}

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_CHUNK_CACHE_H_
