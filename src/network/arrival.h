// arrival.h - a socket on its way to a worker: accepted by the listener, or taken over from another process.

#ifndef HOLDFAST_NETWORK_ARRIVAL_H_
#define HOLDFAST_NETWORK_ARRIVAL_H_

#include <cstdint>
#include <memory>

#include "network/connection_limit.h"
#include "network/departure.h"
#include "network/transport.h"

namespace holdfast::network {

struct Arrival {
  std::unique_ptr<Transport> transport;
  ConnectionLimit::Place place;  // empty for a connection that is under no limit
  // Where the process before left off; null for a new connection. Its unread bytes are the transport's.
  std::unique_ptr<ConnectionState> before = nullptr;
  uint8_t label = 0;  // of the address that it came by
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_ARRIVAL_H_
