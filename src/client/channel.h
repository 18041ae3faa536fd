// channel.h - bytes to and from one server: the seam where TLS goes in beside plain sockets.
//
// Threads: one at a time.
// Owns:    its socket.
// Blocks:  never; kAgain says to wait for the socket.
// Errors:  kError with errno; kEnd when the server has closed.

#ifndef HOLDFAST_CLIENT_CHANNEL_H_
#define HOLDFAST_CLIENT_CHANNEL_H_

#include <sys/uio.h>

#include <cstddef>
#include <memory>

#include "client/address.h"

namespace holdfast::client {

struct IoResult {
  enum Kind { kDone, kAgain, kEnd, kError } kind = kDone;
  size_t bytes = 0;  // kDone
  int error = 0;     // kError
};

class Channel {
 public:
  virtual ~Channel() = default;

  // kDone: connected. kAgain: wait until the socket is writable and ask again. A TLS channel shakes hands in here.
  virtual IoResult Connect() = 0;
  virtual IoResult Read(char* to, size_t size) = 0;
  virtual IoResult Write(const iovec* vectors, int count) = 0;
  // Whether nothing has come and nobody has closed: what must hold of a connection that lay idle.
  virtual bool Quiet() = 0;
  virtual int file() const = 0;
};

// A socket on its way to the address; null, with *error set, when it cannot even begin.
std::unique_ptr<Channel> OpenPlainChannel(const SocketAddress& address, int* error);

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_CHANNEL_H_
