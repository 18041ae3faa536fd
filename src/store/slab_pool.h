// slab_pool.h - pages cut into chunks: who is free, who is in use, in which queue a page stands.
//
// A page belongs to one size class and one queue while it has chunks in use. A chunk is in use from Allocate to Free;
// it is *live* while the index knows it (an item's first chunk) or its item (a piece). That stands in the chunk itself,
// as a bit of the state word that items and pieces have at one place (item.h); a cleaner walks the chunks of a page
// that were given out and looks at those that are live.
//
// Threads: any. Locks: the class's spin lock, then the pool's mutex; neither is held when a function returns. Whoever
//          allocates and frees much does so through a ChunkCache.
// Owns:    page records and free lists. Borrows the arena.
// Limits:  pages_limit pages may be in use; the last kCleanerPages of them only for the cleaner, so that cleaning never
// stops. Invariants (1) A chunk is given out again only after Free, which is called only when no reader can see it
// (epoch.h). (2) A draining page gives out no chunks; it is free again when nothing on it is in use and its epoch has
// passed.

#ifndef HOLDFAST_STORE_SLAB_POOL_H_
#define HOLDFAST_STORE_SLAB_POOL_H_

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/spin_lock.h"
#include "store/arena.h"
#include "store/eviction.h"
#include "store/item.h"
#include "store/size_classes.h"

namespace holdfast::store {

class ChunkCache;

class SlabPool {
 public:
  static constexpr uint64_t kCleanerPages = 2;
  static constexpr uint32_t kNoPage = 0;  // page 0 is never given out, so that handle 0 means none

  enum class Purpose { kDraft, kCleaning };

  // records: zeroed memory of RecordBytes, so that a large limit costs nothing before it is used.
  SlabPool(Arena& arena, std::unique_ptr<Arena> records, const SizeClasses& classes, uint32_t page_bytes,
           uint32_t pages_max);
  static size_t RecordBytes(uint32_t pages_max);

  // Gives at most chunks.size() handles and says how many; none when a new page is needed and none is free.
  uint32_t Allocate(uint32_t size_class, Queue queue, Purpose purpose, std::span<uint64_t> chunks);
  // One; 0: none.
  uint64_t Allocate(uint32_t size_class, Queue queue, Purpose purpose) {
    uint64_t handle = 0;
    Allocate(size_class, queue, purpose, {&handle, 1});
    return handle;
  }
  void Free(uint64_t handle) { Free({&handle, 1}); }
  // Quick when those of a class stand together.
  void Free(std::span<const uint64_t> handles);

  // Of a chunk in use: whether its page gives out chunks at all, and to new items.
  bool IsQueued(uint64_t handle) const {
    return pages_[PageOf(handle)].state.load(std::memory_order_relaxed) == PageState::kQueued;
  }
  bool IsWorthReuse(uint64_t handle) const { return IsYoung(pages_[PageOf(handle)]); }
  // The caches that chunks may be in.
  void Join(ChunkCache& cache);
  void Leave(ChunkCache& cache);
  void GiveBackCached();

  void SetLive(uint64_t handle) { StateWordAt(handle).fetch_or(State::kLive, std::memory_order_seq_cst); }
  void ClearLive(uint64_t handle) { StateWordAt(handle).fetch_and(~State::kLive, std::memory_order_release); }

  char* At(uint64_t handle) const { return arena_.begin() + handle * 8; }
  uint64_t HandleOf(const char* chunk) const { return static_cast<uint64_t>(chunk - arena_.begin()) / 8; }
  uint32_t PageOf(uint64_t handle) const { return static_cast<uint32_t>(handle * 8 / page_bytes_); }
  Queue QueueOf(uint64_t handle) const { return QueueOfPage(PageOf(handle)); }
  uint32_t ClassOf(uint64_t handle) const { return ClassOfPage(PageOf(handle)); }
  // Of the page it is on: larger came later to its queue.
  uint64_t SequenceOf(uint64_t handle) const { return pages_[PageOf(handle)].sequence.load(std::memory_order_relaxed); }

  // When something on a page is to be looked at. NoteDue after SetLive, and after what it is due by was stored with a
  // sequentially consistent read-modify-write: then either TakeDue's caller sees it in its walk, or it is noted for the
  // next. kNever is nothing to note.
  void NoteDue(uint64_t handle, base::Seconds at);
  // Whether the page is due; from then on nothing is noted for it.
  bool TakeDue(uint32_t page, base::Seconds now);
  // Every page that was ever used is due at once.
  void MakeAllDue();

  // Cleaning. A page that is nearly empty, else the oldest of the queue unless only_sparse; kNoPage when there is none.
  struct Victim {
    uint32_t page = kNoPage;
    bool is_sparse = false;  // it was not its turn: what is on it has not had its time
  };
  Victim PickVictim(Queue queue, bool only_sparse);
  Queue QueueOfPage(uint32_t page) const { return pages_[page].queue.load(std::memory_order_relaxed); }
  uint32_t ClassOfPage(uint32_t page) const { return pages_[page].size_class.load(std::memory_order_relaxed); }
  uint32_t LiveChunks(uint32_t page) const;
  bool HasLive(uint32_t page) const;
  void BeginDraining(uint32_t page);
  // Calls visit(handle) for each live chunk of the page.
  template <class F>
  void ForEachLive(uint32_t page, F&& visit) const;
  // The same for a page that others may drain meanwhile or have drained, and nothing for one that is not in use. The
  // caller is online, and `tag` an epoch that it has not left: a draining page waits for it.
  template <class F>
  void ForEachLiveIfInUse(uint32_t page, uint64_t tag, F&& visit);
  // taken_off: chunks of this page that were in use and that nobody will Free. The page waits until the epoch `tag` is
  // safe.
  void EndDraining(uint32_t page, uint32_t taken_off, uint64_t tag);
  // Frees those draining pages whose tag is below safe_before and that are empty. Those that are not are put into
  // `stuck`.
  void CollectDrained(uint64_t safe_before, std::vector<uint32_t>* stuck);

  void SetPagesLimit(uint64_t pages);
  // Gives the memory of free pages beyond the limit back to the system, once it has become smaller.
  void ReleaseFreePages();
  // No huge pages from now on: the kernel would fill up again what was given back.
  void AvoidHugePages() { arena_.AvoidHugePages(); }
  uint64_t pages_max() const { return pages_max_; }
  // The time that pages are marked with from now on, for how old a class is.
  void SetNow(base::Seconds now) { now_.store(now, std::memory_order_relaxed); }
  uint64_t pages_limit() const { return pages_limit_.load(std::memory_order_relaxed); }
  uint64_t pages_taken() const { return pages_taken_.load(std::memory_order_relaxed); }  // in use or draining
  // Free as soon as readers allow. A page on which something live had to stay is none of them.
  uint64_t pages_draining() const { return pages_draining_.load(std::memory_order_relaxed); }
  bool has_draining() const { return draining_.pages.load(std::memory_order_relaxed) != 0; }
  uint64_t pages_free() const;
  uint64_t queue_pages(Queue queue) const {
    return queues_[static_cast<int>(queue)].pages.load(std::memory_order_relaxed);
  }
  uint32_t pages_high() const {
    return next_fresh_.load(std::memory_order_relaxed);
  }  // pages from 1 below this were used once
  uint32_t page_bytes() const { return page_bytes_; }
  uint64_t bytes_in_use() const;
  uint64_t metadata_bytes() const;

  // One size class, for statistics: of each queue the pages, and when the oldest of them was taken.
  struct ClassUse {
    uint64_t chunks_used = 0;
    uint64_t pages = 0;
    uint64_t queue_pages[kQueues] = {};
    uint64_t queue_chunks_used[kQueues] = {};
    base::Seconds oldest[kQueues] = {};
  };
  // By class. Looks at the record of every page.
  std::vector<ClassUse> ClassUses() const;
  const SizeClasses& classes() const { return classes_; }

 private:
  enum class PageState : uint8_t { kUnused, kFree, kQueued, kDraining };

  // queue, size_class and chunk counts are set before the page is given out and stay until it is free again.
  struct Page {
    std::atomic<PageState> state{PageState::kUnused};
    std::atomic<uint8_t> size_class{0};       // read by bytes_in_use also while the page changes hands
    std::atomic<Queue> queue{Queue::kSmall};  // as size_class
    bool has_room_listed = false;             // class lock
    uint16_t chunks = 0;
    std::atomic<uint16_t> fresh{0};  // chunks from here on were never given out; written under the class lock
    uint16_t free_head = 0;          // class lock: 1 + number of the first free chunk, 0 none; chained in the chunks
    std::atomic<uint32_t> in_use{0};
    uint32_t room_previous = kNoPage, room_next = kNoPage;    // class lock
    uint32_t queue_previous = kNoPage, queue_next = kNoPage;  // pool mutex; queue or draining list
    std::atomic<uint64_t> sequence{0};
    bool hopeful = false;    // pool mutex: counted in pages_draining_
    uint64_t drain_tag = 0;  // pool mutex
    std::atomic<base::Seconds> taken_at{0};
  };
  struct alignas(64) Class {
    base::SpinLock lock;
    uint32_t room_head[kQueues] = {kNoPage, kNoPage};  // pages with chunks to give
    uint32_t room_tail[kQueues] = {kNoPage, kNoPage};
    std::atomic<int64_t> used{0};       // chunks in use
    uint64_t newest[kQueues] = {0, 0};  // pool mutex: the sequence of the page that was taken last
  };
  struct PageQueue {
    uint32_t head = kNoPage, tail = kNoPage;  // pool mutex; head is the oldest
    std::atomic<uint64_t> pages{0};
    std::atomic<uint64_t> oldest{0}, newest{0};  // sequences
  };

  static constexpr size_t kPageRecordBytes = sizeof(Page) + sizeof(uint32_t);  // in both arrays
  bool InYoungerHalf(const Page& page) const;
  bool MayBeSparse(const Page& page) const;
  template <class F>
  void WalkLive(uint32_t page, uint32_t chunk_bytes, F&& visit) const;
  uint64_t TakeChunk(Class& size_class, Queue queue);
  uint32_t TakeChunks(Class& size_class, Queue queue, std::span<uint64_t> chunks);
  void FreeChunk(Class& size_class, uint64_t handle);
  uint32_t TakePage(uint32_t size_class, Queue queue, Purpose purpose);
  void Touch(uint32_t page);
  bool IsYoung(const Page& page) const;
  uint16_t ChunkNumber(uint64_t handle) const;
  bool IsLive(uint64_t handle) const {
    return (StateWordAt(handle).load(std::memory_order_seq_cst) & State::kLive) != 0;
  }
  std::atomic<uint32_t>& StateWordAt(uint64_t handle) const {
    return *reinterpret_cast<std::atomic<uint32_t>*>(At(handle) + kStateWordOffset);
  }
  void ListRoom(Class& size_class, uint32_t page);
  void UnlistRoom(Class& size_class, uint32_t page);
  void Enqueue(PageQueue& queue, uint32_t page);
  void Unlink(PageQueue& queue, uint32_t page);
  void GiveBack(uint32_t page);

  Arena& arena_;
  const SizeClasses& classes_;
  const uint32_t page_bytes_;
  const uint32_t pages_max_;
  const std::unique_ptr<Arena> records_;  // holds the two below
  Page* const pages_;
  std::atomic<uint32_t>* const due_;  // a page: how long before the end of time; 0: nothing is due
  std::unique_ptr<Class[]> class_states_;

  mutable std::mutex caches_mutex_;  // guards caches_; each cache's lock is taken under it
  std::vector<ChunkCache*> caches_;

  std::mutex mutex_;  // guards queues' links, free_pages_, draining_
  PageQueue queues_[kQueues];
  PageQueue draining_;
  std::vector<uint32_t> free_pages_;
  std::atomic<uint64_t> free_count_{0};  // free_pages_.size(), to be read without the mutex
  std::atomic<uint32_t> next_fresh_{1};
  std::atomic<uint64_t> pages_limit_;
  std::atomic<uint64_t> pages_taken_{0};
  std::atomic<uint64_t> pages_draining_{0};
  std::atomic<bool> was_full_{false};  // eviction has begun once: chunk reuse is then for the younger half only
  uint64_t next_sequence_ = 1;         // pool mutex
  uint32_t sample_at_ = 1;             // pool mutex: where PickVictim looks next for a nearly empty page
  std::atomic<base::Seconds> now_{0};
};

template <class F>
void SlabPool::ForEachLive(uint32_t page, F&& visit) const {
  WalkLive(page, classes_.chunk_bytes(ClassOfPage(page)), visit);
}

template <class F>
void SlabPool::ForEachLiveIfInUse(uint32_t page, uint64_t tag, F&& visit) {
  uint32_t chunk_bytes = 0;
  {
    std::lock_guard<std::mutex> guard(mutex_);
    const PageState state = pages_[page].state.load(std::memory_order_relaxed);
    if (state != PageState::kQueued && state != PageState::kDraining) return;
    if (state == PageState::kDraining) {
      if (!HasLive(page)) return;  // or walker after walker could keep it from becoming free
      pages_[page].drain_tag = std::max(pages_[page].drain_tag, tag);
    }
    chunk_bytes = classes_.chunk_bytes(ClassOfPage(page));
  }
  WalkLive(page, chunk_bytes, visit);
}

template <class F>
void SlabPool::WalkLive(uint32_t page, uint32_t chunk_bytes, F&& visit) const {
  const uint32_t given_out = pages_[page].fresh.load(std::memory_order_seq_cst);
  for (uint32_t number = 0; number < given_out; ++number) {
    const uint64_t handle = (uint64_t{page} * page_bytes_ + uint64_t{number} * chunk_bytes) / 8;
    if (IsLive(handle)) visit(handle);
  }
}

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_SLAB_POOL_H_
