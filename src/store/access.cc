// How it works: an Access joins a thread's epoch, its retired chunks and its counters to the shared state. NewDraft
// makes room before it allocates, so that the cleaner, which locks buckets, never runs while one is locked. A new
// version of a key starts in the queue where the old one is, so that an overwrite does not cost an item its place.

#include <algorithm>
#include <bit>
#include <cstring>
#include <new>

#include "base/check.h"
#include "base/prefetch.h"
#include "store/store.h"
#include "store/store_state.h"

namespace holdfast::store {

Access::Access(Store& store)
    : store_(store), state_(store.internals()), local_(std::make_unique<AccessLocal>(state_.pool)) {
  local_->retired.reserve(AccessLocal::kRetiredMax);
  local_->reader = state_.epochs.Register();
  std::lock_guard<std::mutex> guard(state_.accesses_mutex);
  state_.accesses.push_back(local_.get());
  Online();
}

Access::~Access() {
  Offline();
  state_.index->NoteItems(local_->items_change.exchange(0));
  state_.epochs.Unregister(local_->reader);
  std::lock_guard<std::mutex> guard(state_.accesses_mutex);
  std::erase(state_.accesses, local_.get());
  AddCounters(local_->counters, &state_.past);
}

void Access::Online() {
  if (local_->online) return;
  state_.epochs.Online(local_->reader);
  local_->online = true;
}

void Access::Offline() {
  if (!local_->online) return;
  state_.epochs.Offline(local_->reader);
  local_->online = false;
  state_.Reclaim(*local_);
}

void Access::Quiesce() {
  state_.epochs.Quiesce(local_->reader);
  state_.Reclaim(*local_);
}

namespace {

constexpr size_t kFetchedAtOnce = 64;

// Inlined always: g++ takes a function that only fetches for one without effect, and drops calls of it.
[[gnu::always_inline]] inline void FetchLines(const char* head, bool is_write) {
  constexpr uintptr_t kLineBytes = 64;
  constexpr size_t kFieldsBytes = 24;      // mostly: head, cas, expiry
  constexpr size_t kAheadBytesMax = 2048;  // more than that the processor sees coming by itself
  uint32_t lengths;
  std::memcpy(&lengths, head, sizeof lengths);
  const size_t bytes = kFieldsBytes + (lengths >> 24) + (is_write ? 0 : lengths & kValueLengthMax);
  const char* const end = head + std::min(bytes, kAheadBytesMax);
  const uintptr_t in_line = reinterpret_cast<uintptr_t>(head) % kLineBytes;
  for (const char* line = head - in_line + kLineBytes; line < end; line += kLineBytes) __builtin_prefetch(line);
}

// In steps, each for all before the next: the buckets, the heads of the items (of a write that finds none, what the
// policy knows of the key), the rest of them. What is in its second place is one step behind the others.
void Fetch(const Index& index, const EvictionPolicy& policy, const char* items_begin, std::span<Lookup> lookups) {
  for (const Lookup& lookup : lookups) {
    if (!lookup.key.bytes.empty()) index.Prefetch(lookup.key, lookup.is_write);
  }
  for (Lookup& lookup : lookups) {
    lookup.ahead = lookup.key.bytes.empty() ? Index::Ahead() : index.LookAhead(lookup.key);
    if (lookup.ahead.slot != nullptr) {
      base::Prefetch(items_begin + lookup.ahead.handle() * 8, lookup.is_write);
    } else if (lookup.is_write) {
      policy.Prefetch(lookup.key.hash);
    }
  }
  uint64_t late = 0;
  for (size_t i = 0; i < lookups.size(); ++i) {
    Index::Ahead& ahead = lookups[i].ahead;
    if (ahead.slot != nullptr) {
      FetchLines(items_begin + ahead.handle() * 8, lookups[i].is_write);
    } else if (ahead.second != nullptr) {
      ahead = Index::LookAheadIn(*ahead.second, ahead.second_tag);
      if (ahead.slot == nullptr) continue;
      base::Prefetch(items_begin + ahead.handle() * 8, lookups[i].is_write);
      late |= uint64_t{1} << i;
    }
  }
  for (; late != 0; late &= late - 1) {
    const Lookup& lookup = lookups[static_cast<size_t>(std::countr_zero(late))];
    FetchLines(items_begin + lookup.ahead.handle() * 8, lookup.is_write);
  }
}

}  // namespace

void Access::FetchAhead(std::span<Lookup> lookups) const {
  while (!lookups.empty()) {
    const size_t count = std::min(lookups.size(), kFetchedAtOnce);
    Fetch(*state_.index, *state_.policy, state_.arena->begin(), lookups.first(count));
    lookups = lookups.subspan(count);
  }
}

Found Access::Find(const Key& key, Seconds now, const Index::Ahead& ahead) const {
  DCHECK(local_->online);
  const uint64_t handle = state_.index->Find(key, ahead);
  if (handle == 0) return {};
  const ItemRef item = state_.ItemAt(handle);
  return {item, state_.StateOf(item, now)};
}

namespace {

void Note(const ItemRef& item, Seconds now, uint32_t marks) {
  std::atomic<uint32_t>& word = item.StateWord();
  uint32_t state = word.load(std::memory_order_relaxed);
  uint32_t noted = (state | marks) & ((1u << State::kAccessShift) - 1);
  if ((state & State::kFrequencyMask) != State::kFrequencyMask) ++noted;
  noted |= (now / 8) << State::kAccessShift;
  // Lost to another's change: one hit less counts, nothing more.
  if (noted != state) word.compare_exchange_strong(state, noted, std::memory_order_relaxed);
}

}  // namespace

void Access::NoteHit(const ItemRef& item, Seconds now) const { Note(item, now, State::kFetched); }

void Access::NoteUse(const ItemRef& item, Seconds now) const { Note(item, now, 0); }

uint32_t Access::SizeClassOf(const ItemRef& item) const {
  return state_.pool.ClassOf(state_.pool.HandleOf(item.chunk())) + 1;
}

uint64_t Access::ChunkBytesOf(const ItemRef& item) const { return state_.ChunkBytes(item); }

const AccessCounters& Access::counters() const { return local_->counters; }

namespace {

struct Layout {
  uint32_t state = 0;
  size_t fields_end = kItemHeadBytes;  // where the key begins
  size_t head_bytes = 0;               // of the first chunk
  bool chained = false;
};

Layout LayOut(const DraftShape& shape, bool store_has_cas, uint32_t chunk_bytes_max) {
  Layout layout;
  layout.state = static_cast<uint32_t>(shape.kind) << State::kKindShift;
  if (shape.expiry != base::kNever || shape.session || shape.keep_expiry_room) {
    layout.state |= State::kHasExpiry;
    layout.fields_end += 4;
  }
  if (shape.client_flags != 0) {
    layout.state |= State::kHasFlags;
    layout.fields_end += 4;
  }
  if (shape.session) {
    layout.state |= State::kSession;
    layout.fields_end += sizeof(SessionStamps);
  } else if (store_has_cas) {
    layout.fields_end += sizeof(uint64_t);
  }
  const size_t key_end = layout.fields_end + shape.key.bytes.size();
  layout.chained = key_end + shape.value_size > chunk_bytes_max;
  if (layout.chained) layout.state |= State::kChained;
  layout.head_bytes = layout.chained ? ((key_end + 7) & ~size_t{7}) + sizeof(ChainHead) : key_end + shape.value_size;
  return layout;
}

}  // namespace

Reserve Access::NewDraft(const DraftShape& shape, Draft* draft) {
  DCHECK(local_->online);
  CHECK(!shape.key.bytes.empty() && shape.key.bytes.size() <= kKeyBytesMax);
  if (store_.TooLarge(shape.key.bytes.size(), shape.value_size, shape.client_flags)) return Reserve::kTooLarge;
  *draft = Draft();
  SlabPool& pool = state_.pool;
  const uint32_t piece_chunk = state_.classes.largest_bytes();
  const Layout layout = LayOut(shape, state_.settings.cas, piece_chunk);
  const uint64_t piece_bytes_max = piece_chunk - sizeof(PieceHead);
  const uint64_t pieces = layout.chained ? (shape.value_size + piece_bytes_max - 1) / piece_bytes_max : 0;
  const uint64_t pages = pieces / state_.settings.chunks_per_page_min + (pieces != 0 ? 1 : 0);
  state_.cleaner.MakeRoom(*local_, pages);
  const auto refuse = [&] {
    // Other threads may hold what will be free soon; only what is dirty, or eviction being off, makes waiting useless.
    const auto dirty = static_cast<uint64_t>(state_.dirty_bytes.load(std::memory_order_relaxed));
    const bool can_evict = state_.settings.evictions && dirty < state_.memory_limit_bytes.load() / 4 * 3;
    const bool may_come = can_evict || pool.pages_draining() > 0 || !state_.limbo.empty() || !local_->retired.empty();
    if (!may_come) {
      local_->counters.out_of_memory.Add();
      const uint32_t size_class = state_.classes.ClassOf(static_cast<uint32_t>(layout.head_bytes));
      state_.OutOfMemory(size_class).fetch_add(1, std::memory_order_relaxed);
    }
    return may_come ? Reserve::kRetry : Reserve::kNoMemory;
  };
  // Rather than to be given up half-way. Without evictions there may be chunks to reuse instead of pages.
  if (pages != 0 && state_.settings.evictions && pool.pages_free() < pages + SlabPool::kCleanerPages) return refuse();

  const uint64_t present = state_.index->Find(shape.key);
  const Queue queue = present != 0 ? pool.QueueOf(present) : state_.policy->QueueForNew(shape.key.hash);
  const uint32_t size_class = state_.classes.ClassOf(static_cast<uint32_t>(layout.head_bytes));
  const uint64_t handle = local_->chunks.Allocate(size_class, queue);
  if (handle == 0) return refuse();
  char* const chunk = pool.At(handle);
  const uint32_t value_length = layout.chained ? 0 : static_cast<uint32_t>(shape.value_size);
  const uint32_t lengths = value_length | static_cast<uint32_t>(shape.key.bytes.size()) << 24;
  std::memcpy(chunk, &lengths, sizeof lengths);
  draft->access_ = this;
  draft->item_ = state_.ItemAt(handle);
  draft->item_.StateWord().store(layout.state, std::memory_order_relaxed);
  if ((layout.state & State::kHasExpiry) != 0) draft->item_.Expiry().store(shape.expiry, std::memory_order_relaxed);
  if ((layout.state & State::kHasFlags) != 0) {
    std::memcpy(chunk + kItemHeadBytes + ((layout.state & State::kHasExpiry) != 0 ? 4 : 0), &shape.client_flags, 4);
  }
  std::memcpy(chunk + layout.fields_end, shape.key.bytes.data(), shape.key.bytes.size());
  if (!layout.chained) {
    draft->write_ = chunk + layout.fields_end + shape.key.bytes.size();
    draft->write_end_ = draft->write_ + shape.value_size;
    return Reserve::kOk;
  }
  ChainHead* chain = new (chunk + draft->item_.ChainOffset()) ChainHead{};
  chain->value_size = shape.value_size;
  if (draft->AddPieces(queue, handle)) return Reserve::kOk;
  *draft = Draft();
  return refuse();
}

// Allocates and links all pieces of a long value. False when memory ran out; what was linked so far goes with the
// draft.
bool Draft::AddPieces(Queue queue, uint64_t owner) {
  StoreState& state = access_->state_;
  const uint64_t piece_bytes_max = state.classes.largest_bytes() - sizeof(PieceHead);
  std::atomic<uint64_t>* link = &item_.Chain().first_piece;
  uint64_t previous = 0;
  for (uint64_t left = item_.value_size(); left > 0;) {
    const auto bytes = static_cast<uint32_t>(std::min(left, piece_bytes_max));
    const uint32_t size_class = state.classes.ClassOf(bytes + static_cast<uint32_t>(sizeof(PieceHead)));
    const uint64_t handle = access_->local_->chunks.Allocate(size_class, queue);
    if (handle == 0) return false;
    auto* piece = reinterpret_cast<PieceHead*>(state.pool.At(handle));
    piece->Init(bytes, previous, owner);
    link->store(handle, std::memory_order_relaxed);
    link = &piece->next;
    previous = handle;
    left -= bytes;
  }
  next_piece_ = item_.Chain().first_piece.load(std::memory_order_relaxed);
  return true;
}

Draft& Draft::operator=(Draft&& other) noexcept {
  Draft old;
  std::swap(old.access_, access_);
  std::swap(old.item_, item_);
  std::swap(access_, other.access_);
  std::swap(item_, other.item_);
  write_ = other.write_;
  write_end_ = other.write_end_;
  next_piece_ = other.next_piece_;
  return *this;
}

Draft::~Draft() {
  if (access_ == nullptr) return;
  SlabPool& pool = access_->state_.pool;
  ChunkCache& chunks = access_->local_->chunks;
  uint64_t handle = item_.is_chained() ? item_.Chain().first_piece.load(std::memory_order_relaxed) : 0;
  while (handle != 0) {
    const uint64_t next = reinterpret_cast<PieceHead*>(pool.At(handle))->next.load(std::memory_order_relaxed);
    chunks.Free({&handle, 1});
    handle = next;
  }
  handle = pool.HandleOf(item_.chunk());
  chunks.Free({&handle, 1});
}

void Draft::Append(std::string_view bytes) {
  while (!bytes.empty()) {
    if (write_ == write_end_) {
      CHECK(next_piece_ != 0);
      auto* piece = reinterpret_cast<PieceHead*>(access_->state_.pool.At(next_piece_));
      write_ = reinterpret_cast<char*>(piece + 1);
      write_end_ = write_ + piece->bytes;
      next_piece_ = piece->next.load(std::memory_order_relaxed);
    }
    const size_t n = std::min(bytes.size(), static_cast<size_t>(write_end_ - write_));
    std::memcpy(write_, bytes.data(), n);
    write_ += n;
    bytes.remove_prefix(n);
  }
}

void Draft::SetStamps(const SessionStamps& stamps) {
  DCHECK(item_.is_session());
  std::memcpy(item_.chunk() + item_.StampsOffset(), &stamps, sizeof stamps);
}

}  // namespace holdfast::store
