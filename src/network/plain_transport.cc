// One system call each way. A single vector goes by send, which spares the kernel the copying of a msghdr; both ways
// pass MSG_NOSIGNAL, so that a peer that is gone is an error here and not a signal to the process.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "network/transport.h"

namespace holdfast::network {
namespace {

Io FromErrno(Io when_busy) {
  if (errno == EAGAIN || errno == EWOULDBLOCK) return when_busy;
  return Io::kFailed;
}

class PlainTransport final : public Transport {
 public:
  PlainTransport(int socket, std::string unread) : socket_(socket) {
    if (!unread.empty()) unread_ = std::make_unique<Unread>(Unread{std::move(unread)});
  }
  ~PlainTransport() override { ::close(socket_); }
  PlainTransport(const PlainTransport&) = delete;
  PlainTransport& operator=(const PlainTransport&) = delete;

  int socket() const override { return socket_; }
  Io Handshake() override { return Io::kDone; }
  bool HasUnreadBytes() const override { return unread_ != nullptr; }
  bool MayMove() const override { return true; }
  std::string_view unread() const override {
    return unread_ == nullptr ? std::string_view() : std::string_view(unread_->bytes).substr(unread_->begin);
  }

  IoResult Read(char* to, size_t size) override {
    if (unread_ != nullptr) return {Io::kDone, TakeUnread(to, size)};
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

  size_t TakeUnread(char* to, size_t size) {
    const size_t n = std::min(size, unread().size());
    std::memcpy(to, unread().data(), n);
    unread_->begin += n;
    if (unread_->begin == unread_->bytes.size()) unread_.reset();
    return n;
  }

  struct Unread {
    std::string bytes;
    size_t begin = 0;
  };
  const int socket_;
  std::unique_ptr<Unread> unread_;  // null when all of it was read
};

}  // namespace

std::unique_ptr<Transport> MakePlainTransport(int socket, std::string unread) {
  return std::make_unique<PlainTransport>(socket, std::move(unread));
}

}  // namespace holdfast::network
