#include "session/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace holdfast::session {

ClientAddress ClientAddress::Of(int socket) {
  ClientAddress address;
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (socket < 0 || ::getpeername(socket, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return address;
  if (storage.ss_family == AF_INET) {
    sockaddr_in peer;
    std::memcpy(&peer, &storage, sizeof peer);
    std::memcpy(address.bytes.data(), &peer.sin_addr, sizeof peer.sin_addr);
    address.port = ntohs(peer.sin_port);
    address.kind = Kind::kIpv4;
  } else if (storage.ss_family == AF_INET6) {
    sockaddr_in6 peer;
    std::memcpy(&peer, &storage, sizeof peer);
    std::memcpy(address.bytes.data(), &peer.sin6_addr, sizeof peer.sin6_addr);
    address.port = ntohs(peer.sin6_port);
    address.kind = Kind::kIpv6;
  } else {
    address.kind = Kind::kUnix;
  }
  return address;
}

std::string ClientAddress::Text() const {
  char text[INET6_ADDRSTRLEN] = "";
  switch (kind) {
    case Kind::kIpv4:
      ::inet_ntop(AF_INET, bytes.data(), text, sizeof text);
      return std::string(text) + ":" + std::to_string(port);
    case Kind::kIpv6:
      ::inet_ntop(AF_INET6, bytes.data(), text, sizeof text);
      return "[" + std::string(text) + "]:" + std::to_string(port);
    case Kind::kUnix:
      return "a unix socket";
    case Kind::kUnknown:
      break;
  }
  return "an unknown address";
}

}  // namespace holdfast::session
