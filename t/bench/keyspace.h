// keyspace.h - the keys and values of the benchmark: which exist, how they read, which one is asked for next.
//
// A key is 30 bytes and a value is a pure function of its key, so a reply can be checked to the last byte without
// remembering what was stored, and a set during one run never spoils a get of the next.
//
// Threads: one thread.  Limits: at most 99,999,999 keys in a space (8 digits in the key).

#ifndef HOLDFAST_BENCH_KEYSPACE_H_
#define HOLDFAST_BENCH_KEYSPACE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace holdfast::bench {

inline constexpr size_t kKeyBytes = 30;
inline constexpr uint32_t kKeysMax = 99'999'999;

inline constexpr uint32_t kOneCrcKeysMax = 100'000;

// What a counter holds when it has been loaded: ten digits, so that every reply to incr has the same length.
inline constexpr uint64_t kCounterStart = 1'000'000'000;
inline constexpr size_t kCounterDigits = 10;

struct Keyspace {
  std::string_view prefix;  // kPrefixBytes long
  size_t value_bytes;
  uint32_t keys;
  bool counters;                // values are kCounterStart, not text
  std::string_view life = "0";  // a set's expiry, in seconds
  bool one_crc = false;         // all keys have the same CRC-32C; at most kOneCrcKeysMax of them

  void AppendKey(std::string& out, uint32_t id) const;
  void AppendValue(std::string& out, uint32_t id) const;
};

enum class Draw { kUniform, kZipf, kSequential };

// KeyChooser - yields key numbers in [0, keys) for ever; kSequential counts up once around and starts again.
class KeyChooser {
 public:
  KeyChooser(Draw draw, uint32_t keys, uint64_t seed);
  uint32_t Next();

 private:
  void DrawZipf();

  const Draw draw_;
  const uint32_t keys_;
  uint64_t state_;
  uint32_t cursor_ = 0;
  std::vector<uint32_t> drawn_;  // kZipf only: drawn beforehand, since a draw costs more than a request
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_KEYSPACE_H_
