#include "client/topology.h"

#include <algorithm>

namespace holdfast::client {
namespace {

std::shared_ptr<Endpoint> SameIn(const Topology* before, const Server& server) {
  if (before == nullptr) return nullptr;
  for (const std::shared_ptr<Endpoint>& endpoint : before->endpoints()) {
    if (endpoint->name() == server.name && endpoint->text() == server.address && endpoint->weight() == server.weight) {
      return endpoint;
    }
  }
  return nullptr;
}

uint32_t ServerIn(const Ring& ring, std::string_view key, const std::optional<Master>& master) {
  if (!master.has_value()) return ring.ServerOf(key);
  return master->is_number() ? ring.ServerOfHash(master->number()) : ring.ServerOf(master->text());
}

}  // namespace

std::string DefaultName(const Address& address) { return KetamaName(address.host, address.port); }

std::shared_ptr<const Topology> Topology::Make(RingScheme scheme, const std::vector<Server>& servers,
                                               const EndpointLimits& limits, const Topology* before, Status* status) {
  std::vector<Server> named = servers;
  std::vector<RingMember> members;
  std::vector<std::shared_ptr<Endpoint>> endpoints;
  for (Server& server : named) {
    base::Result<Address> address = ParseAddress(server.address);
    if (!address.ok()) {
      *status = Status(Code::kInvalid, server.address, address.status().message());
      return nullptr;
    }
    if (server.name.empty()) server.name = DefaultName(address.value());
    members.push_back({server.name, server.weight});
    endpoints.push_back(SameIn(before, server));
    if (endpoints.back() != nullptr) continue;
    endpoints.back() = std::make_shared<Endpoint>(std::move(address.value()), server.name, server.weight, limits);
  }
  base::Result<Ring> ring = Ring::Make(scheme, std::move(members));
  if (!ring.ok()) {
    *status = Status(Code::kInvalid, "", ring.status().message());
    return nullptr;
  }
  auto held = std::make_shared<const Ring>(std::move(ring.value()));
  return std::shared_ptr<const Topology>(new Topology(std::move(named), std::move(endpoints), held, held));
}

std::shared_ptr<const Topology> Topology::WithoutDown() const {
  std::vector<bool> down;
  for (const std::shared_ptr<Endpoint>& endpoint : endpoints_) down.push_back(endpoint->down());
  const bool some = std::count(down.begin(), down.end(), true) > 0;
  const bool all = std::count(down.begin(), down.end(), false) == 0;
  auto live = some && !all ? std::make_shared<const Ring>(ring_->Without(down)) : ring_;
  return std::shared_ptr<const Topology>(new Topology(servers_, endpoints_, ring_, std::move(live)));
}

uint32_t Topology::ServerOf(std::string_view key, const std::optional<Master>& master) const {
  return ServerIn(*live_ring_, key, master);
}

uint32_t Topology::HomeOf(std::string_view key, const std::optional<Master>& master) const {
  return ServerIn(*ring_, key, master);
}

}  // namespace holdfast::client
