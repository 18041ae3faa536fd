// traces - replays real access traces through the store itself and compares its misses with memcached's.
//
// How it works: every request is a get, and a set when that missed. The items are of one size, the cache's capacity is
// given in items: the memory limit is searched for with which the store, once full, holds that many on average (it
// keeps a few pages free, so the number moves a little; the mean over all requests after the first eviction counts).
// Pages are cut so that the cache has at least 200 of them, as many as a cache of 13 MB has in the server.

#include <stdio.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "base/clock.h"
#include "store/store.h"
#include "trace_files.h"

namespace holdfast::bench {
namespace {

constexpr uint32_t kChunkBytes = 64;
constexpr uint32_t kPagesWanted = 200;
constexpr uint32_t kChunksPerPageMax = 500;                 // as 64 KiB pages of the server have of small items
constexpr double kMeanTarget = 0.97, kWorstTarget = 1.005;  // at an equal number of items

struct Fraction {
  double of_keys;
  double mean_target_at_equal_memory;
};
constexpr Fraction kFractions[] = {{0.01, 0.95}, {0.1, 0.94}};

struct Replay {
  double miss_ratio = 0;
  double items_mean = 0;  // after the first eviction
  bool was_full = false;
  uint64_t pages = 0;
};

store::Reserve Set(store::Access& access, const store::Key& key, std::string_view value) {
  store::Draft draft;
  store::Reserve reserve = access.NewDraft({.key = key, .value_size = value.size()}, &draft);
  for (int tries = 0; reserve == store::Reserve::kRetry && tries < 100; ++tries) {
    access.Offline();
    access.Online();
    reserve = access.NewDraft({.key = key, .value_size = value.size()}, &draft);
  }
  if (reserve != store::Reserve::kOk) return reserve;
  draft.Append(value);
  access.Lock(key, 1).Publish(std::move(draft));
  return reserve;
}

Replay ReplayWith(const Trace& trace, uint64_t memory_limit_bytes, uint32_t chunks_per_page) {
  const base::SystemClock clock;
  store::StoreSettings settings{.memory_limit_bytes = memory_limit_bytes, .cas = false, .threads = 1};
  settings.page_bytes = chunks_per_page * kChunkBytes;
  settings.chunks_per_page_min = std::min(settings.chunks_per_page_min, chunks_per_page);
  auto created = store::Store::Create(settings, clock);
  CHECK(created.ok());
  store::Store& store = *created.value();
  store::Access access(store);

  char key_bytes[16] = {};
  const std::string value(kChunkBytes - store::kItemHeadBytes - sizeof key_bytes, 'v');
  uint64_t misses = 0, refused = 0, samples = 0;
  double items = 0;
  for (size_t i = 0; i < trace.keys.size(); ++i) {
    snprintf(key_bytes, sizeof key_bytes, "%015u", trace.keys[i]);
    const store::Key key = store::Key::Of({key_bytes, sizeof key_bytes});
    const store::Found found = access.Find(key, 1);
    if (found.live()) {
      access.NoteHit(found.item, 1);
    } else {
      ++misses;
      refused += Set(access, key, value) != store::Reserve::kOk;
    }
    access.Quiesce();
    if (i % 64 == 0 && access.counters().evictions.value() > 0) {
      items += static_cast<double>(store.Totals().items);
      ++samples;
    }
  }
  CHECK(refused == 0);
  Replay replay;
  replay.miss_ratio = static_cast<double>(misses) / static_cast<double>(trace.keys.size());
  replay.was_full = samples > 0;
  replay.items_mean = replay.was_full ? items / static_cast<double>(samples) : static_cast<double>(trace.unique);
  replay.pages = store.Totals().pages;
  return replay;
}

// A replay with `items` items on average, to a half per cent.
Replay ReplayWithItems(const Trace& trace, uint32_t items) {
  const uint32_t chunks_per_page = std::clamp(items / kPagesWanted, 1u, kChunksPerPageMax);
  double limit = items * 1.3 * kChunkBytes + 40'000;
  double low = 0, high = 1e12;  // limits known to hold too little, too much
  Replay best;
  for (int tries = 0; tries < 24; ++tries) {
    const Replay replay = ReplayWith(trace, static_cast<uint64_t>(limit), chunks_per_page);
    const double wrong_by = replay.items_mean - items;
    if (best.pages == 0 || std::abs(wrong_by) < std::abs(best.items_mean - items)) best = replay;
    if (std::abs(wrong_by) <= items * 0.005) break;
    (wrong_by < 0 ? low : high) = limit;
    const double next = limit - wrong_by * kChunkBytes;
    limit = next > low && next < high ? next : (low + high) / 2;
  }
  return best;
}

// items_ratio: how many items the store holds in the memory in which memcached holds one.
int Run(const std::string& folder, const std::vector<std::string>& only, double items_ratio) {
  const auto known = ReadKnownMissRatios(folder);
  if (!known.ok()) {
    fprintf(stderr, "traces: %s\n", known.status().message().c_str());
    return 1;
  }
  const bool equal_items = items_ratio == 1;
  printf("misses at %s, memcached's segmented LRU as 1.00\n\n",
         equal_items ? "an equal number of items" : "equal memory");
  printf("| trace | cache | items asked | items held | pages | misses | memcached | optimum | ratio |\n");
  printf("|---|---|---|---|---|---|---|---|---|\n");
  bool passed = true;
  for (const Fraction& size : kFractions) {
    const double fraction = size.of_keys;
    double sum = 0, worst = 0;
    int count = 0;
    for (const std::string_view name : TraceNames()) {
      if (!only.empty() && std::find(only.begin(), only.end(), name) == only.end()) continue;
      const auto trace = ReadTrace(folder, name);
      if (!trace.ok()) {
        fprintf(stderr, "traces: %s\n", trace.status().message().c_str());
        return 1;
      }
      const auto row = std::find_if(known.value().begin(), known.value().end(), [&](const KnownMissRatios& other) {
        return other.trace == name && std::abs(other.cache_fraction - fraction) < 1e-9;
      });
      if (row == known.value().end()) continue;
      const auto items = static_cast<uint32_t>(trace.value().unique * fraction * items_ratio);
      const Replay replay = ReplayWithItems(trace.value(), items);
      const double ratio = replay.miss_ratio / row->memcached;
      printf("| %s | %g %% | %u | %.0f | %lu | %.4f | %.4f | %.4f | %.3f |\n", trace.value().name.c_str(),
             fraction * 100, items, replay.items_mean, static_cast<unsigned long>(replay.pages), replay.miss_ratio,
             row->memcached, row->optimum, ratio);
      fflush(stdout);
      sum += ratio;
      worst = std::max(worst, ratio);
      ++count;
    }
    if (count == 0) continue;
    const bool pass = equal_items ? sum / count <= kMeanTarget && worst <= kWorstTarget
                                  : sum / count <= size.mean_target_at_equal_memory;
    passed = passed && pass;
    printf("| mean | %g %% | | | | | | | %.3f, worst %.3f: %s |\n", fraction * 100, sum / count, worst,
           pass ? "pass" : "FAIL");
  }
  return passed ? 0 : 1;
}

int Usage(FILE* to) {
  fprintf(
      to,
      "Usage: traces --traces FOLDER [--items-ratio RATIO] [--only NAME]...\n\n"
      "Replays access traces through Holdfast's store and prints its miss ratio beside memcached's.\n"
      "Targets: mean ratio <= %.2f, no trace above %.3f, at 1 %% and at 10 %% of the unique keys.\n"
      "With --items-ratio, how many items we hold where memcached holds one, at equal memory: <= 0.95 and <= 0.94.\n"
      "Exit status: 0, or 1 when a target was missed or a file could not be read, or 64 for a wrong option.\n",
      kMeanTarget, kWorstTarget);
  return to == stdout ? 0 : 64;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  std::string folder;
  std::vector<std::string> only;
  double items_ratio = 1;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--help") return holdfast::bench::Usage(stdout);
    if (i + 1 == argc) return holdfast::bench::Usage(stderr);
    if (argument == "--traces") {
      folder = argv[++i];
    } else if (argument == "--items-ratio") {
      items_ratio = strtod(argv[++i], nullptr);
      if (!(items_ratio > 0)) return holdfast::bench::Usage(stderr);
    } else if (argument == "--only") {
      only.emplace_back(argv[++i]);
    } else {
      return holdfast::bench::Usage(stderr);
    }
  }
  if (folder.empty()) return holdfast::bench::Usage(stderr);
  return holdfast::bench::Run(folder, only, items_ratio);
}
