// index_words.h - the bits of the index's two kinds of words; see index.cc for what they mean.

#ifndef HOLDFAST_STORE_INDEX_WORDS_H_
#define HOLDFAST_STORE_INDEX_WORDS_H_

#include <cstdint>

namespace holdfast::store {

inline constexpr uint64_t kTagMask = 0xffffull << 48;
inline constexpr uint64_t kInSecondPlace = 1ull << 47;
inline constexpr uint64_t kHandleMask = kInSecondPlace - 1;
inline constexpr int kHopsMax = 64;  // chained buckets a reader follows before it checks whether it was led astray

inline uint64_t TagOf(uint32_t hash) { return static_cast<uint64_t>(hash & 0xffff) << 48; }

struct Header {
  static constexpr uint64_t kLock = 1;
  static constexpr uint64_t kVersionMask = 0xffffffffull;  // lock and version

  static bool Locked(uint64_t header) { return (header & kLock) != 0; }
  static uint64_t Unlocked(uint64_t header) {
    const uint64_t low = ((header & ~kLock) + 2) & kVersionMask;
    return (header & ~kVersionMask) | low;
  }
  static bool Slice(uint64_t header, uint32_t slice) { return (header >> (32 + slice) & 1) != 0; }
  static uint64_t WithSlice(uint64_t header, uint32_t slice) { return header | 1ull << (32 + slice); }
  static uint32_t Slices(uint64_t header) { return static_cast<uint32_t>(header >> 32) & 0xff; }
  static uint64_t WithoutSlices(uint64_t header) { return header & ~(0xffull << 32); }
  static uint32_t Link(uint64_t header) { return static_cast<uint32_t>(header >> 40); }
  static uint64_t WithLink(uint64_t header, uint32_t link) {
    return (header & ((1ull << 40) - 1)) | static_cast<uint64_t>(link) << 40;
  }
};

}  // namespace holdfast::store

#endif  // HOLDFAST_STORE_INDEX_WORDS_H_
