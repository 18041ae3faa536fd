// flight.h - what one call has to do with one server: its Parts, one after the other on one connection.
//
// At most kPartsUnderWay Parts are on the wire, so that a multiget of any size needs bounded memory and leaves a server
// room for others. A Part that may be repeated, and whose connection had lain idle and broke before it said anything,
// is begun once more on a fresh one.
//
// It is driven from outside: by Run (blocking_run.h) on the caller's thread. Calls with a callback share connections
// and go another way (loop.h).
//
// Threads: one.
// Owns:    its connection while it is under way; gives it back, or destroys it.
// Invariants
// (1) A connection goes back to its endpoint only if every Part on it was answered.

#ifndef HOLDFAST_CLIENT_FLIGHT_H_
#define HOLDFAST_CLIENT_FLIGHT_H_

#include <memory>
#include <span>

#include "client/deadline.h"
#include "client/endpoint.h"
#include "client/part.h"

namespace holdfast::client {

// Hears how servers fare.
class HealthWatch {
 public:
  virtual ~HealthWatch() = default;
  // The endpoint has just been ejected.
  virtual void OnEjected(Endpoint& endpoint) = 0;
  // Its host name has no address yet, or could not be connected to at those it has.
  virtual void OnAddressesWanted(Endpoint& endpoint) = 0;
};

class Flight {
 public:
  // All is borrowed for the call.
  Flight(Endpoint& endpoint, std::span<Part* const> parts, HealthWatch& watch)
      : endpoint_(&endpoint), parts_(parts), watch_(&watch) {}
  Flight(Flight&&) = default;

  void Start(SteadyTime now, std::chrono::nanoseconds connect_timeout);
  // The socket is ready, or, while waits_for_address, some time has passed.
  void Progress(bool readable);
  // Time is up: for connecting, or for all.
  void CheckTime(SteadyTime now, SteadyTime deadline, std::chrono::nanoseconds timeout);

  bool done() const { return done_; }
  bool waits_for_address() const { return !done_ && connection_ == nullptr; }
  bool wants_write() const { return connection_->wants_write(); }
  int file() const { return connection_->file(); }
  bool connecting() const { return connection_ == nullptr || !connection_->connected(); }
  SteadyTime connect_deadline() const { return connect_deadline_; }

 private:
  static constexpr size_t kPartsUnderWay = 2;

  void Begin(bool fresh);
  void SubmitMore();
  void Broken(const Status& status);
  void Land(const Status& status);

  Endpoint* endpoint_;
  std::span<Part* const> parts_;
  HealthWatch* watch_;
  std::unique_ptr<Connection> connection_;  // null while the address is not known, and once done
  SteadyTime connect_deadline_;
  uint64_t received_before_ = 0;  // on this connection, by others
  size_t submitted_ = 0;
  bool reused_ = false;
  bool done_ = false;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_FLIGHT_H_
