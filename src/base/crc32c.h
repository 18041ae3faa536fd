// crc32c.h - CRC-32C (Castagnoli, reflected polynomial 0x82f63b78; RFC 3720 appendix B.4), the hash of keys.
//
// Three ways to the same number, picked once at start by what the processor has: the SSE4.2 instruction, ARM's, and
// slice-by-8 in plain C++. Keys past 48 bytes use three lanes on SSE4.2.
//
// Threads: all functions are pure.

#ifndef HOLDFAST_BASE_CRC32C_H_
#define HOLDFAST_BASE_CRC32C_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace holdfast::base {

// The finished CRC (initial value and final xor 0xffffffff) of data.
uint32_t Crc32c(std::string_view data);

// One implementation, for tests and benchmarks that compare them.
struct Crc32cPath {
  const char* name;  // "sse4.2", "arm", "slice-by-8"
  uint32_t (*compute)(const char* data, size_t size);
};
// Those that this processor can run, best first. Never empty.
std::span<const Crc32cPath> Crc32cPaths();

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_CRC32C_H_
