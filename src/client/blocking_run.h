// blocking_run.h - carries flights to their end on the calling thread: all servers at once, waiting with poll(2).
//
// Threads: any; each call is by itself.
// Blocks:  until every flight is done, and no longer than the deadline.
// Errors:  in the Parts.

#ifndef HOLDFAST_CLIENT_BLOCKING_RUN_H_
#define HOLDFAST_CLIENT_BLOCKING_RUN_H_

#include <chrono>
#include <span>

#include "client/flight.h"

namespace holdfast::client {

struct RunTimes {
  std::chrono::nanoseconds timeout;
  std::chrono::nanoseconds connect_timeout;
};

void Run(std::span<Flight> flights, const RunTimes& times);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_BLOCKING_RUN_H_
