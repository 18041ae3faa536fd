// lane.h - the connection to one server that all calls with a callback share, one behind the other.
//
// A lane breaks as a whole. Parts that may be repeated are carried again, once, if the connection had proven good
// before; the others fail. When a call's time is up while its Part is on the wire the lane is retired: it gets no new
// Parts, and goes when those that others still wait for are answered.
//
// Threads: the loop's.
// Owns:    its connection; keeps the calls whose Parts are on it alive.

#ifndef HOLDFAST_CLIENT_LANE_H_
#define HOLDFAST_CLIENT_LANE_H_

#include <deque>
#include <memory>

#include "client/async_call.h"
#include "client/loop_event.h"

namespace holdfast::client {

class Loop;

class Lane {
 public:
  Lane(Loop& loop, std::shared_ptr<Endpoint> endpoint) : loop_(loop), endpoint_(std::move(endpoint)) {}
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;

  // again: it was on another lane before.
  void Submit(std::shared_ptr<AsyncCall> call, Part* part, bool again);
  // Sends what Submit has queued.
  void Flush();

  const std::shared_ptr<Endpoint>& endpoint() const { return endpoint_; }
  bool broken() const { return broken_; }
  // The server's name has come to stand for other addresses than the one that it is connected to.
  bool Outdated();
  bool Holds(const AsyncCall* call) const;
  // Nobody waits for anything that is on it.
  bool Unwanted() const;
  void Break(const Status& status);

 private:
  struct Cargo {
    std::shared_ptr<AsyncCall> call;
    Part* part;
    bool again;
  };

  void Open();
  void OnReady(short what);
  void OnTime(short what);
  void Progress(bool readable);
  void Settle();
  void Watch();

  Loop& loop_;
  const std::shared_ptr<Endpoint> endpoint_;
  std::unique_ptr<Connection> connection_;  // null before the address is known, and when broken
  std::deque<Cargo> cargo_;                 // as on the connection; before it is there, what waits for it
  LoopEvent ready_;
  LoopEvent time_;                // connecting takes too long, or the address is to be asked for again
  short watched_ = 0;             // what ready_ waits for
  uint32_t address_changes_ = 0;  // of the endpoint, when last looked at
  SteadyTime connect_deadline_;
  bool broken_ = false;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_LANE_H_
