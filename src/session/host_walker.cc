// How it works: a stable sort puts the nodes that failed lately behind the others, the one that failed longest ago
// first among them.

#include "session/host_walker.h"

#include <algorithm>
#include <numeric>

namespace holdfast::session {

std::vector<size_t> HostWalker::Order(int64_t now_us) const {
  std::vector<size_t> order(hosts_.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto avoid_since = [this, now_us](size_t host) {
    const bool avoid = hosts_[host].failed && now_us - hosts_[host].failed_us < kAvoidMicros;
    return avoid ? hosts_[host].failed_us : INT64_MIN;
  };
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return avoid_since(a) < avoid_since(b); });
  return order;
}

void HostWalker::NoteFailed(size_t host, int64_t now_us) { hosts_[host] = Host{true, now_us}; }

void HostWalker::NoteConnected(size_t host, int64_t now_us) {
  hosts_[host].failed = false;
  current_ = host;
  look_back_us_ = now_us + kReturnMicros;
}

bool HostWalker::ShouldLookBack(int64_t now_us) {
  if (current_ == 0 || now_us < look_back_us_) return false;
  look_back_us_ = now_us + kReturnMicros;
  return true;
}

}  // namespace holdfast::session
