// transport.h - how bytes reach and leave one socket: plain, or later TLS. The connection above knows only this.
//
// Threads: one worker.
// Owns:    the socket, closed by the destructor.
// Errors:  in the IoResult; kFailed and kEnd are final.
// Blocks:  never; the socket is non-blocking.

#ifndef HOLDFAST_NETWORK_TRANSPORT_H_
#define HOLDFAST_NETWORK_TRANSPORT_H_

#include <sys/uio.h>

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "network/connection_limit.h"

namespace holdfast::network {

enum class Io {
  kDone,       // `bytes` were moved (at least 1), or the handshake is complete
  kWantRead,   // nothing moved: call again when the socket is readable
  kWantWrite,  // nothing moved: call again when the socket is writable
  kEnd,        // the peer has closed its side
  kFailed,     // reset, timed out, or a broken record
};

struct IoResult {
  Io io;
  size_t bytes = 0;
};

class Transport {
 public:
  virtual ~Transport() = default;

  virtual int socket() const = 0;
  // Called until kDone before the first Read or Write. A transport without handshake says kDone at once.
  virtual Io Handshake() = 0;
  virtual IoResult Read(char* to, size_t size) = 0;
  // May take fewer bytes than offered; then the socket is full.
  virtual IoResult Write(const iovec* vectors, int count) = 0;
  // True when Read would bring bytes although the socket is not readable (a record that is half handed out).
  virtual bool HasUnreadBytes() const = 0;
  // Whether another process can go on with the socket alone: it has no state of its own but bytes that were not read.
  virtual bool MayMove() const { return false; }
  // The bytes that Read would bring before it asks the socket.
  virtual std::string_view unread() const { return {}; }

  // The connection's place under the limit goes with its socket.
  void Keep(ConnectionLimit::Place place) { place_ = std::move(place); }

 private:
  ConnectionLimit::Place place_;
};

// Bytes as they are. Takes over a non-blocking stream socket. unread: what was received already and comes first.
std::unique_ptr<Transport> MakePlainTransport(int socket, std::string unread = {});

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_TRANSPORT_H_
