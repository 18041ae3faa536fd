// What memory's end may cost: cold items, never dirty ones, and never an answer "out of memory" while there is
// something to give up.

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "lib/store_fixture.h"
#include "lib/thread_cpu.h"
#include "store/s3_fifo.h"
#include "store/store_state.h"

namespace holdfast::store {
namespace {

using test::StoreFixture;

StoreSettings Small() { return {.memory_limit_bytes = 4u << 20, .item_bytes_max = 1u << 20}; }
std::string Name(int i) { return "key:" + std::to_string(i); }

TEST(Eviction, sets_never_fail_however_many_and_memory_stays_within_the_limit) {
  StoreFixture f(Small());
  const std::string value(200, 'x');
  for (int i = 0; i < 200000; ++i) ASSERT_EQ(f.Set(Name(i), value), Reserve::kOk) << i;
  const StoreTotals totals = f.store->Totals();
  EXPECT_LE(totals.bytes + totals.index_bytes, totals.memory_limit_bytes);
  EXPECT_GT(totals.items, 10000u);
  EXPECT_EQ(f.Get(Name(199999)), value);
  uint64_t found = 0;
  for (int i = 0; i < 200000; ++i) found += f.Get(Name(i)) == value;
  EXPECT_EQ(found, totals.items);
}

TEST(Eviction, a_key_that_is_read_now_and_then_stays) {
  StoreFixture f(Small());
  const std::string value(200, 'x');
  f.Set("hot", "still here");
  for (int i = 0; i < 300000; ++i) {
    ASSERT_EQ(f.Set(Name(i), value), Reserve::kOk);
    if (i % 500 == 0) {
      ASSERT_EQ(f.Get("hot"), "still here") << i;
    }
  }
}

TEST(Eviction, keys_of_many_sizes_that_are_read_all_the_time_stay) {
  StoreFixture f({.memory_limit_bytes = 16u << 20, .item_bytes_max = 1u << 20});
  const std::vector<size_t> sizes = {10, 60, 150, 300, 700, 1500, 3000, 9000, 40000};
  for (size_t i = 0; i < sizes.size(); ++i) {
    for (const char* which : {"a", "b"}) f.Set(which + std::to_string(i), std::string(sizes[i], 'h'));
  }
  std::mt19937 random(4);
  for (int round = 0; round < (test::kSanitized ? 60 : 200); ++round) {
    for (size_t i = 0; i < sizes.size(); ++i) {
      for (const char* which : {"a", "b"}) {
        ASSERT_EQ(f.Get(which + std::to_string(i)), std::string(sizes[i], 'h')) << round << " " << which << i;
      }
    }
    for (int i = 0; i < 200; ++i) {
      ASSERT_EQ(f.Set("cold" + std::to_string(round * 200 + i), std::string(random() % 4000, 'c')), Reserve::kOk);
    }
  }
  EXPECT_GT(f.access->counters().pages_cleaned.value(), f.store->Totals().pages / 4);
}

TEST(Eviction, dirty_items_stay_whatever_comes) {
  StoreFixture f(Small());
  const std::string value(300, 'x');
  for (int i = 0; i < 3000; ++i)
    ASSERT_EQ(f.Set("session:" + Name(i), value, {.dirty = true, .session = true}), Reserve::kOk);
  for (int i = 0; i < 100000; ++i) ASSERT_EQ(f.Set(Name(i), value), Reserve::kOk) << i;
  for (int i = 0; i < 3000; ++i) ASSERT_EQ(f.Get("session:" + Name(i)), value) << i;
}

TEST(Eviction, long_dirty_values_move_piece_by_piece_and_stay_whole) {
  StoreFixture f(Small());
  std::vector<std::string> values;
  for (int i = 0; i < 20; ++i) {
    values.push_back(std::string(50000 + static_cast<size_t>(i) * 100, static_cast<char>('a' + i)));
    ASSERT_EQ(f.Set("session:" + Name(i), values.back(), {.dirty = true, .session = true}), Reserve::kOk);
  }
  for (int i = 0; i < 100000; ++i) ASSERT_EQ(f.Set(Name(i), "some value of no great length"), Reserve::kOk) << i;
  for (int i = 0; i < 20; ++i) ASSERT_EQ(f.Get("session:" + Name(i)), values[static_cast<size_t>(i)]) << i;
}

TEST(Eviction, when_everything_is_dirty_a_set_is_refused_and_nothing_lost) {
  StoreFixture f(Small());
  const std::string value(1000, 'x');
  int stored = 0;
  while (f.Set(Name(stored), value, {.dirty = true, .session = true}) == Reserve::kOk && stored < 10000) ++stored;
  EXPECT_GT(stored, 2500);
  EXPECT_LT(stored, 4000);
  for (int i = 0; i < stored; ++i) ASSERT_EQ(f.Get(Name(i)), value) << i;
  for (int i = 0; i < stored; ++i) f.access->Lock(Key::Of(Name(i)), f.now()).SetDirty(false);
  EXPECT_EQ(f.Set("after", value), Reserve::kOk);
}

TEST(Eviction, without_evictions_a_full_store_refuses_and_keeps_what_it_has) {
  StoreSettings settings = Small();
  settings.evictions = false;
  StoreFixture f(settings);
  const std::string value(1000, 'x');
  int stored = 0;
  while (f.Set(Name(stored), value) == Reserve::kOk && stored < 10000) ++stored;
  EXPECT_GT(stored, 2500);
  for (int i = 0; i < stored; ++i) ASSERT_EQ(f.Get(Name(i)), value) << i;
  // What is removed makes room again, also for another size.
  for (int i = 0; i < stored; i += 1) {
    if (i % 4 != 0) f.access->Lock(Key::Of(Name(i)), f.now()).Remove();
  }
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(f.Set("small" + Name(i), "small value"), Reserve::kOk) << i;
  for (int i = 0; i < stored; i += 4) ASSERT_EQ(f.Get(Name(i)), value) << i;
}

TEST(Eviction, without_evictions_what_is_removed_can_be_stored_again) {
  StoreSettings settings = Small();
  settings.evictions = false;
  for (const size_t size : {300u, 1000u, 20000u}) {
    StoreFixture f(settings);
    const std::string value(size, 'x');
    int stored = 0;
    while (f.Set(Name(stored), value) == Reserve::kOk && stored < 20000) ++stored;
    ASSERT_LT(stored, 20000);
    for (int i = 0; i < stored; i += 2) f.access->Lock(Key::Of(Name(i)), f.now()).Remove();
    for (int i = 0; i < stored; i += 2) ASSERT_EQ(f.Set(Name(i), value), Reserve::kOk) << size << " " << i;
    for (int i = 0; i < stored; ++i) ASSERT_EQ(f.Get(Name(i)), value) << size << " " << i;
  }
}

// How often NewDraft says kRetry, each time after a quiescent state, before it says something else.
int RetriesOf(StoreFixture& f, const std::string& key, size_t size, Reserve* reserved) {
  const DraftShape shape{.key = Key::Of(key), .value_size = size};
  for (int retries = 0; retries < 5000; ++retries) {
    Draft draft;
    *reserved = f.access->NewDraft(shape, &draft);
    if (*reserved != Reserve::kRetry) return retries;
    f.access->Offline();
    f.access->Online();
  }
  return 5000;
}

TEST(Eviction, where_every_item_was_hit_a_set_waits_for_few_pages_however_many_there_are) {
  StoreFixture f({.memory_limit_bytes = 32u << 20, .page_bytes = 4096});
  const std::string value(440, 'x');
  int stored = 0;
  for (; f.store->Totals().pages_free > 40; ++stored) ASSERT_EQ(f.Set(Name(stored), value), Reserve::kOk);
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < stored; ++i) ASSERT_EQ(f.Get(Name(i)), value);
  }
  for (int i = 0; i < 1000; ++i) {
    Reserve reserved = Reserve::kOk;
    ASSERT_LT(RetriesOf(f, "new" + Name(i), value.size(), &reserved), 200) << i;
    ASSERT_EQ(reserved, Reserve::kOk) << i;
    ASSERT_EQ(f.Set("new" + Name(i), value), Reserve::kOk);
  }
}

TEST(Eviction, when_everything_is_dirty_refusing_costs_nothing) {
  StoreFixture f(Small());
  const std::string value(700, 'x');
  int stored = 0;
  while (f.Set(Name(stored), value, {.dirty = true, .session = true}) == Reserve::kOk && stored < 10000) ++stored;
  const uint64_t cleaned = f.access->counters().pages_cleaned.value();
  for (int i = 0; i < 100; ++i) {
    Reserve reserved = Reserve::kOk;
    EXPECT_LT(RetriesOf(f, "more" + Name(i), value.size(), &reserved), 10);
    EXPECT_EQ(reserved, Reserve::kNoMemory);
  }
  EXPECT_LT(f.access->counters().pages_cleaned.value() - cleaned, 100u);
  for (int i = 0; i < stored; ++i) ASSERT_EQ(f.Get(Name(i)), value) << i;
  for (int i = 0; i < stored; i += 2) f.access->Lock(Key::Of(Name(i)), f.now()).SetDirty(false);
  for (int i = 0; i < stored / 4; ++i) ASSERT_EQ(f.Set("after" + Name(i), value), Reserve::kOk) << i;
}

TEST(Eviction, a_shift_of_sizes_never_runs_out_of_memory) {
  StoreFixture f(Small());
  for (const size_t size : {100u, 10000u, 100u, 400000u, 30u, 2000u}) {
    const std::string value(size, 'x');
    const int count = static_cast<int>(20'000'000 / (size + 100));
    for (int i = 0; i < count; ++i) ASSERT_EQ(f.Set(Name(i), value), Reserve::kOk) << size << " " << i;
    ASSERT_EQ(f.Get(Name(count - 1)), value);
  }
}

// Gets, and sets of what was missed, by a popularity as of web pages: the n-th key is asked for one n-th as often.
struct Readers {
  Readers(StoreFixture& fixture, std::string name_prefix, size_t value_size, double key_count)
      : f(fixture), prefix(std::move(name_prefix)), value(value_size, 'v'), keys(key_count) {}

  // Asks until this much was stored; the share of hits.
  double UntilStored(uint64_t bytes) {
    int hits = 0, requests = 0;
    for (uint64_t stored = 0; stored < bytes; ++requests) {
      const std::string key = prefix + std::to_string(static_cast<int>(std::pow(keys, uniform(random))));
      if (f.Get(key) == value) {
        ++hits;
        continue;
      }
      EXPECT_EQ(f.Set(key, value), Reserve::kOk);
      stored += key.size() + value.size();
    }
    return static_cast<double>(hits) / requests;
  }

  StoreFixture& f;
  const std::string prefix, value;
  const double keys;
  std::mt19937 random{3};
  std::uniform_real_distribution<double> uniform{0, 1};
};

TEST(Eviction, after_a_shift_of_sizes_one_turnover_brings_most_of_the_hits_back_and_a_few_more_the_rest) {
  constexpr uint64_t kTurnover = (test::kSanitized ? 1u : 2u) << 20;
  StoreFixture f({.memory_limit_bytes = kTurnover, .item_bytes_max = 256u << 10});
  Readers small(f, "small", 100, kTurnover / 20.0), large(f, "large", 10 << 10, kTurnover / 2000.0);
  small.UntilStored(3 * kTurnover);
  const double before = small.UntilStored(kTurnover);
  EXPECT_GT(before, 0.7);
  large.UntilStored(2 * kTurnover);
  EXPECT_GT(large.UntilStored(2 * kTurnover), 0.4);
  small.UntilStored(kTurnover);
  EXPECT_GT(small.UntilStored(kTurnover), before * 0.87);
  small.UntilStored(2 * kTurnover);
  EXPECT_GT(small.UntilStored(kTurnover), before - 0.03);
  EXPECT_EQ(f.access->counters().out_of_memory.value(), 0u);
}

TEST(Eviction, overwriting_sessions_of_changing_size_never_runs_out_of_memory) {
  StoreFixture f(Small());
  std::mt19937 random(1);
  for (int i = 0; i < 300000; ++i) {
    const int user = static_cast<int>(random() % 1000);
    ASSERT_EQ(f.Set(Name(user), std::string(random() % 1500, 'x')), Reserve::kOk) << i;
  }
  EXPECT_EQ(f.store->Totals().items, 1000u);
}

TEST(Eviction, the_tiniest_memories_work) {
  for (const uint64_t megabytes : {1u, 2u, 8u}) {
    StoreFixture f({.memory_limit_bytes = megabytes << 20, .item_bytes_max = 256u << 10});
    for (int i = 0; i < 50000; ++i) ASSERT_EQ(f.Set(Name(i), std::string(100, 'x')), Reserve::kOk) << megabytes;
    for (int i = 0; i < 100; ++i)
      ASSERT_EQ(f.Set(Name(i), std::string(100000, 'x')), Reserve::kOk) << megabytes << " " << i;
  }
}

TEST(S3Fifo, the_ghost_knows_what_left_lately_and_forgets_what_left_long_ago) {
  Ghost ghost;
  std::mt19937 random(2);
  std::vector<uint32_t> hashes(20000);
  for (uint32_t& hash : hashes) hash = static_cast<uint32_t>(random());
  for (const uint32_t hash : hashes) ghost.Remember(hash, 5000);
  int recent = 0, old = 0;
  for (size_t i = 0; i < 1000; ++i) {
    recent += ghost.Contains(hashes[hashes.size() - 1 - i]);
    old += ghost.Contains(hashes[i]);
  }
  EXPECT_GT(recent, 850);
  EXPECT_LT(old, 20);
}

}  // namespace
}  // namespace holdfast::store
