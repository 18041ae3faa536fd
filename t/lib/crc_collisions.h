// crc_collisions.h - many keys with one CRC-32C, as an attacker makes them: any prefix, then the four bytes that lead
// to the target.
//
// A CRC's register after four more bytes takes every value once, so the four bytes can be solved for by running the
// table backwards.

#ifndef HOLDFAST_T_LIB_CRC_COLLISIONS_H_
#define HOLDFAST_T_LIB_CRC_COLLISIONS_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::test {

inline std::vector<std::string> KeysWithOneCrc(int count) {
  std::array<uint32_t, 256> table;
  std::array<uint8_t, 256> by_top_byte;
  for (uint32_t i = 0; i < 256; ++i) {
    uint32_t crc = i;
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
    table[i] = crc;
    by_top_byte[crc >> 24] = static_cast<uint8_t>(i);
  }
  constexpr uint32_t kTarget = 0x1234abcd;
  std::vector<std::string> keys;
  for (int i = 0; i < count; ++i) {
    std::string key = "session:" + std::to_string(1000000 + i) + ":";
    uint32_t state = 0xffffffffu;
    for (const char byte : key) state = table[(state ^ static_cast<uint8_t>(byte)) & 0xff] ^ (state >> 8);
    // Backwards from the target: which table entries were used, last first.
    uint32_t wanted = kTarget;
    std::array<uint8_t, 4> entries;
    for (int step = 3; step >= 0; --step) {
      entries[static_cast<size_t>(step)] = by_top_byte[wanted >> 24];
      wanted = (wanted ^ table[entries[static_cast<size_t>(step)]]) << 8;
    }
    for (int step = 0; step < 4; ++step) {
      const uint8_t entry = entries[static_cast<size_t>(step)];
      key += static_cast<char>(entry ^ (state & 0xff));
      state = table[entry] ^ (state >> 8);
    }
    keys.push_back(std::move(key));
  }
  return keys;
}

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_CRC_COLLISIONS_H_
