// ring_member.h - a server as a ring sees it.

#ifndef HOLDFAST_CLIENT_RING_MEMBER_H_
#define HOLDFAST_CLIENT_RING_MEMBER_H_

#include <cstdint>
#include <string>
#include <string_view>

namespace holdfast::client {

// The name is what is hashed. It need not be an address: a replacement that keeps the name keeps the keys.
struct RingMember {
  std::string name;
  uint32_t weight = 1;

  bool operator==(const RingMember&) const = default;
};

// The name that libmemcached gives to a server: "host" on port 11211, "host:port" on others. host as its user wrote it,
// never resolved; for a unix socket its path, with port 0.
std::string KetamaName(std::string_view host, uint16_t port);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_RING_MEMBER_H_
