// big_endian.h - numbers as they stand in binary packets.
//
// Threads: pure functions. The caller answers for the room.

#ifndef HOLDFAST_PROTOCOL_BIG_ENDIAN_H_
#define HOLDFAST_PROTOCOL_BIG_ENDIAN_H_

#include <concepts>
#include <cstddef>

namespace holdfast::protocol {

template <std::unsigned_integral T>
T LoadBigEndian(const char* from) {
  T number = 0;
  for (size_t i = 0; i < sizeof(T); ++i) number = static_cast<T>(number << 8 | static_cast<unsigned char>(from[i]));
  return number;
}

// Returns where the next byte goes.
template <std::unsigned_integral T>
char* StoreBigEndian(char* to, T number) {
  for (size_t i = sizeof(T); i-- > 0; number = static_cast<T>(number >> 8 * (sizeof(T) > 1))) {
    to[i] = static_cast<char>(static_cast<unsigned char>(number));
  }
  return to + sizeof(T);
}

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_BIG_ENDIAN_H_
