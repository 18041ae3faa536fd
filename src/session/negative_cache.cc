// How it works: the hash picks one entry; its lock is the shard's. An entry counts only while its whole key is equal
// and its time has not come.

#include "session/negative_cache.h"

namespace holdfast::session {

void NegativeCache::Put(const store::Key& key, int64_t until_us) {
  if (key.bytes.empty() || key.bytes.size() > store::kKeyBytesMax) return;
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  Entry& entry = EntryOf(shard, key);
  entry.until_us = until_us;
  entry.key_length = static_cast<uint8_t>(key.bytes.size());
  std::memcpy(entry.key, key.bytes.data(), key.bytes.size());
}

bool NegativeCache::Has(const store::Key& key, int64_t now_us) {
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  const Entry& entry = EntryOf(shard, key);
  return entry.key_length != 0 && now_us < entry.until_us && entry.Holds(key.bytes);
}

void NegativeCache::Erase(const store::Key& key) {
  Shard& shard = ShardOf(key);
  const std::lock_guard lock(shard.mutex);
  Entry& entry = EntryOf(shard, key);
  if (entry.key_length != 0 && entry.Holds(key.bytes)) entry.key_length = 0;
}

}  // namespace holdfast::session
