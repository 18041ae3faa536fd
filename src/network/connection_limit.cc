// Release counts down and then looks whether somebody waits; the listener says that it waits and then tries once more.
// Both are sequentially consistent, so one of the two sees the other.

#include "network/connection_limit.h"

#include <sys/eventfd.h>
#include <unistd.h>

namespace holdfast::network {

ConnectionLimit::ConnectionLimit(uint32_t max) : max_(max), release_fd_(::eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {}

ConnectionLimit::~ConnectionLimit() {
  if (release_fd_ >= 0) ::close(release_fd_);
}

ConnectionLimit::Place ConnectionLimit::Take() {
  uint32_t taken = taken_.load();
  do {
    if (taken >= max_.load()) return Place();
  } while (!taken_.compare_exchange_weak(taken, taken + 1));
  return Place(this);
}

void ConnectionLimit::Release() {
  taken_.fetch_sub(1);
  WakeWaiting();
}

void ConnectionLimit::SetMax(uint32_t max) {
  max_.store(max);
  WakeWaiting();
}

void ConnectionLimit::WakeWaiting() {
  if (!awaited_.load() || !awaited_.exchange(false)) return;
  const uint64_t one = 1;
  [[maybe_unused]] ssize_t n = ::write(release_fd_, &one, sizeof one);
}

void ConnectionLimit::AwaitRelease() { awaited_.store(true); }

void ConnectionLimit::ClearRelease() {
  uint64_t count;
  [[maybe_unused]] ssize_t n = ::read(release_fd_, &count, sizeof count);
}

}  // namespace holdfast::network
