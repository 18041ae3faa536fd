// How it works. A victim is a page that is nearly empty, else the oldest page of the queue that the policy names. It
// stops giving out chunks; then each live chunk is looked up by its key: what the index does not hold at this place is
// left alone (somebody is just publishing or removing it). The rest is copied to an open page if the policy keeps it or
// it is dirty, or dropped. All that was taken off is freed with the page, once readers have been quiescent; if
// something is still in use by then the page is "stuck" and walked again.
//
// A page of main that is cleaned for being nearly empty has not come to its turn: what is on it is not judged but moved
// to a page that has room. Otherwise whatever was alone in its size class, the heads of long values for instance, would
// be judged the moment after it had come to main, and found without a hit.
//
// Where nearly everything was hit, page after page would only be copied. So after kCleanedForOne pages that together
// gave less than one, the next is emptied whatever was hit; and when a round of all pages gives nothing either, for all
// is dirty, only sparse pages are cleaned until less is.
//
// A piece of a long value goes with its item: it is kept if the item is, which is known from the item's hits, or from
// the item having been kept lately itself.

#include "store/cleaner.h"

#include <cstring>
#include <utility>

#include "base/check.h"
#include "store/store_state.h"

namespace holdfast::store {

namespace {
constexpr uint64_t kPagesAhead = 4;       // kept free, beyond one for each writing thread
constexpr uint64_t kPagesCleanedMax = 2;  // in one MakeRoom, beyond what was wanted
constexpr uint64_t kCleanedForOne = 32;   // before force
constexpr size_t kLookedUpTogether = 16;  // so that their buckets come from memory at once
constexpr int64_t kHopeShare = 64;        // so much of memory less dirty, and it is tried again
bool IsPiece(const char* chunk) { return static_cast<unsigned char>(chunk[3]) == 0; }
}  // namespace

void Cleaner::MakeRoom(AccessLocal& local, uint64_t pages_wanted) {
  SlabPool& pool = state_.pool;
  state_.UpdatePagesLimit();
  const auto enough = [&] {
    const uint64_t taken = pool.pages_taken(), limit = pool.pages_limit();
    const uint64_t over = taken > limit ? taken - limit : 0;
    return pool.pages_free() + pool.pages_draining() >= state_.settings.threads + kPagesAhead + pages_wanted + over;
  };
  if (enough()) return;
  std::unique_lock<std::mutex> lock(mutex_, std::defer_lock);
  if (pool.pages_free() > SlabPool::kCleanerPages + 1) {
    if (!lock.try_lock()) return;
  } else {
    lock.lock();
  }
  std::vector<uint32_t> stuck;
  {
    std::lock_guard<std::mutex> guard(stuck_mutex_);
    stuck.swap(stuck_);
  }
  by_force_ = early_ = false;
  for (const uint32_t page : stuck) Walk(local, page);
  for (uint64_t i = 0; i < pages_wanted + kPagesCleanedMax && !enough(); ++i) {
    // Without a page to copy to, what is worth keeping would go; those that drain come first.
    if (pool.pages_free() == 0 && pool.pages_draining() > 0) return;
    const Queue queue = state_.policy->NextQueue(pool.queue_pages(Queue::kSmall), pool.queue_pages(Queue::kMain));
    const SlabPool::Victim victim = pool.PickVictim(queue, !MayGain());
    if (victim.page == SlabPool::kNoPage) return;
    CleanPage(local, victim);
  }
}

void Cleaner::Stuck(std::vector<uint32_t> pages) {
  std::lock_guard<std::mutex> guard(stuck_mutex_);
  stuck_.insert(stuck_.end(), pages.begin(), pages.end());
}

// Whether the oldest page is worth cleaning, be it by force.
bool Cleaner::MayGain() const {
  if (!state_.settings.evictions) return false;
  if (dirty_bytes_in_vain_ < 0) return true;
  const auto enough = static_cast<int64_t>(state_.memory_limit_bytes.load(std::memory_order_relaxed)) / kHopeShare;
  return state_.dirty_bytes.load(std::memory_order_relaxed) + enough <= dirty_bytes_in_vain_;
}

void Cleaner::CleanPage(AccessLocal& local, const SlabPool::Victim& victim) {
  SlabPool& pool = state_.pool;
  const uint32_t page = victim.page;
  by_force_ = state_.settings.evictions && cleaned_ >= kCleanedForOne;
  early_ = victim.is_sparse && pool.QueueOfPage(page) == Queue::kMain;
  const uint64_t moved_before = local.counters.moved.value();
  pool.BeginDraining(page);
  Walk(local, page);
  local.counters.pages_cleaned.Add();

  const uint64_t chunk_bytes = pool.classes().chunk_bytes(pool.ClassOfPage(page));
  const uint64_t kept = local.counters.moved.value() - moved_before + pool.LiveChunks(page);
  won_bytes_ += (pool.page_bytes() / chunk_bytes - kept) * chunk_bytes;
  ++cleaned_;
  if (won_bytes_ >= pool.page_bytes() / 8 * 7) {  // the rest may be what no chunk fills
    cleaned_ = won_bytes_ = 0;
    dirty_bytes_in_vain_ = -1;
  } else if (cleaned_ >= kCleanedForOne + pool.pages_taken()) {
    dirty_bytes_in_vain_ = state_.dirty_bytes.load(std::memory_order_relaxed);
    cleaned_ = won_bytes_ = 0;
  }
}

void Cleaner::Walk(AccessLocal& local, uint32_t page) {
  uint32_t taken_off = 0;
  std::array<OnPage, kLookedUpTogether> group;
  size_t count = 0;
  state_.pool.ForEachLive(page, [&](uint64_t handle) {
    OnPage& next = group[count++];
    next = {handle, IsPiece(state_.pool.At(handle)) ? Key() : Key::Of(state_.ItemAt(handle).key())};
    if (!next.is_piece()) {
      state_.index->Prefetch(next.key, true);
      state_.policy->Prefetch(next.key.hash);
    }
    if (count < group.size()) return;
    taken_off += TakeOff(local, group);
    count = 0;
  });
  taken_off += TakeOff(local, std::span(group).first(count));
  state_.pool.EndDraining(page, taken_off, state_.epochs.Advance());
}

// Says how many were taken off. Their first places are on the way, the second ones are asked for now.
uint32_t Cleaner::TakeOff(AccessLocal& local, std::span<const OnPage> group) {
  const Seconds now = state_.clock.Now();
  for (const OnPage& one : group) {
    if (!one.is_piece()) (void)state_.index->LookAhead(one.key);
  }
  uint32_t taken_off = 0;
  for (const OnPage& one : group) {
    taken_off += one.is_piece() ? TakeOffPiece(local, one.handle, now) : TakeOffItem(local, one.handle, one.key, now);
  }
  return taken_off;
}

bool Cleaner::TakeOffItem(AccessLocal& local, uint64_t handle, const Key& key, Seconds now) {
  const ItemRef item = state_.ItemAt(handle);
  Index::Locked locked = state_.index->Lock(key);
  if (locked.handle != handle) {
    state_.index->Unlock(locked);
    local.counters.left_busy.Add();
    return false;
  }
  const ItemState item_state = state_.StateOf(item, now);
  const bool dead = item_state == ItemState::kExpired || item_state == ItemState::kFlushed;
  const Verdict verdict = JudgeItem(item, handle, dead);
  const uint64_t copy = verdict.keep ? CopyItem(item, handle, verdict) : 0;
  if (verdict.keep && copy == 0) local.counters.left_no_room.Add();
  const bool stays = copy == 0 && (item.is_dirty() || (verdict.keep && !state_.settings.evictions));
  if (copy != 0) {
    state_.index->Replace(locked, copy);
    CountMove(local, handle);
  } else if (!stays) {
    state_.index->Erase(locked);
    state_.RetirePieces(local, item);
    CountDrop(local, item, handle, key.hash, dead, now);
  }
  if (!stays) state_.pool.ClearLive(handle);
  state_.index->Unlock(locked);
  return !stays;
}

Verdict Cleaner::JudgeItem(const ItemRef& item, uint64_t handle, bool dead) {
  const Queue from = state_.pool.QueueOf(handle);
  const uint32_t frequency = item.state() & State::kFrequencyMask;
  if (item.is_dirty()) return {true, Queue::kMain, frequency};
  if (dead) return {false, from, 0};
  if (!state_.settings.evictions) return {true, from, frequency};
  if (by_force_) return {false, from, 0};
  if (early_) return {true, from, frequency};
  return state_.policy->Judge(from, frequency);
}

uint64_t Cleaner::CopyItem(const ItemRef& item, uint64_t handle, const Verdict& verdict) {
  SlabPool& pool = state_.pool;
  const uint32_t size_class = pool.ClassOf(handle);
  const uint64_t copy = pool.Allocate(size_class, verdict.queue, SlabPool::Purpose::kCleaning);
  if (copy == 0) return 0;
  char* const to = pool.At(copy);
  const char* const from = item.chunk();
  const size_t bytes = item.is_chained() ? item.ChainOffset() + sizeof(ChainHead)
                                         : item.KeyOffset() + item.KeyLength() + item.ValueLength();
  std::memcpy(to, from, 4);
  std::memcpy(to + kItemHeadBytes, from + kItemHeadBytes, bytes - kItemHeadBytes);
  const ItemRef copied = state_.ItemAt(copy);
  const uint32_t others = item.state() & ~(State::kFrequencyMask | State::kLive);
  copied.StateWord().store(others | verdict.frequency, std::memory_order_relaxed);
  if (item.is_chained()) {
    for (uint64_t at = item.Chain().first_piece.load(std::memory_order_relaxed); at != 0;) {
      auto* piece = reinterpret_cast<PieceHead*>(pool.At(at));
      piece->owner.store(copy, std::memory_order_release);
      at = piece->next.load(std::memory_order_relaxed);
    }
  }
  pool.SetLive(copy);
  pool.NoteDue(copy, copied.expiry());
  return copy;
}

bool Cleaner::TakeOffPiece(AccessLocal& local, uint64_t handle, Seconds now) {
  const auto* piece = reinterpret_cast<const PieceHead*>(state_.pool.At(handle));
  const uint64_t owner_handle = piece->owner.load(std::memory_order_acquire);
  const ItemRef owner = state_.ItemAt(owner_handle);
  const Key key = Key::Of(owner.key());
  Index::Locked locked = state_.index->Lock(key);
  if (locked.handle != owner_handle) {
    state_.index->Unlock(locked);
    return false;
  }
  const ItemState item_state = state_.StateOf(owner, now);
  const bool dead = item_state == ItemState::kExpired || item_state == ItemState::kFlushed;
  const bool keep = KeepsPiece(owner, owner_handle, handle, dead);
  const bool copied = keep && CopyPiece(owner, handle) != 0;
  if (copied) {
    state_.pool.ClearLive(handle);
    local.counters.moved.Add();
    local.counters.moved_pieces.Add();
  } else if (!owner.is_dirty() && (!keep || state_.settings.evictions)) {
    state_.index->Erase(locked);
    CountDrop(local, owner, owner_handle, key.hash, dead, now);
    state_.RetireItem(local, owner);
  }
  state_.index->Unlock(locked);
  return copied;
}

bool Cleaner::KeepsPiece(const ItemRef& owner, uint64_t owner_handle, uint64_t piece_handle, bool dead) {
  if (owner.is_dirty()) return true;
  if (dead) return false;
  if (!state_.settings.evictions) return true;
  if (by_force_) return false;
  if (early_) return true;
  const SlabPool& pool = state_.pool;
  const Queue from = pool.QueueOf(piece_handle);
  const bool owner_was_kept = pool.QueueOf(owner_handle) == Queue::kMain &&
                              (from == Queue::kSmall || pool.SequenceOf(owner_handle) > pool.SequenceOf(piece_handle));
  return owner_was_kept || state_.policy->Judge(from, owner.state() & State::kFrequencyMask).keep;
}

uint64_t Cleaner::CopyPiece(const ItemRef& owner, uint64_t handle) {
  SlabPool& pool = state_.pool;
  const uint64_t copy = pool.Allocate(pool.ClassOf(handle), Queue::kMain, SlabPool::Purpose::kCleaning);
  if (copy == 0) return 0;
  const auto* from = reinterpret_cast<const PieceHead*>(pool.At(handle));
  const uint64_t next = from->next.load(std::memory_order_relaxed),
                 previous = from->previous.load(std::memory_order_relaxed);
  auto* to = reinterpret_cast<PieceHead*>(pool.At(copy));
  to->Init(from->bytes, previous, from->owner.load(std::memory_order_relaxed));
  to->next.store(next, std::memory_order_relaxed);
  std::memcpy(static_cast<void*>(to + 1), from + 1, from->bytes);
  pool.SetLive(copy);
  if (next != 0) reinterpret_cast<PieceHead*>(pool.At(next))->previous.store(copy, std::memory_order_release);
  std::atomic<uint64_t>& link =
      previous != 0 ? reinterpret_cast<PieceHead*>(pool.At(previous))->next : owner.Chain().first_piece;
  link.store(copy, std::memory_order_release);
  return copy;
}

void Cleaner::CountMove(AccessLocal& local, uint64_t handle) {
  const bool to_main = state_.pool.QueueOf(handle) == Queue::kSmall;
  ClassCounters& of_class = counters_[state_.pool.ClassOf(handle)];
  local.counters.moved.Add();
  if (to_main) local.counters.moved_to_main.Add();
  (to_main ? of_class.moved_to_main : of_class.moved_in_main).Add();
}

void Cleaner::CountDrop(AccessLocal& local, const ItemRef& item, uint64_t handle, uint32_t hash, bool dead,
                        Seconds now) {
  state_.NoteItems(local, -1);
  AccessCounters& counters = local.counters;
  const uint32_t size_class = state_.pool.ClassOf(handle);
  ClassCounters& of_class = counters_[size_class];
  const bool unfetched = !item.was_fetched();
  if (dead) {
    counters.reclaimed.Add();
    of_class.reclaimed.Add();
    if (unfetched) counters.expired_unfetched.Add();
    if (unfetched) of_class.expired_unfetched.Add();
    return;
  }
  const bool active = (item.state() & State::kFrequencyMask) != 0;
  counters.evictions.Add();
  of_class.evicted.Add();
  of_class.evicted_seconds.Set(item.SecondsSinceAccess(now));
  if (item.expiry() != base::kNever) of_class.evicted_nonzero.Add();
  if (unfetched) counters.evicted_unfetched.Add();
  if (unfetched) of_class.evicted_unfetched.Add();
  if (active) counters.evicted_active.Add();
  if (active) of_class.evicted_active.Add();
  if (EvictionWatch* const watch = state_.eviction_watch.load(std::memory_order_relaxed))
    watch->OnEviction(item, size_class + 1, now);
  state_.policy->Dropped(state_.pool.QueueOf(handle), hash, state_.ItemsAbout());
}

}  // namespace holdfast::store
