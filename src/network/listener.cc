// The thread polls: a descriptor for Stop, one for places given back, and the listening sockets while it accepts.
//
// When there is no place or no descriptor for a client that waits, it stops polling the sockets; the kernel keeps
// clients in the backlog. It goes on when a place is given back; for want of a descriptor, which may become free
// elsewhere, it also tries again every kRetryMs.

#include "network/listener.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "base/clock.h"
#include "network/quiet_thread.h"

namespace holdfast::network {
namespace {

constexpr int kRetryMs = 10;
// Accepts from one socket before the others get their turn.
constexpr int kAcceptBatch = 64;
// A port picked for the first address may be taken on the next: then all is tried anew.
constexpr int kEphemeralTries = 16;
constexpr std::string_view kTooMany = "ERROR Too many open connections\r\n";

enum Polled : size_t { kWake, kRelease, kFirstSocket };

// What accept reports of a connection that broke while it waited, or that the firewall refuses.
bool OnlyThatClientIsGone(int error) {
  switch (error) {
    case EINTR:
    case ECONNABORTED:
    case EPROTO:
    case EPERM:
    case ENOPROTOOPT:
    case ENETDOWN:
    case ENETUNREACH:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENONET:
      return true;
    default:
      return false;
  }
}

}  // namespace

Listener::Listener(ListenerSettings settings, ConnectionLimit& limit, std::vector<Worker*> workers)
    : settings_(std::move(settings)),
      limit_(limit),
      workers_(std::move(workers)),
      reject_when_full_(settings_.reject_when_full) {
  CHECK(!workers_.empty());
}

Listener::~Listener() {
  Stop();
  Join();
  if (wake_fd_ >= 0) ::close(wake_fd_);
}

base::Status Listener::Open() {
  wake_fd_ = ::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (wake_fd_ < 0) return base::SystemError("eventfd", errno);
  base::Status status = BindAll();
  if (status.ok() && settings_.mark != 0) status = MarkAll();
  if (!status.ok()) sockets_.clear();
  return status;
}

base::Status Listener::BindAll() {
  for (const int descriptor : settings_.inherited) {
    base::Result<ListenSocket> socket = ListenSocket::Inherited(descriptor);
    if (!socket.ok()) return socket.status();
    sockets_.push_back(std::move(socket.value()));
  }
  if (!settings_.unix_path.empty()) {
    base::Result<ListenSocket> socket =
        ListenSocket::Unix(settings_.unix_path, settings_.unix_mode, ListenSocket::kBindOnly);
    if (!socket.ok()) return socket.status();
    sockets_.push_back(std::move(socket.value()));
  }
  const size_t before = sockets_.size();
  base::Status status = BindTcp();
  for (int i = 1; i < kEphemeralTries && !status.ok() && settings_.port <= 0; ++i) {
    while (sockets_.size() > before) sockets_.pop_back();
    status = BindTcp();
  }
  return status;
}

// Accepted sockets inherit the mark.
base::Status Listener::MarkAll() {
  for (const ListenSocket& socket : sockets_) {
    if (::setsockopt(socket.descriptor(), SOL_SOCKET, SO_MARK, &settings_.mark, sizeof settings_.mark) == 0) continue;
    return base::SystemError("cannot mark " + socket.name(), errno, "start as root, or leave -o sock_cookie_id out");
  }
  return {};
}

base::Status Listener::BindTcp() {
  int port = settings_.port;
  std::vector<std::string> names;
  for (size_t i = 0; i < settings_.addresses.size(); ++i) {
    const std::string& address = settings_.addresses[i];
    base::Result<std::vector<ListenSocket>> sockets = ListenSocket::Tcp(address, port, ListenSocket::kBindOnly, names);
    if (!sockets.ok()) return sockets.status();
    for (ListenSocket& socket : sockets.value()) {
      if (port <= 0) port = socket.port();
      names.push_back(socket.name());
      if (i < settings_.labels.size()) socket.set_label(settings_.labels[i]);
      sockets_.push_back(std::move(socket));
    }
  }
  return {};
}

base::Status Listener::Start() {
  for (ListenSocket& socket : sockets_) {
    if (base::Status status = socket.Listen(settings_.backlog); !status.ok()) return status;
  }
  stop_requested_.store(false);
  uint64_t wakes;
  [[maybe_unused]] const ssize_t n = ::read(wake_fd_, &wakes, sizeof wakes);
  return StartQuietThread(thread_, "listener", [this] { Run(); });
}

void Listener::Stop() {
  stop_requested_.store(true);
  const uint64_t one = 1;
  if (wake_fd_ >= 0) [[maybe_unused]]
    ssize_t n = ::write(wake_fd_, &one, sizeof one);
}

void Listener::Join() {
  if (thread_.joinable()) thread_.join();
}

void Listener::GiveUpFiles() {
  for (ListenSocket& socket : sockets_) socket.DisownFile();
}

void Listener::OwnFiles() {
  const auto& files = settings_.inherited_files;
  for (ListenSocket& socket : sockets_) {
    if (std::find(files.begin(), files.end(), socket.descriptor()) != files.end()) socket.OwnFile();
  }
}

void Listener::Run() {
  polled_ = {{wake_fd_, POLLIN, 0}, {limit_.release_fd(), POLLIN, 0}};
  for (const ListenSocket& socket : sockets_) polled_.push_back({socket.descriptor(), POLLIN, 0});
  while (!stop_requested_.load()) {
    WaitForEvents();
    for (size_t i = kFirstSocket; i < polled_.size() && accepting(); ++i) {
      if (polled_[i].revents != 0) AcceptSome(sockets_[i - kFirstSocket]);
    }
  }
}

// While paused only the first two are polled. Returns with accepting() true, or because of Stop.
void Listener::WaitForEvents() {
  const bool paused = !accepting();
  const int ready = ::poll(polled_.data(), paused ? nfds_t{kFirstSocket} : polled_.size(), paused ? retry_ms_ : -1);
  if (ready < 0) {
    for (pollfd& one : polled_) one.revents = 0;
    return;
  }
  if (polled_[kRelease].revents != 0) limit_.ClearRelease();
  if (paused) Continue();
}

void Listener::AcceptSome(const ListenSocket& listening) {
  for (int i = 0; i < kAcceptBatch; ++i) {
    if (!AcceptOne(listening, i == 0)) return;
  }
}

// False when there is nobody to accept any more, or no room. Only the first of a batch is known to be waiting: only for
// that one accepting is stopped.
bool Listener::AcceptOne(const ListenSocket& listening, bool first) {
  ConnectionLimit::Place place = limit_.Take();
  if (!place && !reject_when_full_.load(std::memory_order_relaxed)) {
    if (!first) return false;
    limit_.AwaitRelease();
    place = limit_.Take();
    if (!place) {
      Pause(limit_.release_fd() >= 0 ? -1 : kRetryMs);
      return false;
    }
  }
  const int socket = ::accept4(listening.descriptor(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (socket < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK) return false;
    if (OnlyThatClientIsGone(errno)) return true;
    Pause(kRetryMs);
    return false;
  }
  retrying_ = false;
  if (place) {
    Deal(socket, std::move(place), listening.label());
  } else {
    Reject(socket);
  }
  return true;
}

void Listener::Deal(int socket, ConnectionLimit::Place place, uint8_t label) {
  counters_.accepted.Add();
  workers_[next_worker_]->Adopt(Arrival{MakePlainTransport(socket), std::move(place), nullptr, label});
  next_worker_ = (next_worker_ + 1) % workers_.size();
}

void Listener::Reject(int socket) {
  counters_.rejected.Add();
  [[maybe_unused]] ssize_t n = ::send(socket, kTooMany.data(), kTooMany.size(), MSG_NOSIGNAL);
  ::close(socket);
}

// A retry that fails is still the same pause.
void Listener::Pause(int retry_ms) {
  if (!retrying_) counters_.listen_disabled.Add();
  retry_ms_ = retry_ms;
  paused_since_us_ = base::MonotonicMicros();
  accepting_.store(false);
}

void Listener::Continue() {
  retrying_ = true;
  counters_.disabled_us.Add(static_cast<uint64_t>(base::MonotonicMicros() - paused_since_us_));
  accepting_.store(true);
}

}  // namespace holdfast::network
