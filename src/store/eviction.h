// eviction.h - the policy: in which queue an item starts, which queue gives up its oldest page, and what becomes of the
// items on it.
//
// There are two queues of pages, both in the order in which the pages were taken. To try another policy, write another
// EvictionPolicy and hand it to the StoreState; nothing else knows which one it is.
//
// Threads: Judge, NextQueue and Dropped under the cleaner's mutex; QueueForNew and Prefetch from any thread.

#ifndef HOLDFAST_STORE_EVICTION_H_
#define HOLDFAST_STORE_EVICTION_H_

#include <cstdint>

namespace holdfast::store {

enum class Queue : uint8_t { kSmall = 0, kMain = 1 };
inline constexpr int kQueues = 2;

struct Verdict {
  bool keep;
  Queue queue;         // where a kept item goes
  uint32_t frequency;  // and what it counts from there
};

class EvictionPolicy {
 public:
  virtual ~EvictionPolicy() = default;
  virtual Queue QueueForNew(uint32_t key_hash) = 0;
  // From which queue the oldest page is to be cleaned.
  virtual Queue NextQueue(uint64_t small_pages, uint64_t main_pages) = 0;
  // An item with that many hits is on a page that is being cleaned.
  virtual Verdict Judge(Queue from, uint32_t frequency) = 0;
  // QueueForNew or Dropped may be called for this key soon: fetches what they look at.
  virtual void Prefetch(uint32_t key_hash) const = 0;
  // An item that was not kept has gone. items: how many there are in the store, about.
  virtual void Dropped(Queue from, uint32_t key_hash, uint64_t items) = 0;
  // Memory that the policy itself takes with so many items in the store, or will once memory is full; it counts
  // against -m. From any thread.
  virtual uint64_t bytes(uint64_t items) const = 0;
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_EVICTION_H_
