// How it works. Each class keeps, for each queue, a list of pages that have chunks to give: never used ones, or freed
// ones. A page that is full leaves the list; a chunk freed on it brings it back, unless the page is in the older half
// of its queue, where new items would soon be walked over: such holes are won back by cleaning the page.
//
// Pages come from the free list, or fresh from the arena, as long as fewer than pages_limit are taken. Taking a page
// puts it at the tail of its queue. A page that is being cleaned leaves the queue for the draining list and is free
// when the last chunk is. Its chunks are taken out of the threads' caches when that begins; in statistics what is in a
// cache is not in use.

#include "store/slab_pool.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/check.h"
#include "store/chunk_cache.h"

namespace holdfast::store {

namespace {
constexpr uint32_t kSampledPages = 32;      // looked at by PickVictim for one that is nearly empty
constexpr uint32_t kSparseDenominator = 3;  // nearly empty: less than a third of the chunks in use

// Zeroed records mean "nothing is due", so times are counted back from the end: what is due first is largest.
constexpr base::Seconds kEndOfTime = UINT32_MAX;

}  // namespace

// A record of zeros is that of a page that was never used.
size_t SlabPool::RecordBytes(uint32_t pages_max) { return (static_cast<size_t>(pages_max) + 1) * kPageRecordBytes; }

SlabPool::SlabPool(Arena& arena, std::unique_ptr<Arena> records, const SizeClasses& classes, uint32_t page_bytes,
                   uint32_t pages_max)
    : arena_(arena),
      classes_(classes),
      page_bytes_(page_bytes),
      pages_max_(pages_max),
      records_(std::move(records)),
      pages_(reinterpret_cast<Page*>(records_->begin())),
      due_(reinterpret_cast<std::atomic<uint32_t>*>(pages_ + pages_max + 1)),
      class_states_(new Class[classes.count()]),
      pages_limit_(pages_max) {
  CHECK((static_cast<uint64_t>(pages_max) + 1) * page_bytes <= arena.bytes());
}

uint32_t SlabPool::Allocate(uint32_t size_class, Queue queue, Purpose purpose, std::span<uint64_t> chunks) {
  Class& state = class_states_[size_class];
  {
    std::lock_guard<base::SpinLock> guard(state.lock);
    if (const uint32_t count = TakeChunks(state, queue, chunks)) return count;
  }
  const uint32_t page = TakePage(size_class, queue, purpose);
  if (page == kNoPage) return 0;
  Touch(page);
  std::lock_guard<base::SpinLock> guard(state.lock);
  // A cleaner may have begun to drain even this page; then another is taken by whoever asks next.
  if (pages_[page].state.load(std::memory_order_relaxed) == PageState::kQueued) ListRoom(state, page);
  return TakeChunks(state, queue, chunks);
}

uint32_t SlabPool::TakeChunks(Class& state, Queue queue, std::span<uint64_t> chunks) {
  uint32_t count = 0;
  for (uint64_t& chunk : chunks) {
    const uint64_t handle = TakeChunk(state, queue);
    if (handle == 0) break;
    chunk = handle;
    ++count;
  }
  return count;
}

uint64_t SlabPool::TakeChunk(Class& state, Queue queue) {
  const int q = static_cast<int>(queue);
  while (state.room_head[q] != kNoPage) {
    const uint32_t number = state.room_head[q];
    Page& page = pages_[number];
    if (!IsYoung(page)) {
      UnlistRoom(state, number);
      continue;
    }
    const uint32_t chunk_bytes = classes_.chunk_bytes(ClassOfPage(number));
    const uint16_t fresh = page.fresh.load(std::memory_order_relaxed);
    const uint32_t chunk = page.free_head != 0 ? page.free_head - 1u : fresh;
    const uint64_t handle = (uint64_t{number} * page_bytes_ + uint64_t{chunk} * chunk_bytes) / 8;
    if (chunk != fresh) {
      std::memcpy(&page.free_head, At(handle), sizeof page.free_head);
    } else {
      StateWordAt(handle).store(0, std::memory_order_relaxed);  // of whatever class was here before
      page.fresh.store(fresh + 1, std::memory_order_seq_cst);
    }
    page.in_use.fetch_add(1, std::memory_order_relaxed);
    state.used.store(state.used.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
    if (page.free_head == 0 && page.fresh.load(std::memory_order_relaxed) == page.chunks) UnlistRoom(state, number);
    return handle;
  }
  return 0;
}

// Worth new items. Before memory was full once, and where nothing is evicted, every page is.
bool SlabPool::IsYoung(const Page& page) const {
  return !was_full_.load(std::memory_order_relaxed) || InYoungerHalf(page);
}

bool SlabPool::InYoungerHalf(const Page& page) const {
  const PageQueue& queue = queues_[static_cast<int>(page.queue.load(std::memory_order_relaxed))];
  const uint64_t oldest = queue.oldest.load(std::memory_order_relaxed),
                 newest = queue.newest.load(std::memory_order_relaxed);
  return page.sequence.load(std::memory_order_relaxed) >= oldest + (newest - oldest) / 2;
}

// Of a page that gives out nothing yet. Memory may come from the system at the first touch, and takes its time: not
// under a spin lock.
void SlabPool::Touch(uint32_t number) {
  constexpr uint32_t kSystemPageBytes = 4096;
  char* const begin = arena_.begin() + static_cast<uint64_t>(number) * page_bytes_;
  for (uint32_t at = 0; at < page_bytes_; at += kSystemPageBytes) *static_cast<volatile char*>(begin + at) = 0;
}

uint32_t SlabPool::TakePage(uint32_t size_class, Queue queue, Purpose purpose) {
  std::lock_guard<std::mutex> guard(mutex_);
  const uint64_t keep = purpose == Purpose::kCleaning ? 0 : kCleanerPages;
  if (pages_free() <= keep) return kNoPage;
  uint32_t number = kNoPage;
  if (!free_pages_.empty()) {
    number = free_pages_.back();
    free_pages_.pop_back();
    free_count_.store(free_pages_.size(), std::memory_order_relaxed);
  } else {
    number = next_fresh_.fetch_add(1, std::memory_order_relaxed);
  }
  pages_taken_.fetch_add(1, std::memory_order_relaxed);
  Page& page = pages_[number];
  page.size_class.store(static_cast<uint8_t>(size_class), std::memory_order_relaxed);
  page.queue.store(queue, std::memory_order_relaxed);
  page.chunks = static_cast<uint16_t>(page_bytes_ / classes_.chunk_bytes(size_class));
  page.fresh.store(0, std::memory_order_relaxed);
  page.free_head = 0;
  page.in_use.store(0, std::memory_order_relaxed);
  class_states_[size_class].newest[static_cast<int>(queue)] = next_sequence_;
  page.sequence.store(next_sequence_++, std::memory_order_relaxed);
  page.taken_at.store(now_.load(std::memory_order_relaxed), std::memory_order_relaxed);
  page.state.store(PageState::kQueued, std::memory_order_release);
  Enqueue(queues_[static_cast<int>(queue)], number);
  return number;
}

void SlabPool::NoteDue(uint64_t handle, base::Seconds at) {
  if (at == base::kNever) return;
  std::atomic<uint32_t>& due = due_[PageOf(handle)];
  const uint32_t wanted = kEndOfTime - at;
  uint32_t noted = due.load(std::memory_order_seq_cst);
  while (noted < wanted && !due.compare_exchange_weak(noted, wanted, std::memory_order_seq_cst)) {
  }
}

bool SlabPool::TakeDue(uint32_t page, base::Seconds now) {
  const uint32_t noted = due_[page].load(std::memory_order_relaxed);
  if (noted == 0 || kEndOfTime - noted > now) return false;
  due_[page].exchange(0, std::memory_order_seq_cst);
  return true;
}

void SlabPool::MakeAllDue() {
  for (uint32_t page = 1; page < pages_high(); ++page) due_[page].store(kEndOfTime, std::memory_order_seq_cst);
}

void SlabPool::Free(std::span<const uint64_t> handles) {
  for (size_t i = 0; i < handles.size();) {
    const uint32_t size_class = ClassOf(handles[i]);
    Class& state = class_states_[size_class];
    std::lock_guard<base::SpinLock> guard(state.lock);
    do {
      FreeChunk(state, handles[i]);
    } while (++i < handles.size() && ClassOf(handles[i]) == size_class);
  }
}

void SlabPool::FreeChunk(Class& state, uint64_t handle) {
  const uint32_t number = PageOf(handle);
  Page& page = pages_[number];
  std::memcpy(At(handle), &page.free_head, sizeof page.free_head);
  page.free_head = static_cast<uint16_t>(ChunkNumber(handle) + 1);
  if (page.state.load(std::memory_order_relaxed) == PageState::kQueued && !page.has_room_listed && IsYoung(page)) {
    ListRoom(state, number);
  }
  state.used.store(state.used.load(std::memory_order_relaxed) - 1, std::memory_order_relaxed);
  // Last: an empty draining page may be taken by CollectDrained at once.
  page.in_use.fetch_sub(1, std::memory_order_release);
}

void SlabPool::Join(ChunkCache& cache) {
  std::lock_guard<std::mutex> guard(caches_mutex_);
  caches_.push_back(&cache);
}

void SlabPool::Leave(ChunkCache& cache) {
  std::lock_guard<std::mutex> guard(caches_mutex_);
  std::erase(caches_, &cache);
}

void SlabPool::GiveBackCached() {
  std::lock_guard<std::mutex> guard(caches_mutex_);
  for (ChunkCache* const cache : caches_) {
    if (cache->bytes() != 0) cache->GiveBackAll();
  }
}

uint16_t SlabPool::ChunkNumber(uint64_t handle) const {
  const uint64_t offset = handle * 8;
  const uint64_t page = offset / page_bytes_;
  return static_cast<uint16_t>((offset - page * page_bytes_) /
                               classes_.chunk_bytes(ClassOfPage(static_cast<uint32_t>(page))));
}

void SlabPool::ListRoom(Class& state, uint32_t number) {
  Page& page = pages_[number];
  const int q = static_cast<int>(page.queue.load(std::memory_order_relaxed));
  page.has_room_listed = true;
  page.room_next = kNoPage;
  page.room_previous = state.room_tail[q];
  (page.room_previous == kNoPage ? state.room_head[q] : pages_[page.room_previous].room_next) = number;
  state.room_tail[q] = number;
}

void SlabPool::UnlistRoom(Class& state, uint32_t number) {
  Page& page = pages_[number];
  const int q = static_cast<int>(page.queue.load(std::memory_order_relaxed));
  page.has_room_listed = false;
  (page.room_previous == kNoPage ? state.room_head[q] : pages_[page.room_previous].room_next) = page.room_next;
  (page.room_next == kNoPage ? state.room_tail[q] : pages_[page.room_next].room_previous) = page.room_previous;
}

void SlabPool::Enqueue(PageQueue& queue, uint32_t number) {
  Page& page = pages_[number];
  page.queue_next = kNoPage;
  page.queue_previous = queue.tail;
  (queue.tail == kNoPage ? queue.head : pages_[queue.tail].queue_next) = number;
  queue.tail = number;
  queue.pages.fetch_add(1, std::memory_order_relaxed);
  queue.newest.store(page.sequence.load(std::memory_order_relaxed), std::memory_order_relaxed);
  queue.oldest.store(pages_[queue.head].sequence.load(std::memory_order_relaxed), std::memory_order_relaxed);
}

void SlabPool::Unlink(PageQueue& queue, uint32_t number) {
  Page& page = pages_[number];
  (page.queue_previous == kNoPage ? queue.head : pages_[page.queue_previous].queue_next) = page.queue_next;
  (page.queue_next == kNoPage ? queue.tail : pages_[page.queue_next].queue_previous) = page.queue_previous;
  queue.pages.fetch_sub(1, std::memory_order_relaxed);
  if (queue.head != kNoPage) {
    queue.oldest.store(pages_[queue.head].sequence.load(std::memory_order_relaxed), std::memory_order_relaxed);
  }
}

// Of main, not the page of its class that was taken last: what is on it would only go to another such page.
bool SlabPool::MayBeSparse(const Page& page) const {
  if (page.state.load(std::memory_order_relaxed) != PageState::kQueued || InYoungerHalf(page)) return false;
  const uint32_t size_class = page.size_class.load(std::memory_order_relaxed);
  return page.queue.load(std::memory_order_relaxed) != Queue::kMain ||
         page.sequence.load(std::memory_order_relaxed) !=
             class_states_[size_class].newest[static_cast<int>(Queue::kMain)];
}

SlabPool::Victim SlabPool::PickVictim(Queue queue, bool only_sparse) {
  std::lock_guard<std::mutex> guard(mutex_);
  if (!only_sparse) was_full_.store(true, std::memory_order_relaxed);
  const uint32_t high = next_fresh_.load(std::memory_order_relaxed);
  uint32_t best = kNoPage;
  uint32_t best_in_use_per_mille = 1000 / kSparseDenominator;
  for (uint32_t i = 0; i < std::min(kSampledPages, high - 1); ++i) {
    if (++sample_at_ >= high) sample_at_ = 1;
    const Page& page = pages_[sample_at_];
    if (!MayBeSparse(page)) continue;
    const uint32_t in_use_per_mille = page.in_use.load(std::memory_order_relaxed) * 1000 / page.chunks;
    if (in_use_per_mille >= best_in_use_per_mille) continue;
    best = sample_at_;
    best_in_use_per_mille = in_use_per_mille;
  }
  if (best != kNoPage || only_sparse) return {best, best != kNoPage};
  return {queues_[static_cast<int>(queue)].head, false};
}

void SlabPool::BeginDraining(uint32_t number) {
  Page& page = pages_[number];
  Class& state = class_states_[ClassOfPage(number)];
  {
    std::lock_guard<base::SpinLock> guard(state.lock);
    page.state.store(PageState::kDraining, std::memory_order_relaxed);
    if (page.has_room_listed) UnlistRoom(state, number);
  }
  {
    std::lock_guard<std::mutex> guard(caches_mutex_);
    for (ChunkCache* const cache : caches_) cache->GiveBackOf(number);
  }
  std::lock_guard<std::mutex> guard(mutex_);
  Unlink(queues_[static_cast<int>(page.queue.load(std::memory_order_relaxed))], number);
}

void SlabPool::EndDraining(uint32_t number, uint32_t taken_off, uint64_t tag) {
  Page& page = pages_[number];
  {
    Class& state = class_states_[ClassOfPage(number)];
    std::lock_guard<base::SpinLock> guard(state.lock);
    state.used.store(state.used.load(std::memory_order_relaxed) - taken_off, std::memory_order_relaxed);
  }
  page.in_use.fetch_sub(taken_off, std::memory_order_release);
  const bool hopeful = !HasLive(number);
  std::lock_guard<std::mutex> guard(mutex_);
  page.drain_tag = std::max(page.drain_tag, tag);  // a walker may have asked for longer
  page.hopeful = hopeful;
  Enqueue(draining_, number);
  if (page.hopeful) pages_draining_.fetch_add(1, std::memory_order_relaxed);
}

uint32_t SlabPool::LiveChunks(uint32_t number) const {
  uint32_t live = 0;
  ForEachLive(number, [&live](uint64_t) { ++live; });
  return live;
}

bool SlabPool::HasLive(uint32_t number) const {
  const uint32_t chunk_bytes = classes_.chunk_bytes(ClassOfPage(number));
  const uint32_t given_out = pages_[number].fresh.load(std::memory_order_seq_cst);
  for (uint32_t i = 0; i < given_out; ++i) {
    if (IsLive((uint64_t{number} * page_bytes_ + uint64_t{i} * chunk_bytes) / 8)) return true;
  }
  return false;
}

void SlabPool::CollectDrained(uint64_t safe_before, std::vector<uint32_t>* stuck) {
  std::lock_guard<std::mutex> guard(mutex_);
  for (uint32_t number = draining_.head; number != kNoPage;) {
    const uint32_t next = pages_[number].queue_next;
    if (pages_[number].drain_tag < safe_before) {
      Unlink(draining_, number);
      if (pages_[number].hopeful) pages_draining_.fetch_sub(1, std::memory_order_relaxed);
      if (pages_[number].in_use.load(std::memory_order_acquire) == 0) {
        GiveBack(number);
      } else {
        stuck->push_back(number);
      }
    }
    number = next;
  }
}

void SlabPool::GiveBack(uint32_t number) {
  pages_[number].state.store(PageState::kFree, std::memory_order_relaxed);
  const uint64_t taken = pages_taken_.fetch_sub(1, std::memory_order_relaxed) - 1;
  free_pages_.push_back(number);
  free_count_.store(free_pages_.size(), std::memory_order_relaxed);
  if (taken + free_pages_.size() > pages_limit())
    arena_.Release(static_cast<uint64_t>(number) * page_bytes_, page_bytes_);
}

uint64_t SlabPool::pages_free() const {
  const uint64_t taken = pages_taken(), limit = pages_limit();
  return taken >= limit ? 0 : limit - taken;
}

void SlabPool::SetPagesLimit(uint64_t pages) {
  const uint64_t limit = std::min<uint64_t>(pages, pages_max_);
  // Every writer says it again and again; all read it.
  if (limit != pages_limit()) pages_limit_.store(limit, std::memory_order_relaxed);
}

void SlabPool::ReleaseFreePages() {
  std::lock_guard<std::mutex> guard(mutex_);
  const uint64_t wanted = pages_free();
  // Those at the front are taken last.
  for (size_t i = 0; i + wanted < free_pages_.size(); ++i)
    arena_.Release(static_cast<uint64_t>(free_pages_[i]) * page_bytes_, page_bytes_);
}

uint64_t SlabPool::bytes_in_use() const {
  uint64_t cached = 0;
  {
    std::lock_guard<std::mutex> guard(caches_mutex_);
    for (const ChunkCache* const cache : caches_) cached += cache->bytes();
  }
  uint64_t bytes = 0;
  for (uint32_t i = 0; i < classes_.count(); ++i) {
    const int64_t used = class_states_[i].used.load(std::memory_order_relaxed);
    bytes += static_cast<uint64_t>(std::max<int64_t>(used, 0)) * classes_.chunk_bytes(i);
  }
  // Who is held up between two counters may see the same memory in both.
  return std::min(bytes - std::min(bytes, cached), std::max(pages_limit(), pages_taken()) * page_bytes_);
}

std::vector<SlabPool::ClassUse> SlabPool::ClassUses() const {
  std::vector<ClassUse> uses(classes_.count());
  for (uint32_t number = 1; number < pages_high(); ++number) {
    const Page& page = pages_[number];
    if (page.state.load(std::memory_order_acquire) < PageState::kQueued) continue;
    // Of a page that changes hands meanwhile it may be the count of one class and the number of another.
    const uint32_t size_class = std::min(ClassOfPage(number), classes_.count() - 1);
    const uint64_t chunks = page_bytes_ / classes_.chunk_bytes(size_class);
    const uint64_t used = std::min<uint64_t>(page.in_use.load(std::memory_order_relaxed), chunks);
    const int queue = static_cast<int>(page.queue.load(std::memory_order_relaxed));
    const base::Seconds taken_at = page.taken_at.load(std::memory_order_relaxed);
    ClassUse& use = uses[size_class];
    if (use.queue_pages[queue] == 0 || taken_at < use.oldest[queue]) use.oldest[queue] = taken_at;
    ++use.pages;
    use.chunks_used += used;
    ++use.queue_pages[queue];
    use.queue_chunks_used[queue] += used;
  }
  std::lock_guard<std::mutex> guard(caches_mutex_);
  for (ChunkCache* const cache : caches_) {
    cache->ForEach([&](uint64_t handle) {
      ClassUse& use = uses[ClassOf(handle)];
      uint64_t& in_queue = use.queue_chunks_used[static_cast<int>(QueueOf(handle))];
      if (use.chunks_used > 0) --use.chunks_used;  // it may have been put there since
      if (in_queue > 0) --in_queue;
    });
  }
  return uses;
}

uint64_t SlabPool::metadata_bytes() const { return pages_high() * kPageRecordBytes + classes_.count() * sizeof(Class); }

}  // namespace holdfast::store
