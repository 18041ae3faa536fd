// probe.h - asks one server that is down, at intervals, whether it is back; and says so when it is.
//
// Threads: the loop's.
// Owns:    its connection, one at a time.

#ifndef HOLDFAST_CLIENT_PROBE_H_
#define HOLDFAST_CLIENT_PROBE_H_

#include <memory>

#include "client/deadline.h"
#include "client/endpoint.h"
#include "client/loop_event.h"
#include "client/server_part.h"

namespace holdfast::client {

class Loop;

class Probe {
 public:
  Probe(Loop& loop, std::shared_ptr<Endpoint> endpoint);
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  // The server has answered, or nobody but the probe knows it any more.
  bool done() const { return done_; }

 private:
  void OnTime(short what);
  void OnReady(short what);
  void Progress(bool readable);
  void TryLater();

  Loop& loop_;
  const std::shared_ptr<Endpoint> endpoint_;
  ProbePart part_;
  std::unique_ptr<Connection> connection_;  // null between two tries
  LoopEvent ready_;
  LoopEvent time_;
  bool done_ = false;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_PROBE_H_
