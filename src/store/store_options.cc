// How it works: tables, read by base::OptionSet and base::StatSet.

#include "store/store_options.h"

#include <bit>

namespace holdfast::store {

namespace {

using base::Member;
using base::OptionOrigin;
using base::OptionUnit;
using base::Stat;
using base::StatKind;
using base::StatUnit;

constexpr base::OptionRow kOptions[] = {
    {.letter = 'm',
     .name = "memory-limit",
     .argument = "MEGABYTES",
     .field = Member<&StoreSettings::memory_limit_bytes>,
     .unit = OptionUnit::kMegabytes,
     .min = 1 << 20,
     .max = 1ll << 46,
     .reloadable = true,
     .help = "memory for items, with index and metadata",
     .more = "Connection buffers come on top, see --connection-memory.",
     .setting = "maxbytes",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'L',
     .name = "enable-largepages",
     .field = Member<&StoreSettings::preallocate>,
     .help = "take all memory at the start; huge pages are asked for anyway",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'M',
     .name = "disable-evictions",
     .field = Member<&StoreSettings::evictions>,
     .inverts = true,
     .help = "answer an error when memory is full instead of dropping items",
     .setting = "evictions",
     .setting_words = "off|on",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'C',
     .name = "disable-cas",
     .field = Member<&StoreSettings::cas>,
     .inverts = true,
     .help = "keep no cas numbers: 8 bytes less an item",
     .more = "Sessions have one all the same: it is the version that orders their writes.",
     .setting = "cas_enabled",
     .setting_words = "no|yes",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'I',
     .name = "max-item-size",
     .argument = "BYTES",
     .field = Member<&StoreSettings::item_bytes_max>,
     .unit = OptionUnit::kBytes,
     .min = 1024,
     .max = 1 << 30,
     .help = "largest item, with its key and memcached's head of 56 bytes; k and m are understood",
     .setting = "item_size_max",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'f',
     .name = "slab-growth-factor",
     .argument = "FACTOR",
     .field = Member<&StoreSettings::growth_factor>,
     .min = 1.001,
     .or_zero = true,
     .help = "how much larger each chunk size is than the one below; 0: our own, finer steps",
     .setting = "growth_factor",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'n',
     .name = "slab-min-size",
     .argument = "BYTES",
     .field = Member<&StoreSettings::chunk_bytes_min>,
     .min = 1,
     .max = 1 << 30,
     .or_zero = true,
     .help = "smallest chunk; 0: our own",
     .setting = "chunk_size",
     .origin = OptionOrigin::kMemcached},
};

uint64_t Items(const Store& store) { return store.Totals().items; }
uint64_t Bytes(const Store& store) { return store.Totals().bytes; }
uint64_t LimitMaxBytes(const Store& store) { return store.Totals().memory_limit_bytes; }
uint64_t IndexBytes(const Store& store) { return store.Totals().index_bytes; }
uint64_t IndexBuckets(const Store& store) { return store.Totals().index_buckets; }
uint64_t Pages(const Store& store) { return store.Totals().pages; }
uint64_t PagesFree(const Store& store) { return store.Totals().pages_free; }
uint64_t PageBytes(const Store& store) { return store.Totals().page_bytes; }
uint64_t DirtyItems(const Store& store) { return store.Totals().dirty_items; }
uint64_t DirtyBytes(const Store& store) { return store.Totals().dirty_bytes; }
template <base::Counter AccessCounters::*counter>
uint64_t Sum(const Store& store) {
  uint64_t sum = 0;
  store.ForEachCounters([&](const AccessCounters& counters) { sum += (counters.*counter).value(); });
  return sum;
}

uint64_t IndexPower(const Store& store) {
  constexpr uint64_t kItemsPerBucket = 7;
  return std::bit_width(store.Totals().index_buckets * kItemsPerBucket) - 1;
}
uint64_t IndexGrows(const Store& store) { return store.Totals().index_growing ? 1 : 0; }
uint64_t Shrinking(const Store& store) { return store.Totals().shrinking ? 1 : 0; }
// Counters are read one after the other while they move.
uint64_t Less(uint64_t all, uint64_t part) { return all > part ? all - part : 0; }
uint64_t MovedItems(const Store& store) {
  return Less(Sum<&AccessCounters::moved>(store), Sum<&AccessCounters::moved_pieces>(store));
}
uint64_t MovedInMain(const Store& store) { return Less(MovedItems(store), Sum<&AccessCounters::moved_to_main>(store)); }
uint64_t DroppedForRoom(const Store& store) {
  const uint64_t dropped = Sum<&AccessCounters::evictions>(store) + Sum<&AccessCounters::reclaimed>(store);
  return Less(dropped, Sum<&AccessCounters::walked_dead>(store));
}

std::string HugePages(const Store& store) { return store.Totals().huge_pages_granted ? "asked" : "refused"; }

constexpr base::StatRow kStoreStats[] = {
    {.name = "limit_maxbytes",
     .field = Stat<&LimitMaxBytes>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "memory for items (-m)"},
    {.name = "bytes",
     .field = Stat<&Bytes>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "memory in use by items"},
    {.name = "curr_items", .field = Stat<&Items>, .kind = StatKind::kGauge, .help = "items in memory"},
    {.name = "hash_power_level",
     .field = Stat<&IndexPower>,
     .kind = StatKind::kGauge,
     .help = "power of two that the index has places for, about"},
    {.name = "hash_bytes",
     .field = Stat<&IndexBytes>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "memory of the index, part of limit_maxbytes"},
    {.name = "hash_is_expanding", .field = Stat<&IndexGrows>, .kind = StatKind::kGauge, .help = "1: the index grows"},
    {.name = "slab_global_page_pool",
     .field = Stat<&PagesFree>,
     .kind = StatKind::kGauge,
     .help = "pages that belong to no class"},
    {.name = "slab_reassign_running",
     .field = Stat<&Shrinking>,
     .kind = StatKind::kGauge,
     .help = "1: memory is being given back after cache_memlimit"},
};

constexpr base::StatRow kAccessStats[] = {
    {.name = "total_items", .field = Stat<&Sum<&AccessCounters::total_items>>, .help = "items stored since the start"},
    {.name = "expired_unfetched",
     .field = Stat<&Sum<&AccessCounters::expired_unfetched>>,
     .help = "expired items that nobody had read"},
    {.name = "evicted_unfetched",
     .field = Stat<&Sum<&AccessCounters::evicted_unfetched>>,
     .help = "evicted items that nobody had read"},
    {.name = "evictions", .field = Stat<&Sum<&AccessCounters::evictions>>, .help = "live items dropped for room"},
    {.name = "reclaimed", .field = Stat<&Sum<&AccessCounters::reclaimed>>, .help = "expired items dropped"},
    {.name = "evicted_active",
     .field = Stat<&Sum<&AccessCounters::evicted_active>>,
     .help = "evicted items that had been hit"},
    {.name = "slabs_moved",
     .field = Stat<&Sum<&AccessCounters::pages_cleaned>>,
     .help = "pages cleaned for another use"},
    {.name = "slab_reassign_rescues", .field = Stat<&MovedItems>, .help = "items moved when their page was cleaned"},
    {.name = "slab_reassign_chunk_rescues",
     .field = Stat<&Sum<&AccessCounters::moved_pieces>>,
     .help = "the same, pieces of long values"},
    {.name = "slab_reassign_busy_items",
     .field = Stat<&Sum<&AccessCounters::left_busy>>,
     .help = "items that were changing when their page was cleaned"},
    {.name = "slab_reassign_busy_nomem",
     .field = Stat<&Sum<&AccessCounters::left_no_room>>,
     .help = "items for which there was no room when their page was cleaned"},
    {.name = "moves_to_warm",
     .field = Stat<&Sum<&AccessCounters::moved_to_main>>,
     .help = "items moved from the small queue to the main one"},
    {.name = "moves_within_lru", .field = Stat<&MovedInMain>, .help = "items that went round the main queue again"},
    {.name = "direct_reclaims", .field = Stat<&DroppedForRoom>, .help = "items dropped by a thread that wanted room"},
    {.name = "crawler_items_checked",
     .field = Stat<&Sum<&AccessCounters::walked>>,
     .help = "items looked at for having expired"},
    {.name = "crawler_reclaimed", .field = Stat<&Sum<&AccessCounters::walked_dead>>, .help = "of these, dropped"},
};

constexpr base::StatRow kStoreDetailStats[] = {
    {.name = "index_bytes",
     .field = Stat<&IndexBytes>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "memory of the index, part of limit_maxbytes"},
    {.name = "index_buckets", .field = Stat<&IndexBuckets>, .kind = StatKind::kGauge, .help = "buckets of 7 items"},
    {.name = "page_size",
     .field = Stat<&PageBytes>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "bytes of a page"},
    {.name = "pages", .field = Stat<&Pages>, .kind = StatKind::kGauge, .help = "pages of items that the limit allows"},
    {.name = "pages_free", .field = Stat<&PagesFree>, .kind = StatKind::kGauge, .help = "of these, not in use"},
    {.name = "dirty_items",
     .field = Stat<&DirtyItems>,
     .kind = StatKind::kGauge,
     .help = "sessions that the database does not have yet"},
    {.name = "dirty_bytes",
     .field = Stat<&DirtyBytes>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "memory of these"},
    {.name = "huge_pages",
     .field = Stat<&HugePages>,
     .kind = StatKind::kGauge,
     .help = "whether the kernel took the advice"},
};

}  // namespace

std::span<const base::OptionRow> StoreOptions() { return kOptions; }
std::span<const base::StatRow> StoreStats() { return kStoreStats; }
std::span<const base::StatRow> AccessStats() { return kAccessStats; }
std::span<const base::StatRow> StoreDetailStats() { return kStoreDetailStats; }

}  // namespace holdfast::store
