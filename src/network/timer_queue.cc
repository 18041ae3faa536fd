#include "network/timer_queue.h"

namespace holdfast::network {

uint64_t TimerQueue::Start(int64_t due_us, std::function<void()> task) {
  const uint64_t id = ++last_id_;
  by_time_.emplace(std::pair(due_us, id), std::move(task));
  due_of_.emplace(id, due_us);
  return id;
}

void TimerQueue::Cancel(uint64_t id) {
  const auto found = due_of_.find(id);
  if (found == due_of_.end()) return;
  by_time_.erase({found->second, id});
  due_of_.erase(found);
}

void TimerQueue::RunDue(int64_t now_us) {
  const uint64_t newest_id = last_id_;
  while (!by_time_.empty()) {
    const auto first = by_time_.begin();
    const auto [due_us, id] = first->first;
    if (due_us > now_us || id > newest_id) return;
    const std::function<void()> task = std::move(first->second);
    by_time_.erase(first);
    due_of_.erase(id);
    task();
  }
}

}  // namespace holdfast::network
