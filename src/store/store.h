// store.h - every item in memory: one arena of pages, one index, one eviction policy; gets take no lock.
//
// A thread uses the store through an Access of its own. Readers find items without locks; what they were given stays
// readable until they announce a quiescent state. Writers make a Draft (which allocates, and evicts if it must), then
// lock the key's place, decide by what is there, and publish or drop the draft:
//
//   Draft draft;
//   switch (access.NewDraft(shape, &draft)) { ... }
//   draft.Append(value);
//   Slot slot = access.Lock(key, now);
//   if (slot.state() == ItemState::kLive) slot.Publish(std::move(draft));
//
// The store knows that some items are sessions, that some are dirty (never evicted, only moved) and that some are
// tombstones. What that means is the session module's business; it is never called from here.
//
// Threads: a Store is shared; each thread has one Access. A Slot holds a lock: no I/O, no second Slot, no NewDraft
// while it lives. Owns:    the arena (`-m` covers pages, index and their metadata). Errors:  NewDraft says kTooLarge,
// kNoMemory or kRetry; nothing else fails. Blocks:  Lock spins for the few instructions that another writer of the same
// bucket needs; NewDraft may evict a page (~50 us). Limits:  key <= kKeyBytesMax; item <= StoreSettings::item_bytes_max
// by memcached's accounting. Invariants (1) An item is readable from Publish until it is replaced or removed and every
// Access that might see it was quiescent since. (2) A miss is a miss: Find never overlooks an item that was there
// during the whole call. (3) A dirty item leaves the store only by Publish, Remove or after MarkClean.

#ifndef HOLDFAST_STORE_STORE_H_
#define HOLDFAST_STORE_STORE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/counter.h"
#include "base/status.h"
#include "store/eviction.h"
#include "store/index.h"
#include "store/item.h"
#include "store/key.h"

namespace holdfast::store {

class EvictionWatch;  // eviction_watch.h
class StoreState;     // pages, index and policy: store_state.h
struct AccessLocal;   // one thread's epoch, retired chunks and counters: store_state.h
class Access;

struct StoreSettings {
  uint64_t memory_limit_bytes = 64ull << 20;
  uint64_t memory_reserve_bytes = 0;     // address space, for SetMemoryLimit to raise the limit to; 0: as the limit
  uint64_t item_bytes_max = 1ull << 20;  // -I
  bool evictions = true;                 // false: -M
  bool cas = true;                       // false: -C
  double growth_factor = 0;              // -f; 0: our own ladder of classes
  uint32_t chunk_bytes_min = 0;          // -n; 0: ours
  uint32_t threads = 4;                  // how many Accesses write at once; sizes the reserve of free pages
  bool preallocate = false;              // -L: memory_limit_bytes are there from the start
  uint32_t page_bytes = 0;               // 0: by memory_limit_bytes; tests and trace replays set it
  uint32_t chunks_per_page_min = 8;      // of the largest class; trace replays of very small caches set it
};

enum class ItemState : uint8_t { kAbsent, kLive, kExpired, kFlushed, kTombstone };

struct Found {
  ItemRef item;  // null exactly when state is kAbsent
  ItemState state = ItemState::kAbsent;
  bool live() const { return state == ItemState::kLive; }
};

enum class Reserve : uint8_t {
  kOk,
  kTooLarge,  // over item_bytes_max
  kNoMemory,  // -M and full, or everything is dirty
  kRetry,     // free pages wait for readers to pass a quiescent state: try again after your own next one
};

struct DraftShape {
  Key key;
  uint64_t value_size = 0;
  uint32_t client_flags = 0;
  Seconds expiry = base::kNever;
  bool session = false;           // room for stamps; always room for an expiry
  bool keep_expiry_room = false;  // an expiry field even when expiry is kNever
  ItemKind kind = ItemKind::kValue;
};

// An item being written, seen by nobody. Unpublished drafts give their chunks back.
class Draft {
 public:
  Draft() = default;
  Draft(Draft&& other) noexcept { *this = std::move(other); }
  Draft& operator=(Draft&& other) noexcept;
  ~Draft();

  explicit operator bool() const { return static_cast<bool>(item_); }
  // Writes the next bytes of the value; all value_size of them before Publish.
  void Append(std::string_view bytes);
  // Asked only of a session draft.
  void SetStamps(const SessionStamps& stamps);
  // The item as it will be, for its sizes and fields.
  const ItemRef& item() const { return item_; }

 private:
  friend class Access;
  friend class Slot;
  bool AddPieces(Queue queue, uint64_t owner);

  Access* access_ = nullptr;  // null exactly when there is no item
  ItemRef item_;
  char* write_ = nullptr;      // where Append goes on
  char* write_end_ = nullptr;  // end of the chunk it is in
  uint64_t next_piece_ = 0;    // handle of the piece after that
};

// The locked place of one key. What it holds cannot change while the Slot lives.
class Slot {
 public:
  Slot(Slot&& other) noexcept;
  Slot& operator=(Slot&&) = delete;
  ~Slot();

  ItemState state() const { return found_.state; }
  bool live() const { return found_.live(); }
  const ItemRef& item() const { return found_.item; }  // null exactly when kAbsent

  struct PublishOptions {
    uint64_t cas = 0;  // 0: the store gives the next one, above the present item's; sessions: their version always
    bool dirty = false;
    bool stale = false;  // meta I
    bool won = false;
    bool keep_history = false;  // frequency, fetched and last access of the present item go on (moved copies)
  };
  // The draft takes the place of what is here.
  void Publish(Draft&& draft, const PublishOptions& options);
  void Publish(Draft&& draft) { Publish(std::move(draft), PublishOptions{}); }
  void Remove();

  // In place, on the present item.
  // False when the item has no room for an expiry: publish a copy instead.
  [[nodiscard]] bool SetExpiry(Seconds expiry);
  void SetStale(bool stale);
  void SetWon(bool won);
  void SetDirty(bool dirty);
  void SetStamps(const SessionStamps& stamps);  // version must be the present one

 private:
  friend class Access;
  Slot() = default;
  Access* access_ = nullptr;  // null exactly when moved from
  Key key_{};
  Found found_;
  Index::Locked locked_;
  Seconds now_ = 0;
  bool inserted_ = false;  // the index may want to grow once the lock is gone
};

// Counted by the thread that did it; sum over accesses.
struct AccessCounters {
  base::Counter evictions;  // live items dropped for room
  base::Counter evicted_unfetched;
  base::Counter expired_unfetched;
  base::Counter reclaimed;  // expired items dropped
  base::Counter moved;      // items copied forward by a page's cleaning
  base::Counter moved_pieces;
  base::Counter moved_to_main;   // of the moved items, from the small queue
  base::Counter evicted_active;  // evictions of items that had been hit
  base::Counter left_busy;       // items that were changing when their page was cleaned
  base::Counter left_no_room;    // items that had to stay, or to go, for want of room for a copy
  base::Counter walked;          // items looked at by Upkeep
  base::Counter walked_dead;     // of these, dropped
  base::Counter pages_cleaned;
  base::Counter total_items;
  base::Counter out_of_memory;
};

void AddCounters(const AccessCounters& from, AccessCounters* to);

struct StoreTotals {
  uint64_t items = 0;
  uint64_t bytes = 0;  // chunks in use
  uint64_t dirty_items = 0;
  uint64_t dirty_bytes = 0;
  uint64_t memory_limit_bytes = 0;
  uint64_t index_bytes = 0;
  uint64_t index_buckets = 0;
  bool index_growing = false;
  bool shrinking = false;  // the limit has become smaller and memory is still being given back
  uint64_t pages = 0;      // of the limit
  uint64_t pages_free = 0;
  uint32_t page_bytes = 0;
  bool huge_pages_granted = false;
};

// What happened to the items of a size class when room was made. One thread counts at a time.
struct ClassCounters {
  base::Counter evicted, evicted_nonzero, evicted_unfetched, evicted_active;
  base::Counter evicted_seconds;  // since its last access, of the latest
  base::Counter reclaimed, expired_unfetched;
  base::Counter moved_to_main, moved_in_main;
};

// A size class and what is in it now.
struct ClassTotals {
  uint32_t number = 0;  // from 1
  uint32_t chunk_bytes = 0;
  uint32_t chunks_per_page = 0;
  uint64_t pages = 0;
  uint64_t chunks_used = 0;
  uint64_t small_chunks_used = 0;  // of these, in the small queue
  Seconds small_since = 0;         // when the oldest page of the queue was taken; 0: it has none
  Seconds main_since = 0;
  uint64_t out_of_memory = 0;
  const ClassCounters* counters = nullptr;
};

class Store {
 public:
  // clock is borrowed.
  static base::Result<std::unique_ptr<Store>> Create(const StoreSettings& settings, const base::Clock& clock);
  ~Store();
  Store(const Store&) = delete;
  Store& operator=(const Store&) = delete;

  const StoreSettings& settings() const;
  // Would NewDraft say kTooLarge? For an answer before the value has come.
  bool TooLarge(size_t key_length, uint64_t value_size, uint32_t client_flags) const;

  // flush_all: every item that is no session and was stored before `at` (0: now) is gone from then on. Later calls
  // replace a waiting one.
  // access belongs to the calling thread.
  void Flush(Access& access, Seconds at);

  // -m from now on. More is there at once; less is given back by Trim, as readers and dirty items allow. False: more
  // than what was reserved, or less than the index and the records of pages need by themselves.
  bool SetMemoryLimit(uint64_t bytes);
  // Cleans some pages if the limit has become smaller. True: there is more to do. access belongs to the calling thread.
  bool Trim(Access& access);

  // Walks the index: calls visit for what is in each of the next `buckets` buckets from *place on (begin with 0), and
  // moves *place on; true when it has been all round. Every item that is there during the whole walk is met once, but
  // while others insert a key may change its place, and then some are met twice and a few overlooked.
  // access belongs to the calling thread and is online.
  bool ForEachItem(Access& access, Seconds now, uint64_t* place, uint32_t buckets,
                   const std::function<void(const Found&)>& visit);

  // By size class, those that have pages. Looks at every page's record.
  std::vector<ClassTotals> Classes() const;
  // Told of every eviction, under locks: it only takes notes. Set before the first Access; borrowed.
  void SetEvictionWatch(EvictionWatch* watch);

  StoreTotals Totals() const;
  // Calls visit for the counters of every Access, past ones summed into one.
  void ForEachCounters(const std::function<void(const AccessCounters&)>& visit) const;

  struct UpkeepStep {
    uint64_t dropped = 0;     // items
    uint32_t walked = 0;      // pages
    bool round_over = false;  // it came to the last page; the next step begins with the first
  };
  // Background upkeep, from one thread, several times a second: walks pages on which an item has expired or was
  // flushed, at most pages_max of them and none beyond the last page, drops these items, applies waiting flushes.
  // access belongs to the calling thread.
  UpkeepStep Upkeep(Access& access, Seconds now, uint32_t pages_max);

  // No cas above last_cas was given out yet; after ReserveCas(n) none up to n will be.
  uint64_t last_cas() const;
  void ReserveCas(uint64_t last);
  // Calls visit with the locked slot of every session on `pages` pages from `page` on (0: the first); returns where to
  // go on, 0 at the end. What is moved meanwhile may be met twice or not at all. access belongs to the calling thread.
  uint32_t VisitSessions(Access& access, uint32_t page, uint32_t pages,
                         const std::function<void(Slot& slot, const Key& key)>& visit);

  StoreState& internals() { return *state_; }  // for the store's own files and tests

 private:
  explicit Store(std::unique_ptr<StoreState> state);
  void EndUpkeepRound(Seconds now);
  uint64_t DropDead(Access& access, uint32_t page, Seconds now);

  std::unique_ptr<StoreState> state_;
};

// A key that is about to be looked for; with an empty one nothing is.
struct Lookup {
  Key key;
  bool is_write = false;    // locks the key, and wants nothing of the value that is there
  Index::Ahead ahead = {};  // what fetching saw
};

// One thread's door to the store. Made, used and destroyed on that thread.
class Access {
 public:
  explicit Access(Store& store);
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

  // Quiescent states. Quiesce: everything found so far may go. Offline: the same, and nobody waits for this thread
  // until Online.
  void Quiesce();
  void Offline();
  void Online();

  // Reading. Before many keys are looked for: starts fetching what Find and Lock will look at, and notes where it is.
  // Only hints; nothing else changes.
  void FetchAhead(std::span<Lookup> lookups) const;
  Found Find(const Key& key, Seconds now, const Index::Ahead& ahead = {}) const;
  // Counts a hit for eviction and `la`. Writes only if something changes.
  void NoteHit(const ItemRef& item, Seconds now) const;
  // The same for a client that was not given the value: to `fetch` and `h` of the meta protocol that is none.
  void NoteUse(const ItemRef& item, Seconds now) const;

  // Writing.
  Reserve NewDraft(const DraftShape& shape, Draft* draft);
  Slot Lock(const Key& key, Seconds now);

  // For showing: the number of the item's size class, from 1, and the memory that its chunks take.
  uint32_t SizeClassOf(const ItemRef& item) const;
  uint64_t ChunkBytesOf(const ItemRef& item) const;

  Store& store() { return store_; }
  const AccessCounters& counters() const;

 private:
  friend class Draft;
  friend class Slot;
  friend class Store;
  Store& store_;
  StoreState& state_;
  std::unique_ptr<AccessLocal> local_;
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_STORE_H_
