// How it works: one line out, one line back, on a socket that never blocks; poll keeps the time. Keys that are still
// being written are asked for again after a short while. A connection that the other side has closed meanwhile (it was
// restarted, or found us idle) is noticed at the first read and opened once more.

#include "server/peer_line.h"

#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "base/clock.h"

namespace holdfast::server {

namespace {

constexpr int64_t kAgainMicros = 3'000;
constexpr size_t kReplyMax = 4096;

bool WaitFor(int socket, short events, int64_t end_us) {
  for (;;) {
    const int64_t left_us = end_us - base::MonotonicMicros();
    if (left_us <= 0) return false;
    pollfd wanted{socket, events, 0};
    const int ready = ::poll(&wanted, 1, static_cast<int>(left_us / 1000 + 1));
    if (ready > 0) return true;
    if (ready < 0 && errno != EINTR) return false;
  }
}

}  // namespace

PeerLine::~PeerLine() {
  for (const auto& [address, socket] : sockets_) ::close(socket);
}

void PeerLine::Close(const std::string& address) {
  const auto found = sockets_.find(address);
  if (found == sockets_.end()) return;
  ::close(found->second);
  sockets_.erase(found);
}

int PeerLine::Connect(const std::string& address, int64_t end_us) {
  if (const auto found = sockets_.find(address); found != sockets_.end()) return found->second;
  const size_t colon = address.rfind(':');
  if (colon == std::string::npos) return -1;
  std::string host = address.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), address.c_str() + colon + 1, &hints, &list) != 0) return -1;
  int connected = -1;
  for (const addrinfo* entry = list; entry != nullptr && connected < 0; entry = entry->ai_next) {
    const int socket = ::socket(entry->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (socket < 0) continue;
    int error = 0;
    socklen_t size = sizeof error;
    const bool begun = ::connect(socket, entry->ai_addr, entry->ai_addrlen) == 0 || errno == EINPROGRESS;
    if (begun && WaitFor(socket, POLLOUT, end_us) && ::getsockopt(socket, SOL_SOCKET, SO_ERROR, &error, &size) == 0 &&
        error == 0) {
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      connected = socket;
    } else {
      ::close(socket);
    }
  }
  ::freeaddrinfo(list);
  if (connected < 0) return -1;
  while (sockets_.size() >= kConnectionsMax) Close(std::string(sockets_.begin()->first));
  sockets_[address] = connected;
  return connected;
}

bool PeerLine::Converse(int socket, const std::string& line, int64_t end_us, std::string* reply) {
  std::string_view left = line;
  while (!left.empty()) {
    const ssize_t sent = ::send(socket, left.data(), left.size(), MSG_NOSIGNAL);
    if (sent > 0) {
      left.remove_prefix(static_cast<size_t>(sent));
    } else if (errno == EAGAIN) {
      if (!WaitFor(socket, POLLOUT, end_us)) return false;
    } else if (errno != EINTR) {
      return false;
    }
  }
  reply->clear();
  while (!reply->ends_with("\r\n")) {
    if (reply->size() > kReplyMax || !WaitFor(socket, POLLIN, end_us)) return false;
    char bytes[1024];
    const ssize_t got = ::recv(socket, bytes, sizeof bytes, 0);
    if (got > 0) {
      reply->append(bytes, static_cast<size_t>(got));
    } else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
      return false;
    }
  }
  reply->resize(reply->size() - 2);
  return true;
}

bool PeerLine::Yield(const std::string& address, const std::string& token, uint32_t asker,
                     std::span<const std::string> keys, uint32_t timeout_ms) {
  const int64_t end_us = base::MonotonicMicros() + int64_t{timeout_ms} * 1000;
  std::vector<std::string> left(keys.begin(), keys.end());
  bool refused = false;
  bool fresh = sockets_.find(address) == sockets_.end();
  while (!left.empty()) {
    const int socket = Connect(address, end_us);
    if (socket < 0) return false;
    const std::span<const std::string> asked(left.data(), session::KeysOfALine(left));
    std::string reply;
    if (!Converse(socket, session::YieldLine(token, asker, asked) + "\r\n", end_us, &reply)) {
      Close(address);
      if (fresh || base::MonotonicMicros() >= end_us) return false;
      fresh = true;
      continue;
    }
    fresh = true;
    const std::vector<session::YieldAnswer> answers = session::ReadYieldReply(reply, asked.size());
    if (answers.empty()) return false;
    std::vector<std::string> waiting;
    for (size_t i = 0; i < answers.size(); ++i) {
      if (answers[i] == session::YieldAnswer::kWait) waiting.push_back(left[i]);
      refused = refused || answers[i] == session::YieldAnswer::kRefused;
    }
    // Those behind first: they may be done when we come back to these.
    left.erase(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(answers.size()));
    const bool only_waiting = left.empty();
    left.insert(left.end(), waiting.begin(), waiting.end());
    if (left.empty()) break;
    if (base::MonotonicMicros() + kAgainMicros >= end_us) return false;
    if (only_waiting) ::usleep(kAgainMicros);
  }
  return !refused;
}

}  // namespace holdfast::server
