// socket_name.h - addresses as `stats conns` and the log print them: "tcp:127.0.0.1:11211", "tcp6:[::1]:11211",
// "unix:/run/holdfast.sock".
//
// Threads: any.
// Errors:  a socket that has no address (the peer is gone, a unix client) has an empty one after the prefix.

#ifndef HOLDFAST_NETWORK_SOCKET_NAME_H_
#define HOLDFAST_NETWORK_SOCKET_NAME_H_

#include <sys/socket.h>

#include <cstdint>
#include <string>

namespace holdfast::network {

std::string PeerNameOf(int socket);
std::string LocalNameOf(int socket);
// Without the prefix: "127.0.0.1:11211", "[::1]:11211", "/run/holdfast.sock".
std::string AddressText(const sockaddr* address, socklen_t size);
// 0 for an address that has none.
uint16_t PortOf(const sockaddr* address);
void SetPort(sockaddr* address, uint16_t port);

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_SOCKET_NAME_H_
