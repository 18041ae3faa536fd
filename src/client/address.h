// address.h - where a server is: as its user wrote it, and as the kernel takes it.
//
// Threads: values and pure functions.
// Blocks:  Resolve, as long as the system's resolver does; only the resolver's thread may call it.
// Errors:  kUsage for text that is no address; kUnavailable for a name that does not resolve.

#ifndef HOLDFAST_CLIENT_ADDRESS_H_
#define HOLDFAST_CLIENT_ADDRESS_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace holdfast::client {

inline constexpr uint16_t kDefaultPort = 11211;

struct SocketAddress {
  sockaddr_storage storage = {};
  socklen_t size = 0;

  bool operator==(const SocketAddress& other) const;
};

struct Address {
  std::string text;   // as given
  std::string host;   // a name or a number without brackets; the path of a unix socket
  uint16_t port = 0;  // 0 for a unix socket
  bool unix_socket = false;
};

// "host", "host:port", "[v6]", "[v6]:port", bare v6, "/path", "unix:/path".
base::Result<Address> ParseAddress(std::string_view text);

// The address of a number or a path; empty for a host name.
std::vector<SocketAddress> NumericAddresses(const Address& address);

base::Result<std::vector<SocketAddress>> Resolve(const Address& address);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_ADDRESS_H_
