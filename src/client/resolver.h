// resolver.h - looks host names up on a thread of its own, for getaddrinfo waits as long as it likes.
//
// Threads: any. The thread starts with the first name; without host names there is none.
// Owns:    its thread. An endpoint is kept alive while it is being looked up, or watched while it lives.
// Blocks:  never; the destructor leaves a look-up that is under way to end by itself.
// Errors:  go to the endpoint.
// Limits:  one look-up of a name in kPauseMin; every resolve_interval each name is looked up again.

#ifndef HOLDFAST_CLIENT_RESOLVER_H_
#define HOLDFAST_CLIENT_RESOLVER_H_

#include <chrono>
#include <memory>

#include "client/endpoint.h"

namespace holdfast::client {

class Resolver {
 public:
  explicit Resolver(std::chrono::milliseconds resolve_interval);
  ~Resolver();
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  // Soon, if not just now; and from then on at intervals. For anything but a host name it does nothing.
  void Want(Endpoint& endpoint);

 private:
  struct State;
  static void Work(std::shared_ptr<State> state);
  std::shared_ptr<State> state_;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_RESOLVER_H_
