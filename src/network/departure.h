// departure.h - a connection as another process can go on with it.
//
// Threads: a plain value; the socket stays the connection's until the other process has taken it.

#ifndef HOLDFAST_NETWORK_DEPARTURE_H_
#define HOLDFAST_NETWORK_DEPARTURE_H_

#include <cstdint>
#include <string>

namespace holdfast::network {

// What a connection carries besides its socket.
struct ConnectionState {
  uint64_t id = 0;       // goes with it, so that what is known of the connection stays true
  bool closing = false;  // nothing more is to be read: it closes when `unsent` is sent
  std::string unread;    // received, and not answered yet
  std::string unsent;    // answered, and not taken by the socket yet
  std::string handler;   // Handler::Export's
};

struct Departure {
  int socket = -1;  // borrowed
  ConnectionState state;
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_DEPARTURE_H_
