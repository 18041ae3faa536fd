// prober.h - asks each server, all the time, for what needs neither database nor other servers: a key of the cache, and
// a session that is in its memory. Nearly all must be answered, and at once, whatever is harmed.
//
// Threads: its own; the rest from one other.
// Owns:    its thread and connections.  Borrows the site.
// Blocks:  Leave, until no probe is under way. A server that is stopped must have been left before.

#ifndef HOLDFAST_T_FAULTS_PROBER_H_
#define HOLDFAST_T_FAULTS_PROBER_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "faults/site_client.h"

namespace holdfast::faults {

class Prober {
 public:
  struct Count {
    uint64_t probes = 0;
    uint64_t answered = 0;
    int64_t longest_us = 0;
    std::string unanswered;  // the latest that was not answered as it must be

    // 99.9 %, and of a few one may fail.
    bool IsEnough() const { return probes - answered <= 1 + probes / 1000; }
  };

  explicit Prober(Site& site) : site_(site) {}
  ~Prober();
  // The servers run; from now on they are asked.
  void Start();
  // We are about to stop or end this server, and: it runs again.
  void Leave(size_t server);
  void Return(size_t server);
  // All since the last call.
  Count Take();

 private:
  struct Probed {
    Connection connection;
    bool is_left = false;
    bool is_kept = false;  // its session is in its memory
  };

  void Work();
  void Probe(size_t server);
  void Ask(size_t server, const std::string& request, bool is_get, const char* expected);

  Site& site_;
  std::mutex mutex_;
  std::vector<Probed> servers_;  // guarded by mutex_
  Count count_;                  // guarded by mutex_
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace holdfast::faults

#endif  // HOLDFAST_T_FAULTS_PROBER_H_
