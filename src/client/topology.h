// topology.h - the list of servers at one moment, and which of them has a key. Never changes; a change makes another.
//
// Threads: const; shared by pointer.
// Owns:    the ring; shares the endpoints with the topologies before and after it.
// Errors:  Make gives kInvalid and names the server.

#ifndef HOLDFAST_CLIENT_TOPOLOGY_H_
#define HOLDFAST_CLIENT_TOPOLOGY_H_

#include <holdfast/client.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client/endpoint.h"
#include "client/ring.h"

namespace holdfast::client {

class Topology {
 public:
  // Endpoints of `before` (may be null) that have the same name, address and weight are taken over with their
  // connections.
  static std::shared_ptr<const Topology> Make(RingScheme scheme, const std::vector<Server>& servers,
                                              const EndpointLimits& limits, const Topology* before, Status* status);

  // The same servers, their keys placed without those that are down now; all are down: as if none were.
  std::shared_ptr<const Topology> WithoutDown() const;

  // With fail-over the server that stands in, otherwise the one that the key belongs to.
  uint32_t ServerOf(std::string_view key, const std::optional<Master>& master) const;
  // Regardless of who is down.
  uint32_t HomeOf(std::string_view key, const std::optional<Master>& master) const;
  // Of each key by itself; servers has room for them. home: regardless of who is down.
  void ServersOf(std::span<const std::string_view> keys, bool home, uint32_t* servers) const {
    (home ? ring_ : live_ring_)->ServersOf(keys, servers);
  }

  const std::vector<std::shared_ptr<Endpoint>>& endpoints() const { return endpoints_; }
  const std::vector<Server>& servers() const { return servers_; }

 private:
  Topology(std::vector<Server> servers, std::vector<std::shared_ptr<Endpoint>> endpoints,
           std::shared_ptr<const Ring> ring, std::shared_ptr<const Ring> live_ring)
      : servers_(std::move(servers)),
        endpoints_(std::move(endpoints)),
        ring_(std::move(ring)),
        live_ring_(std::move(live_ring)) {}

  std::vector<Server> servers_;
  std::vector<std::shared_ptr<Endpoint>> endpoints_;  // by the ring's index
  std::shared_ptr<const Ring> ring_;
  std::shared_ptr<const Ring> live_ring_;  // the same as ring_ but for fail-over while servers are down
};

// The name that the ring hashes when the user gives none.
std::string DefaultName(const Address& address);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_TOPOLOGY_H_
