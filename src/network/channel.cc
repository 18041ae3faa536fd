// How it works: a message is a head of 16 bytes and a body. The descriptors travel with the head's first byte; the
// kernel never joins bytes across such a place, so the recvmsg that brings the head brings them.

#include "network/channel.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/clock.h"

namespace holdfast::network {
namespace {

using base::ErrorKind;
using base::Status;

struct Head {
  uint32_t kind;
  uint32_t descriptors;
  uint64_t body_bytes;
};
static_assert(sizeof(Head) == 16);

constexpr int kRetryMicros = 1000;  // while too many descriptors are on their way

int64_t NowMillis() { return base::MonotonicMicros() / 1000; }

union Control {
  char bytes[CMSG_SPACE(Channel::kDescriptorsMax * sizeof(int))];
  cmsghdr alignment;
};

void Attach(std::span<const int> descriptors, Control* control, msghdr* message) {
  if (descriptors.empty()) return;
  message->msg_control = control->bytes;
  message->msg_controllen = CMSG_SPACE(descriptors.size_bytes());
  cmsghdr* const head = CMSG_FIRSTHDR(message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(descriptors.size_bytes());
  std::memcpy(CMSG_DATA(head), descriptors.data(), descriptors.size_bytes());
}

void Detach(msghdr* message, std::vector<Descriptor>* to) {
  for (cmsghdr* head = CMSG_FIRSTHDR(message); head != nullptr; head = CMSG_NXTHDR(message, head)) {
    if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS) continue;
    const size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    for (size_t i = 0; i < count; ++i) {
      int number;
      std::memcpy(&number, CMSG_DATA(head) + i * sizeof number, sizeof number);
      to->emplace_back(number);
    }
  }
}

}  // namespace

Channel::Channel(int socket) : socket_(socket) {
  ::fcntl(socket, F_SETFL, ::fcntl(socket, F_GETFL) & ~O_NONBLOCK);
  const timeval limit{kSendMillis / 1000, kSendMillis % 1000 * 1000};
  ::setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) return;
  peer_ = credentials.pid;
  trusted_ = credentials.uid == ::geteuid() || credentials.uid == 0;
}

base::Result<std::unique_ptr<Channel>> Channel::Connect(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return Status(ErrorKind::kUsage, path + ": the path of a unix socket has 1 to " +
                                         std::to_string(sizeof address.sun_path - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  Descriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return base::SystemError("socket", errno);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const bool nobody = errno == ENOENT || errno == ECONNREFUSED;
    return Status(nobody ? ErrorKind::kUnavailable : ErrorKind::kSystem, base::SystemError(path, errno).message());
  }
  return std::make_unique<Channel>(socket.Release());
}

Status Channel::Send(uint32_t kind, std::string_view body, std::span<const int> descriptors) {
  if (body.size() > kBodyBytesMax || descriptors.size() > kDescriptorsMax) {
    return Status(ErrorKind::kSystem, "too large for a message between processes");
  }
  const Head head{kind, static_cast<uint32_t>(descriptors.size()), body.size()};
  iovec vectors[2] = {{const_cast<Head*>(&head), sizeof head}, {const_cast<char*>(body.data()), body.size()}};
  Control control{};
  msghdr message{};
  message.msg_iov = vectors;
  message.msg_iovlen = 2;
  Attach(descriptors, &control, &message);
  const int64_t until_ms = NowMillis() + kSendMillis;
  size_t left = sizeof head + body.size();
  while (left > 0) {
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0 && errno == ETOOMANYREFS && NowMillis() < until_ms) {
      ::usleep(kRetryMicros);
      continue;
    }
    if (sent < 0) return base::SystemError("sending to process " + std::to_string(peer_), errno);
    left -= static_cast<size_t>(sent);
    message.msg_control = nullptr;
    message.msg_controllen = 0;
    auto gone = static_cast<size_t>(sent);
    for (iovec& vector : vectors) {
      const size_t n = std::min(gone, vector.iov_len);
      vector.iov_base = static_cast<char*>(vector.iov_base) + n;
      vector.iov_len -= n;
      gone -= n;
    }
  }
  return {};
}

Status Channel::AwaitInput(int64_t until_ms, int wake) const {
  for (;;) {
    pollfd polled[2] = {{socket_.get(), POLLIN, 0}, {wake, POLLIN, 0}};
    const int64_t left_ms = until_ms < 0 ? -1 : std::max<int64_t>(until_ms - NowMillis(), 0);
    const int ready = ::poll(polled, wake < 0 ? 1 : 2, static_cast<int>(left_ms));
    if (ready < 0 && errno == EINTR) continue;
    if (ready < 0) return base::SystemError("poll", errno);
    if (polled[0].revents != 0) return {};
    if (ready == 0) return Status(ErrorKind::kUnavailable, "process " + std::to_string(peer_) + " takes too long");
    return Status(ErrorKind::kUnavailable, "interrupted");
  }
}

base::Result<Message> Channel::Receive(int timeout_ms, int wake) {
  const int64_t until_ms = timeout_ms < 0 ? -1 : NowMillis() + timeout_ms;
  Message received;
  Head head{};
  size_t have = 0, wanted = sizeof head;
  while (have < wanted) {
    if (Status status = AwaitInput(until_ms, wake); !status.ok()) return status;
    const bool in_head = have < sizeof head;
    iovec vector = in_head ? iovec{reinterpret_cast<char*>(&head) + have, sizeof head - have}
                           : iovec{received.body.data() + (have - sizeof head), wanted - have};
    Control control{};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control.bytes;
    message.msg_controllen = sizeof control.bytes;
    const ssize_t n = ::recvmsg(socket_.get(), &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (n < 0) return base::SystemError("receiving from process " + std::to_string(peer_), errno);
    if (n == 0) return Status(ErrorKind::kSystem, "process " + std::to_string(peer_) + " has ended the hand-over");
    Detach(&message, &received.descriptors);
    have += static_cast<size_t>(n);
    if (!in_head || have < sizeof head) continue;
    if (head.body_bytes > kBodyBytesMax) return Status(ErrorKind::kCorrupt, "a message between processes is damaged");
    received.kind = head.kind;
    received.body.resize(static_cast<size_t>(head.body_bytes));
    wanted += received.body.size();
  }
  if (received.descriptors.size() != head.descriptors) {
    return Status(ErrorKind::kSystem, "not all descriptors have arrived: raise ulimit -n");
  }
  return received;
}

void Channel::EndReceiving() { ::shutdown(socket_.get(), SHUT_RD); }

}  // namespace holdfast::network
