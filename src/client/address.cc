#include "client/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <cstring>

#include "protocol/decimal.h"

namespace holdfast::client {
namespace {

constexpr size_t kHostBytesMax = 253;

base::Status Wrong(std::string_view text, std::string_view cause) {
  return base::Status(base::ErrorKind::kUsage,
                      "server \"" + std::string(text.substr(0, kHostBytesMax)) + "\": " + std::string(cause));
}

base::Result<Address> UnixAddress(std::string_view text, std::string_view path) {
  if (path.size() >= sizeof(sockaddr_un::sun_path)) return Wrong(text, "the path is too long for a socket");
  if (path.size() < 2) return Wrong(text, "is no path of a socket");
  return Address{std::string(text), std::string(path), 0, true};
}

bool ParsePort(std::string_view text, uint16_t* port) {
  uint32_t number = 0;
  if (text.empty() || text[0] == '+' || !protocol::ParseDecimal(text, &number)) return false;
  if (number == 0 || number > 65535) return false;
  *port = static_cast<uint16_t>(number);
  return true;
}

// What getaddrinfo found; flags may hold AI_NUMERICHOST.
int Look(const Address& address, int flags, std::vector<SocketAddress>* out) {
  addrinfo hints = {};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int error = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &hints, &found);
  if (error != 0) return error;
  for (const addrinfo* each = found; each != nullptr; each = each->ai_next) {
    SocketAddress one;
    std::memcpy(&one.storage, each->ai_addr, each->ai_addrlen);
    one.size = each->ai_addrlen;
    out->push_back(one);
  }
  freeaddrinfo(found);
  return 0;
}

}  // namespace

bool SocketAddress::operator==(const SocketAddress& other) const {
  return size == other.size && std::memcmp(&storage, &other.storage, size) == 0;
}

base::Result<Address> ParseAddress(std::string_view text) {
  if (text.empty()) return Wrong(text, "is empty: write host, host:port or /path/of/socket");
  if (text.find('\0') != std::string_view::npos) return Wrong(text, "has a zero byte");
  if (text[0] == '/') return UnixAddress(text, text);
  if (text.starts_with("unix:")) return UnixAddress(text, text.substr(5));

  Address address{std::string(text), "", kDefaultPort, false};
  std::string_view rest;
  if (text[0] == '[') {
    const size_t end = text.find(']');
    if (end == std::string_view::npos) return Wrong(text, "has a [ without a ]");
    address.host = text.substr(1, end - 1);
    rest = text.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') return Wrong(text, "has more than a port behind the ]");
  } else {
    const size_t colon = text.find(':');
    const bool bare_v6 = colon != std::string_view::npos && text.find(':', colon + 1) != std::string_view::npos;
    address.host = bare_v6 ? text : text.substr(0, colon);
    if (!bare_v6 && colon != std::string_view::npos) rest = text.substr(colon);
  }
  if (address.host.empty()) return Wrong(text, "has no host");
  if (address.host.size() > kHostBytesMax) return Wrong(text, "the host is too long");
  if (address.host.find_first_of(" \t\r\n,/") != std::string::npos) return Wrong(text, "is no host name");
  if (!rest.empty() && !ParsePort(rest.substr(1), &address.port)) return Wrong(text, "the port must be 1 to 65535");
  return address;
}

std::vector<SocketAddress> NumericAddresses(const Address& address) {
  std::vector<SocketAddress> found;
  if (!address.unix_socket) {
    Look(address, AI_NUMERICHOST, &found);
    return found;
  }
  SocketAddress one;
  auto* const name = reinterpret_cast<sockaddr_un*>(&one.storage);
  name->sun_family = AF_UNIX;
  std::memcpy(name->sun_path, address.host.data(), address.host.size());
  one.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address.host.size() + 1);
  found.push_back(one);
  return found;
}

base::Result<std::vector<SocketAddress>> Resolve(const Address& address) {
  std::vector<SocketAddress> found;
  const int error = Look(address, 0, &found);
  if (error != 0) {
    return base::Status(base::ErrorKind::kUnavailable,
                        "the name does not resolve: " + std::string(gai_strerror(error)));
  }
  return found;
}

}  // namespace holdfast::client
