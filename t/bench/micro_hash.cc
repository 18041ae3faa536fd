// Hashes: what a key's hash costs by its length, and how evenly it spreads keys as applications make them.
//
// Hash/NAME/BYTES is the time of one hash of a key in cache, as many different keys as a turn has. Evenness/NAME/KEYS
// puts 100,000 keys into the buckets of an index that is seven tenths full, by the top bits as the index does, and
// shows chi-square over its degrees of freedom: 1 is what chance does, much more is clumping, 0 is better than chance
// (keys that count up can be spread like that). `over` is the share of keys beyond the seven slots of their bucket,
// which go to their second place.

#include <benchmark/benchmark.h>
#include <xxhash.h>
#include <zlib.h>

#include <array>
#include <cstdio>
#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "base/crc32c.h"
#include "bench/murmur3.h"
#include "store/key.h"

namespace holdfast::bench {
namespace {

struct Hash {
  const char* name;
  uint32_t (*of)(std::string_view key);
};

constexpr std::array kHashes = {
    Hash{"crc32c+mix (ours)", [](std::string_view key) { return store::Key::Of(key).hash; }},
    Hash{"crc32c", [](std::string_view key) { return base::Crc32c(key); }},
    Hash{"crc32c slice-by-8",
         [](std::string_view key) { return base::Crc32cPaths().back().compute(key.data(), key.size()); }},
    Hash{"xxh3", [](std::string_view key) { return static_cast<uint32_t>(XXH3_64bits(key.data(), key.size()) >> 32); }},
    Hash{"murmur3", [](std::string_view key) { return Murmur3(key); }},
    Hash{"zlib crc32",
         [](std::string_view key) {
           return static_cast<uint32_t>(
               crc32(0, reinterpret_cast<const unsigned char*>(key.data()), static_cast<unsigned>(key.size())));
         }},
};

void Time(benchmark::State& state, const Hash& hash, size_t bytes) {
  constexpr size_t kKeys = 100;
  std::mt19937 random(5);
  std::vector<std::string> keys(kKeys);
  for (std::string& key : keys) {
    for (size_t i = 0; i < bytes; ++i) key += static_cast<char>('a' + random() % 26);
  }
  for (auto unused : state) {
    for (const std::string& key : keys) benchmark::DoNotOptimize(hash.of(key));
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kKeys));
}

std::string Hexadecimal(std::mt19937_64& random, int digits) {
  std::string text;
  for (int i = 0; i < digits; ++i) text += "0123456789abcdef"[random() % 16];
  return text;
}

struct KeySet {
  const char* name;
  std::string (*key)(uint32_t number, std::mt19937_64& random);
};

constexpr std::array kKeySets = {
    KeySet{"numbers", [](uint32_t number, std::mt19937_64&) { return std::to_string(number); }},
    KeySet{"user:N:profile",
           [](uint32_t number, std::mt19937_64&) { return "user:" + std::to_string(number * 7) + ":profile"; }},
    KeySet{"padded numbers",
           [](uint32_t number, std::mt19937_64&) {
             char key[32];
             snprintf(key, sizeof key, "key:%026u", number);
             return std::string(key);
           }},
    KeySet{"session ids", [](uint32_t, std::mt19937_64& random) { return "sess:" + Hexadecimal(random, 32); }},
    KeySet{"uuids of version 1",
           [](uint32_t number, std::mt19937_64&) {
             char key[64];
             snprintf(key, sizeof key, "%08x-7f3a-11ee-8c99-0242ac120002", 0x5c1a0000u + number * 10);
             return std::string(key);
           }},
    KeySet{"paths",
           [](uint32_t number, std::mt19937_64&) {
             return "view:/shop/" + std::to_string(number % 97) + "/item/" + std::to_string(number / 97) + "?lang=en";
           }},
};

void Evenness(benchmark::State& state, const Hash& hash, const KeySet& set) {
  constexpr uint64_t kKeys = 100'000, kSlots = 7, kBuckets = kKeys * 10 / (7 * kSlots);
  std::vector<uint32_t> counts;
  for (auto unused : state) {
    std::mt19937_64 random(6);
    counts.assign(kBuckets, 0);
    for (uint32_t i = 0; i < kKeys; ++i) ++counts[hash.of(set.key(i, random)) * kBuckets >> 32];
  }
  const double expected = static_cast<double>(kKeys) / static_cast<double>(kBuckets);
  double chi_square = 0;
  uint64_t over = 0;
  for (const uint32_t count : counts) {
    chi_square += (count - expected) * (count - expected) / expected;
    over += count > kSlots ? count - kSlots : 0;
  }
  state.counters["chi2/df"] = chi_square / (kBuckets - 1);
  state.counters["over"] = static_cast<double>(over) / kKeys;
}

const int kRegistered = [] {
  for (const Hash& hash : kHashes) {
    for (const size_t bytes : {6, 13, 30, 39, 100, 250}) {
      benchmark::RegisterBenchmark(("Hash/" + std::string(hash.name) + "/" + std::to_string(bytes)).c_str(),
                                   [&hash, bytes](benchmark::State& state) { Time(state, hash, bytes); });
    }
  }
  for (const Hash& hash : kHashes) {
    for (const KeySet& set : kKeySets) {
      benchmark::RegisterBenchmark(("Evenness/" + std::string(hash.name) + "/" + set.name).c_str(),
                                   [&hash, &set](benchmark::State& state) { Evenness(state, hash, set); })
          ->Iterations(1);
    }
  }
  return 0;
}();

}  // namespace
}  // namespace holdfast::bench
