// The index alone: grows without losing a key, and many keys of one CRC stay quick.

#include "store/index.h"

#include <gtest/gtest.h>

#include <chrono>
#include <random>

#include "lib/crc_collisions.h"
#include "lib/store_fixture.h"
#include "store/store_state.h"

namespace holdfast::store {
namespace {

using test::StoreFixture;

TEST(Index, grows_with_its_items_and_finds_each_at_every_step) {
  StoreFixture f({.memory_limit_bytes = 64u << 20});
  Index& index = *f.store->internals().index;
  const uint64_t first = index.buckets();
  for (int i = 0; i < 200000; ++i) {
    ASSERT_EQ(f.Set("key" + std::to_string(i), "v"), Reserve::kOk);
    if (i % 997 == 0) {
      for (int j = 0; j <= i; j += 131) ASSERT_EQ(f.Get("key" + std::to_string(j)), "v") << i << " " << j;
    }
  }
  EXPECT_GT(index.buckets(), first * 10);
  const double load = static_cast<double>(index.items()) / static_cast<double>(index.buckets() * Index::kSlots);
  EXPECT_GT(load, 0.6);
  EXPECT_LT(load, 0.85);
  for (int i = 0; i < 200000; ++i) ASSERT_EQ(f.Get("key" + std::to_string(i)), "v") << i;
  for (int i = 0; i < 200000; ++i) ASSERT_EQ(f.Get("absent" + std::to_string(i)), "(none)") << i;
}

TEST(Index, keys_made_to_collide_are_all_kept_in_linear_time) {
  StoreFixture f({.memory_limit_bytes = 64u << 20});
  const std::vector<std::string> keys = test::KeysWithOneCrc(100000);
  ASSERT_EQ(Key::Of(keys[0]).hash, Key::Of(keys[99999]).hash);
  const auto start = std::chrono::steady_clock::now();
  for (const std::string& key : keys) ASSERT_EQ(f.Set(key, "v"), Reserve::kOk);
  for (const std::string& key : keys) ASSERT_EQ(f.Get(key), "v");
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  EXPECT_LT(took.count(), 10.0);  // quadratic would be minutes, also in a sanitizer build
  EXPECT_EQ(f.store->Totals().items, keys.size());
  for (const std::string& key : keys) f.access->Lock(Key::Of(key), f.now()).Remove();
  for (const std::string& key : keys) ASSERT_EQ(f.Get(key), "(none)");
}

}  // namespace
}  // namespace holdfast::store
