// s3_fifo.h - S3-FIFO on pages: a small queue for what is new, a main queue for what was used again, a ghost of what
// left the small one.
//
// Source: Yang, Zhang, Qiu, Yue, Rashmi, "FIFO queues are all you need for cache eviction", SOSP 2023. Ours promotes
// after one hit and works on pages instead of items.
//
// Threads: as in eviction.h. The ghost is an array of atomics; a race costs at most a wrong guess.
// Limits:  the ghost has 2 bytes for each of about as many keys as the store has items.

#ifndef HOLDFAST_STORE_S3_FIFO_H_
#define HOLDFAST_STORE_S3_FIFO_H_

#include <algorithm>
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
  void Prefetch(uint32_t hash) const;
  uint64_t bytes() const { return bytes_.load(std::memory_order_relaxed); }
  // What its first table takes, or has taken.
  static uint64_t BytesFor(uint64_t capacity) { return std::max(kEntriesFirst, capacity) * sizeof(Entry); }

 private:
  using Entry = uint16_t;              // fingerprint and tick; 0: none
  static constexpr int kTickBits = 6;  // the rest is the fingerprint
  static constexpr uint32_t kTickMask = (1u << kTickBits) - 1;
  static constexpr uint64_t kEntriesFirst = 1024;
  // A lifetime. What nobody overwrote comes to life again after four of them: one entry in fifty.
  static constexpr uint64_t kTicksRemembered = (1u << kTickBits) / 4;

  struct Table {
    explicit Table(uint64_t entries) : slots(entries) {}
    std::vector<std::atomic<Entry>> slots;
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
  void Prefetch(uint32_t key_hash) const override { ghost_.Prefetch(key_hash); }
  void Dropped(Queue from, uint32_t key_hash, uint64_t items) override;
  uint64_t bytes(uint64_t items) const override { return std::max(ghost_.bytes(), Ghost::BytesFor(items)); }

 private:
  static constexpr uint64_t kSmallShareDenominator = 10;  // the small queue gets a tenth of the pages
  static constexpr uint32_t kHitsToPromote = 1;
  Ghost ghost_;
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_S3_FIFO_H_
