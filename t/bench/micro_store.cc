// The store's single operations: look-ups one at a time, keys made to collide, allocation, eviction.

#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "bench/filled_store.h"
#include "lib/crc_collisions.h"

namespace holdfast::bench {
namespace {

constexpr size_t kValueBytes = 100;
// As many as are wanted, not as fill a time: each time would fill a store anew.
constexpr int64_t kLookUps = 1'000'000, kSets = 200'000;
constexpr uint32_t kNames = 1 << 16;  // made beforehand, so that making them is not measured

std::vector<std::string> Names(uint32_t from, uint32_t below) {
  std::mt19937 random(8);
  std::vector<std::string> names(kNames);
  char room[FilledStore::kKeyRoom];
  for (std::string& name : names) name = FilledStore::NameOf(from + random() % (below - from), room);
  return names;
}

void LookUpHit(benchmark::State& state) {
  const auto items = static_cast<uint32_t>(state.range(0));
  FilledStore filled(items, kValueBytes);
  const std::vector<std::string> names = Names(0, items);
  uint32_t i = 0;
  for (auto unused : state) CHECK(filled.Get(names[++i % kNames]));
}
BENCHMARK(LookUpHit)->Iterations(kLookUps)->Arg(10'000)->Arg(1'000'000);

void LookUpMiss(benchmark::State& state) {
  const auto items = static_cast<uint32_t>(state.range(0));
  FilledStore filled(items, kValueBytes);
  const std::vector<std::string> names = Names(items, 2 * items);
  uint32_t i = 0;
  for (auto unused : state) CHECK(!filled.Get(names[++i % kNames]));
}
BENCHMARK(LookUpMiss)->Iterations(kLookUps)->Arg(10'000)->Arg(1'000'000);

// 100,000 keys of one CRC among a million others.
void LookUpHitOfOneCrc(benchmark::State& state) {
  FilledStore filled(1'000'000, kValueBytes);
  const std::vector<std::string> names = test::KeysWithOneCrc(100'000);
  for (const std::string& name : names) filled.Set(name);
  std::mt19937 random(9);
  for (auto unused : state) CHECK(filled.Get(names[random() % names.size()]));
}
BENCHMARK(LookUpHitOfOneCrc)->Iterations(kLookUps);

// The same million, while the others are attacked.
void LookUpHitBesideOneCrc(benchmark::State& state) {
  FilledStore filled(1'000'000, kValueBytes);
  for (const std::string& name : test::KeysWithOneCrc(100'000)) filled.Set(name);
  const std::vector<std::string> names = Names(0, 1'000'000);
  uint32_t i = 0;
  for (auto unused : state) CHECK(filled.Get(names[++i % kNames]));
}
BENCHMARK(LookUpHitBesideOneCrc)->Iterations(kLookUps);

// A chunk is taken, and that of the value before is given back after the readers' grace.
void AllocateOverwriting(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  FilledStore filled(kNames, bytes);
  const std::vector<std::string> names = Names(0, kNames);
  uint32_t i = 0;
  for (auto unused : state) filled.Set(names[++i % kNames]);
}
BENCHMARK(AllocateOverwriting)->Iterations(kSets)->Arg(10)->Arg(100)->Arg(1'000)->Arg(30'000);

// New keys in full memory, of which the oldest go; or half of all keys have had a hit, and are copied forward once.
void AllocateEvicting(benchmark::State& state) {
  const auto bytes = static_cast<size_t>(state.range(0));
  const bool half_hit = state.range(1) != 0;
  constexpr uint64_t kMemory = 32u << 20;
  FilledStore filled(1, bytes, kMemory);
  char room[FilledStore::kKeyRoom];
  uint32_t next = 1;
  const auto add = [&] {
    const std::string_view name = FilledStore::NameOf(next++, room);
    filled.Set(name);
    if (half_hit && next % 2 == 0) CHECK(filled.Get(name));
  };
  while (next < 2 * kMemory / bytes) add();
  const store::AccessCounters& counters = filled.access().counters();
  const uint64_t evicted = counters.evictions.value(), moved = counters.moved.value();
  for (auto unused : state) add();
  const auto sets = static_cast<double>(state.iterations());
  state.counters["evicted/set"] = static_cast<double>(counters.evictions.value() - evicted) / sets;
  state.counters["moved/set"] = static_cast<double>(counters.moved.value() - moved) / sets;
}
BENCHMARK(AllocateEvicting)
    ->Iterations(kSets)
    ->ArgNames({"bytes", "half_hit"})
    ->ArgsProduct({{10, 100, 1'000}, {0, 1}});

void Remove(benchmark::State& state) {
  FilledStore filled(kNames, kValueBytes);
  char room[FilledStore::kKeyRoom];
  uint32_t i = 0;
  for (auto unused : state) {
    const std::string_view name = FilledStore::NameOf(i++ % kNames, room);
    filled.Remove(name);
    filled.Set(name);
  }
}
BENCHMARK(Remove)->Iterations(kSets);

}  // namespace
}  // namespace holdfast::bench
