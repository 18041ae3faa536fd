// arrival.h - an accepted socket on its way from the listener to a worker.

#ifndef HOLDFAST_NETWORK_ARRIVAL_H_
#define HOLDFAST_NETWORK_ARRIVAL_H_

#include <memory>

#include "network/connection_limit.h"
#include "network/transport.h"

namespace holdfast::network {

struct Arrival {
  std::unique_ptr<Transport> transport;
  ConnectionLimit::Place place;  // empty for a connection that is under no limit
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_ARRIVAL_H_
