// listen_address.h - what -l takes: an address, and in front of it what memcached lets one say about its connections.
//
//     127.0.0.1:11211   proto[ascii]:10.0.0.5   tag[web]:proto[binary]:[::1]:11311   notls:10.0.0.5
//
// Threads: a pure function.
// Errors:  kUsage: not an address, an unknown protocol, or TLS, which does not work yet.

#ifndef HOLDFAST_SERVER_LISTEN_ADDRESS_H_
#define HOLDFAST_SERVER_LISTEN_ADDRESS_H_

#include <optional>
#include <string>
#include <string_view>

#include "base/status.h"
#include "server/settings.h"

namespace holdfast::server {

struct ListenAddress {
  std::string address;                   // as network::ListenSocket::Tcp takes it
  std::optional<WireProtocol> protocol;  // empty: what -B says
};

base::Result<ListenAddress> ParseListenAddress(std::string_view text);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_LISTEN_ADDRESS_H_
