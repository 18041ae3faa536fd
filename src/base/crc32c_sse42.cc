// The crc32 instruction of SSE4.2: eight bytes every three cycles in one chain, eight a cycle in three.
//
// Past 48 bytes the data are cut into three lanes of equal length and a tail. The lanes run side by side; then the
// first two CRCs are shifted over the bytes that follow them and added to the third. Shifting a CRC over n bytes
// multiplies it by x^(8n) modulo the polynomial. A carry-less multiplication by the constant x^(8n-33) gives 64 bits,
// which the crc32 instruction itself reduces (that costs x^33: 32 for the reduction, 1 since a product of reflected
// numbers lacks one bit). The reduction is free, for it rides on the last word of the third lane.
//
// The file is compiled for a processor with SSE4.2 and PCLMUL; nothing here but NativeCrc32c may run before that was
// asked.

#include <nmmintrin.h>
#include <wmmintrin.h>

#include <array>
#include <cstring>

#include "base/crc32c_native.h"

namespace holdfast::base {

namespace {

constexpr size_t kLaneWordsMax = 64;  // longer data go in rounds of three lanes of this many words
constexpr size_t kSerialBytesMax = 48;

// Multiplies by x modulo the polynomial, bits reflected: bit 31 is x^0.
constexpr uint32_t TimesX(uint32_t value) { return (value >> 1) ^ ((value & 1) ? 0x82f63b78u : 0); }

// [n] is x^(64n - 33): what shifts a CRC over n words. [0] is not used.
constexpr std::array<uint32_t, 2 * kLaneWordsMax + 1> MakeShifts() {
  std::array<uint32_t, 2 * kLaneWordsMax + 1> shifts{};
  uint32_t power = 0x80000000u;  // x^0
  for (int i = 0; i < 31; ++i) power = TimesX(power);
  for (size_t n = 1; n < shifts.size(); ++n) {
    shifts[n] = power;
    for (int i = 0; i < 64; ++i) power = TimesX(power);
  }
  return shifts;
}
constexpr auto kShifts = MakeShifts();

inline uint64_t Word(const char* data) {
  uint64_t word;
  std::memcpy(&word, data, 8);
  return word;
}

inline uint64_t Shift(uint64_t crc, size_t words) {
  const __m128i product = _mm_clmulepi64_si128(_mm_cvtsi64_si128(static_cast<long long>(crc)),
                                               _mm_cvtsi64_si128(static_cast<long long>(kShifts[words])), 0);
  return static_cast<uint64_t>(_mm_cvtsi128_si64(product));
}

// The CRC after 3 * words words at data; words >= 1.
inline uint64_t ThreeLanes(uint64_t crc, const char* data, size_t words) {
  const char* second = data + 8 * words;
  const char* third = second + 8 * words;
  uint64_t a = crc, b = 0, c = 0;
  for (size_t i = 0; i + 1 < words; ++i) {
    a = _mm_crc32_u64(a, Word(data + 8 * i));
    b = _mm_crc32_u64(b, Word(second + 8 * i));
    c = _mm_crc32_u64(c, Word(third + 8 * i));
  }
  const size_t last = 8 * (words - 1);
  a = _mm_crc32_u64(a, Word(data + last));
  b = _mm_crc32_u64(b, Word(second + last));
  return _mm_crc32_u64(c, Word(third + last) ^ Shift(a, 2 * words) ^ Shift(b, words));
}

uint32_t Compute(const char* data, size_t size) {
  uint64_t crc = 0xffffffffu;
  while (size > kSerialBytesMax) {
    const size_t words = size / 24 < kLaneWordsMax ? size / 24 : kLaneWordsMax;
    crc = ThreeLanes(crc, data, words);
    data += 24 * words;
    size -= 24 * words;
  }
  for (; size >= 8; data += 8, size -= 8) crc = _mm_crc32_u64(crc, Word(data));
  uint32_t crc32 = static_cast<uint32_t>(crc);
  if (size & 4) {
    uint32_t word;
    std::memcpy(&word, data, 4);
    crc32 = _mm_crc32_u32(crc32, word);
    data += 4;
  }
  if (size & 2) {
    uint16_t word;
    std::memcpy(&word, data, 2);
    crc32 = _mm_crc32_u16(crc32, word);
    data += 2;
  }
  if (size & 1) crc32 = _mm_crc32_u8(crc32, static_cast<uint8_t>(*data));
  return ~crc32;
}

}  // namespace

Crc32cPath NativeCrc32c() {
  const bool has_crc = __builtin_cpu_supports("sse4.2") && __builtin_cpu_supports("pclmul");
  return {"sse4.2", has_crc ? Compute : nullptr};
}

}  // namespace holdfast::base
