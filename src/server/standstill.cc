#include "server/standstill.h"

#include <chrono>
#include <iterator>
#include <utility>

namespace holdfast::server {

Standstill::Standstill(const std::vector<std::unique_ptr<network::Worker>>& workers)
    : workers_(workers), meeting_(std::make_shared<Meeting>()) {}

Standstill::~Standstill() {
  if (!ended_) End(false);
}

bool Standstill::Begin(uint32_t timeout_ms) {
  ended_ = false;
  for (const auto& worker : workers_) {
    worker->Post([meeting = meeting_, &worker = *worker] { Stand(worker, *meeting); });
  }
  std::unique_lock lock(meeting_->mutex);
  return meeting_->changed.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                                    [this] { return meeting_->standing == workers_.size(); });
}

void Standstill::Stand(network::Worker& worker, Meeting& meeting) {
  std::unique_lock lock(meeting.mutex);
  const bool in_time = meeting.phase == Phase::kStanding;
  if (in_time) {
    lock.unlock();
    std::vector<network::Departure> departures = worker.Export();
    const uint64_t connections = worker.counters().connections_current.value();
    lock.lock();
    meeting.left_behind += connections - departures.size();
    meeting.departures.insert(meeting.departures.end(), std::make_move_iterator(departures.begin()),
                              std::make_move_iterator(departures.end()));
    ++meeting.standing;
    meeting.changed.notify_all();
    meeting.changed.wait(lock, [&meeting] { return meeting.phase != Phase::kStanding; });
  }
  if (!in_time) return;
  const bool moved = meeting.phase == Phase::kMoved;
  lock.unlock();
  if (moved) worker.Abandon();
  lock.lock();
  ++meeting.gone_on;
  meeting.changed.notify_all();
}

void Standstill::End(bool moved) {
  ended_ = true;
  std::unique_lock lock(meeting_->mutex);
  meeting_->phase = moved ? Phase::kMoved : Phase::kGoOn;
  meeting_->changed.notify_all();
  // Those that stand look at the connections' states no more, but the caller may be about to take the workers down.
  meeting_->changed.wait(lock, [this] { return meeting_->gone_on >= meeting_->standing; });
}

}  // namespace holdfast::server
