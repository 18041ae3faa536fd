// Readers against writers, eviction and growth: nobody sees a false miss, a torn value or another key's bytes.

#include <gtest/gtest.h>

#include <atomic>
#include <random>
#include <thread>

#include "base/clock.h"
#include "lib/store_fixture.h"

namespace holdfast::store {
namespace {

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
constexpr int kRounds = 20000;
#else
constexpr int kRounds = 100000;
#endif

struct SharedStore {
  explicit SharedStore(const StoreSettings& settings) {
    auto created = Store::Create(settings, clock);
    CHECK(created.ok());
    store = std::move(created.value());
  }
  test::VirtualClock clock;
  std::unique_ptr<Store> store;
};

// A value that says whose it is and is long enough to be torn.
std::string ValueFor(const std::string& key, int sequence) {
  std::string value = key + "=" + std::to_string(sequence) + ";";
  const size_t length = sequence % 8 == 7 ? 20000 : 40 + static_cast<size_t>(sequence) % 300;
  const char fill = static_cast<char>('a' + sequence % 26);
  value.resize(value.size() + length, fill);
  return value;
}

bool IsWhole(const std::string& key, const std::string& value) {
  const size_t equals = value.find('='), semicolon = value.find(';');
  if (equals == std::string::npos || semicolon == std::string::npos || value.substr(0, equals) != key) return false;
  return value == ValueFor(key, std::stoi(value.substr(equals + 1, semicolon - equals - 1)));
}

void Breathe(Access& access) {
  access.Offline();
  access.Online();
}

TEST(StoreThreads, keys_that_are_only_overwritten_are_never_missed_while_the_index_grows) {
  SharedStore shared({.memory_limit_bytes = 256u << 20, .threads = 4});
  constexpr int kKeys = 64;
  {
    Access access(*shared.store);
    for (int k = 0; k < kKeys; ++k)
      test::Set(access, "key" + std::to_string(k), ValueFor("key" + std::to_string(k), 0), 2);
  }
  std::atomic<bool> stop{false};
  std::atomic<int> missed{0}, torn{0};
  std::vector<std::thread> threads;
  for (int reader = 0; reader < 2; ++reader) {
    threads.emplace_back([&, reader] {
      Access access(*shared.store);
      std::mt19937 random(static_cast<unsigned>(reader));
      while (!stop) {
        for (int i = 0; i < 50; ++i) {
          const std::string key = "key" + std::to_string(random() % kKeys);
          const std::string value = test::Get(access, key, 2);
          if (value == "(none)") {
            ++missed;
          } else if (!IsWhole(key, value)) {
            ++torn;
          }
        }
        Breathe(access);
      }
    });
  }
  threads.emplace_back([&] {  // grows the index
    Access access(*shared.store);
    for (int i = 0; i < kRounds; ++i) {
      test::Set(access, "filler" + std::to_string(i), "v", 2);
      if (i % 64 == 0) Breathe(access);
    }
    stop = true;
  });
  threads.emplace_back([&] {  // overwrites
    Access access(*shared.store);
    for (int i = 0; !stop; ++i) {
      const std::string key = "key" + std::to_string(i % kKeys);
      test::Set(access, key, ValueFor(key, i), 2);
      if (i % 16 == 0) Breathe(access);
    }
  });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(missed, 0);
  EXPECT_EQ(torn, 0);
}

TEST(StoreThreads, eight_writers_in_full_memory_read_only_whole_values_of_their_key) {
  SharedStore shared({.memory_limit_bytes = 4u << 20, .threads = 8});
  std::atomic<int> torn{0}, refused{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&, t] {
      Access access(*shared.store);
      std::mt19937 random(static_cast<unsigned>(t));
      for (int i = 0; i < kRounds / 8; ++i) {
        const std::string key = "key" + std::to_string(random() % 40000);
        const std::string value = test::Get(access, key, 2);
        if (value != "(none)" && !IsWhole(key, value)) ++torn;
        switch (random() % 8) {
          case 0: {
            Slot slot = access.Lock(Key::Of(key), 2);
            if (slot.item()) slot.Remove();
            break;
          }
          default:
            if (test::Set(access, key, ValueFor(key, i), 2) == Reserve::kNoMemory) ++refused;
        }
        if (i % 8 == 0) Breathe(access);
      }
    });
  }
  std::atomic<bool> stop{false};
  std::thread totals([&] {
    while (!stop) EXPECT_LE(shared.store->Totals().bytes, 4u << 20);
  });
  for (std::thread& thread : threads) thread.join();
  stop = true;
  totals.join();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(torn, 0);
  Access access(*shared.store);
  uint64_t found = 0;
  for (int k = 0; k < 40000; ++k) found += access.Find(Key::Of("key" + std::to_string(k)), 2).item ? 1 : 0;
  EXPECT_EQ(found, shared.store->Totals().items);
  EXPECT_LE(shared.store->Totals().bytes, 4u << 20);
}

TEST(StoreThreads, dirty_items_survive_eviction_by_others_and_upkeep) {
  SharedStore shared({.memory_limit_bytes = 4u << 20, .threads = 3});
  std::atomic<bool> stop{false};
  std::atomic<int> lost{0}, refused{0};
  std::thread sessions([&] {
    Access access(*shared.store);
    for (int i = 0; i < kRounds / 10; ++i) {
      const std::string key = "session" + std::to_string(i % 500);
      if (i >= 500 && test::Get(access, key, 2) == "(none)") ++lost;
      if (test::Set(access, key, ValueFor(key, i), 2, {.dirty = true, .session = true}) != Reserve::kOk) ++refused;
      Breathe(access);
    }
    stop = true;
  });
  std::thread cache([&] {
    Access access(*shared.store);
    for (int i = 0; !stop; ++i) {
      test::Set(access, "cache" + std::to_string(i), std::string(500, 'x'), 2);
      if (i % 8 == 0) Breathe(access);
    }
  });
  std::thread upkeep([&] {
    Access access(*shared.store);
    while (!stop) {
      shared.store->Upkeep(access, 2, 16);
      Breathe(access);
    }
  });
  sessions.join();
  cache.join();
  upkeep.join();
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(lost, 0);
}

TEST(StoreThreads, many_flushes_at_once_bring_nothing_back) {
  SharedStore shared({.memory_limit_bytes = 8u << 20, .threads = 4});
  std::atomic<bool> stop{false};
  std::vector<std::thread> flushers;
  for (int i = 0; i < 3; ++i) {
    flushers.emplace_back([&] {
      Access access(*shared.store);
      while (!stop) {
        shared.store->Flush(access, 0);
        Breathe(access);
      }
    });
  }
  Access access(*shared.store);
  int seen = 0;
  for (int round = 0; round < kRounds / 20; ++round) {
    const std::string key = "key" + std::to_string(round % 100);
    test::Set(access, key, "value", 2);
    shared.store->Flush(access, 0);
    seen += access.Find(Key::Of(key), 2).live();
    Breathe(access);
  }
  stop = true;
  for (std::thread& flusher : flushers) flusher.join();
  EXPECT_EQ(seen, 0);
}

TEST(StoreThreads, a_limit_that_moves_under_load_breaks_nothing) {
  SharedStore shared({.memory_limit_bytes = 8u << 20, .memory_reserve_bytes = 32u << 20, .threads = 3});
  std::atomic<bool> stop{false};
  std::atomic<int> torn{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < 2; ++i) {
    writers.emplace_back([&, i] {
      Access access(*shared.store);
      for (int sequence = 0; !stop; ++sequence) {
        const std::string key = "key" + std::to_string(i * 3000 + sequence % 3000);
        test::Set(access, key, ValueFor(key, sequence), 2);
        const std::string value = test::Get(access, key, 2);
        if (value != "(none)" && !IsWhole(key, value)) torn.fetch_add(1);
        Breathe(access);
      }
    });
  }
  Access access(*shared.store);
  for (int round = 0; round < 30; ++round) {
    const uint64_t limit = uint64_t{round % 2 == 0 ? 3u : 16u} << 20;
    ASSERT_TRUE(shared.store->SetMemoryLimit(limit));
    for (int i = 0; i < 100000 && shared.store->Trim(access); ++i) {
      Breathe(access);
      std::this_thread::yield();
    }
    EXPECT_FALSE(shared.store->Totals().shrinking) << round;
    EXPECT_LE(shared.store->Totals().bytes, limit);
  }
  stop = true;
  for (std::thread& writer : writers) writer.join();
  EXPECT_EQ(torn.load(), 0);
}

}  // namespace
}  // namespace holdfast::store
