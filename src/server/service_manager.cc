// How it works: sd_listen_fds(3) and sd_notify(3) are a few environment variables and one datagram; a library for them
// would be one more dependency.

#include "server/service_manager.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/clock.h"
#include "network/channel.h"

namespace holdfast::server {

namespace {

constexpr int kFirstPassed = 3;
constexpr long kPassedMax = 1024;
constexpr int64_t kPatienceMicros = 120'000'000;
constexpr int64_t kGoOnMicros = 1'000'000;

// -1: not a number.
long NumberOf(const char* text) {
  char* end = nullptr;
  const long number = std::strtol(text, &end, 10);
  return *text == '\0' || *end != '\0' ? -1 : number;
}

}  // namespace

base::Result<std::vector<int>> ServiceManager::InheritSockets() {
  const char* const process = std::getenv("LISTEN_PID");
  const char* const count_text = std::getenv("LISTEN_FDS");
  std::vector<int> descriptors;
  if (process == nullptr || count_text == nullptr || NumberOf(process) != ::getpid()) return descriptors;
  const long count = NumberOf(count_text);
  for (const char* name : {"LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"}) ::unsetenv(name);
  if (count < 0 || count > kPassedMax) {
    return base::Status(base::ErrorKind::kUsage, "LISTEN_FDS must be the number of sockets that are passed");
  }
  for (int descriptor = kFirstPassed; descriptor < kFirstPassed + count; ++descriptor) {
    if (::fcntl(descriptor, F_SETFD, FD_CLOEXEC) != 0) {
      return base::Status(base::ErrorKind::kUsage, "LISTEN_FDS promises " + std::to_string(count) +
                                                       " sockets, but descriptor " + std::to_string(descriptor) +
                                                       " is not open");
    }
    descriptors.push_back(descriptor);
  }
  return descriptors;
}

ServiceManager::ServiceManager() {
  const char* const address = std::getenv("NOTIFY_SOCKET");
  if (address != nullptr) address_ = address;
}

void ServiceManager::Ready(const std::string& status) const { Tell("READY=1\nSTATUS=" + status); }

void ServiceManager::Reloading() const {
  Tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(base::MonotonicMicros()));
}

void ServiceManager::Stopping() const { Tell("STOPPING=1"); }

// More than the hosts of a URL take together that do not answer.
void ServiceManager::GoesOn() {
  const int64_t now_us = base::MonotonicMicros();
  if (now_us < go_on_at_us_) return;
  Tell("EXTEND_TIMEOUT_USEC=" + std::to_string(kPatienceMicros));
  go_on_at_us_ = now_us + kGoOnMicros;
}

void ServiceManager::MainProcess(pid_t process) const { Tell("MAINPID=" + std::to_string(process)); }

// An address that begins with @ is abstract: the kernel wants a zero there.
void ServiceManager::Tell(const std::string& text) const {
  sockaddr_un address{};
  if (address_.size() < 2 || address_.size() >= sizeof address.sun_path) return;
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, address_.data(), address_.size());
  if (address_[0] == '@') address.sun_path[0] = '\0';
  const network::Descriptor socket(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) return;
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + address_.size());
  [[maybe_unused]] const ssize_t n =
      ::sendto(socket.get(), text.data(), text.size(), MSG_NOSIGNAL, reinterpret_cast<const sockaddr*>(&address), size);
}

}  // namespace holdfast::server
