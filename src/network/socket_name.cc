#include "network/socket_name.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstddef>
#include <cstring>

namespace holdfast::network {
namespace {

std::string UnixPath(const sockaddr* address, socklen_t size) {
  const size_t before = offsetof(sockaddr_un, sun_path);
  if (size <= before) return "";
  const char* const path = reinterpret_cast<const sockaddr_un*>(address)->sun_path;
  return std::string(path, ::strnlen(path, size - before));
}

std::string NameOf(int socket, int (*ask)(int, sockaddr*, socklen_t*)) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  auto* const address = reinterpret_cast<sockaddr*>(&storage);
  if (ask(socket, address, &size) != 0) return "";
  switch (address->sa_family) {
    case AF_INET:
      return "tcp:" + AddressText(address, size);
    case AF_INET6:
      return "tcp6:" + AddressText(address, size);
    default:
      return "unix:" + AddressText(address, size);
  }
}

}  // namespace

std::string PeerNameOf(int socket) { return NameOf(socket, ::getpeername); }
std::string LocalNameOf(int socket) { return NameOf(socket, ::getsockname); }

std::string AddressText(const sockaddr* address, socklen_t size) {
  char text[INET6_ADDRSTRLEN] = "";
  if (address->sa_family == AF_INET) {
    ::inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(address)->sin_addr, text, sizeof text);
    return std::string(text) + ":" + std::to_string(PortOf(address));
  }
  if (address->sa_family == AF_INET6) {
    ::inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6*>(address)->sin6_addr, text, sizeof text);
    return "[" + std::string(text) + "]:" + std::to_string(PortOf(address));
  }
  return UnixPath(address, size);
}

uint16_t PortOf(const sockaddr* address) {
  if (address->sa_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(address)->sin_port);
  if (address->sa_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(address)->sin6_port);
  return 0;
}

void SetPort(sockaddr* address, uint16_t port) {
  if (address->sa_family == AF_INET) reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
  if (address->sa_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
}

}  // namespace holdfast::network
