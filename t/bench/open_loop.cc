// How it works: arrivals are drawn beforehand from an exponential distribution. The thread sleeps in epoll_pwait2 until
// the next arrival or reply. A time counts from the arrival as it was drawn, not from when the request was written, so
// that what this program itself is late counts for both servers alike and is never hidden.
#include "bench/open_loop.h"

#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>

#include "bench/load.h"
#include "bench/server_process.h"

namespace holdfast::bench {
namespace {

constexpr int kConnections = 50;
constexpr int kEventsMax = 64;
constexpr size_t kReceiveBytes = 64 << 10;
constexpr int64_t kNanos = 1'000'000'000;
constexpr int64_t kLateLookNanos = 20'000;
constexpr uint32_t kAtATime = 1'000;  // of StoreAll

int64_t NowNanos() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return int64_t{now.tv_sec} * kNanos + now.tv_nsec;
}

double Percentile(std::vector<uint32_t>& sorted, double share) {
  if (sorted.empty()) return 0;
  return sorted[std::min(sorted.size() - 1, static_cast<size_t>(share * static_cast<double>(sorted.size())))] / 1e3;
}

void AppendKey(std::string& out, std::string_view prefix, uint32_t key) {
  out += prefix;
  const std::string digits = std::to_string(key);
  out.append(8 - digits.size(), '0');
  out += digits;
}

}  // namespace

OpenLoop::OpenLoop(uint16_t port, std::string_view prefix, uint32_t keys, uint32_t set_every, uint64_t seed)
    : prefix_(prefix),
      set_every_(set_every),
      epoll_(epoll_create1(EPOLL_CLOEXEC)),
      dice_(seed),
      stored_(keys, 0),
      connections_(kConnections) {
  prctl(PR_SET_TIMERSLACK, 1);
  for (Connection& connection : connections_) {
    connection.fd = ConnectLoopback(port, false);
    if (connection.fd < 0) throw BenchError(std::string("cannot connect: ") + std::strerror(errno));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = &connection;
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection.fd, &event);
  }
}

OpenLoop::~OpenLoop() {
  for (const Connection& connection : connections_) close(connection.fd);
  close(epoll_);
}

void OpenLoop::StoreAll() {
  for (uint32_t key = 0; key < stored_.size(); ++key) {
    Ask(key, false, NowNanos());
    if (key % kAtATime == 0) Finish();
  }
  Finish();
}

OpenLoopFigures OpenLoop::Run(double requests_per_s, std::chrono::milliseconds run) {
  gets_ns_.clear();
  const int64_t begun_ns = NowNanos();
  const double mean_ns = static_cast<double>(kNanos) / requests_per_s;
  const auto run_ns = static_cast<double>(std::chrono::nanoseconds(run).count());
  double at_ns = 0;
  for (;;) {
    at_ns -= std::log((static_cast<double>(dice_.Next() >> 11) + 1) * 0x1.0p-53) * mean_ns;
    if (at_ns >= run_ns) break;
    const int64_t due_ns = begun_ns + static_cast<int64_t>(at_ns);
    WaitUntil(due_ns);
    const bool is_set = set_every_ != 0 && dice_.OneIn(set_every_);
    Ask(dice_.Below(static_cast<uint32_t>(stored_.size())), !is_set, due_ns);
  }
  Finish();
  std::sort(gets_ns_.begin(), gets_ns_.end());
  return {gets_ns_.size(), Percentile(gets_ns_, 0.5), Percentile(gets_ns_, 0.99), Percentile(gets_ns_, 0.999)};
}

void OpenLoop::Ask(uint32_t key, bool is_get, int64_t due_ns) {
  Connection& connection = connections_[key % kConnections];
  std::string& out = connection.unsent;
  out += is_get ? "get " : "set ";
  AppendKey(out, prefix_, key);
  if (!is_get) {
    out += " 0 3600 " + std::to_string(kOpenLoopValueBytes) + "\r\n";
    AppendValue(out, key, ++stored_[key]);
  }
  out += "\r\n";
  connection.expected.push_back({due_ns, key, stored_[key], is_get});
  ++waiting_;
  if (!connection.waits_for_room) Send(connection);
}

void OpenLoop::AppendValue(std::string& out, uint32_t key, uint32_t stored) const {
  const size_t begin = out.size();
  AppendKey(out, prefix_, key);
  out += " " + std::to_string(stored) + " ";
  out.resize(begin + kOpenLoopValueBytes, 'x');
}

void OpenLoop::Send(Connection& connection) {
  const ssize_t sent = send(connection.fd, connection.unsent.data(), connection.unsent.size(), MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) throw BenchError(std::string("send: ") + std::strerror(errno));
  if (sent > 0) connection.unsent.erase(0, static_cast<size_t>(sent));
  const bool is_sent = connection.unsent.empty();
  if (connection.waits_for_room == !is_sent) return;
  connection.waits_for_room = !is_sent;
  epoll_event event{};
  event.events = is_sent ? EPOLLIN : EPOLLIN | EPOLLOUT;
  event.data.ptr = &connection;
  epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
}

// Takes replies until then. Who is late looks for them now and then only: asking comes first.
void OpenLoop::WaitUntil(int64_t until_ns) {
  epoll_event events[kEventsMax];
  for (;;) {
    const int64_t now_ns = NowNanos();
    const int64_t left_ns = std::max<int64_t>(0, until_ns - now_ns);
    if (left_ns == 0 && now_ns - looked_ns_ < kLateLookNanos) return;
    looked_ns_ = now_ns;
    const timespec timeout{.tv_sec = left_ns / kNanos, .tv_nsec = left_ns % kNanos};
    const int ready = epoll_pwait2(epoll_, events, kEventsMax, &timeout, nullptr);
    for (int i = 0; i < ready; ++i) {
      Connection& connection = *static_cast<Connection*>(events[i].data.ptr);
      if (events[i].events & EPOLLOUT) Send(connection);
      if (events[i].events & ~static_cast<uint32_t>(EPOLLOUT)) Receive(connection);
    }
    if (left_ns == 0) return;
  }
}

void OpenLoop::Receive(Connection& connection) {
  char bytes[kReceiveBytes];
  const ssize_t got = recv(connection.fd, bytes, sizeof bytes, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) throw BenchError("the server closed a connection");
  connection.received.append(bytes, static_cast<size_t>(got));
  Check(connection, NowNanos());
}

void OpenLoop::Check(Connection& connection, int64_t now_ns) {
  while (!connection.expected.empty()) {
    const Expected& expected = connection.expected.front();
    wanted_.clear();
    if (expected.is_get) {
      wanted_ += "VALUE ";
      AppendKey(wanted_, prefix_, expected.key);
      wanted_ += " 0 " + std::to_string(kOpenLoopValueBytes) + "\r\n";
      AppendValue(wanted_, expected.key, expected.stored);
      wanted_ += "\r\nEND\r\n";
    } else {
      wanted_ = "STORED\r\n";
    }
    const std::string_view received = std::string_view(connection.received).substr(connection.consumed);
    const size_t compared = std::min(received.size(), wanted_.size());
    if (received.substr(0, compared) != std::string_view(wanted_).substr(0, compared)) {
      throw BenchError("wrong reply: " + std::string(received.substr(0, 60)) +
                       " where this was expected: " + wanted_.substr(0, 60));
    }
    if (compared < wanted_.size()) break;
    connection.consumed += compared;
    if (expected.is_get)
      gets_ns_.push_back(static_cast<uint32_t>(std::min<int64_t>(now_ns - expected.due_ns, UINT32_MAX)));
    connection.expected.pop_front();
    --waiting_;
  }
  connection.received.erase(0, connection.consumed);
  connection.consumed = 0;
}

void OpenLoop::Finish() {
  const int64_t deadline_ns = NowNanos() + int64_t{kAnswerTimeoutMs} * 1'000'000;
  while (waiting_ > 0) {
    if (NowNanos() > deadline_ns) throw BenchError("no answer within " + std::to_string(kAnswerTimeoutMs) + " ms");
    WaitUntil(NowNanos() + 1'000'000);
  }
}

}  // namespace holdfast::bench
