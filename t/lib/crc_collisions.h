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

class OneCrc {
 public:
  OneCrc() {
    for (uint32_t i = 0; i < 256; ++i) {
      uint32_t crc = i;
      for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0x82f63b78u : crc >> 1;
      table_[i] = crc;
      by_top_byte_[crc >> 24] = static_cast<uint8_t>(i);
    }
  }

  // Appends the four bytes, whatever they are.
  void Complete(std::string* key) const {
    uint32_t state = 0xffffffffu;
    for (const char byte : *key) state = table_[(state ^ static_cast<uint8_t>(byte)) & 0xff] ^ (state >> 8);
    // Backwards from the target: which table entries were used, last first.
    uint32_t wanted = kTarget;
    std::array<uint8_t, 4> entries;
    for (size_t step = 4; step-- > 0;) {
      entries[step] = by_top_byte_[wanted >> 24];
      wanted = (wanted ^ table_[entries[step]]) << 8;
    }
    for (const uint8_t entry : entries) {
      *key += static_cast<char>(entry ^ (state & 0xff));
      state = table_[entry] ^ (state >> 8);
    }
  }

 private:
  static constexpr uint32_t kTarget = 0x1234abcd;

  std::array<uint32_t, 256> table_;
  std::array<uint8_t, 256> by_top_byte_;
};

inline std::vector<std::string> KeysWithOneCrc(int count) {
  const OneCrc one_crc;
  std::vector<std::string> keys;
  for (int i = 0; i < count; ++i) {
    one_crc.Complete(&keys.emplace_back("session:" + std::to_string(1000000 + i) + ":"));
  }
  return keys;
}

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_CRC_COLLISIONS_H_
