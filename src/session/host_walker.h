// host_walker.h - which node of a cluster to try next.
//
// The list has an order of preference that all cache nodes share: writes of one cluster then meet on one node, where
// they do not conflict. A node that failed is tried last for a while, so that a dead or hanging favourite does not cost
// its time limit at every reconnect; whoever had to settle for another looks for the favourite again now and then.
//
// Threads: one.
// Limits:  times below.

#ifndef HOLDFAST_SESSION_HOST_WALKER_H_
#define HOLDFAST_SESSION_HOST_WALKER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

namespace holdfast::session {

class HostWalker {
 public:
  static constexpr int64_t kAvoidMicros = 15'000'000;   // how long a failed node stands behind the others
  static constexpr int64_t kReturnMicros = 30'000'000;  // between looks for a node that is preferred

  explicit HostWalker(size_t hosts) : hosts_(hosts) {}

  // All of them, in the order to try now.
  std::vector<size_t> Order(int64_t now_us) const;

  void NoteFailed(size_t host, int64_t now_us);
  void NoteConnected(size_t host, int64_t now_us);
  // The one connected to is not the first, and it is time to look whether that is back. True once per interval.
  bool ShouldLookBack(int64_t now_us);
  size_t current() const { return current_; }

 private:
  struct Host {
    bool failed = false;
    int64_t failed_us = 0;  // meaningless unless failed
  };

  std::vector<Host> hosts_;
  size_t current_ = 0;
  int64_t look_back_us_ = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_HOST_WALKER_H_
