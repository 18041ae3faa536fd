// How it works: Create sizes pages and index by the memory limit and joins the parts. Upkeep walks pages in memory
// order, a share at a time, and drops what is expired or flushed; when it has been round once, no item of a generation
// before that round's beginning is left, so the 4 bits of generation in an item may come round too.

#include "store/store.h"

#include <algorithm>
#include <utility>

#include "store/s3_fifo.h"
#include "store/store_state.h"

namespace holdfast::store {

namespace {

constexpr uint64_t kMegabyte = 1u << 20;
constexpr uint64_t kGenerations = 16;

uint32_t PageBytesFor(uint64_t memory_limit_bytes) {
  if (memory_limit_bytes >= 256 * kMegabyte) return 64 * 1024;
  if (memory_limit_bytes >= 16 * kMegabyte) return 16 * 1024;
  if (memory_limit_bytes >= 8 * kMegabyte) return 8 * 1024;
  return 4 * 1024;
}

// By memcached's accounting, so that the same sizes are refused.
constexpr uint64_t kMemcachedHeadBytes = 48, kMemcachedCasBytes = 8, kMemcachedFlagsBytes = 4;

}  // namespace

void AddCounters(const AccessCounters& from, AccessCounters* to) {
  to->evictions.Add(from.evictions.value());
  to->evicted_unfetched.Add(from.evicted_unfetched.value());
  to->expired_unfetched.Add(from.expired_unfetched.value());
  to->reclaimed.Add(from.reclaimed.value());
  to->moved.Add(from.moved.value());
  to->pages_cleaned.Add(from.pages_cleaned.value());
  to->total_items.Add(from.total_items.value());
  to->out_of_memory.Add(from.out_of_memory.value());
}

base::Result<std::unique_ptr<Store>> Store::Create(const StoreSettings& settings, const base::Clock& clock) {
  const uint32_t page_bytes =
      settings.page_bytes != 0 ? settings.page_bytes : PageBytesFor(settings.memory_limit_bytes);
  // One page more than the limit has: page 0 is not used.
  auto arena = Arena::Create(settings.memory_limit_bytes + page_bytes, "items (-m)");
  if (!arena.ok()) return arena.status();
  const auto pages_max = static_cast<uint32_t>(arena.value()->bytes() / page_bytes) - 1;
  auto records =
      Arena::Create(SlabPool::RecordBytes(page_bytes, pages_max), "the records of pages", Arena::Pages::kSmall);
  if (!records.ok()) return records.status();
  const uint64_t items_max = settings.memory_limit_bytes / SizeClasses::kChunkBytesMin;
  const uint64_t buckets_max = std::max<uint64_t>(64, items_max / Index::kSlots * 3 / 2);
  const uint64_t buckets_first = std::clamp<uint64_t>(settings.memory_limit_bytes / (64 * 1024), 64, buckets_max);
  auto index = Index::Create(buckets_max, buckets_first, arena.value()->begin(), settings.cas);
  if (!index.ok()) return index.status();
  auto state =
      std::make_unique<StoreState>(settings, clock, std::move(arena.value()), std::move(records.value()), page_bytes,
                                   pages_max, std::move(index.value()), std::make_unique<S3Fifo>());
  return std::unique_ptr<Store>(new Store(std::move(state)));
}

Store::Store(std::unique_ptr<StoreState> state) : state_(std::move(state)) {}
Store::~Store() = default;

const StoreSettings& Store::settings() const { return state_->settings; }

bool Store::TooLarge(size_t key_length, uint64_t value_size, uint32_t client_flags) const {
  const uint64_t head = kMemcachedHeadBytes + (state_->settings.cas ? kMemcachedCasBytes : 0) +
                        (client_flags != 0 ? kMemcachedFlagsBytes : 0);
  return value_size > state_->settings.item_bytes_max ||
         head + key_length + 1 + value_size + 2 > state_->settings.item_bytes_max;
}

void Store::Flush(Access& access, Seconds at) {
  state_->flush_at.store(at, std::memory_order_relaxed);
  if (at != 0) return;
  if (state_->flushes.load() + 2 >= state_->flushes_purged.load() + kGenerations) {
    // Sixteen flushes within one round of the walker: this one walks itself.
    const uint64_t flushes = state_->flushes.load();
    for (uint32_t page = 1; page < state_->pool.pages_high(); ++page) DropDead(access, page, state_->clock.Now());
    state_->flushes_purged.store(flushes);
  }
  state_->flushes.fetch_add(1);
}

uint64_t Store::Upkeep(Access& access, Seconds now, uint32_t pages_max) {
  const Seconds flush_at = state_->flush_at.load(std::memory_order_relaxed);
  if (flush_at != 0 && flush_at <= now) Flush(access, 0);
  std::lock_guard<std::mutex> guard(state_->upkeep_mutex);
  uint64_t dropped = 0;
  for (uint32_t i = 0; i < pages_max; ++i) {
    if (state_->upkeep_page >= state_->pool.pages_high()) {
      state_->upkeep_page = 1;
      if (state_->flushes_purged.load() < state_->upkeep_flushes) state_->flushes_purged.store(state_->upkeep_flushes);
      state_->upkeep_flushes = state_->flushes.load();
      break;
    }
    dropped += DropDead(access, state_->upkeep_page++, now);
    access.Quiesce();
  }
  return dropped;
}

// Drops what is expired or flushed on one page, but nothing dirty: that is the session module's to settle first.
uint64_t Store::DropDead(Access& access, uint32_t page, Seconds now) {
  uint64_t dropped = 0;
  state_->pool.ForEachLiveIfInUse(page, [&](uint64_t handle) {
    const ItemRef item = state_->ItemAt(handle);
    if (item.KeyLength() == 0 || item.is_dirty()) return;  // a piece, or not ours to judge
    const ItemState before = state_->StateOf(item, now);
    if (before != ItemState::kExpired && before != ItemState::kFlushed) return;
    Slot slot = access.Lock(Key::Of(item.key()), now);
    if (!(slot.item() == item) || slot.state() != before || item.is_dirty()) return;
    AccessCounters& counters = access.local_->counters;
    counters.reclaimed.Add();
    if (!item.was_fetched()) counters.expired_unfetched.Add();
    slot.Remove();
    ++dropped;
  });
  return dropped;
}

StoreTotals Store::Totals() const {
  StoreTotals totals;
  int64_t items = static_cast<int64_t>(state_->index->items());
  {
    std::lock_guard<std::mutex> guard(state_->accesses_mutex);
    for (const AccessLocal* local : state_->accesses) items += local->items_change.load(std::memory_order_relaxed);
  }
  totals.items = static_cast<uint64_t>(std::max<int64_t>(0, items));
  totals.bytes = state_->pool.bytes_in_use();
  totals.dirty_items = static_cast<uint64_t>(state_->dirty_items.load());
  totals.dirty_bytes = static_cast<uint64_t>(state_->dirty_bytes.load());
  totals.memory_limit_bytes = state_->memory_limit_bytes.load();
  totals.index_bytes = state_->index->bytes();
  totals.index_buckets = state_->index->buckets();
  totals.pages = state_->pool.pages_limit();
  totals.pages_free = state_->pool.pages_free();
  totals.page_bytes = state_->pool.page_bytes();
  totals.huge_pages_granted = state_->arena->huge_pages();
  return totals;
}

void Store::ForEachCounters(const std::function<void(const AccessCounters&)>& visit) const {
  std::lock_guard<std::mutex> guard(state_->accesses_mutex);
  visit(state_->past);
  for (const AccessLocal* local : state_->accesses) visit(local->counters);
}

}  // namespace holdfast::store
