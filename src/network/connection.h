// connection.h - one client's socket on one worker: bytes in, bytes out, and who may run now.
//
// A connection is readable, runnable, parked or closing. The worker's loop collects readable connections in a ready
// queue and then gives each a turn: read once, hand the input to the Handler, which consumes what it can and appends to
// the output, send, give the buffers back when they are empty.
//
// Threads: everything on the worker's thread. Worker::Post is the only door from elsewhere.
// Owns:    its socket, its input block while there are unread bytes, its Output, its Handler.
// Errors:  a socket error or the peer's close ends the connection: Handler::OnClose, then it is gone.
// Limits:  one input block (base::kBlockBytes); a Handler that needs more in one piece consumes it into memory of its
// own
//          (an upload), charged to the same BlockBudget. kOutputHighWater unsent bytes stop the turn.

#ifndef HOLDFAST_NETWORK_CONNECTION_H_
#define HOLDFAST_NETWORK_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "base/output.h"

namespace holdfast::network {

class Worker;
class Connection;

inline constexpr size_t kOutputHighWater = 128 * 1024;

// What a handler says at the end of its part of the turn.
enum class Turn {
  kNeedInput,  // everything that could be parsed is done: call again when more has come
  kYield,      // it has done its share (-R) and input is left: call again after the other ready connections; output may
               // wait
  kFull,       // kOutputHighWater reached: call again when the socket has taken it
  kParked,  // a request waits for something: not to be called before Worker::Resume(id). Input may still arrive, up to
            // one block; when the peer has gone meanwhile, OnClose comes instead of the call
  kClose,   // send what is there, then close
  kAbort,   // close at once, unsent bytes are dropped
};

class Handler {
 public:
  virtual ~Handler() = default;
  // Consumes input, appends output. Called when there is new input, and after kYield, kFull and kParked as said above.
  // A Resume may belong to an earlier parking: one that is called while it still waits says kParked again.
  virtual Turn OnTurn(Connection& connection) = 0;
  // The connection is about to go; nothing more can be sent. Called exactly once.
  virtual void OnClose(Connection& connection) = 0;

  // Between turns, for another process to go on: `state` is for Import there, `unread` gets bytes that were consumed
  // and are to come first again. Changes nothing here. False: this connection cannot move.
  virtual bool Export(std::string* state, std::string* unread) const {
    static_cast<void>(state), static_cast<void>(unread);
    return false;
  }
  // Before the first turn. False: not what Export gives.
  virtual bool Import(std::string_view state) {
    static_cast<void>(state);
    return false;
  }
  // Between turns: a request was begun and is not answered yet.
  virtual bool Busy() const { return false; }
};

class Connection {
 public:
  virtual ~Connection() = default;

  // Unread bytes in one piece, at most kBlockBytes. Valid until Consume of them or the end of the turn.
  virtual std::string_view input() const = 0;
  virtual void Consume(size_t n) = 0;
  // True when the input block is full: waiting for more in one piece would be for ever, so kNeedInput closes then.
  virtual bool InputFull() const = 0;

  virtual base::Output& output() = 0;
  virtual Worker& worker() = 0;
  // Unique in the process for all time; what a parked request keeps instead of a pointer.
  virtual uint64_t id() const = 0;
  // "tcp:127.0.0.1:5000", "tcp6:[::1]:5000", "unix:/path"; a unix client without a name is "unix:"
  virtual std::string PeerName() const = 0;
  virtual std::string LocalName() const = 0;
  virtual int socket() const = 0;  // -1 once it is closed
  // What it does, in memcached's words: "conn_read", "conn_mwrite", ...
  virtual const char* StateName() const = 0;
  // ListenerSettings::labels of the address that it came by; 0: none.
  virtual uint8_t label() const { return 0; }
  // Whole seconds since its last turn.
  virtual uint32_t IdleSeconds() const = 0;
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_CONNECTION_H_
