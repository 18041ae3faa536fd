// dirty_list.h - the keys of items that the database still lacks something of, each with the time it is due and since
// when it has been waiting.
//
// It keeps keys, not items: items move, and what is sent is what the item is then.
//
// Threads: any. Shards by hash, a lock each.
// Owns:    a copy of each key (outside the arena; some 150 bytes an entry).
// Limits:  none of its own: an entry stands for a dirty item, and those have their share of the memory.

#ifndef HOLDFAST_STORE_DIRTY_LIST_H_
#define HOLDFAST_STORE_DIRTY_LIST_H_

#include <array>
#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "store/store.h"

namespace holdfast::store {

class DirtyList {
 public:
  static constexpr int64_t kNothing = std::numeric_limits<int64_t>::max();

  DirtyList();
  ~DirtyList();
  DirtyList(const DirtyList&) = delete;
  DirtyList& operator=(const DirtyList&) = delete;

  struct Entry {
    std::string key;
    int64_t since;
  };

  // Enters the key, or brings its time forward; an earlier one stays, and so does since when it waits. Times are
  // microseconds of the caller's clock.
  void Mark(const Key& key, int64_t due, int64_t since);
  // Takes off the list at most count keys that are due by now, appends them to entries. Oldest first within a shard; no
  // shard is left waiting for another.
  void Take(int64_t now, size_t count, std::vector<Entry>* entries);
  // For going through the keys a few at a time while the list changes: from Place{} on, until false. A key that is on
  // the list all the while is among them; one that comes or goes meanwhile may be.
  struct Place {
    size_t shard = 0;
    size_t bucket = 0;
    size_t buckets = 0;  // of the shard, when it was begun
  };
  bool Keys(Place* place, std::vector<std::string>* keys) const;
  // The earliest time on the list; kNothing when it is empty.
  int64_t NextDue() const;
  // Since when the key that waits longest has waited, to the second below; kNothing when the list is empty.
  int64_t OldestSince() const;
  uint64_t size() const { return size_.load(std::memory_order_relaxed); }

 private:
  static constexpr size_t kShards = 16;

  struct Shard;

  Shard& ShardOf(uint32_t hash) const;

  const std::unique_ptr<Shard[]> shards_;
  std::atomic<uint64_t> size_{0};
  std::atomic<uint32_t> first_shard_{0};  // where the next Take begins
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_DIRTY_LIST_H_
