// store_state.h - what all Accesses of a store share, and what each thread keeps for itself. For the store's own files.
//
// Lock order: cleaner's mutex, bucket locks (ascending), a chunk cache's lock, class locks, pool mutex, limbo mutex.
// None is held over a wait.

#ifndef HOLDFAST_STORE_STORE_STATE_H_
#define HOLDFAST_STORE_STORE_STATE_H_

#include <algorithm>
#include <array>
#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "store/arena.h"
#include "store/chunk_cache.h"
#include "store/cleaner.h"
#include "store/epoch.h"
#include "store/eviction.h"
#include "store/eviction_watch.h"
#include "store/index.h"
#include "store/slab_pool.h"
#include "store/store.h"

namespace holdfast::store {

// Unlinked chunks that some reader may still look at.
class Limbo {
 public:
  void Add(uint64_t tag, std::vector<uint64_t> handles);
  // Moves to `out` all whose tag is below safe_before.
  void TakeSafe(uint64_t safe_before, std::vector<uint64_t>* out);
  bool empty() const { return batches_count_.load(std::memory_order_relaxed) == 0; }

 private:
  struct Batch {
    uint64_t tag;
    std::vector<uint64_t> handles;
  };
  std::mutex mutex_;  // guards batches_
  std::deque<Batch> batches_;
  std::atomic<size_t> batches_count_{0};
};

struct AccessLocal {
  explicit AccessLocal(SlabPool& pool) : chunks(pool) {}

  static constexpr size_t kRetiredMax = 64;   // then they are handed to the limbo in mid-turn
  static constexpr int64_t kItemsSlack = 32;  // items this thread may be ahead of the index's count

  Epochs::Reader* reader = nullptr;
  bool online = false;
  std::vector<uint64_t> retired;
  ChunkCache chunks;
  std::atomic<int64_t> items_change{0};  // not yet told to the index; written by this thread only
  uint64_t cas_next = 0, cas_end = 0;    // numbers this thread may give out
  AccessCounters counters;
};

class StoreState {
 public:
  StoreState(const StoreSettings& settings, const base::Clock& clock, std::unique_ptr<Arena> arena,
             std::unique_ptr<Arena> records, uint32_t page_bytes, uint32_t pages_max, std::unique_ptr<Index> index,
             std::unique_ptr<EvictionPolicy> policy);

  ItemRef ItemAt(uint64_t handle) const { return ItemRef(pool.At(handle), arena->begin(), settings.cas); }
  ItemState StateOf(const ItemRef& item, Seconds now) const;
  uint32_t generation() const { return static_cast<uint32_t>(flushes.load(std::memory_order_relaxed)) & 15u; }

  // Unlinks what the index does not know any more: clears the live bits and retires the chunks.
  void RetireItem(AccessLocal& local, const ItemRef& item);
  void RetirePieces(AccessLocal& local, const ItemRef& item);
  void Retire(AccessLocal& local, uint64_t handle);
  void NoteItems(AccessLocal& local, int64_t change);
  void NoteDirty(const ItemRef& item, int sign);
  std::atomic<uint64_t>& OutOfMemory(uint32_t size_class) { return out_of_memory_[size_class]; }
  uint64_t NextCas(AccessLocal& local, uint64_t above);
  uint64_t ChunkBytes(const ItemRef& item) const;  // all chunks of an item

  // Gives retired chunks and drained pages back as far as readers allow.
  void Reclaim(AccessLocal& local);
  void HandOver(AccessLocal& local);
  // As far as threads have told the index of what they put in and took out: some more or less than there are.
  uint64_t ItemsAbout() const {
    return static_cast<uint64_t>(std::max<int64_t>(0, static_cast<int64_t>(index->items())));
  }
  // What the limit covers beside pages.
  uint64_t BytesBesidePages() const;
  // The index and the records take their part of the limit.
  void UpdatePagesLimit();

  const StoreSettings settings;
  const base::Clock& clock;
  const std::unique_ptr<Arena> arena;
  const SizeClasses classes;
  SlabPool pool;
  const std::unique_ptr<Index> index;
  const std::unique_ptr<EvictionPolicy> policy;
  Epochs epochs;
  Limbo limbo;
  std::mutex reclaim_mutex;  // one reclaims at a time; others go on
  Cleaner cleaner;

  // From here on what writers read often, and nobody writes often.
  alignas(64) std::atomic<uint64_t> memory_limit_bytes;  // in force
  std::atomic<uint64_t> memory_target_bytes;             // what is in force once Trim has made it so
  std::mutex limit_mutex;                                // one changes the two above
  std::atomic<EvictionWatch*> eviction_watch{nullptr};
  std::mutex flush_mutex;                           // one flushes at a time; `flushes` rises under it
  std::atomic<uint64_t> flushes{0};                 // generation, not yet cut to 4 bits
  std::atomic<uint64_t> flushes_purged{0};          // no item of a generation before this is left
  std::atomic<Seconds> flush_at{0};                 // a flush to come; 0 none
  alignas(64) std::atomic<int64_t> dirty_items{0};  // and from here on what is written
  std::atomic<int64_t> dirty_bytes{0};
  std::atomic<uint64_t> cas_last{0};

  std::mutex accesses_mutex;  // guards accesses and past
  std::vector<const AccessLocal*> accesses;
  AccessCounters past;  // counters of accesses that are gone

  std::mutex upkeep_mutex;  // guards the three below
  uint32_t upkeep_page = 1;
  uint64_t upkeep_flushes = 0;  // as of the beginning of the present round
  Seconds upkeep_all_at = 0;    // when all pages were due last

 private:
  std::array<std::atomic<uint64_t>, SizeClasses::kClassesMax> out_of_memory_{};  // refusals, by size class
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_STORE_STATE_H_
