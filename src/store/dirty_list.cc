// How it works: each shard has a map from key to time and a set of (time, key) in order of time; the set points to the
// map's keys, which do not move. The shard's earliest time is kept in an atomic too, so that NextDue takes no lock; it
// is sequentially consistent, so that "mark, then look whether the taker sleeps" and "go to sleep, then look once more"
// cannot both miss the other.

#include "store/dirty_list.h"

#include <set>
#include <unordered_map>
#include <utility>

namespace holdfast::store {
namespace {

struct Hash {
  using is_transparent = void;
  size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};

}  // namespace

struct DirtyList::Shard {
  std::mutex mutex;  // guards times and order
  std::unordered_map<std::string, int64_t, Hash, std::equal_to<>> times;
  std::set<std::pair<int64_t, const std::string*>> order;
  std::atomic<int64_t> earliest{kNothing};

  void NoteEarliest() { earliest.store(order.empty() ? kNothing : order.begin()->first, std::memory_order_seq_cst); }
};

DirtyList::DirtyList() : shards_(std::make_unique<Shard[]>(kShards)) {}
DirtyList::~DirtyList() = default;

// The bits of the hash that pick a bucket or a tag elsewhere are not needed apart here; any four will do.
DirtyList::Shard& DirtyList::ShardOf(uint32_t hash) const { return shards_[hash >> 12 & (kShards - 1)]; }

void DirtyList::Mark(const Key& key, int64_t due) {
  Shard& shard = ShardOf(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.times.find(key.bytes);
  if (found == shard.times.end()) {
    const auto entered = shard.times.emplace(key.bytes, due).first;
    shard.order.emplace(due, &entered->first);
    size_.fetch_add(1, std::memory_order_relaxed);
  } else if (due < found->second) {
    shard.order.erase({found->second, &found->first});
    found->second = due;
    shard.order.emplace(due, &found->first);
  } else {
    return;
  }
  shard.NoteEarliest();
}

void DirtyList::Take(int64_t now, size_t count, std::vector<std::string>* keys) {
  const uint32_t first = first_shard_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < kShards && count > 0; ++i) {
    Shard& shard = shards_[(first + i) % kShards];
    if (shard.earliest.load(std::memory_order_seq_cst) > now) continue;
    const std::lock_guard lock(shard.mutex);
    while (count > 0 && !shard.order.empty() && shard.order.begin()->first <= now) {
      auto node = shard.times.extract(*shard.order.begin()->second);
      shard.order.erase(shard.order.begin());
      keys->push_back(std::move(node.key()));
      size_.fetch_sub(1, std::memory_order_relaxed);
      --count;
    }
    shard.NoteEarliest();
  }
}

int64_t DirtyList::NextDue() const {
  int64_t next = kNothing;
  for (size_t i = 0; i < kShards; ++i) {
    next = std::min(next, shards_[i].earliest.load(std::memory_order_seq_cst));
  }
  return next;
}

}  // namespace holdfast::store
