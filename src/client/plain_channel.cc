#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

#include "client/channel.h"

namespace holdfast::client {
namespace {

IoResult Failed(int error) {
  if (error == EAGAIN || error == EWOULDBLOCK || error == EINTR) return {IoResult::kAgain, 0, 0};
  return {IoResult::kError, 0, error};
}

class PlainChannel final : public Channel {
 public:
  PlainChannel(int file, const SocketAddress& address) : file_(file), address_(address) {}
  ~PlainChannel() override { close(file_); }
  PlainChannel(const PlainChannel&) = delete;
  PlainChannel& operator=(const PlainChannel&) = delete;

  // connect(2) asked again tells how the first one went: EISCONN when it did well, its error when not.
  IoResult Connect() override {
    if (connect(file_, reinterpret_cast<const sockaddr*>(&address_.storage), address_.size) == 0) return {};
    if (errno == EISCONN) return {};
    if (errno == EINPROGRESS || errno == EALREADY || errno == EINTR) return {IoResult::kAgain, 0, 0};
    return {IoResult::kError, 0, errno};
  }

  IoResult Read(char* to, size_t size) override {
    const ssize_t got = recv(file_, to, size, MSG_DONTWAIT);
    if (got > 0) return {IoResult::kDone, static_cast<size_t>(got), 0};
    if (got == 0) return {IoResult::kEnd, 0, 0};
    return Failed(errno);
  }

  IoResult Write(const iovec* vectors, int count) override {
    msghdr message = {};
    message.msg_iov = const_cast<iovec*>(vectors);
    message.msg_iovlen = static_cast<size_t>(count);
    const ssize_t sent = count == 1 ? send(file_, vectors->iov_base, vectors->iov_len, MSG_DONTWAIT | MSG_NOSIGNAL)
                                    : sendmsg(file_, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent >= 0) return {IoResult::kDone, static_cast<size_t>(sent), 0};
    return Failed(errno);
  }

  bool Quiet() override {
    char byte;
    return recv(file_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && (errno == EAGAIN || errno == EWOULDBLOCK);
  }

  int file() const override { return file_; }

 private:
  const int file_;
  const SocketAddress address_;
};

}  // namespace

std::unique_ptr<Channel> OpenPlainChannel(const SocketAddress& address, int* error) {
  const int family = address.storage.ss_family;
  const int file = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (file < 0) {
    *error = errno;
    return nullptr;
  }
  const int yes = 1;
  if (family != AF_UNIX) setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  return std::make_unique<PlainChannel>(file, address);
}

}  // namespace holdfast::client
