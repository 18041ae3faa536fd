// world.h - what a simulation stands on: virtual time, the events that are to happen, chance, and a trace to read.
//
// Threads: one.

#ifndef HOLDFAST_T_SIM_WORLD_H_
#define HOLDFAST_T_SIM_WORLD_H_

#include <cstdarg>
#include <cstdio>
#include <functional>
#include <queue>
#include <utility>
#include <vector>

#include "sim/dice.h"
#include "sim/sim_clock.h"

namespace holdfast::sim {

class World {
 public:
  World(uint64_t seed, bool tells) : dice(seed), tells_(tells) {}

  int64_t now_us() const { return time.steady_us; }
  void At(int64_t at_us, std::function<void()> event) {
    events_.push_back({at_us > time.steady_us ? at_us : time.steady_us, ++number_, std::move(event)});
    std::push_heap(events_.begin(), events_.end(), IsLater);
  }
  void In(int64_t micros, std::function<void()> event) { At(time.steady_us + micros, std::move(event)); }

  // The next event; false when nothing is to happen any more, or not until then.
  bool Step(int64_t until_us) {
    if (events_.empty() || events_.front().at_us > until_us) return false;
    std::pop_heap(events_.begin(), events_.end(), IsLater);
    const Event event = std::move(events_.back());
    events_.pop_back();
    time.steady_us = event.at_us;
    event.happens();
    return true;
  }
  void RunUntil(int64_t until_us) {
    while (Step(until_us)) {
    }
    if (time.steady_us < until_us) time.steady_us = until_us;
  }

  bool tells() const { return tells_; }
  void Tell(const char* format, ...) const __attribute__((format(printf, 2, 3))) {
    if (!tells_) return;
    std::printf("%10.6f  ", static_cast<double>(now_us() - WorldTime::kStartMicros) / 1e6);
    va_list arguments;
    va_start(arguments, format);
    std::vprintf(format, arguments);
    va_end(arguments);
    std::printf("\n");
  }

  WorldTime time;
  Dice dice;

 private:
  struct Event {
    int64_t at_us;
    uint64_t number;  // those of the same time in the order in which they were arranged
    std::function<void()> happens;
  };
  static bool IsLater(const Event& a, const Event& b) {
    return a.at_us != b.at_us ? a.at_us > b.at_us : a.number > b.number;
  }

  std::vector<Event> events_;  // a heap
  uint64_t number_ = 0;
  const bool tells_;
};

}  // namespace holdfast::sim

#endif  // HOLDFAST_T_SIM_WORLD_H_
