// How it works: the cut begins with the listener, then the workers come to a stand, then the journal is sealed; from
// there on nothing of this process changes, and all that the new one needs is sent. If that comes to nothing the same
// parts are set going again in reverse. Committed is the last word: once it is sent this process only cleans up.

#include "server/handover.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstdlib>
#include <utility>

#include "base/clock.h"
#include "config.h"
#include "network/quiet_thread.h"
#include "server/handover_messages.h"
#include "server/standstill.h"

namespace holdfast::server {

using base::ErrorKind;
using base::LogLevel;
using network::Channel;
using network::Message;

namespace {

constexpr int kHelloMillis = 5000;
constexpr uint32_t kStandMillis = 1000;
constexpr uint32_t kDrainMillis = 1000;  // without a journal
constexpr int kDoorBacklog = 4;
constexpr mode_t kDoorMode = 0600;

base::Status Send(Channel& channel, HandoverMessage kind, std::string_view body,
                  std::span<const int> descriptors = {}) {
  return channel.Send(static_cast<uint32_t>(kind), body, descriptors);
}

bool Is(const Message& message, HandoverMessage kind) { return message.kind == static_cast<uint32_t>(kind); }

std::string DirectoryFromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : std::string(value).substr(0, std::string(value).find(':'));
}

}  // namespace

// The journal's directory belongs to this server alone; the others are shared by those of one user, so the name tells
// where it listens.
std::string HandoverDoor(const Settings& settings) {
  const ServerSettings& server = settings.server;
  if (!server.takeover_socket.empty()) return server.takeover_socket == "none" ? "" : server.takeover_socket;
  const std::string runtime = DirectoryFromEnvironment("RUNTIME_DIRECTORY");
  if (!runtime.empty()) return runtime + "/takeover";
  if (const std::string journal = JournalDirectory(settings.session); !journal.empty()) return journal + "/takeover";
  std::string user = DirectoryFromEnvironment("XDG_RUNTIME_DIR");
  if (user.empty() && !settings.session.database.empty()) user = StateDirectory();
  if (user.empty() || !server.unix_path.empty() || server.port <= 0) return "";
  return user + "/holdfast-takeover-" + std::to_string(server.port);
}

Handover::Handover(const Parts& parts, std::function<void()> handed_over)
    : parts_(parts), handed_over_(std::move(handed_over)) {}

Handover::~Handover() { Stop(); }

base::Status Handover::OpenDoor(const std::string& path) {
  auto door = network::ListenSocket::Unix(path, kDoorMode, kDoorBacklog);
  if (!door.ok()) return door.status();
  door_.emplace(std::move(door.value()));
  return {};
}

base::Status Handover::InheritDoor(int descriptor) {
  auto door = network::ListenSocket::Inherited(descriptor);
  if (!door.ok()) return door.status();
  door.value().OwnFile();
  // Who connects is told the process that listened last: this one from now on.
  if (Status status = door.value().Listen(kDoorBacklog); !status.ok()) return status;
  door_.emplace(std::move(door.value()));
  return {};
}

base::Status Handover::Start() {
  if (!door_.has_value()) return {};
  wake_ = network::Descriptor(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (wake_.get() < 0) return base::SystemError("eventfd", errno);
  return network::StartQuietThread(thread_, "handover", [this] { Run(); });
}

void Handover::Stop() {
  if (!thread_.joinable()) return;
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t n = ::write(wake_.get(), &one, sizeof one);
  thread_.join();
}

void Handover::Run() {
  for (;;) {
    pollfd polled[2] = {{wake_.get(), POLLIN, 0}, {door_->descriptor(), POLLIN, 0}};
    if (::poll(polled, 2, -1) < 0) continue;
    if (polled[0].revents != 0) return;
    const int socket = ::accept4(door_->descriptor(), nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) continue;
    Channel channel(socket);
    if (channel.PeerIsTrusted()) Converse(channel);
    if (successor() != 0) return handed_over_();
  }
}

void Handover::Converse(Channel& channel) {
  auto hello = channel.Receive(kHelloMillis, wake_.get());
  HelloBody body;
  // Who only looks whether somebody is there says nothing.
  if (!hello.ok() || !Is(hello.value(), HandoverMessage::kHello) || !body.Unpack(hello.value().body)) return;
  const int peer = static_cast<int>(channel.peer());
  if (body.form != kHandoverForm) {
    static_cast<void>(Send(
        channel, HandoverMessage::kRefused,
        "version " PACKAGE_VERSION " cannot hand over to version " + body.version + ": stop it and start the other"));
    return;
  }
  parts_.log.Format(LogLevel::kNotice, "hand-over: process %d, version %s, prepares to take over", peer,
                    body.version.c_str());
  if (parts_.sessions != nullptr) parts_.sessions->MakeWay(true);
  Status status = Welcome(channel);
  bool moved = false;
  if (status.ok()) {
    auto cut = channel.Receive(-1, wake_.get());
    if (!cut.ok()) {
      status = cut.status();
    } else if (Is(cut.value(), HandoverMessage::kCut)) {
      moved = Cut(channel);
    } else {
      status = Status(ErrorKind::kRefused, cut.value().body);
    }
  }
  if (!status.ok()) {
    parts_.log.Format(LogLevel::kWarning, "hand-over to process %d given up before anything was changed: %s", peer,
                      status.message().c_str());
  }
  if (!moved && parts_.sessions != nullptr) parts_.sessions->MakeWay(false);
}

base::Status Handover::Welcome(Channel& channel) {
  WelcomeBody body;
  body.version = PACKAGE_VERSION;
  body.notify_address = parts_.manager.address();
  std::vector<int> descriptors;
  if (parts_.sessions != nullptr) {
    body.database_uuid = parts_.sessions->database().identity().uuid;
    if (const int lock = parts_.sessions->database().lock(); lock >= 0) {
      body.has_database_lock = true;
      descriptors.push_back(lock);
    }
    if (const auto locks = parts_.sessions->journal_locks()) {
      body.has_journal = true;
      descriptors.push_back(locks->directory);
      descriptors.push_back(locks->ring);
    }
  }
  return Send(channel, HandoverMessage::kWelcome, body.Pack(), descriptors);
}

bool Handover::Cut(Channel& channel) {
  if (parts_.sessions != nullptr) parts_.sessions->HoldWriter();
  parts_.listener.Stop();
  parts_.listener.Join();
  const int64_t stopped_us = base::MonotonicMicros();
  Standstill standstill(parts_.workers);
  Status status;
  if (!standstill.Begin(kStandMillis)) status = Status(ErrorKind::kUnavailable, "a worker is busy");
  if (status.ok()) status = Settle();
  if (status.ok()) status = SendAll(channel, standstill, stopped_us);
  if (status.ok()) {
    const auto left_ms = static_cast<int>(kCutMillis - (base::MonotonicMicros() - stopped_us) / 1000);
    auto ready = channel.Receive(std::max(left_ms, 0));
    if (!ready.ok()) {
      status = ready.status();
    } else if (!Is(ready.value(), HandoverMessage::kReady)) {
      status = Status(ErrorKind::kRefused, ready.value().body);
    }
  }
  if (status.ok()) status = Send(channel, HandoverMessage::kCommitted, "");
  if (!status.ok()) {
    static_cast<void>(Send(channel, HandoverMessage::kRefused, status.message()));
    if (parts_.sessions != nullptr) parts_.sessions->Unseal();
    standstill.End(false);
    GoOn();
    parts_.log.Format(LogLevel::kWarning,
                      "hand-over to process %d failed, this process goes on after a pause of %lld ms: %s",
                      static_cast<int>(channel.peer()),
                      static_cast<long long>((base::MonotonicMicros() - stopped_us) / 1000), status.message().c_str());
    return false;
  }
  parts_.manager.MainProcess(channel.peer());
  successor_.store(channel.peer());
  parts_.listener.GiveUpFiles();
  door_->DisownFile();
  standstill.End(true);
  return true;
}

base::Status Handover::Settle() {
  if (parts_.sessions == nullptr) return {};
  if (parts_.sessions->journal_locks().has_value()) {
    parts_.sessions->Seal();
    return {};
  }
  if (parts_.sessions->DrainFor(kDrainMillis)) return {};
  return Status(ErrorKind::kRefused,
                "there is no journal (--journal=none), and not all sessions could be written to the database");
}

base::Status Handover::SendAll(Channel& channel, const Standstill& standstill, int64_t stopped_us) {
  for (const network::ListenSocket& socket : parts_.listener.bound()) {
    const int descriptor = socket.descriptor();
    const ListenerBody body{ListenerRole::kClients, socket.owns_file()};
    if (Status status = Send(channel, HandoverMessage::kListener, body.Pack(), {&descriptor, 1}); !status.ok()) {
      return status;
    }
  }
  const int door = door_->descriptor();
  const ListenerBody body{ListenerRole::kDoor, true};
  if (Status status = Send(channel, HandoverMessage::kListener, body.Pack(), {&door, 1}); !status.ok()) return status;
  for (const network::Departure& departure : standstill.departures()) {
    Status status =
        Send(channel, HandoverMessage::kConnection, PackConnection(departure.state), {&departure.socket, 1});
    if (!status.ok()) return status;
  }
  SealedBody sealed;
  sealed.stopped_us = stopped_us;
  sealed.cas = parts_.store.last_cas();
  sealed.left_behind = standstill.left_behind();
  if (parts_.sessions != nullptr) sealed.sessions = parts_.sessions->sessions().SaveState();
  return Send(channel, HandoverMessage::kSealed, sealed.Pack());
}

void Handover::GoOn() {
  if (Status status = parts_.listener.Start(); !status.ok()) {
    parts_.log.Error("cannot accept connections any more: " + status.message() + "; restart the server");
  }
}

}  // namespace holdfast::server
