// client_address.h - who asked: the other end of a connection, small enough to be kept with many events.
//
// Threads: pure functions of their arguments; ClientAddress::Of is one system call that does not wait.
// Errors:  what is not known (no socket, the peer is gone) is an address that says so.

#ifndef HOLDFAST_SESSION_CLIENT_ADDRESS_H_
#define HOLDFAST_SESSION_CLIENT_ADDRESS_H_

#include <array>
#include <cstdint>
#include <string>

namespace holdfast::session {

struct ClientAddress {
  enum class Kind : uint8_t { kUnknown, kIpv4, kIpv6, kUnix };

  std::array<uint8_t, 16> bytes{};
  uint16_t port = 0;
  Kind kind = Kind::kUnknown;

  static ClientAddress Of(int socket);
  // "192.0.2.7:4711", "[2001:db8::7]:4711", "a unix socket", "an unknown address".
  std::string Text() const;
  bool operator==(const ClientAddress&) const = default;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_CLIENT_ADDRESS_H_
