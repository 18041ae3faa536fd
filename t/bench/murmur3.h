// murmur3.h - MurmurHash3 of 32 bits (x86_32 variant), for comparison only. The algorithm is in the public domain.
//
// Threads: a function of its arguments.

#ifndef HOLDFAST_BENCH_MURMUR3_H_
#define HOLDFAST_BENCH_MURMUR3_H_

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace holdfast::bench {

inline uint32_t Murmur3(std::string_view data, uint32_t seed = 0) {
  const auto scramble = [](uint32_t word) { return std::rotl(word * 0xcc9e2d51u, 15) * 0x1b873593u; };
  uint32_t hash = seed;
  size_t at = 0;
  for (; at + 4 <= data.size(); at += 4) {
    uint32_t word;
    std::memcpy(&word, data.data() + at, sizeof word);
    hash = std::rotl(hash ^ scramble(word), 13) * 5 + 0xe6546b64u;
  }
  uint32_t tail = 0;
  for (size_t i = data.size(); i > at; --i) tail = tail << 8 | static_cast<uint8_t>(data[i - 1]);
  hash ^= scramble(tail) ^ static_cast<uint32_t>(data.size());
  hash = (hash ^ hash >> 16) * 0x85ebca6bu;
  hash = (hash ^ hash >> 13) * 0xc2b2ae35u;
  return hash ^ hash >> 16;
}

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_MURMUR3_H_
