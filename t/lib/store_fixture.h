// store_fixture.h - a small real store, its clock, and the handful of moves that most tests of it make.

#ifndef HOLDFAST_T_LIB_STORE_FIXTURE_H_
#define HOLDFAST_T_LIB_STORE_FIXTURE_H_

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

#include "base/check.h"
#include "lib/virtual_clock.h"
#include "store/store.h"

namespace holdfast::test {

struct SetOptions {
  uint32_t client_flags = 0;
  base::Seconds expiry = base::kNever;
  bool dirty = false;
  bool session = false;
};

// Stores value under key whatever is there. kRetry is tried again after a quiescent state, as a worker does.
inline store::Reserve Set(store::Access& access, std::string_view key, std::string_view value, base::Seconds now,
                          const SetOptions& options = {}) {
  store::DraftShape shape{.key = store::Key::Of(key), .value_size = value.size()};
  shape.client_flags = options.client_flags;
  shape.expiry = options.expiry;
  shape.session = options.session;
  store::Draft draft;
  store::Reserve reserved = access.NewDraft(shape, &draft);
  const auto give_up = std::chrono::steady_clock::now() + std::chrono::seconds(10);
  while (reserved == store::Reserve::kRetry && std::chrono::steady_clock::now() < give_up) {
    access.Offline();
    std::this_thread::yield();
    access.Online();
    reserved = access.NewDraft(shape, &draft);
  }
  if (reserved != store::Reserve::kOk) return reserved;
  draft.Append(value);
  if (options.session) draft.SetStamps({.version = 1});
  store::Slot slot = access.Lock(shape.key, now);
  slot.Publish(std::move(draft), {.dirty = options.dirty});
  return store::Reserve::kOk;
}

inline std::string ValueOf(const store::ItemRef& item) {
  std::string value;
  item.ForEachPiece([&](std::string_view piece) { value += piece; });
  return value;
}

// The live value, or "(none)".
inline std::string Get(store::Access& access, std::string_view key, base::Seconds now) {
  const store::Found found = access.Find(store::Key::Of(key), now);
  if (!found.live()) return "(none)";
  access.NoteHit(found.item, now);
  return ValueOf(found.item);
}

struct StoreFixture {
  explicit StoreFixture(const store::StoreSettings& settings = {}) {
    auto created = store::Store::Create(settings, clock);
    CHECK(created.ok());
    store = std::move(created.value());
    access = std::make_unique<store::Access>(*store);
  }
  base::Seconds now() const { return clock.Now(); }
  store::Reserve Set(std::string_view key, std::string_view value, const SetOptions& options = {}) {
    return test::Set(*access, key, value, now(), options);
  }
  std::string Get(std::string_view key) { return test::Get(*access, key, now()); }

  VirtualClock clock;
  std::unique_ptr<store::Store> store;
  std::unique_ptr<store::Access> access;
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_STORE_FIXTURE_H_
