// echo_protocol.h - how the load generator tells the echo server what to do, once at the start of each connection.
//
// The client sends an EchoOrder and the bytes of the reply. From then on the server answers every request_bytes it
// receives with that reply, whatever they say.

#ifndef HOLDFAST_BENCH_ECHO_PROTOCOL_H_
#define HOLDFAST_BENCH_ECHO_PROTOCOL_H_

#include <cstdint>

namespace holdfast::bench {

inline constexpr uint32_t kEchoMagic = 0x6f686365;  // "echo"
inline constexpr uint32_t kEchoBytesMax = 1 << 20;  // of a request, and of a reply

// Client and server run on one machine: native byte order.
struct EchoOrder {
  uint32_t magic;
  uint32_t request_bytes;
  uint32_t reply_bytes;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_ECHO_PROTOCOL_H_
