// Slice-by-8: eight table look-ups, independent of each other, take the CRC over eight bytes. kTables[0] is the usual
// table of a byte; kTables[n] is what kTables[n - 1] gives after one more zero byte.
//
// The best path is chosen while the program's constants are initialised, so nothing may ask for a CRC before main.

#include "base/crc32c.h"

#include <array>
#include <bit>
#include <cstring>

#include "base/crc32c_native.h"

namespace holdfast::base {

namespace {

using Table = std::array<uint32_t, 256>;

constexpr std::array<Table, 8> MakeTables() {
  std::array<Table, 8> tables{};
  for (uint32_t byte = 0; byte < 256; ++byte) {
    uint32_t crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) ? 0x82f63b78u : 0);
    tables[0][byte] = crc;
  }
  for (size_t n = 1; n < 8; ++n) {
    for (size_t byte = 0; byte < 256; ++byte) {
      const uint32_t previous = tables[n - 1][byte];
      tables[n][byte] = (previous >> 8) ^ tables[0][previous & 0xff];
    }
  }
  return tables;
}
constexpr std::array<Table, 8> kTables = MakeTables();

uint64_t LittleEndianWord(const char* data) {
  uint64_t word;
  std::memcpy(&word, data, 8);
  if constexpr (std::endian::native == std::endian::big) word = __builtin_bswap64(word);
  return word;
}

uint32_t SliceBy8(const char* data, size_t size) {
  uint32_t crc = 0xffffffffu;
  for (; size >= 8; data += 8, size -= 8) {
    const uint64_t word = LittleEndianWord(data) ^ crc;
    crc = 0;
    for (size_t n = 0; n < 8; ++n) crc ^= kTables[7 - n][(word >> (8 * n)) & 0xff];
  }
  for (; size > 0; ++data, --size) crc = (crc >> 8) ^ kTables[0][(crc ^ static_cast<uint8_t>(*data)) & 0xff];
  return ~crc;
}

struct Paths {
  Paths() {
    const Crc32cPath native = NativeCrc32c();
    if (native.compute != nullptr) held[count++] = native;
    held[count++] = {"slice-by-8", SliceBy8};
  }
  std::array<Crc32cPath, 2> held{};
  size_t count = 0;
};
const Paths kPaths;

}  // namespace

uint32_t Crc32c(std::string_view data) { return kPaths.held[0].compute(data.data(), data.size()); }

std::span<const Crc32cPath> Crc32cPaths() { return {kPaths.held.data(), kPaths.count}; }

}  // namespace holdfast::base
