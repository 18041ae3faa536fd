// chunk_stock.h - chunks that one thread has taken before it needs them, so that not each of its sets wants the lock of
// the size class, which all threads share.
//
// The first set after GiveBack takes one chunk, the next two, then four, and so on: who sets once in a round takes
// nothing in advance.
//
// Threads: one.
// Owns:    the chunks in stock, which are in use as the pool counts. Borrows the pool.
// Limits:  a few size classes at a time; kChunksMax chunks of each, and no more than the eighth of a page.

#ifndef HOLDFAST_STORE_CHUNK_STOCK_H_
#define HOLDFAST_STORE_CHUNK_STOCK_H_

#include <array>
#include <bit>
#include <cstdint>

#include "store/eviction.h"
#include "store/slab_pool.h"

namespace holdfast::store {

class ChunkStock {
 public:
  explicit ChunkStock(SlabPool& pool) : pool_(pool) {}
  ~ChunkStock() { GiveBack(); }
  ChunkStock(const ChunkStock&) = delete;
  ChunkStock& operator=(const ChunkStock&) = delete;

  // As SlabPool::Allocate, for a draft.
  uint64_t Take(uint32_t size_class, Queue queue) {
    const uint32_t number = (size_class * kQueues + static_cast<uint32_t>(queue)) % kShelves;
    Shelf& shelf = shelves_[number];
    if (shelf.next == shelf.end || shelf.size_class != size_class || shelf.queue != queue) {
      used_ |= 1u << number;
      if (!Fill(shelf, size_class, queue)) return 0;
    }
    return shelf.handles[shelf.next++];
  }
  // What is in stock goes back to the pool: when this thread will wait, and when pages are to become free.
  void GiveBack() {
    for (; used_ != 0; used_ &= used_ - 1) Clear(shelves_[static_cast<size_t>(std::countr_zero(used_))]);
  }

 private:
  static constexpr uint32_t kShelves = 8;
  static constexpr uint32_t kChunksMax = 64;

  struct Shelf {
    uint32_t size_class = 0;
    Queue queue = Queue::kSmall;
    uint32_t next = 0, end = 0;  // of handles
    uint32_t amount = 1;         // to take next time
    std::array<uint64_t, kChunksMax> handles;
  };

  bool Fill(Shelf& shelf, uint32_t size_class, Queue queue);
  void Clear(Shelf& shelf);

  SlabPool& pool_;
  uint32_t used_ = 0;  // shelves, a bit each, since GiveBack
  std::array<Shelf, kShelves> shelves_;
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_CHUNK_STOCK_H_
