// How it works: one level-triggered epoll over non-blocking sockets. The reply is compared as it arrives, so an error
// message shows up as a wrong byte at once instead of as a wait for bytes that never come; one byte more than expected
// is asked for, so an overlong reply shows too.
//
// In a burst the server's threads have all their requests before them when they are let go, and nothing else runs: how
// they stand in each other's way shows without another core for the client. What the client does not read meanwhile
// waits in the sockets, which hold more than a batch's replies.
//
// The server's CPU time is read while no request is under way: a sleeping thread's account is exact, a running one's
// lags by up to a clock tick.
#include "bench/load.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "bench/echo_protocol.h"

namespace holdfast::bench {
namespace {

constexpr int kEventsMax = 64;
constexpr size_t kExcerptBytes = 60;
constexpr auto kRest = std::chrono::milliseconds(2);
constexpr auto kRestLook = std::chrono::milliseconds(20);
constexpr auto kRestPatience = std::chrono::minutes(1);
constexpr int kPreloadConnections = 4;
constexpr int kPreloadDepth = 100;

using Clock = std::chrono::steady_clock;

uint64_t Nanoseconds(Clock::duration duration) {
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::nanoseconds>(duration).count());
}

std::string Excerpt(const char* bytes, size_t size) {
  std::string text = "\"";
  for (size_t i = 0; i < std::min(size, kExcerptBytes); ++i) {
    const char c = bytes[i];
    if (c == '\r')
      text += "\\r";
    else if (c == '\n')
      text += "\\n";
    else
      text += c >= ' ' && c <= '~' ? c : '?';
  }
  return text + '"';
}

}  // namespace

struct Load::Connection {
  int fd = -1;
  int index = 0;
  Batch batch;
  std::vector<char> received;  // one byte longer than the reply
  size_t sent_bytes = 0;
  size_t received_bytes = 0;
  bool waits_for_room = false;  // the request did not fit into the socket
  Clock::time_point began;
};

Load::Load(ServerProcess& server, const Workload& workload, Syntax syntax, Keyspace keyspace, uint64_t seed)
    : server_(server),
      workload_(workload),
      writer_(workload, syntax, keyspace, seed, &server.ledger()),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  if (server.role() == Role::kEcho) {
    server.ledger().resize(keyspace.keys);  // nothing loads counters into it, the writer still counts in one
    writer_.Write(canned_, 0);
  }
  for (int i = 0; i < workload.connections; ++i) {
    auto connection = std::make_unique<Connection>();
    connection->index = i;
    connection->fd = ConnectLoopback(server.port(), false);
    if (connection->fd < 0) throw BenchError(std::string("cannot connect: ") + std::strerror(errno));
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.ptr = connection.get();
    epoll_ctl(epoll_, EPOLL_CTL_ADD, connection->fd, &event);
    connections_.push_back(std::move(connection));
    if (server.role() == Role::kEcho) OrderEcho(*connections_.back());
  }
}

Load::~Load() {
  for (const auto& connection : connections_) close(connection->fd);
  close(epoll_);
}

Measurement Load::Measure(std::chrono::milliseconds warm_up, std::chrono::milliseconds run) {
  batches_left_ = UINT64_MAX;
  deadline_ = Clock::now() + warm_up;
  Run();
  operations_ = 0;
  round_trips_ns_.clear();
  std::this_thread::sleep_for(kRest);

  const uint64_t cpu_before_ns = server_.CpuNs();
  const Clock::time_point began = Clock::now();
  deadline_ = began + run;
  Run();
  Measurement measurement{.operations = operations_, .wall_ns = Nanoseconds(Clock::now() - began)};
  std::this_thread::sleep_for(kRest);
  measurement.cpu_ns = server_.CpuNs() - cpu_before_ns;
  if (!round_trips_ns_.empty()) {
    const auto middle = round_trips_ns_.begin() + static_cast<ptrdiff_t>(round_trips_ns_.size() / 2);
    std::nth_element(round_trips_ns_.begin(), middle, round_trips_ns_.end());
    measurement.round_trip_ns = *middle;
  }
  return measurement;
}

Measurement Load::MeasureBursts(std::span<Load* const> loads, std::chrono::milliseconds warm_up,
                                std::chrono::milliseconds run) {
  RunBursts(loads, Clock::now() + warm_up);
  for (Load* load : loads) load->operations_ = 0;
  std::this_thread::sleep_for(kRest);
  const uint64_t cpu_before_ns = CpuNsOf(loads);
  const Clock::time_point began = Clock::now();
  RunBursts(loads, began + run);
  Measurement measurement{.wall_ns = Nanoseconds(Clock::now() - began)};
  for (const Load* load : loads) measurement.operations += load->operations_;
  std::this_thread::sleep_for(kRest);
  measurement.cpu_ns = CpuNsOf(loads) - cpu_before_ns;
  return measurement;
}

void Load::SendBatches(uint64_t batches) {
  batches_left_ = batches;
  deadline_ = Clock::time_point::max();
  Run();
}

void Load::Run() {
  is_past_deadline_ = false;
  BeginAll();
  AwaitAll();
}

void Load::RunBursts(std::span<Load* const> loads, Clock::time_point deadline) {
  do {
    for (Load* load : loads) load->server_.Hold();
    for (Load* load : loads) {
      load->is_past_deadline_ = false;
      load->batches_left_ = load->connections_.size();
      load->BeginAll();
    }
    for (Load* load : loads) load->server_.Release();
    const auto patience = Clock::now() + std::chrono::milliseconds(kAnswerTimeoutMs);
    uint64_t before_ns = 0, now_ns = CpuNsOf(loads);
    do {
      std::this_thread::sleep_for(kRest);
      before_ns = std::exchange(now_ns, CpuNsOf(loads));
    } while (now_ns != before_ns && Clock::now() < patience);
    for (Load* load : loads) load->AwaitAll();
  } while (Clock::now() < deadline);
}

uint64_t Load::CpuNsOf(std::span<Load* const> loads) {
  uint64_t sum_ns = 0;
  for (const Load* load : loads) sum_ns += load->server_.CpuNs();
  return sum_ns;
}

void Load::BeginAll() {
  for (const auto& connection : connections_) {
    if (MayBegin()) {
      ++busy_;
      Begin(*connection);
    }
  }
}

void Load::AwaitAll() {
  epoll_event events[kEventsMax];
  while (busy_ > 0) {
    const int ready = epoll_wait(epoll_, events, kEventsMax, kAnswerTimeoutMs);
    if (ready == 0) Stalled();
    is_past_deadline_ = Clock::now() >= deadline_;
    for (int i = 0; i < ready; ++i) Advance(*static_cast<Connection*>(events[i].data.ptr), events[i].events);
  }
}

bool Load::MayBegin() {
  if (is_past_deadline_ || batches_left_ == 0) return false;
  --batches_left_;
  return true;
}

void Load::Begin(Connection& connection) {
  writer_.Write(connection.batch, connection.index);
  if (server_.role() == Role::kEcho) connection.batch.reply = canned_.reply;
  connection.received.resize(std::max(connection.received.size(), connection.batch.reply.size() + 1));
  connection.sent_bytes = connection.received_bytes = 0;
  if (workload_.quantity == Quantity::kRoundTrip) connection.began = Clock::now();
  FlushRequest(connection);
}

void Load::Advance(Connection& connection, uint32_t events) {
  if ((events & EPOLLOUT) && !FlushRequest(connection)) return;
  if (!(events & ~static_cast<uint32_t>(EPOLLOUT)) || !ReceiveReply(connection)) return;
  if (workload_.quantity == Quantity::kRoundTrip) {
    round_trips_ns_.push_back(Nanoseconds(Clock::now() - connection.began));
  }
  operations_ += connection.batch.operations;
  if (MayBegin()) {
    Begin(connection);
  } else {
    --busy_;
  }
}

// True when the whole request has been sent.
bool Load::FlushRequest(Connection& connection) {
  const std::string& request = connection.batch.request;
  const ssize_t sent =
      send(connection.fd, request.data() + connection.sent_bytes, request.size() - connection.sent_bytes, MSG_NOSIGNAL);
  if (sent < 0 && errno != EAGAIN) throw BenchError(std::string("send: ") + std::strerror(errno));
  if (sent > 0) connection.sent_bytes += static_cast<size_t>(sent);
  const bool is_sent = connection.sent_bytes == request.size();
  if (connection.waits_for_room == is_sent) {
    connection.waits_for_room = !is_sent;
    epoll_event event{};
    event.events = is_sent ? EPOLLIN : EPOLLIN | EPOLLOUT;
    event.data.ptr = &connection;
    epoll_ctl(epoll_, EPOLL_CTL_MOD, connection.fd, &event);
  }
  return is_sent;
}

// True when the whole reply has arrived.
bool Load::ReceiveReply(Connection& connection) {
  const size_t expected = connection.batch.reply.size();
  const size_t before = connection.received_bytes;
  const ssize_t got = recv(connection.fd, connection.received.data() + before, expected + 1 - before, 0);
  if (got < 0 && errno == EAGAIN) return false;
  if (got < 0) throw BenchError(std::string("recv: ") + std::strerror(errno));
  if (got == 0) throw BenchError("the server closed the connection");
  connection.received_bytes += static_cast<size_t>(got);
  Check(connection, before);
  return connection.received_bytes == expected;
}

// Compares what has arrived since `from`.
void Load::Check(Connection& connection, size_t from) {
  const std::string& reply = connection.batch.reply;
  char* received = connection.received.data();
  const size_t end = connection.received_bytes;
  for (const size_t offset : connection.batch.cas_offsets) {
    const size_t first = std::max(offset, from);
    const size_t last = std::min(offset + sizeof(uint64_t), end);
    if (first < last) std::memset(received + first, 0, last - first);
  }
  const size_t compared = std::min(end, reply.size());
  if (end <= reply.size() && std::memcmp(received + from, reply.data() + from, compared - from) == 0) return;
  const auto differs = std::mismatch(received + from, received + compared, reply.data() + from).first;
  const auto at = static_cast<size_t>(differs - received);
  throw BenchError("wrong reply at byte " + std::to_string(at) + ": got " + Excerpt(received + at, end - at) +
                   ", expected " + Excerpt(reply.data() + at, reply.size() - at));
}

void Load::OrderEcho(Connection& connection) {
  const EchoOrder order{kEchoMagic, static_cast<uint32_t>(canned_.request.size()),
                        static_cast<uint32_t>(canned_.reply.size())};
  std::string message(reinterpret_cast<const char*>(&order), sizeof order);
  message += canned_.reply;
  // A fresh socket takes far more than this at once.
  const ssize_t sent = send(connection.fd, message.data(), message.size(), MSG_NOSIGNAL);
  if (sent != static_cast<ssize_t>(message.size())) throw BenchError("cannot send the order to the echo server");
}

void Load::Stalled() const {
  for (const auto& connection : connections_) {
    if (connection->received_bytes < connection->batch.reply.size()) {
      throw BenchError("no answer within " + std::to_string(kAnswerTimeoutMs) + " ms after " +
                       std::to_string(connection->received_bytes) + " of " +
                       std::to_string(connection->batch.reply.size()) + " bytes; the request began with " +
                       Excerpt(connection->batch.request.data(), connection->batch.request.size()));
    }
  }
  throw BenchError("no answer within " + std::to_string(kAnswerTimeoutMs) + " ms");
}

// Until the server has finished what it does in the background, as to make its index larger.
static void AwaitRest(const ServerProcess& server) {
  const auto patience = Clock::now() + kRestPatience;
  uint64_t before_ns = 0, now_ns = server.CpuNs();
  do {
    std::this_thread::sleep_for(kRestLook);
    before_ns = std::exchange(now_ns, server.CpuNs());
  } while (now_ns - before_ns > Nanoseconds(kRestLook) / 5 && Clock::now() < patience);
}

Workload FillOf(Keys keys) {
  return {.name = "preload",
          .title = "preload",
          .verb = Verb::kSet,
          .syntax = Syntax::kText,
          .memcached_syntax = Syntax::kText,
          .keys = keys,
          .draw = Draw::kSequential,
          .connections = kPreloadConnections,
          .depth = kPreloadDepth,
          .target = 0};
}

void Preload(ServerProcess& server, Keys keys, Keyspace keyspace) {
  const Workload fill = FillOf(keys);
  Load load(server, fill, Syntax::kText, keyspace, 0);
  // Whichever connection is ready takes the next keys, so all are stored; a last batch too long wraps to the first key.
  load.SendBatches((keyspace.keys + kPreloadDepth - 1) / kPreloadDepth);
  if (keyspace.counters) server.ledger().assign(keyspace.keys, 0);
  AwaitRest(server);
}

}  // namespace holdfast::bench
