// How it works: a Slot is a key's locked place in the index and what was found there. Publish makes the draft's state
// word whole, marks its chunks live (a cleaner may now look at them, and will find that the index does not know them
// yet), puts its handle into the slot and retires what was there.

#include <utility>

#include "base/check.h"
#include "store/store.h"
#include "store/store_state.h"

namespace holdfast::store {

Slot Access::Lock(const Key& key, Seconds now) {
  DCHECK(local_->online);
  Slot slot;
  slot.access_ = this;
  slot.key_ = key;
  slot.now_ = now;
  slot.locked_ = state_.index->Lock(key);
  if (slot.locked_.handle != 0) {
    slot.found_.item = state_.ItemAt(slot.locked_.handle);
    slot.found_.state = state_.StateOf(slot.found_.item, now);
  }
  return slot;
}

Slot::Slot(Slot&& other) noexcept
    : access_(std::exchange(other.access_, nullptr)),
      key_(other.key_),
      found_(other.found_),
      locked_(other.locked_),
      now_(other.now_),
      inserted_(other.inserted_) {}

Slot::~Slot() {
  if (access_ == nullptr) return;
  Index& index = *access_->state_.index;
  index.Unlock(locked_);
  if (inserted_) index.Grow();
}

void Slot::Publish(Draft&& draft, const PublishOptions& options) {
  DCHECK(draft.access_ == access_);
  DCHECK(draft.write_ == draft.write_end_ && draft.next_piece_ == 0);
  StoreState& state = access_->state_;
  AccessLocal& local = *access_->local_;
  const ItemRef item = draft.item_;
  const ItemRef old = found_.item;
  draft.access_ = nullptr;
  draft.item_ = ItemRef();

  uint32_t word = item.state();
  if (options.dirty) word |= State::kDirty;
  if (options.stale) word |= State::kStale;
  if (options.won) word |= State::kWon;
  word |= state.generation() << State::kGenerationShift;
  uint32_t accessed = now_ / 8;
  if (old) {
    const uint32_t old_word = old.state();
    word |= old_word & State::kFrequencyMask;
    if (options.keep_history) {
      word |= old_word & State::kFetched;
      accessed = old_word >> State::kAccessShift;
    }
  }
  word |= accessed << State::kAccessShift;
  if (!item.is_session() && state.settings.cas) {
    const uint64_t cas = options.cas != 0 ? options.cas : state.NextCas(local, old ? old.cas() : 0);
    std::memcpy(item.chunk() + item.StampsOffset(), &cas, sizeof cas);
  }
  item.StateWord().store(word, std::memory_order_relaxed);

  SlabPool& pool = state.pool;
  const uint64_t handle = pool.HandleOf(item.chunk());
  pool.SetLive(handle);
  if (item.is_chained()) {
    for (uint64_t at = item.Chain().first_piece.load(std::memory_order_relaxed); at != 0;) {
      pool.SetLive(at);
      at = reinterpret_cast<const PieceHead*>(pool.At(at))->next.load(std::memory_order_relaxed);
    }
  }
  pool.NoteDue(handle, item.expiry());
  if (options.dirty) state.NoteDirty(item, +1);
  local.counters.total_items.Add();
  if (old) {
    state.index->Replace(locked_, handle);
    if (old.is_dirty()) state.NoteDirty(old, -1);
    state.RetireItem(local, old);
  } else {
    state.index->Insert(locked_, key_, handle);
    state.NoteItems(local, +1);
    inserted_ = true;
  }
  found_.item = item;
  found_.state = state.StateOf(item, now_);
}

void Slot::Remove() {
  DCHECK(found_.item);
  StoreState& state = access_->state_;
  state.index->Erase(locked_);
  if (found_.item.is_dirty()) state.NoteDirty(found_.item, -1);
  state.RetireItem(*access_->local_, found_.item);
  state.NoteItems(*access_->local_, -1);
  found_ = Found();
}

bool Slot::SetExpiry(Seconds expiry) {
  if ((found_.item.state() & State::kHasExpiry) == 0) return expiry == base::kNever;
  StoreState& state = access_->state_;
  found_.item.Expiry().exchange(expiry, std::memory_order_seq_cst);
  state.pool.NoteDue(state.pool.HandleOf(found_.item.chunk()), expiry);
  found_.state = access_->state_.StateOf(found_.item, now_);
  return true;
}

namespace {
void SetBit(const ItemRef& item, uint32_t bit, bool on) {
  if (on) {
    item.StateWord().fetch_or(bit, std::memory_order_relaxed);
  } else {
    item.StateWord().fetch_and(~bit, std::memory_order_relaxed);
  }
}
}  // namespace

void Slot::SetStale(bool stale) { SetBit(found_.item, State::kStale, stale); }
void Slot::SetWon(bool won) { SetBit(found_.item, State::kWon, won); }

void Slot::SetDirty(bool dirty) {
  if (found_.item.is_dirty() == dirty) return;
  SetBit(found_.item, State::kDirty, dirty);
  access_->state_.NoteDirty(found_.item, dirty ? +1 : -1);
}

void Slot::SetStamps(const SessionStamps& stamps) {
  DCHECK(found_.item.is_session());
  DCHECK(found_.item.stamps().version == stamps.version);
  // The version, first in the block, is read by others without the lock: it stays untouched.
  char* const at = found_.item.chunk() + found_.item.StampsOffset();
  std::memcpy(at + sizeof stamps.version, reinterpret_cast<const char*>(&stamps) + sizeof stamps.version,
              sizeof stamps - sizeof stamps.version);
}

}  // namespace holdfast::store
