// eviction_watch.h - who wants to know of every item that goes for want of room.
//
// Threads: OnEviction under the cleaner's mutex and the item's bucket lock: one thread at a time, and it must neither
//          wait nor lock.

#ifndef HOLDFAST_STORE_EVICTION_WATCH_H_
#define HOLDFAST_STORE_EVICTION_WATCH_H_

#include <cstdint>

#include "store/item.h"

namespace holdfast::store {

class EvictionWatch {
 public:
  virtual ~EvictionWatch() = default;
  // size_class: from 1.
  virtual void OnEviction(const ItemRef& item, uint32_t size_class, Seconds now) = 0;
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_EVICTION_WATCH_H_
