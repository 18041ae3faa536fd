// index_move.h - one bucket's move while the index grows, planned before it is done. For the index's own files.

#ifndef HOLDFAST_STORE_INDEX_MOVE_H_
#define HOLDFAST_STORE_INDEX_MOVE_H_

#include <algorithm>
#include <vector>

#include "store/index.h"

namespace holdfast::store {

struct Index::Move {
  struct Entry {
    uint64_t word;
    uint32_t hash;   // of the key's first place
    Bucket* target;  // whose slots, or chain when in_second, take it
    bool in_second;
    bool leaves_home;  // for its second place
  };
  const Geometry* geometry;
  Bucket* source;
  uint64_t source_index;
  uint64_t low, high;  // buckets it falls on
  uint32_t source_slices;
  uint32_t source_chain;           // first link, 0 none
  std::vector<uint64_t> words[2];  // what was in its first place, what in its second
  std::vector<Entry> entries;
  std::vector<Bucket*> locked;  // ascending but for try-locked ones at the end

  bool Holds(const Bucket* bucket) const { return std::find(locked.begin(), locked.end(), bucket) != locked.end(); }
  void Clear() {
    for (auto& of_place : words) of_place.clear();
    entries.clear();
    locked.clear();
  }
  // A slot of a held bucket that no entry before this has been planned for.
  bool HasRoom(const Bucket* bucket) const {
    int room = kSlots;
    for (const auto& slot : bucket->slots) {
      if (bucket != source) room -= slot.load(std::memory_order_relaxed) != 0;
    }
    for (const Entry& entry : entries) room -= entry.target == bucket && !entry.in_second;
    return room > 0;
  }
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_INDEX_MOVE_H_
