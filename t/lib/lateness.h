// lateness.h - how late threads of this machine wake up just now, so that a test of deadlines can tell a call that is
// late from a machine that is busy.
//
// A thread sleeps until a moment 5 ms ahead, over and over, and notes how late it woke. A measured overrun is then held
// against the worst of these during the same span, which is reported with it.
//
// OwnDelay is for threads that compete for a processor: how long the calling one was ready to run and did not, as the
// kernel counts it.
//
// Threads: its own; WorstSince and OwnDelay from any.

#ifndef HOLDFAST_T_LIB_LATENESS_H_
#define HOLDFAST_T_LIB_LATENESS_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <fstream>
#include <mutex>
#include <thread>
#include <vector>

#include "lib/thread_cpu.h"

namespace holdfast::test {

// What a call may take longer than its deadline where nothing else is to be done; sanitizers multiply what it does.
inline constexpr std::chrono::milliseconds kOverrunMax{kSanitized ? 200 : 50};

class Lateness {
 public:
  using Clock = std::chrono::steady_clock;

  Lateness() : thread_([this] { Work(); }) {}
  ~Lateness() {
    stop_ = true;
    thread_.join();
  }

  // The worst of the sleeps that ended since then, or should have ended by now.
  std::chrono::milliseconds WorstSince(Clock::time_point begin) { return WorstDuring(begin, Clock::now()); }

  // The worst of those that ended late or should have ended between.
  std::chrono::milliseconds WorstDuring(Clock::time_point begin, Clock::time_point end) {
    std::lock_guard lock(mutex_);
    Clock::duration worst = due_ <= end ? Clock::now() - due_ : Clock::duration::zero();
    for (const Sleep& sleep : sleeps_) {
      if (sleep.ended >= begin && sleep.ended - sleep.late <= end) worst = std::max(worst, sleep.late);
    }
    return std::chrono::ceil<std::chrono::milliseconds>(std::max(worst, Clock::duration::zero()));
  }

  static std::chrono::milliseconds OwnDelay() {
    std::ifstream file("/proc/thread-self/schedstat");
    int64_t ran_ns = 0, waited_ns = 0;
    file >> ran_ns >> waited_ns;
    return std::chrono::milliseconds(waited_ns / 1'000'000);
  }

 private:
  struct Sleep {
    Clock::time_point ended;
    Clock::duration late;
  };

  void Work() {
    while (!stop_) {
      const Clock::time_point due = Clock::now() + std::chrono::milliseconds(5);
      {
        std::lock_guard lock(mutex_);
        due_ = due;
      }
      std::this_thread::sleep_until(due);
      const Clock::time_point now = Clock::now();
      std::lock_guard lock(mutex_);
      if (now - due > std::chrono::milliseconds(1)) sleeps_.push_back({now, now - due});
    }
  }

  std::mutex mutex_;
  std::vector<Sleep> sleeps_;                         // guarded by mutex_; those of more than 1 ms
  Clock::time_point due_ = Clock::time_point::max();  // guarded by mutex_
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_LATENESS_H_
