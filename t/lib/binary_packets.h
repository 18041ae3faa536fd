// binary_packets.h - builds packets of the binary protocol byte by byte, right ones and wrong ones, for tests.
//
// Threads: functions of their arguments.

#ifndef HOLDFAST_T_LIB_BINARY_PACKETS_H_
#define HOLDFAST_T_LIB_BINARY_PACKETS_H_

#include <cstdint>
#include <string>

namespace holdfast::protocol {

inline std::string BigEndian(uint64_t number, int bytes) {
  std::string text;
  for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8) text += static_cast<char>(number >> shift & 0xff);
  return text;
}

struct Packet {
  int opcode = 0;
  std::string key = {};
  std::string extras = {};
  std::string value = {};
  uint64_t cas = 0;
  uint32_t opaque = 0;
  int magic = 0x80;
  int status = 0;
  // When they are to lie:
  int64_t key_size = -1;
  int64_t extras_size = -1;
  int64_t body_size = -1;

  std::string Bytes() const {
    const size_t body = extras.size() + key.size() + value.size();
    return BigEndian(static_cast<uint64_t>(magic), 1) + BigEndian(static_cast<uint64_t>(opcode), 1) +
           BigEndian(key_size < 0 ? key.size() : static_cast<uint64_t>(key_size), 2) +
           BigEndian(extras_size < 0 ? extras.size() : static_cast<uint64_t>(extras_size), 1) + BigEndian(0, 1) +
           BigEndian(static_cast<uint64_t>(status), 2) +
           BigEndian(body_size < 0 ? body : static_cast<uint64_t>(body_size), 4) + BigEndian(opaque, 4) +
           BigEndian(cas, 8) + extras + key + value;
  }
};

inline std::string StoreExtras(uint32_t client_flags, uint32_t exptime) {
  return BigEndian(client_flags, 4) + BigEndian(exptime, 4);
}

inline std::string ArithmeticExtras(uint64_t delta, uint64_t initial, uint32_t exptime) {
  return BigEndian(delta, 8) + BigEndian(initial, 8) + BigEndian(exptime, 4);
}

}  // namespace holdfast::protocol

#endif  // HOLDFAST_T_LIB_BINARY_PACKETS_H_
