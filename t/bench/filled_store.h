// filled_store.h - a store with items of one size under numbered keys, for the micro-benchmarks.
//
// Threads: one.

#ifndef HOLDFAST_BENCH_FILLED_STORE_H_
#define HOLDFAST_BENCH_FILLED_STORE_H_

#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "base/check.h"
#include "base/clock.h"
#include "store/store.h"

namespace holdfast::bench {

class FilledStore {
 public:
  FilledStore(uint32_t items, size_t value_bytes, uint64_t memory_limit_bytes = 0) : value_(value_bytes, 'v') {
    store::StoreSettings settings{.memory_limit_bytes = memory_limit_bytes != 0
                                                            ? memory_limit_bytes
                                                            : (uint64_t{items} * (value_bytes + 120)) + (64u << 20)};
    settings.threads = 1;
    auto created = store::Store::Create(settings, clock_);
    CHECK(created.ok());
    store_ = std::move(created.value());
    access_ = std::make_unique<store::Access>(*store_);
    char key[kKeyRoom];
    for (uint32_t i = 0; i < items; ++i) Set(NameOf(i, key));
  }

  // Stores the value, as a worker does: when memory waits for readers, after the next quiescent state.
  void Set(std::string_view name) {
    const store::Key key = store::Key::Of(name);
    store::Draft draft;
    while (access_->NewDraft({.key = key, .value_size = value_.size()}, &draft) != store::Reserve::kOk) Breathe();
    draft.Append(value_);
    access_->Lock(key, clock_.Now()).Publish(std::move(draft));
    if (++sets_ % kSetsPerTurn == 0) Breathe();
  }
  bool Get(std::string_view name) {
    const store::Found found = access_->Find(store::Key::Of(name), clock_.Now());
    if (found.live()) access_->NoteHit(found.item, clock_.Now());
    return found.live();
  }
  void Remove(std::string_view name) { access_->Lock(store::Key::Of(name), clock_.Now()).Remove(); }
  void Breathe() {
    access_->Offline();
    access_->Online();
  }

  store::Access& access() { return *access_; }
  base::Seconds now() const { return clock_.Now(); }

  static constexpr size_t kKeyRoom = 32;
  static std::string_view NameOf(uint32_t number, char* room) {
    snprintf(room, kKeyRoom, "key:%026u", number);
    return {room, 30};
  }

 private:
  static constexpr uint32_t kSetsPerTurn = 32;

  const std::string value_;
  base::SystemClock clock_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<store::Access> access_;
  uint32_t sets_ = 0;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_FILLED_STORE_H_
