// s3_fifo.h - S3-FIFO on pages: a small queue for what is new, a main queue for what was used again, a ghost of what
// left the small one.
//
// Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023. Ours promotes
// after one hit and works on pages instead of items.
//
// Threads: as in eviction.h. The ghost is an array of atomics; a race costs at most a wrong guess.
// Limits:  the ghost has 4 bytes for each of about as many keys as the store has items.

#ifndef HOLDFAST_STORE_S3_FIFO_H_
#define HOLDFAST_STORE_S3_FIFO_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "store/eviction.h"

namespace holdfast::store {

// Remembers hashes for a while: a table of fingerprints with the time (in insertions) they came.
class Ghost {
 public:
  void Remember(uint32_t hash, uint64_t capacity);  // capacity: how many hashes to remember, about
  bool Contains(uint32_t hash) const;
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }

 private:
  static constexpr uint64_t kEntriesFirst = 1024;
  static constexpr uint64_t kTicksRemembered = 4096;  // a lifetime, in the ticks that an entry has room for

  struct Table {
    explicit Table(uint64_t entries) : slots(entries) {}
    std::vector<std::atomic<uint32_t>> slots;  // fingerprint << 16 | tick
    std::atomic<uint64_t> insertions{0};
    uint32_t Tick() const;
  };

  std::atomic<Table*> table_{nullptr};  // null before the first Remember
  std::atomic<uint64_t> bytes_{0};
  std::vector<std::unique_ptr<Table>>
      tables_;  // all ever used: readers may hold an older one. Sizes double, so together < 2x.
};

class S3Fifo final : public EvictionPolicy {
 public:
  Queue QueueForNew(uint32_t key_hash) override;
  Queue NextQueue(uint64_t small_pages, uint64_t main_pages) override;
  Verdict Judge(Queue from, uint32_t frequency) override;
  void Dropped(Queue from, uint32_t key_hash, uint64_t items) override;
  uint64_t bytes() const override { return ghost_.bytes(); }

 private:
  static constexpr uint64_t kSmallShareDenominator = 10;  // the small queue gets a tenth of the pages
  static constexpr uint32_t kHitsToPromote = 1;
  Ghost ghost_;
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_S3_FIFO_H_
