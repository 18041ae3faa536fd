// echo_server.cc - the floor of the benchmark: a server that does a cache's input and output and none of its work.
//
// How it works: one thread, one level-triggered epoll, one read and one send a turn and connection, as memcached does.
// The replies owed are counted from the bytes received, see echo_protocol.h, and come from a prepared buffer: nothing
// is parsed, hashed or looked up. What it costs is what the kernel costs any server with those message sizes.
//
// Limits: kConnectionsMax connections; kEchoBytesMax a request or reply. It listens on loopback only, and closes a
// connection that breaks the rules.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "bench/echo_protocol.h"

namespace holdfast::bench {
namespace {

constexpr size_t kConnectionsMax = 1024;
constexpr size_t kReadBytes = 64 * 1024;
constexpr size_t kPreparedBytes = 64 * 1024;
constexpr int kEventsMax = 64;

// EchoConnection - one client. Owns the socket.
class EchoConnection {
 public:
  explicit EchoConnection(int fd) : fd_(fd) {}
  ~EchoConnection() { close(fd_); }
  EchoConnection(const EchoConnection&) = delete;
  EchoConnection& operator=(const EchoConnection&) = delete;

  int fd() const { return fd_; }
  bool wants_to_write() const { return bytes_owed_ > 0; }

  // Both return false when the connection is over.
  bool Receive(std::span<char> buffer);
  bool Send();

 private:
  bool TakeOrder(std::span<const char>& bytes);
  void Owe(size_t requested_bytes);

  const int fd_;
  std::string order_;     // what has arrived of the order; empty again when it is complete
  std::string prepared_;  // the reply, repeated
  size_t request_bytes_ = 0;
  size_t reply_bytes_ = 0;  // 0 until the order is complete
  size_t requested_ = 0;    // bytes of a request that has not arrived in full
  size_t bytes_owed_ = 0;
  size_t offset_ = 0;  // where in the reply the next byte owed lies
};

bool EchoConnection::Receive(std::span<char> buffer) {
  const ssize_t got = recv(fd_, buffer.data(), buffer.size(), 0);
  if (got < 0) return errno == EAGAIN || errno == EINTR;
  if (got == 0) return false;
  std::span<const char> bytes = buffer.first(static_cast<size_t>(got));
  if (reply_bytes_ == 0 && !TakeOrder(bytes)) return false;
  if (reply_bytes_ > 0) Owe(bytes.size());
  return bytes_owed_ == 0 || Send();
}

// Takes the order off the front of `bytes`. False: it is not one.
bool EchoConnection::TakeOrder(std::span<const char>& bytes) {
  const auto take_up_to = [&](size_t size) {
    const size_t taken = std::min(bytes.size(), size - std::min(size, order_.size()));
    order_.append(bytes.data(), taken);
    bytes = bytes.subspan(taken);
    return order_.size() >= size;
  };
  EchoOrder order;
  if (!take_up_to(sizeof order)) return true;
  std::memcpy(&order, order_.data(), sizeof order);
  const auto is_size = [](uint32_t size) { return size > 0 && size <= kEchoBytesMax; };
  if (order.magic != kEchoMagic || !is_size(order.request_bytes) || !is_size(order.reply_bytes)) return false;
  if (!take_up_to(sizeof order + order.reply_bytes)) return true;
  request_bytes_ = order.request_bytes;
  reply_bytes_ = order.reply_bytes;
  const std::string reply = order_.substr(sizeof order);
  do prepared_ += reply;
  while (prepared_.size() < kPreparedBytes);
  order_.clear();
  return true;
}

void EchoConnection::Owe(size_t bytes) {
  requested_ += bytes;
  bytes_owed_ += requested_ / request_bytes_ * reply_bytes_;
  requested_ %= request_bytes_;
}

bool EchoConnection::Send() {
  const size_t piece = std::min(bytes_owed_, prepared_.size() - offset_);
  const ssize_t sent = send(fd_, prepared_.data() + offset_, piece, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  bytes_owed_ -= static_cast<size_t>(sent);
  offset_ = (offset_ + static_cast<size_t>(sent)) % reply_bytes_;
  return true;
}

class EchoServer {
 public:
  explicit EchoServer(int listener);
  [[noreturn]] void Run();

 private:
  void Accept();
  void Serve(EchoConnection& connection, uint32_t events);
  void Watch(int operation, int fd, uint32_t events);

  const int listener_;
  const int epoll_;
  std::vector<std::unique_ptr<EchoConnection>> connections_;  // by file descriptor, null where there is none
  std::vector<char> buffer_;
};

EchoServer::EchoServer(int listener)
    : listener_(listener), epoll_(epoll_create1(0)), connections_(kConnectionsMax), buffer_(kReadBytes) {
  Watch(EPOLL_CTL_ADD, listener_, EPOLLIN);
}

void EchoServer::Run() {
  epoll_event events[kEventsMax];
  for (;;) {
    const int ready = epoll_wait(epoll_, events, kEventsMax, -1);
    for (int i = 0; i < ready; ++i) {
      if (events[i].data.fd == listener_) {
        Accept();
      } else {
        Serve(*connections_[static_cast<size_t>(events[i].data.fd)], events[i].events);
      }
    }
  }
}

void EchoServer::Accept() {
  const int fd = accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return;
  if (static_cast<size_t>(fd) >= kConnectionsMax) {
    close(fd);
    return;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  connections_[static_cast<size_t>(fd)] = std::make_unique<EchoConnection>(fd);
  Watch(EPOLL_CTL_ADD, fd, EPOLLIN);
}

// A connection is watched for one thing at a time: for requests, or while a reply is stuck for room to send it.
void EchoServer::Serve(EchoConnection& connection, uint32_t events) {
  const bool was_stuck = connection.wants_to_write();
  const bool alive = was_stuck && (events & EPOLLOUT) ? connection.Send() : connection.Receive(buffer_);
  if (!alive) {
    connections_[static_cast<size_t>(connection.fd())].reset();
  } else if (connection.wants_to_write() != was_stuck) {
    Watch(EPOLL_CTL_MOD, connection.fd(), was_stuck ? EPOLLIN : EPOLLOUT);
  }
}

void EchoServer::Watch(int operation, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  epoll_ctl(epoll_, operation, fd, &event);
}

int Listen(uint16_t port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0 || listen(fd, SOMAXCONN) != 0) return -1;
  return fd;
}

}  // namespace
}  // namespace holdfast::bench

// Takes the flags that every server of the benchmark gets, and heeds -p.
int main(int argc, char** argv) {
  int port = 0;
  for (int option; (option = getopt(argc, argv, "l:p:")) != -1;) {
    if (option == 'p') port = std::atoi(optarg);
  }
  const int listener = holdfast::bench::Listen(static_cast<uint16_t>(port));
  if (listener < 0) {
    std::fprintf(stderr, "echo_server: cannot listen on 127.0.0.1:%d: %s\n", port, std::strerror(errno));
    return 1;
  }
  holdfast::bench::EchoServer(listener).Run();
}
