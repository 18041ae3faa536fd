// How it works: the conversation as handover_messages.h has it. The one delicate place is the end of Commit: whether
// the old process has said Committed must be clear to both. So when this one gives up waiting it first shuts its side:
// then what has been said is still read, and what would be said later fails over there.

#include "server/takeover.h"

#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "base/check.h"
#include "config.h"

namespace holdfast::server {

using base::ErrorKind;
using base::Status;
using network::Channel;
using network::Descriptor;
using network::Message;

namespace {

constexpr int kPredecessorEndsMillis = 5000;

Status Unexpected(const Message& message) {
  if (message.kind == static_cast<uint32_t>(HandoverMessage::kRefused)) {
    return Status(ErrorKind::kRefused, "the running server refuses: " + message.body);
  }
  return Status(ErrorKind::kCorrupt, "the running server speaks another form of hand-over: stop it and start anew");
}

bool Is(const Message& message, HandoverMessage kind) { return message.kind == static_cast<uint32_t>(kind); }

}  // namespace

void TakeoverStep([[maybe_unused]] const char* step) {
#ifndef NDEBUG
  const auto is_here = [step](const char* variable) {
    const char* const named = std::getenv(variable);
    return named != nullptr && std::string_view(named) == step;
  };
  if (is_here("TEST_TAKEOVER_DIES_AT")) ::raise(SIGKILL);
  while (is_here("TEST_TAKEOVER_HANGS_AT")) ::pause();
#endif
}

base::Result<std::unique_ptr<Takeover>> Takeover::Begin(const std::string& door) {
  if (door.empty()) {
    return Status(ErrorKind::kUsage,
                  "--takeover: there is no place where the running server would be found: give both "
                  "--takeover-socket=PATH");
  }
  auto channel = Channel::Connect(door);
  if (!channel.ok()) {
    if (channel.status().kind() != ErrorKind::kUnavailable) return channel.status().In("--takeover");
    return Status(ErrorKind::kUnavailable, "--takeover: no server runs there (" + channel.status().message() +
                                               "): start without --takeover, or with the flags of the one that runs");
  }
  if (!channel.value()->PeerIsTrusted()) {
    return Status(ErrorKind::kRefused, "--takeover: the process at " + door + " belongs to another user");
  }
  std::unique_ptr<Takeover> takeover(new Takeover(std::move(channel.value())));
  HelloBody hello;
  hello.version = PACKAGE_VERSION;
  Status status = takeover->channel_->Send(static_cast<uint32_t>(HandoverMessage::kHello), hello.Pack());
  if (!status.ok()) return status;
  TakeoverStep("hello");
  auto message = takeover->channel_->Receive(kWelcomeMillis);
  if (!message.ok()) return message.status().In("--takeover");
  if (status = takeover->ReadWelcome(std::move(message.value())); !status.ok()) return status.In("--takeover");
  TakeoverStep("welcome");
  return takeover;
}

Status Takeover::ReadWelcome(Message message) {
  if (!Is(message, HandoverMessage::kWelcome) || !welcome_.Unpack(message.body)) return Unexpected(message);
  const size_t expected = (welcome_.has_database_lock ? 1 : 0) + (welcome_.has_journal ? 2 : 0);
  if (message.descriptors.size() != expected) return Unexpected(message);
  size_t next = 0;
  if (welcome_.has_database_lock) database_lock_ = std::move(message.descriptors[next++]);
  if (!welcome_.has_journal) return {};
  journal_directory_ = std::move(message.descriptors[next++]);
  journal_ring_ = std::move(message.descriptors[next++]);
  return {};
}

Status Takeover::Cut() {
  TakeoverStep("cut");
  if (Status status = channel_->Send(static_cast<uint32_t>(HandoverMessage::kCut), ""); !status.ok()) return status;
  for (;;) {
    auto message = channel_->Receive(kAnswerMillis);
    if (!message.ok()) return message.status();
    const bool last = Is(message.value(), HandoverMessage::kSealed);
    TakeoverStep(last ? "sealed" : "connections");
    if (Status status = Read(std::move(message.value())); !status.ok()) return status;
    if (last) return {};
  }
}

Status Takeover::Read(Message message) {
  if (Is(message, HandoverMessage::kSealed)) return sealed_.Unpack(message.body) ? Status() : Unexpected(message);
  if (message.descriptors.size() != 1) return Unexpected(message);
  Descriptor socket = std::move(message.descriptors[0]);
  if (Is(message, HandoverMessage::kListener)) {
    ListenerBody body;
    if (!body.Unpack(message.body)) return Unexpected(message);
    if (body.role == ListenerRole::kDoor) {
      door_ = std::move(socket);
    } else {
      listeners_.push_back({std::move(socket), body.owns_file});
    }
    return {};
  }
  Arriving arriving{std::move(socket), {}};
  if (!Is(message, HandoverMessage::kConnection) || !UnpackConnection(message.body, &arriving.state)) {
    return Unexpected(message);
  }
  connections_.push_back(std::move(arriving));
  return {};
}

Status Takeover::Commit() {
  TakeoverStep("ready");
  if (Status status = channel_->Send(static_cast<uint32_t>(HandoverMessage::kReady), ""); !status.ok()) return status;
  auto answer = channel_->Receive(kAnswerMillis);
  if (!answer.ok() && answer.status().kind() == ErrorKind::kUnavailable) {
    channel_->EndReceiving();
    answer = channel_->Receive(0);
    if (!answer.ok()) return Status(ErrorKind::kUnavailable, "the running server takes too long");
  }
  // It says so before it goes on serving; if it went without a word it has died, and nobody serves.
  if (!answer.ok()) return AwaitEndOfPredecessor();
  return Is(answer.value(), HandoverMessage::kCommitted) ? Status() : Unexpected(answer.value());
}

Status Takeover::AwaitEndOfPredecessor() const {
  const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, predecessor(), 0)));
  if (process.get() < 0 && errno == ESRCH) return {};
  pollfd polled{process.get(), POLLIN, 0};
  if (process.get() >= 0 && ::poll(&polled, 1, kPredecessorEndsMillis) > 0) return {};
  return Status(ErrorKind::kUnavailable, "the running server has ended the hand-over");
}

void Takeover::Refuse(const Status& status) {
  static_cast<void>(channel_->Send(static_cast<uint32_t>(HandoverMessage::kRefused), status.message()));
}

}  // namespace holdfast::server
