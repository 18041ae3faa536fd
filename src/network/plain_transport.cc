// One system call each way. A single vector goes by send, which spares the kernel the copying of a msghdr; both ways
// pass MSG_NOSIGNAL, so that a peer that is gone is an error here and not a signal to the process.

#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "network/transport.h"

namespace holdfast::network {
namespace {

Io FromErrno(Io when_busy) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return when_busy;
  return Io::kFailed;
}

class PlainTransport final : public Transport {
 public:
  explicit PlainTransport(int socket) : socket_(socket) {}
  ~PlainTransport() override { ::close(socket_); }
  PlainTransport(const PlainTransport&) = delete;
  PlainTransport& operator=(const PlainTransport&) = delete;

  int socket() const override { return socket_; }
  Io Handshake() override { return Io::kDone; }
  bool HasUnreadBytes() const override { return false; }

  IoResult Read(char* to, size_t size) override {
    ssize_t n;
    do {
      n = ::recv(socket_, to, size, 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0) return {Io::kDone, static_cast<size_t>(n)};
    if (n == 0) return {Io::kEnd};
    return {FromErrno(Io::kWantRead)};
  }

  IoResult Write(const iovec* vectors, int count) override {
    ssize_t n;
    do {
      n = count == 1 ? ::send(socket_, vectors->iov_base, vectors->iov_len, MSG_NOSIGNAL) : SendAll(vectors, count);
    } while (n < 0 && errno == EINTR);
    if (n >= 0) return {Io::kDone, static_cast<size_t>(n)};
    return {FromErrno(Io::kWantWrite)};
  }

 private:
  ssize_t SendAll(const iovec* vectors, int count) const {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(vectors);
    message.msg_iovlen = static_cast<size_t>(count);
    return ::sendmsg(socket_, &message, MSG_NOSIGNAL);
  }

  const int socket_;
};

}  // namespace

std::unique_ptr<Transport> MakePlainTransport(int socket) { return std::make_unique<PlainTransport>(socket); }

}  // namespace holdfast::network
