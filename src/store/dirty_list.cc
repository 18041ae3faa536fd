// How it works: each shard has a map from key to time and a set of (time, key) in order of time; the set points to the
// map's keys, which do not move. The shard's earliest time is kept in an atomic too, so that NextDue takes no lock; it
// is sequentially consistent, so that "mark, then look whether the taker sleeps" and "go to sleep, then look once more"
// cannot both miss the other.
//
// Who waits longest cannot be read from the due times, so each shard counts its keys by the second since which they
// wait. A key that waits across a failed batch comes back with the time it had.

#include "store/dirty_list.h"

#include <algorithm>
#include <map>
#include <set>
#include <unordered_map>
#include <utility>

namespace holdfast::store {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr size_t kBucketsAtOnce = 256;  // so nobody waits long for a shard

struct Hash {
  using is_transparent = void;
  size_t operator()(std::string_view key) const { return std::hash<std::string_view>()(key); }
};

}  // namespace

struct DirtyList::Shard {
  std::mutex mutex;  // guards times, order and waiting
  struct Times {
    int64_t due;
    int64_t since;
  };
  std::unordered_map<std::string, Times, Hash, std::equal_to<>> times;
  std::set<std::pair<int64_t, const std::string*>> order;
  std::map<int64_t, uint64_t> waiting;  // how many since each second
  std::atomic<int64_t> earliest{kNothing};
  std::atomic<int64_t> oldest{kNothing};

  void NoteEarliest() { earliest.store(order.empty() ? kNothing : order.begin()->first, std::memory_order_seq_cst); }
  void BeginWait(int64_t since) {
    ++waiting[since / kSecond];
    NoteOldest();
  }
  void EndWait(int64_t since) {
    const auto found = waiting.find(since / kSecond);
    if (--found->second == 0) waiting.erase(found);
    NoteOldest();
  }
  void NoteOldest() {
    oldest.store(waiting.empty() ? kNothing : waiting.begin()->first * kSecond, std::memory_order_relaxed);
  }
};

DirtyList::DirtyList() : shards_(std::make_unique<Shard[]>(kShards)) {}
DirtyList::~DirtyList() = default;

// The bits of the hash that pick a bucket or a tag elsewhere are not needed apart here; any four will do.
DirtyList::Shard& DirtyList::ShardOf(uint32_t hash) const { return shards_[hash >> 12 & (kShards - 1)]; }

void DirtyList::Mark(const Key& key, int64_t due, int64_t since) {
  Shard& shard = ShardOf(key.hash);
  const std::lock_guard lock(shard.mutex);
  const auto found = shard.times.find(key.bytes);
  if (found == shard.times.end()) {
    const auto entered = shard.times.emplace(key.bytes, Shard::Times{due, since}).first;
    shard.order.emplace(due, &entered->first);
    shard.BeginWait(since);
    size_.fetch_add(1, std::memory_order_relaxed);
    shard.NoteEarliest();
    return;
  }
  Shard::Times& times = found->second;
  if (since < times.since) {
    shard.EndWait(times.since);
    shard.BeginWait(since);
    times.since = since;
  }
  if (due >= times.due) return;
  shard.order.erase({times.due, &found->first});
  times.due = due;
  shard.order.emplace(due, &found->first);
  shard.NoteEarliest();
}

void DirtyList::Take(int64_t now, size_t count, std::vector<Entry>* entries) {
  const uint32_t first = first_shard_.fetch_add(1, std::memory_order_relaxed);
  for (size_t i = 0; i < kShards && count > 0; ++i) {
    Shard& shard = shards_[(first + i) % kShards];
    if (shard.earliest.load(std::memory_order_seq_cst) > now) continue;
    const std::lock_guard lock(shard.mutex);
    while (count > 0 && !shard.order.empty() && shard.order.begin()->first <= now) {
      auto node = shard.times.extract(*shard.order.begin()->second);
      shard.order.erase(shard.order.begin());
      shard.EndWait(node.mapped().since);
      entries->push_back({std::move(node.key()), node.mapped().since});
      size_.fetch_sub(1, std::memory_order_relaxed);
      --count;
    }
    shard.NoteEarliest();
  }
}

// A key stays in its bucket until the map grows; then the shard is begun anew.
bool DirtyList::Keys(Place* place, std::vector<std::string>* keys) const {
  keys->clear();
  for (; place->shard < kShards; *place = {place->shard + 1}) {
    Shard& shard = shards_[place->shard];
    const std::lock_guard lock(shard.mutex);
    const size_t buckets = shard.times.bucket_count();
    if (place->buckets != buckets) *place = {place->shard, 0, buckets};
    const size_t end = std::min(buckets, place->bucket + kBucketsAtOnce);
    for (; place->bucket < end; ++place->bucket) {
      const auto last = shard.times.end(place->bucket);
      for (auto key = shard.times.begin(place->bucket); key != last; ++key) keys->push_back(key->first);
    }
    if (place->bucket < buckets) return true;
    if (!keys->empty()) return *place = {place->shard + 1}, true;
  }
  return false;
}

int64_t DirtyList::NextDue() const {
  int64_t next = kNothing;
  for (size_t i = 0; i < kShards; ++i) {
    next = std::min(next, shards_[i].earliest.load(std::memory_order_seq_cst));
  }
  return next;
}

int64_t DirtyList::OldestSince() const {
  int64_t oldest = kNothing;
  for (size_t i = 0; i < kShards; ++i) {
    oldest = std::min(oldest, shards_[i].oldest.load(std::memory_order_relaxed));
  }
  return oldest;
}

}  // namespace holdfast::store
