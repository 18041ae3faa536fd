// How it works: the epoch is one number. A tag t is safe when every online reader announced a number greater than t: it
// read that number after the Advance that followed the unlinking, so it cannot have a path to the unlinked memory.

#include "store/epoch.h"

#include "base/check.h"

namespace holdfast::store {

Epochs::Reader* Epochs::Register() {
  for (size_t i = 0; i < kReadersMax; ++i) {
    bool free = false;
    if (!readers_[i].used.compare_exchange_strong(free, true)) continue;
    size_t high = readers_high_.load();
    while (high < i + 1 && !readers_high_.compare_exchange_weak(high, i + 1)) {
    }
    return &readers_[i];
  }
  CHECK(!"more threads use the store than kReadersMax");
  return nullptr;
}

void Epochs::Unregister(Reader* reader) {
  Offline(reader);
  reader->used.store(false, std::memory_order_release);
}

uint64_t Epochs::SafeBefore() const {
  uint64_t safe = current_.load(std::memory_order_seq_cst);
  const size_t high = readers_high_.load(std::memory_order_seq_cst);
  for (size_t i = 0; i < high; ++i) {
    const uint64_t seen = readers_[i].seen.load(std::memory_order_seq_cst);
    if (seen != 0 && seen < safe) safe = seen;
  }
  return safe;
}

}  // namespace holdfast::store
