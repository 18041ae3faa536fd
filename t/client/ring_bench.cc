// Time of a look-up with 64 servers, beside libmemcached's memcached_generate_hash in the same run. One operation is
// one key.

#include <benchmark/benchmark.h>
#include <libmemcached/memcached.h>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "client/ring.h"

namespace holdfast::client {
namespace {

constexpr uint32_t kServers = 64;
constexpr uint32_t kKeys = 1 << 14;

std::vector<std::string> Keys() {
  std::vector<std::string> keys;
  char key[32];
  for (uint32_t i = 0; i < kKeys; i++) {
    std::snprintf(key, sizeof(key), "session:%08x", i * 2654435761u);
    keys.push_back(key);
  }
  return keys;
}

Ring MakeRing(RingScheme scheme) {
  std::vector<RingMember> members;
  for (uint32_t i = 1; i <= kServers; i++) members.push_back({"10.0.0." + std::to_string(i)});
  base::Result<Ring> ring = Ring::Make(scheme, std::move(members));
  if (!ring.ok()) std::abort();
  return std::move(ring.value());
}

template <class Question, class Answer>
void AskAll(benchmark::State& state, const std::vector<Question>& questions, Answer answer) {
  for (auto _ : state) {
    uint64_t sum = 0;
    for (const Question& question : questions) sum += answer(question);
    benchmark::DoNotOptimize(sum);
  }
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(questions.size()));
  state.counters["time_per_key"] =
      benchmark::Counter(static_cast<double>(questions.size()),
                         benchmark::Counter::kIsIterationInvariantRate | benchmark::Counter::kInvert);
}

void Search(benchmark::State& state, RingScheme scheme) {
  const Ring ring = MakeRing(scheme);
  std::vector<uint64_t> hashes;
  for (const std::string& key : Keys()) hashes.push_back(ring.Hash(key));
  AskAll(state, hashes, [&](uint64_t hash) { return ring.ServerOfHash(hash); });
}

void Whole(benchmark::State& state, RingScheme scheme) {
  const Ring ring = MakeRing(scheme);
  AskAll(state, Keys(), [&](const std::string& key) { return ring.ServerOf(key); });
}

void Libmemcached(benchmark::State& state, memcached_behavior_t behaviour) {
  memcached_st* memcached = memcached_create(nullptr);
  memcached_behavior_set(memcached, behaviour, 1);
  for (uint32_t i = 1; i <= kServers; i++)
    memcached_server_add(memcached, ("10.0.0." + std::to_string(i)).c_str(), 11211);
  AskAll(state, Keys(),
         [&](const std::string& key) { return memcached_generate_hash(memcached, key.data(), key.size()); });
  memcached_free(memcached);
}

void Make(benchmark::State& state, RingScheme scheme) {
  for (auto _ : state) benchmark::DoNotOptimize(MakeRing(scheme));
}

BENCHMARK_CAPTURE(Search, slots, RingScheme::kSlots);
BENCHMARK_CAPTURE(Search, ketama, RingScheme::kKetama);
BENCHMARK_CAPTURE(Search, ketama_weighted, RingScheme::kKetamaWeighted);
BENCHMARK_CAPTURE(Whole, slots, RingScheme::kSlots);
BENCHMARK_CAPTURE(Whole, ketama, RingScheme::kKetama);
BENCHMARK_CAPTURE(Libmemcached, ketama, MEMCACHED_BEHAVIOR_KETAMA);
BENCHMARK_CAPTURE(Whole, ketama_weighted, RingScheme::kKetamaWeighted);
BENCHMARK_CAPTURE(Libmemcached, ketama_weighted, MEMCACHED_BEHAVIOR_KETAMA_WEIGHTED);
BENCHMARK_CAPTURE(Make, slots, RingScheme::kSlots)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Make, ketama, RingScheme::kKetama)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(Make, ketama_weighted, RingScheme::kKetamaWeighted)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace holdfast::client

BENCHMARK_MAIN();
