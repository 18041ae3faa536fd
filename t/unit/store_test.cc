// What one thread may expect of the store: what was put in comes out, dies when it should, and is refused when it must
// be.

#include "store/store.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "lib/store_fixture.h"
#include "store/store_state.h"

namespace holdfast::store {
namespace {

using test::StoreFixture;

TEST(Store, what_is_set_is_found_with_its_fields) {
  StoreFixture f;
  ASSERT_EQ(f.Set("key", "value", {.client_flags = 7, .expiry = f.now() + 100}), Reserve::kOk);
  const Found found = f.access->Find(Key::Of("key"), f.now());
  ASSERT_TRUE(found.live());
  EXPECT_EQ(found.item.key(), "key");
  EXPECT_EQ(found.item.value(), "value");
  EXPECT_EQ(found.item.client_flags(), 7u);
  EXPECT_EQ(found.item.expiry(), f.now() + 100);
  EXPECT_NE(found.item.cas(), 0u);
  EXPECT_EQ(f.Get("other"), "(none)");
}

TEST(Store, an_item_without_flags_and_expiry_has_neither) {
  StoreFixture f;
  ASSERT_EQ(f.Set("k", ""), Reserve::kOk);
  const Found found = f.access->Find(Key::Of("k"), f.now());
  EXPECT_EQ(found.item.client_flags(), 0u);
  EXPECT_EQ(found.item.expiry(), base::kNever);
  EXPECT_EQ(found.item.value_size(), 0u);
}

// Some in their second places, some without a tag that says anything, some gone or replaced since.
TEST(Store, fetching_ahead_changes_nothing_of_what_is_found) {
  constexpr int kKeys = 150'000;
  StoreFixture f;
  const auto name = [](int number) { return "key:" + std::to_string(number); };
  for (int i = 0; i < kKeys; i += 2) ASSERT_EQ(f.Set(name(i), std::to_string(i)), Reserve::kOk);
  std::vector<std::string> names;
  for (int i = 0; i < kKeys; ++i) names.push_back(name(i));
  std::vector<Lookup> lookups;
  for (const std::string& key : names) lookups.push_back({.key = Key::Of(key), .is_write = key.ends_with('4')});
  lookups[7].key = {};
  f.access->FetchAhead(lookups);
  size_t seen = 0;
  for (const Lookup& lookup : lookups) seen += lookup.ahead.slot != nullptr;
  EXPECT_GT(seen, size_t{kKeys} * 49 / 100);
  f.access->Lock(lookups[10].key, f.now()).Remove();
  f.Set(names[12], "later");
  for (int i = 0; i < kKeys; ++i) {
    if (i == 7) continue;
    const Found found = f.access->Find(lookups[i].key, f.now(), lookups[i].ahead);
    ASSERT_EQ(found.live(), i % 2 == 0 && i != 10) << i;
    if (found.live()) {
      ASSERT_EQ(found.item.key(), names[i]);
      ASSERT_EQ(found.item.value(), i == 12 ? "later" : std::to_string(i));
    }
  }
}

uint64_t ChunksInUse(StoreFixture& f) {
  uint64_t chunks = 0;
  for (const SlabPool::ClassUse& use : f.store->internals().pool.ClassUses()) chunks += use.chunks_used;
  return chunks;
}

TEST(Store, chunks_in_a_cache_are_not_in_use_for_statistics) {
  StoreFixture f;
  for (int i = 0; i < 100; ++i) f.Set("key" + std::to_string(i), "value");
  EXPECT_EQ(ChunksInUse(f), 100u);
  for (int i = 0; i < 100; ++i) f.access->Lock(Key::Of("key" + std::to_string(i)), f.now()).Remove();
  for (int i = 0; i < 3; ++i) f.access->Quiesce();
  EXPECT_EQ(ChunksInUse(f), 0u);
  EXPECT_EQ(f.store->Totals().bytes, 0u);
}

TEST(Store, chunks_in_a_cache_keep_no_page_from_becoming_free) {
  StoreFixture f;
  SlabPool& pool = f.store->internals().pool;
  f.Set("key", "value");
  const uint32_t page = pool.PageOf(pool.HandleOf(f.access->Find(Key::Of("key"), f.now()).item.chunk()));
  f.access->Lock(Key::Of("key"), f.now()).Remove();
  for (int i = 0; i < 3; ++i) f.access->Quiesce();
  pool.BeginDraining(page);
  pool.EndDraining(page, 0, f.store->internals().epochs.Advance());
  ASSERT_EQ(pool.pages_taken(), 1u);
  for (int i = 0; i < 3; ++i) f.access->Quiesce();
  EXPECT_EQ(pool.pages_taken(), 0u);
}

// What threads have not told the index of yet may make its count less than nothing.
TEST(Store, a_few_large_items_from_several_threads_are_evicted) {
  StoreFixture f({.memory_limit_bytes = 8u << 20});
  const std::string value(100'000, 'x');
  Access one(*f.store), other(*f.store);
  for (int i = 0; i < 31; ++i) ASSERT_EQ(test::Set(one, "one" + std::to_string(i), value, f.now()), Reserve::kOk);
  one.Offline();
  for (int i = 0; i < 31; ++i) ASSERT_EQ(test::Set(other, "other" + std::to_string(i), value, f.now()), Reserve::kOk);
  other.Offline();
  ASSERT_EQ(f.store->internals().index->items(), 0u);  // nobody has told
  const std::string larger(1'000'000, 'x');
  for (int i = 0; i < 40; ++i) ASSERT_EQ(f.Set("larger" + std::to_string(i), larger), Reserve::kOk);
  EXPECT_LE(f.store->Totals().items, 8u);
}

TEST(Store, the_cas_of_a_key_only_rises) {
  StoreFixture f;
  uint64_t last = 0;
  for (int i = 0; i < 1000; ++i) {
    f.Set("k", std::to_string(i));
    const uint64_t cas = f.access->Find(Key::Of("k"), f.now()).item.cas();
    ASSERT_GT(cas, last);
    last = cas;
  }
}

TEST(Store, a_removed_items_cas_never_comes_back) {
  StoreFixture f;
  Access other(*f.store);
  f.Set("warm", "v");
  test::Set(other, "k", "1", f.now());
  f.Set("k", "2");
  const uint64_t seen = f.access->Find(Key::Of("k"), f.now()).item.cas();
  other.Lock(Key::Of("k"), f.now()).Remove();
  for (int i = 0; i < 300; ++i) {
    test::Set(other, "k", "3", f.now());
    ASSERT_NE(f.access->Find(Key::Of("k"), f.now()).item.cas(), seen) << i;
  }
}

TEST(Store, without_cas_items_have_none) {
  StoreFixture f({.cas = false});
  f.Set("k", "v");
  EXPECT_EQ(f.access->Find(Key::Of("k"), f.now()).item.cas(), 0u);
  EXPECT_EQ(f.Get("k"), "v");
}

TEST(Store, a_session_has_its_version_as_cas_even_without_cas) {
  StoreFixture f({.cas = false});
  f.Set("k", "v", {.session = true});
  EXPECT_EQ(f.access->Find(Key::Of("k"), f.now()).item.cas(), 1u);
  EXPECT_EQ(f.Get("k"), "v");
}

TEST(Store, keys_of_every_length_and_any_bytes_are_kept_apart) {
  StoreFixture f;
  for (size_t length = 1; length <= kKeyBytesMax; ++length) f.Set(std::string(length, '\0'), std::to_string(length));
  for (size_t length = 1; length <= kKeyBytesMax; ++length) {
    ASSERT_EQ(f.Get(std::string(length, '\0')), std::to_string(length));
  }
}

TEST(Store, values_of_every_size_come_back_whole) {
  StoreFixture f({.memory_limit_bytes = 256u << 20, .item_bytes_max = 16u << 20});
  std::string value;
  for (const size_t size : {0u, 1u, 8000u, 8100u, 8192u, 8193u, 16384u, 65536u, 1048576u, 5000001u}) {
    value.resize(size);
    for (size_t i = 0; i < size; ++i) value[i] = static_cast<char>('a' + (i * 31 + size) % 26);
    ASSERT_EQ(f.Set("key", value), Reserve::kOk) << size;
    ASSERT_EQ(f.Get("key"), value) << size;
  }
}

TEST(Store, an_item_expires_at_its_second_and_not_before) {
  StoreFixture f;
  f.Set("k", "v", {.expiry = f.now() + 2});
  f.clock.AdvanceSeconds(1);
  EXPECT_EQ(f.Get("k"), "v");
  f.clock.AdvanceSeconds(1);
  EXPECT_EQ(f.access->Find(Key::Of("k"), f.now()).state, ItemState::kExpired);
  f.Set("k", "w");
  EXPECT_EQ(f.Get("k"), "w");
}

TEST(Store, a_step_of_the_wall_clock_expires_nothing) {
  StoreFixture f;
  f.Set("k", "v", {.expiry = f.now() + 2});
  f.clock.SetWallMicros(f.clock.WallMicros() + 1'000'000'000'000);
  EXPECT_EQ(f.Get("k"), "v");
}

TEST(Store, an_expiry_can_be_changed_in_place_when_there_is_room_for_one) {
  StoreFixture f;
  f.Set("with", "v", {.expiry = f.now() + 2});
  f.Set("without", "v");
  {
    Slot slot = f.access->Lock(Key::Of("with"), f.now());
    EXPECT_TRUE(slot.SetExpiry(f.now() + 10));
  }
  {
    Slot slot = f.access->Lock(Key::Of("without"), f.now());
    EXPECT_FALSE(slot.SetExpiry(f.now() + 10));
  }
  f.clock.AdvanceSeconds(5);
  EXPECT_EQ(f.Get("with"), "v");
}

TEST(Store, removed_is_gone_and_can_be_set_again) {
  StoreFixture f;
  f.Set("k", "v");
  f.access->Lock(Key::Of("k"), f.now()).Remove();
  EXPECT_EQ(f.access->Find(Key::Of("k"), f.now()).state, ItemState::kAbsent);
  EXPECT_EQ(f.store->Totals().items, 0u);
  f.Set("k", "w");
  EXPECT_EQ(f.Get("k"), "w");
  EXPECT_EQ(f.store->Totals().items, 1u);
}

TEST(Store, what_was_found_stays_readable_until_the_next_quiescent_state) {
  StoreFixture f;
  f.Set("k", "first");
  const Found found = f.access->Find(Key::Of("k"), f.now());
  for (int i = 0; i < 10000; ++i) f.Set("k", "other" + std::to_string(i));
  EXPECT_EQ(found.item.value(), "first");
}

TEST(Store, flush_takes_what_was_there_but_no_session_and_nothing_later) {
  StoreFixture f;
  f.Set("cached", "v");
  f.Set("session", "v", {.session = true});
  f.store->Flush(*f.access, 0);
  f.Set("later", "v");
  EXPECT_EQ(f.access->Find(Key::Of("cached"), f.now()).state, ItemState::kFlushed);
  EXPECT_EQ(f.Get("session"), "v");
  EXPECT_EQ(f.Get("later"), "v");
}

TEST(Store, a_flush_to_come_comes_and_a_later_one_replaces_it) {
  StoreFixture f;
  f.Set("k", "v");
  f.store->Flush(*f.access, f.now() + 5);
  f.store->Flush(*f.access, f.now() + 10);
  f.clock.AdvanceSeconds(6);
  f.store->Upkeep(*f.access, f.now(), 1);
  EXPECT_EQ(f.Get("k"), "v");
  f.clock.AdvanceSeconds(4);
  f.store->Upkeep(*f.access, f.now(), 1);
  EXPECT_EQ(f.Get("k"), "(none)");
}

TEST(Store, an_item_left_on_a_page_that_drains_is_not_brought_back_by_many_flushes) {
  StoreFixture f;
  ASSERT_EQ(f.Set("left", "behind"), Reserve::kOk);
  StoreState& state = f.store->internals();
  const uint32_t page = state.pool.PageOf(state.index->Find(Key::Of("left")));
  state.pool.BeginDraining(page);
  state.pool.EndDraining(page, 0, state.epochs.Advance());
  for (int i = 0; i < 40; ++i) {
    f.store->Flush(*f.access, 0);
    ASSERT_EQ(f.Get("left"), "(none)") << i;
  }
}

TEST(Store, a_lower_limit_gives_pages_back_and_keeps_what_was_used_last) {
  StoreFixture f({.memory_limit_bytes = 8 << 20});
  for (int i = 0; i < 20000; ++i) ASSERT_EQ(f.Set("key" + std::to_string(i), std::string(300, 'x')), Reserve::kOk);
  ASSERT_TRUE(f.store->SetMemoryLimit(4 << 20));
  EXPECT_EQ(f.store->Totals().memory_limit_bytes, 4u << 20);
  EXPECT_TRUE(f.store->Totals().shrinking);
  for (int i = 0; i < 10000 && f.store->Trim(*f.access); ++i) {
    f.access->Offline();
    f.access->Online();
  }
  EXPECT_FALSE(f.store->Totals().shrinking);
  const StoreState& state = f.store->internals();
  EXPECT_LE(state.pool.pages_taken(), state.pool.pages_limit());
  EXPECT_LE(f.store->Totals().bytes, 4u << 20);
  EXPECT_GT(f.store->Totals().items, 6000u);
  EXPECT_EQ(f.Get("key19999"), std::string(300, 'x'));
  for (int i = 0; i < 20000; ++i) ASSERT_EQ(f.Set("key" + std::to_string(i), std::string(300, 'y')), Reserve::kOk);
}

TEST(Store, a_limit_beyond_what_was_reserved_or_below_what_it_takes_is_refused) {
  StoreFixture f({.memory_limit_bytes = 8 << 20, .memory_reserve_bytes = 32 << 20});
  EXPECT_TRUE(f.store->SetMemoryLimit(32 << 20));
  EXPECT_EQ(f.store->Totals().memory_limit_bytes, 32u << 20);
  EXPECT_FALSE(f.store->SetMemoryLimit(64 << 20));
  EXPECT_FALSE(f.store->SetMemoryLimit(1 << 10));
  EXPECT_EQ(f.store->Totals().memory_limit_bytes, 32u << 20);
}

TEST(Store, a_walk_meets_every_item_once) {
  StoreFixture f;
  for (int i = 0; i < 5000; ++i) ASSERT_EQ(f.Set("key" + std::to_string(i), "x"), Reserve::kOk);
  std::map<std::string, int> met;
  uint64_t place = 0;
  while (!f.store->ForEachItem(*f.access, f.now(), &place, 7, [&](const Found& found) {
    if (found.live()) ++met[std::string(found.item.key())];
  })) {
  }
  EXPECT_EQ(met.size(), 5000u);
  for (const auto& [key, times] : met) EXPECT_EQ(times, 1) << key;
}

TEST(Store, more_flushes_than_generations_bring_nothing_back) {
  StoreFixture f;
  f.Set("old", "v");
  for (int i = 0; i < 100; ++i) {
    f.store->Flush(*f.access, 0);
    ASSERT_EQ(f.Get("old"), "(none)") << i;
    f.Set("k" + std::to_string(i), "v");
    ASSERT_EQ(f.Get("k" + std::to_string(i)), "v") << i;
    if (i > 0) {
      ASSERT_EQ(f.Get("k" + std::to_string(i - 1)), "(none)") << i;
    }
  }
}

TEST(Store, upkeep_drops_what_is_expired_and_leaves_the_rest) {
  StoreFixture f;
  for (int i = 0; i < 10000; ++i) f.Set("short" + std::to_string(i), "v", {.expiry = f.now() + 1});
  for (int i = 0; i < 1000; ++i) f.Set("long" + std::to_string(i), "v", {.expiry = f.now() + 100});
  f.clock.AdvanceSeconds(1);
  EXPECT_EQ(f.store->Upkeep(*f.access, f.now(), 100000).dropped, 10000u);
  EXPECT_EQ(f.store->Totals().items, 1000u);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(f.Get("long" + std::to_string(i)), "v");
}

TEST(Store, upkeep_walks_only_pages_on_which_something_is_due) {
  StoreFixture f;
  const auto walked = [&f] {
    uint32_t pages = 0;
    for (;;) {
      const Store::UpkeepStep step = f.store->Upkeep(*f.access, f.now(), 4);
      pages += step.walked;
      if (step.round_over) return pages;
    }
  };
  for (int i = 0; i < 10000; ++i) f.Set("stays" + std::to_string(i), "v");
  EXPECT_EQ(walked(), 0u);
  f.Set("goes", "v", {.expiry = f.now() + 10});
  f.clock.AdvanceSeconds(9);
  EXPECT_EQ(walked(), 0u);
  f.clock.AdvanceSeconds(1);
  EXPECT_EQ(walked(), 1u);
  EXPECT_EQ(f.store->Totals().items, 10000u);
  EXPECT_EQ(walked(), 0u);

  // A time that is put off costs a walk in vain, once; one that comes nearer is kept.
  f.Set("touched", "v", {.expiry = f.now() + 10});
  ASSERT_TRUE(f.access->Lock(Key::Of("touched"), f.now()).SetExpiry(f.now() + 100));
  f.clock.AdvanceSeconds(10);
  EXPECT_EQ(walked(), 1u);
  EXPECT_EQ(walked(), 0u);
  ASSERT_TRUE(f.access->Lock(Key::Of("touched"), f.now()).SetExpiry(f.now() + 5));
  f.clock.AdvanceSeconds(5);
  EXPECT_EQ(walked(), 1u);
  EXPECT_EQ(f.store->Totals().items, 10000u);

  f.store->Flush(*f.access, 0);
  EXPECT_GT(walked(), 1u);
  EXPECT_EQ(f.store->Totals().items, 0u);
}

TEST(Store, upkeep_finds_all_that_is_expired_wherever_it_was_moved) {
  StoreFixture f;
  const std::string value(3000, 'v');
  std::mt19937 dice(7);
  std::set<std::string> mortal;
  for (int i = 0; i < 120000; ++i) {
    const std::string key = "k" + std::to_string(dice() % 40000);
    const Seconds expiry = f.now() + 1 + dice() % 50;
    const uint32_t what = dice() % 16;  // few are mortal, so that most pages have none that is
    if (what == 0) {
      f.Set(key, value, {.expiry = expiry});
      mortal.insert(key);
    } else if (what < 8) {
      f.Set(key, value);
      mortal.erase(key);
    } else if (what < 15) {
      f.Get(key);  // what is hot is copied when its page is cleaned
    } else if (Slot slot = f.access->Lock(Key::Of(key), f.now()); slot.item() && mortal.contains(key)) {
      ASSERT_TRUE(slot.SetExpiry(expiry));
    }
  }
  uint64_t moved = 0;
  f.store->ForEachCounters([&moved](const AccessCounters& counters) { moved += counters.moved.value(); });
  ASSERT_GT(moved, 100u) << "memory was never full";
  f.clock.AdvanceSeconds(60);
  while (!f.store->Upkeep(*f.access, f.now(), 16).round_over) {
  }
  for (const std::string& key : mortal)
    ASSERT_EQ(f.access->Find(Key::Of(key), f.now()).state, ItemState::kAbsent) << key;
}

TEST(Store, sizes_are_refused_by_memcacheds_accounting) {
  StoreFixture f;
  // Largest values seen on memcached 1.6.45 at -I 1m.
  EXPECT_FALSE(f.store->TooLarge(1, 1048516, 0));
  EXPECT_TRUE(f.store->TooLarge(1, 1048517, 0));
  EXPECT_TRUE(f.store->TooLarge(1, 1048516, 1));
  EXPECT_FALSE(f.store->TooLarge(1, 1048512, 1));
  EXPECT_FALSE(f.store->TooLarge(250, 1048267, 0));
  EXPECT_TRUE(f.store->TooLarge(250, 1048268, 0));
  EXPECT_TRUE(f.store->TooLarge(1, UINT64_MAX, 0));
  EXPECT_EQ(f.Set("k", std::string(1048517, 'x')), Reserve::kTooLarge);
}

TEST(Store, a_dropped_draft_gives_its_memory_back) {
  StoreFixture f;
  f.Set("k", "v");
  const uint64_t before = f.store->Totals().bytes;
  for (int i = 0; i < 1000; ++i) {
    Draft draft;
    DraftShape shape{.key = Key::Of("key"), .value_size = 100000};
    ASSERT_EQ(f.access->NewDraft(shape, &draft), Reserve::kOk) << i;
  }
  EXPECT_EQ(f.store->Totals().bytes, before);
}

TEST(Store, dirty_items_are_counted_until_they_are_clean_or_gone) {
  StoreFixture f;
  f.Set("a", "v", {.dirty = true, .session = true});
  f.Set("b", "v", {.dirty = true, .session = true});
  EXPECT_EQ(f.store->Totals().dirty_items, 2u);
  EXPECT_GT(f.store->Totals().dirty_bytes, 2 * sizeof(SessionStamps));
  f.access->Lock(Key::Of("a"), f.now()).SetDirty(false);
  f.access->Lock(Key::Of("a"), f.now()).SetDirty(false);
  f.access->Lock(Key::Of("b"), f.now()).Remove();
  EXPECT_EQ(f.store->Totals().dirty_items, 0u);
  EXPECT_EQ(f.store->Totals().dirty_bytes, 0u);
}

TEST(Store, stamps_change_in_place_and_keep_the_version) {
  StoreFixture f;
  f.Set("s", "value", {.session = true});
  {
    Slot slot = f.access->Lock(Key::Of("s"), f.now());
    SessionStamps stamps = slot.item().stamps();
    EXPECT_EQ(stamps.version, 1u);
    stamps.touched = 9;
    stamps.floor = 8;
    slot.SetStamps(stamps);
  }
  Slot slot = f.access->Lock(Key::Of("s"), f.now());
  EXPECT_EQ(slot.item().stamps().touched, 9u);
  EXPECT_EQ(slot.item().stamps().floor, 8u);
  EXPECT_EQ(slot.item().value(), "value");
}

TEST(Store, last_access_and_fetched_are_noted) {
  StoreFixture f;
  f.Set("k", "v");
  EXPECT_FALSE(f.access->Find(Key::Of("k"), f.now()).item.was_fetched());
  f.clock.AdvanceSeconds(80);
  EXPECT_EQ(f.access->Find(Key::Of("k"), f.now()).item.SecondsSinceAccess(f.now()), 80u);
  f.Get("k");
  EXPECT_TRUE(f.access->Find(Key::Of("k"), f.now()).item.was_fetched());
  EXPECT_EQ(f.access->Find(Key::Of("k"), f.now()).item.SecondsSinceAccess(f.now()), 0u);
}

}  // namespace
}  // namespace holdfast::store
