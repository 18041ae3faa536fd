// How it works: what was unlinked is first collected by the thread that did it, then handed to the limbo under one
// epoch's tag, and given back to the pool by whoever comes by when every reader has moved on.

#include "store/store_state.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace holdfast::store {

namespace {
constexpr uint64_t kCasBlock = 256;
}

void Limbo::Add(uint64_t tag, std::vector<uint64_t> handles) {
  std::lock_guard<std::mutex> guard(mutex_);
  batches_.push_back({tag, std::move(handles)});
  batches_count_.store(batches_.size(), std::memory_order_relaxed);
}

void Limbo::TakeSafe(uint64_t safe_before, std::vector<uint64_t>* out) {
  std::lock_guard<std::mutex> guard(mutex_);
  while (!batches_.empty() && batches_.front().tag < safe_before) {
    const std::vector<uint64_t>& handles = batches_.front().handles;
    out->insert(out->end(), handles.begin(), handles.end());
    batches_.pop_front();
  }
  batches_count_.store(batches_.size(), std::memory_order_relaxed);
}

StoreState::StoreState(const StoreSettings& settings_in, const base::Clock& clock_in, std::unique_ptr<Arena> arena_in,
                       std::unique_ptr<Arena> records, uint32_t page_bytes, uint32_t pages_max,
                       std::unique_ptr<Index> index_in, std::unique_ptr<EvictionPolicy> policy_in)
    : settings(settings_in),
      clock(clock_in),
      arena(std::move(arena_in)),
      classes(page_bytes, settings.growth_factor, settings.chunk_bytes_min, settings.chunks_per_page_min),
      pool(*arena, std::move(records), classes, page_bytes, pages_max),
      index(std::move(index_in)),
      policy(std::move(policy_in)),
      cleaner(*this),
      memory_limit_bytes(settings.memory_limit_bytes),
      memory_target_bytes(settings.memory_limit_bytes) {
  UpdatePagesLimit();
}

ItemState StoreState::StateOf(const ItemRef& item, Seconds now) const {
  if (!item) return ItemState::kAbsent;
  const uint32_t state = item.state();
  // Mostly: a value of this generation that never expires.
  constexpr uint32_t kOrdinary = State::kGenerationMask | State::kKindMask | State::kHasExpiry | State::kSession;
  if ((state & kOrdinary) == generation() << State::kGenerationShift) return ItemState::kLive;
  if ((state & State::kSession) == 0 && (state & State::kGenerationMask) >> State::kGenerationShift != generation()) {
    return ItemState::kFlushed;
  }
  if (item.kind() == ItemKind::kTombstone) return ItemState::kTombstone;
  const Seconds expiry = item.expiry();
  return expiry != base::kNever && expiry <= now ? ItemState::kExpired : ItemState::kLive;
}

void StoreState::Retire(AccessLocal& local, uint64_t handle) {
  pool.ClearLive(handle);
  local.retired.push_back(handle);
  if (local.retired.size() >= AccessLocal::kRetiredMax) HandOver(local);
}

void StoreState::RetirePieces(AccessLocal& local, const ItemRef& item) {
  if (!item.is_chained()) return;
  for (uint64_t handle = item.Chain().first_piece.load(std::memory_order_relaxed); handle != 0;) {
    const uint64_t next = reinterpret_cast<const PieceHead*>(pool.At(handle))->next.load(std::memory_order_relaxed);
    Retire(local, handle);
    handle = next;
  }
}

void StoreState::RetireItem(AccessLocal& local, const ItemRef& item) {
  RetirePieces(local, item);
  Retire(local, pool.HandleOf(item.chunk()));
}

void StoreState::NoteItems(AccessLocal& local, int64_t change) {
  const int64_t waiting = local.items_change.load(std::memory_order_relaxed) + change;
  if (waiting < AccessLocal::kItemsSlack && waiting > -AccessLocal::kItemsSlack) {
    local.items_change.store(waiting, std::memory_order_relaxed);
    return;
  }
  local.items_change.store(0, std::memory_order_relaxed);
  index->NoteItems(waiting);
}

void StoreState::NoteDirty(const ItemRef& item, int sign) {
  dirty_items.fetch_add(sign, std::memory_order_relaxed);
  dirty_bytes.fetch_add(sign * static_cast<int64_t>(ChunkBytes(item)), std::memory_order_relaxed);
}

uint64_t StoreState::ChunkBytes(const ItemRef& item) const {
  uint64_t bytes = classes.chunk_bytes(pool.ClassOf(pool.HandleOf(item.chunk())));
  if (!item.is_chained()) return bytes;
  for (uint64_t handle = item.Chain().first_piece.load(std::memory_order_relaxed); handle != 0;) {
    bytes += classes.chunk_bytes(pool.ClassOf(handle));
    handle = reinterpret_cast<const PieceHead*>(pool.At(handle))->next.load(std::memory_order_relaxed);
  }
  return bytes;
}

uint64_t StoreState::NextCas(AccessLocal& local, uint64_t above) {
  // Every number is given out once, so that a removed item's never comes back. One too low is no use: take new ones.
  if (local.cas_next == local.cas_end || local.cas_next <= above) {
    local.cas_next = cas_last.fetch_add(kCasBlock, std::memory_order_relaxed) + 1;
    local.cas_end = local.cas_next + kCasBlock;
  }
  // Only a number of the client's choice (meta E) is above all that were given out.
  return std::max(local.cas_next++, above + 1);
}

void StoreState::HandOver(AccessLocal& local) {
  if (local.retired.empty()) return;
  limbo.Add(epochs.Advance(), std::move(local.retired));
  local.retired.clear();
  local.retired.reserve(AccessLocal::kRetiredMax);
}

void StoreState::Reclaim(AccessLocal& local) {
  HandOver(local);
  if (limbo.empty() && !pool.has_draining()) return;
  std::unique_lock<std::mutex> lock(reclaim_mutex, std::try_to_lock);
  if (!lock.owns_lock()) return;
  const uint64_t safe_before = epochs.SafeBefore();
  std::vector<uint64_t> handles;
  limbo.TakeSafe(safe_before, &handles);
  local.chunks.Free(handles);
  std::vector<uint32_t> stuck;
  pool.CollectDrained(safe_before, &stuck);
  if (!stuck.empty()) cleaner.Stuck(std::move(stuck));
}

uint64_t StoreState::BytesBesidePages() const {
  return index->bytes() + pool.metadata_bytes() + policy->bytes(settings.evictions ? ItemsAbout() : 0);
}

void StoreState::UpdatePagesLimit() {
  const uint64_t taken = BytesBesidePages();
  const uint64_t limit = memory_limit_bytes.load(std::memory_order_relaxed);
  pool.SetPagesLimit(limit > taken ? (limit - taken) / pool.page_bytes() : 0);
}

}  // namespace holdfast::store
