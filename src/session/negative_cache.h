// negative_cache.h - remembers for a moment which session keys the database does not have.
//
// A direct-mapped table of whole keys: a wrong "absent" would log somebody out, so nothing is left to a hash.
//
// Threads: any.
// Limits:  kSlots keys; a colliding key takes the place. What is forgotten is asked again.

#ifndef HOLDFAST_SESSION_NEGATIVE_CACHE_H_
#define HOLDFAST_SESSION_NEGATIVE_CACHE_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>

#include "store/item.h"
#include "store/store.h"

namespace holdfast::session {

class NegativeCache {
 public:
  NegativeCache() : shards_(std::make_unique<Shards>()) {}

  void Put(const store::Key& key, int64_t until_us);
  bool Has(const store::Key& key, int64_t now_us);
  void Erase(const store::Key& key);

 private:
  static constexpr size_t kShards = 16;
  static constexpr size_t kSlotsPerShard = 128;
  struct Entry {
    int64_t until_us = 0;
    uint8_t key_length = 0;  // 0: empty
    char key[store::kKeyBytesMax];
    bool Holds(std::string_view other) const {
      return key_length == other.size() && std::memcmp(key, other.data(), other.size()) == 0;
    }
  };
  struct Shard {
    std::mutex mutex;  // guards entries
    std::array<Entry, kSlotsPerShard> entries;
  };
  using Shards = std::array<Shard, kShards>;

  Shard& ShardOf(const store::Key& key) { return (*shards_)[key.hash % kShards]; }
  static Entry& EntryOf(Shard& shard, const store::Key& key) {
    return shard.entries[key.hash / kShards % kSlotsPerShard];
  }

  const std::unique_ptr<Shards> shards_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_NEGATIVE_CACHE_H_
