// How it works: Create sizes pages and index by the memory limit and joins the parts. Upkeep walks pages in memory
// order, a share at a time, and drops what is expired or flushed; when it has been round once, no item of a generation
// before that round's beginning is left, so the 4 bits of generation in an item may come round too.

#include "store/store.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "store/s3_fifo.h"
#include "store/store_state.h"

namespace holdfast::store {

namespace {

constexpr uint64_t kMegabyte = 1u << 20;
constexpr uint64_t kGenerations = 16;
constexpr uint64_t kTrimPages = 32;  // cleaned by one Trim
constexpr uint64_t kPagesMin = 16;   // beside one for each thread: with less nothing can be stored

uint32_t PageBytesFor(uint64_t memory_limit_bytes) {
  if (memory_limit_bytes >= 1024 * kMegabyte) return 128 * 1024;
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
  to->moved_pieces.Add(from.moved_pieces.value());
  to->moved_to_main.Add(from.moved_to_main.value());
  to->evicted_active.Add(from.evicted_active.value());
  to->left_busy.Add(from.left_busy.value());
  to->left_no_room.Add(from.left_no_room.value());
  to->walked.Add(from.walked.value());
  to->walked_dead.Add(from.walked_dead.value());
  to->pages_cleaned.Add(from.pages_cleaned.value());
  to->total_items.Add(from.total_items.value());
  to->out_of_memory.Add(from.out_of_memory.value());
}

base::Result<std::unique_ptr<Store>> Store::Create(const StoreSettings& settings, const base::Clock& clock) {
  const uint32_t page_bytes =
      settings.page_bytes != 0 ? settings.page_bytes : PageBytesFor(settings.memory_limit_bytes);
  // One page more than the limit has: page 0 is not used.
  const uint64_t reserve = std::max(settings.memory_limit_bytes, settings.memory_reserve_bytes);
  auto arena = Arena::Create(reserve + page_bytes, "items (-m)");
  // What may never be needed is no reason not to start.
  if (!arena.ok()) arena = Arena::Create(settings.memory_limit_bytes + page_bytes, "items (-m)");
  if (!arena.ok()) return arena.status();
  const auto pages_max = static_cast<uint32_t>(arena.value()->bytes() / page_bytes) - 1;
  auto records = Arena::Create(SlabPool::RecordBytes(pages_max), "the records of pages", Arena::Pages::kSmall);
  if (!records.ok()) return records.status();
  if (settings.preallocate) arena.value()->Fill(settings.memory_limit_bytes);
  const uint64_t items_max = arena.value()->bytes() / SizeClasses::kChunkBytesMin;
  const uint64_t buckets_max = std::clamp<uint64_t>(items_max / Index::kSlots * 3 / 2, 64, Index::kBucketsMax);
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
  std::lock_guard<std::mutex> guard(state_->flush_mutex);
  state_->flush_at.store(at, std::memory_order_relaxed);
  if (at != 0) return;
  const uint64_t flushes = state_->flushes.load();
  if (flushes + 2 >= state_->flushes_purged.load() + kGenerations) {
    // Sixteen flushes within one round of the walker: this one walks itself.
    for (uint32_t page = 1; page < state_->pool.pages_high(); ++page) DropDead(access, page, state_->clock.Now());
    state_->flushes_purged.store(flushes);
  }
  state_->flushes.store(flushes + 1);
  state_->pool.MakeAllDue();
}

Store::UpkeepStep Store::Upkeep(Access& access, Seconds now, uint32_t pages_max) {
  state_->pool.SetNow(now);
  // Once, although a crawl may walk beside the upkeep thread.
  Seconds flush_at = state_->flush_at.load(std::memory_order_relaxed);
  if (flush_at != 0 && flush_at <= now && state_->flush_at.compare_exchange_strong(flush_at, 0)) Flush(access, 0);
  std::lock_guard<std::mutex> guard(state_->upkeep_mutex);
  UpkeepStep step;
  while (step.walked < pages_max) {
    if (state_->upkeep_page >= state_->pool.pages_high()) {
      EndUpkeepRound(now);
      step.round_over = true;
      break;
    }
    const uint32_t page = state_->upkeep_page++;
    if (!state_->pool.TakeDue(page, now)) continue;
    step.dropped += DropDead(access, page, now);
    ++step.walked;
    access.Quiesce();
  }
  return step;
}

void Store::EndUpkeepRound(Seconds now) {
  // What was stored while a flush went on may bear the old generation unseen.
  constexpr Seconds kAllAfterSeconds = 600;
  StoreState& state = *state_;
  state.upkeep_page = 1;
  if (state.flushes_purged.load() < state.upkeep_flushes) state.flushes_purged.store(state.upkeep_flushes);
  state.upkeep_flushes = state.flushes.load();
  if (now - state.upkeep_all_at < kAllAfterSeconds) return;
  state.upkeep_all_at = now;
  state.pool.MakeAllDue();
}

// Drops what is expired or flushed on one page, but nothing dirty: that is the session module's to settle first.
uint64_t Store::DropDead(Access& access, uint32_t page, Seconds now) {
  constexpr Seconds kAgainSeconds = 5;
  uint64_t dropped = 0;
  AccessCounters& counters = access.local_->counters;
  state_->pool.ForEachLiveIfInUse(page, state_->epochs.current(), [&](uint64_t handle) {
    const ItemRef item = state_->ItemAt(handle);
    if (item.KeyLength() == 0) return;  // a piece
    if (item.is_dirty()) {              // not ours to judge: later, when it is written
      if (item.expiry() != base::kNever) state_->pool.NoteDue(handle, std::max(item.expiry(), now + kAgainSeconds));
      return;
    }
    counters.walked.Add();
    if (const Seconds expiry = item.expiry(); expiry > now) state_->pool.NoteDue(handle, expiry);
    const ItemState before = state_->StateOf(item, now);
    if (before != ItemState::kExpired && before != ItemState::kFlushed) return;
    Slot slot = access.Lock(Key::Of(item.key()), now);
    if (!(slot.item() == item) || slot.state() != before || item.is_dirty()) return;
    counters.reclaimed.Add();
    counters.walked_dead.Add();
    if (!item.was_fetched()) counters.expired_unfetched.Add();
    slot.Remove();
    ++dropped;
  });
  return dropped;
}

bool Store::SetMemoryLimit(uint64_t bytes) {
  std::lock_guard<std::mutex> guard(state_->limit_mutex);
  const uint64_t page_bytes = state_->pool.page_bytes();
  const uint64_t least = state_->BytesBesidePages() + (state_->settings.threads + kPagesMin) * page_bytes;
  if (bytes < least || bytes > (state_->pool.pages_max() + 1) * page_bytes) return false;
  state_->memory_target_bytes.store(bytes);
  if (bytes >= state_->memory_limit_bytes.load()) {
    state_->memory_limit_bytes.store(bytes);
    state_->UpdatePagesLimit();
  } else {
    state_->pool.AvoidHugePages();
  }
  return true;
}

// The limit goes down page by page, as far as pages are free, so that there is always room to copy what is kept.
bool Store::Trim(Access& access) {
  StoreState& state = *state_;
  const auto to_go = [&] {
    const uint64_t target = state.memory_target_bytes.load(), limit = state.memory_limit_bytes.load();
    return limit > target ? (limit - target + state.pool.page_bytes() - 1) / state.pool.page_bytes() : 0;
  };
  if (to_go() == 0) return false;
  state.cleaner.MakeRoom(*access.local_, std::min<uint64_t>(to_go(), kTrimPages));
  access.Quiesce();
  std::lock_guard<std::mutex> guard(state.limit_mutex);
  const uint64_t pages = to_go();
  if (pages == 0) return false;
  const uint64_t keep = state.settings.threads + SlabPool::kCleanerPages;
  const uint64_t free = state.pool.pages_free();
  const uint64_t take = free > keep ? std::min(pages, free - keep) : 0;
  const uint64_t limit = state.memory_limit_bytes.load() - take * state.pool.page_bytes();
  state.memory_limit_bytes.store(std::max(limit, state.memory_target_bytes.load()));
  state.UpdatePagesLimit();
  if (take == pages) state.pool.ReleaseFreePages();
  return take != pages;
}

bool Store::ForEachItem(Access& access, Seconds now, uint64_t* place, uint32_t buckets,
                        const std::function<void(const Found&)>& visit) {
  DCHECK(access.local_->online);
  for (uint32_t i = 0; i < buckets; ++i) {
    if (*place >= state_->index->buckets()) return true;
    state_->index->ForEachInBucket((*place)++, [&](uint64_t handle) {
      const ItemRef item = state_->ItemAt(handle);
      visit({item, state_->StateOf(item, now)});
    });
  }
  return *place >= state_->index->buckets();
}

std::vector<ClassTotals> Store::Classes() const {
  std::vector<ClassTotals> classes;
  const std::vector<SlabPool::ClassUse> uses = state_->pool.ClassUses();
  for (uint32_t i = 0; i < uses.size(); ++i) {
    const SlabPool::ClassUse& use = uses[i];
    if (use.pages == 0) continue;
    ClassTotals totals;
    totals.number = i + 1;
    totals.chunk_bytes = state_->classes.chunk_bytes(i);
    totals.chunks_per_page = state_->pool.page_bytes() / totals.chunk_bytes;
    totals.pages = use.pages;
    totals.chunks_used = use.chunks_used;
    totals.small_chunks_used = use.queue_chunks_used[static_cast<int>(Queue::kSmall)];
    totals.small_since = use.oldest[static_cast<int>(Queue::kSmall)];
    totals.main_since = use.oldest[static_cast<int>(Queue::kMain)];
    totals.out_of_memory = state_->OutOfMemory(i).load(std::memory_order_relaxed);
    totals.counters = &state_->cleaner.counters(i);
    classes.push_back(totals);
  }
  return classes;
}

void Store::SetEvictionWatch(EvictionWatch* watch) { state_->eviction_watch.store(watch, std::memory_order_relaxed); }

uint32_t Store::VisitSessions(Access& access, uint32_t page, uint32_t pages,
                              const std::function<void(Slot& slot, const Key& key)>& visit) {
  if (page == 0) page = 1;
  for (; pages > 0 && page < state_->pool.pages_high(); ++page, --pages) {
    state_->pool.ForEachLiveIfInUse(page, state_->epochs.current(), [&](uint64_t handle) {
      const ItemRef item = state_->ItemAt(handle);
      if (item.KeyLength() == 0 || !item.is_session()) return;
      const Key key = Key::Of(item.key());
      Slot slot = access.Lock(key, state_->clock.Now());
      if (slot.item() == item) visit(slot, key);
    });
    access.Quiesce();
  }
  return page < state_->pool.pages_high() ? page : 0;
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
  totals.memory_limit_bytes = state_->memory_target_bytes.load();
  totals.shrinking = state_->memory_limit_bytes.load() > totals.memory_limit_bytes;
  totals.index_growing = state_->index->growing();
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

uint64_t Store::last_cas() const { return state_->cas_last.load(std::memory_order_relaxed); }

// Before the first item is stored.
void Store::ReserveCas(uint64_t last) { state_->cas_last.store(last, std::memory_order_relaxed); }

}  // namespace holdfast::store
