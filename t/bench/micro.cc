// micro - the parts that a request's cost is made of, without sockets: "make bench-micro". Here is the main function,
// and what looking up many keys costs, with and without fetching ahead.
//
// Google Benchmark; "t/bench/micro --benchmark_filter=Hash" picks. Compare only numbers of one run.

#include <benchmark/benchmark.h>

#include <memory>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "base/check.h"
#include "bench/filled_store.h"
#include "store/store.h"

namespace holdfast::bench {
namespace {

constexpr size_t kBatch = 100;

// A hundred keys, in groups; ahead: what a group will look at is fetched first.
void MultigetOf(benchmark::State& state) {
  static std::unique_ptr<FilledStore> filled;
  const auto items = static_cast<uint32_t>(state.range(0));
  const auto value_bytes = static_cast<size_t>(state.range(1));
  const bool fetches_ahead = state.range(2) != 0;
  const auto group = static_cast<size_t>(state.range(3));
  static int64_t filled_with = 0;
  if (filled_with != items * 10'000 + state.range(1)) {
    filled = nullptr;
    filled = std::make_unique<FilledStore>(items, value_bytes);
    filled_with = items * 10'000 + state.range(1);
  }
  store::Access& access = filled->access();
  std::mt19937 random(7);
  std::vector<char> names(kBatch * 32);
  std::vector<store::Lookup> lookups(kBatch);
  std::vector<char> out(kBatch * (value_bytes + 64));
  const base::Seconds now = filled->now();
  for (auto unused : state) {
    state.PauseTiming();
    for (size_t i = 0; i < kBatch; ++i) FilledStore::NameOf(random() % items, &names[i * 32]);
    state.ResumeTiming();
    char* to = out.data();
    for (size_t from = 0; from < kBatch; from += group) {
      const size_t end = std::min(kBatch, from + group);
      for (size_t i = from; i < end; ++i) lookups[i] = {.key = store::Key::Of({&names[i * 32], 30})};
      if (fetches_ahead) access.FetchAhead(std::span(lookups).subspan(from, end - from));
      for (size_t i = from; i < end; ++i) {
        const store::Found found = access.Find(lookups[i].key, now, lookups[i].ahead);
        CHECK(found.live());
        access.NoteHit(found.item, now);
        found.item.ForEachPiece([&](std::string_view piece) {
          piece.copy(to, piece.size());
          to += piece.size();
        });
      }
    }
    benchmark::DoNotOptimize(out.data());
    benchmark::ClobberMemory();
    access.Quiesce();
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations()) * static_cast<int64_t>(kBatch));
}
BENCHMARK(MultigetOf)
    ->ArgNames({"items", "bytes", "ahead", "group"})
    ->ArgsProduct({{1000, 20000, 1000000}, {0, 100}, {0, 1}, {16, 32}})
    ->ArgsProduct({{200'000}, {1024}, {0, 1}, {16, 32}});

}  // namespace
}  // namespace holdfast::bench

BENCHMARK_MAIN();
