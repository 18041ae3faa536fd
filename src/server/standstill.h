// standstill.h - all workers between two rounds at the same time, so that their connections can move to another
// process.
//
// A worker comes to a stand in a task, with its connections exported, and stays until End: no byte is read or sent
// meanwhile.
//
// Threads: one; the workers meet it in tasks of theirs.
// Owns:    the exported states. Borrows the workers, which must run until End has returned.
// Blocks:  Begin, until all stand or the time is over.

#ifndef HOLDFAST_SERVER_STANDSTILL_H_
#define HOLDFAST_SERVER_STANDSTILL_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "network/worker.h"

namespace holdfast::server {

class Standstill {
 public:
  explicit Standstill(const std::vector<std::unique_ptr<network::Worker>>& workers);
  ~Standstill();  // End(false)
  Standstill(const Standstill&) = delete;
  Standstill& operator=(const Standstill&) = delete;

  // False: a worker did not come within the time; End must follow all the same.
  [[nodiscard]] bool Begin(uint32_t timeout_ms);
  // After Begin was true.
  const std::vector<network::Departure>& departures() const { return meeting_->departures; }
  uint64_t left_behind() const { return meeting_->left_behind; }
  // moved: the connections are another process's now. Else the workers go on as if nothing had been. Once.
  void End(bool moved);

 private:
  enum class Phase : uint8_t { kStanding, kGoOn, kMoved };

  // Outlives this object while a worker that was late has not looked at it.
  struct Meeting {
    std::mutex mutex;  // guards all below until all stand
    std::condition_variable changed;
    Phase phase = Phase::kStanding;
    size_t standing = 0;
    size_t gone_on = 0;
    uint64_t left_behind = 0;
    std::vector<network::Departure> departures;
  };
  static void Stand(network::Worker& worker, Meeting& meeting);

  const std::vector<std::unique_ptr<network::Worker>>& workers_;
  const std::shared_ptr<Meeting> meeting_;
  bool ended_ = true;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_STANDSTILL_H_
