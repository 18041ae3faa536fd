// How it works. A new key starts in the small queue, unless the ghost knows it: then it left the small queue a short
// while ago without a hit, came back, and starts in main. When room is needed the small queue gives its oldest page if
// it has more than its tenth, else main does. From the small queue an item that was hit moves to main, any other is
// dropped and remembered by the ghost. From main an item that was hit goes round again with one hit less.
//
// The ghost is a direct-mapped table of two bytes an entry: some bits of the hash beside the time of insertion. A newer
// hash overwrites an older one. A wrong guess, one in a thousand, is a key that starts in main.

#include "store/s3_fifo.h"

#include <algorithm>

#include "base/prefetch.h"

namespace holdfast::store {

namespace {
uint64_t PlaceOf(uint32_t hash, uint64_t entries) { return (static_cast<uint64_t>(hash) * entries) >> 32; }
}  // namespace

uint32_t Ghost::Table::Tick() const {
  const uint64_t per_tick = std::max<uint64_t>(1, slots.size() / kTicksRemembered);
  return static_cast<uint32_t>(insertions.load(std::memory_order_relaxed) / per_tick) & kTickMask;
}

void Ghost::Remember(uint32_t hash, uint64_t capacity) {
  Table* table = table_.load(std::memory_order_relaxed);
  if (table == nullptr || table->slots.size() * 2 < capacity) {
    const uint64_t entries =
        table == nullptr ? std::max(kEntriesFirst, capacity) : std::max(capacity, table->slots.size() * 2);
    tables_.push_back(std::make_unique<Table>(entries));
    table = tables_.back().get();
    table_.store(table, std::memory_order_release);
    bytes_.fetch_add(entries * sizeof(Entry), std::memory_order_relaxed);
  }
  table->insertions.store(table->insertions.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  table->slots[PlaceOf(hash, table->slots.size())].store(static_cast<Entry>(hash << kTickBits | table->Tick()),
                                                         std::memory_order_relaxed);
}

void Ghost::Prefetch(uint32_t hash) const {
  const Table* table = table_.load(std::memory_order_acquire);
  if (table != nullptr) base::Prefetch(&table->slots[PlaceOf(hash, table->slots.size())], true);
}

bool Ghost::Contains(uint32_t hash) const {
  const Table* table = table_.load(std::memory_order_acquire);
  if (table == nullptr) return false;
  const Entry entry = table->slots[PlaceOf(hash, table->slots.size())].load(std::memory_order_relaxed);
  const auto wanted = static_cast<Entry>(hash << kTickBits);
  if ((entry & ~kTickMask) != wanted || entry == 0) return false;
  const uint64_t lifetime = std::min<uint64_t>(kTicksRemembered, table->slots.size());
  return ((table->Tick() - entry) & kTickMask) <= lifetime;
}

Queue S3Fifo::QueueForNew(uint32_t key_hash) { return ghost_.Contains(key_hash) ? Queue::kMain : Queue::kSmall; }

Queue S3Fifo::NextQueue(uint64_t small_pages, uint64_t main_pages) {
  if (main_pages == 0) return Queue::kSmall;
  return small_pages * kSmallShareDenominator >= small_pages + main_pages ? Queue::kSmall : Queue::kMain;
}

Verdict S3Fifo::Judge(Queue from, uint32_t frequency) {
  if (from == Queue::kSmall) return {frequency >= kHitsToPromote, Queue::kMain, 0};
  return {frequency > 0, Queue::kMain, frequency == 0 ? 0 : frequency - 1};
}

void S3Fifo::Dropped(Queue from, uint32_t key_hash, uint64_t items) {
  if (from == Queue::kSmall) ghost_.Remember(key_hash, items);
}

}  // namespace holdfast::store
