// disk_delay.h - how long a sync of a small file takes just now, so that a test of deadlines can tell a database that
// is slow from a disk that is.
//
// A thread writes a few bytes and syncs them, fifty times a second, and notes what took long.
//
// Threads: its own; WorstDuring from any.
// Owns:    the file, which is removed at the end.

#ifndef HOLDFAST_T_LIB_DISK_DELAY_H_
#define HOLDFAST_T_LIB_DISK_DELAY_H_

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

namespace holdfast::test {

class DiskDelay {
 public:
  using Clock = std::chrono::steady_clock;

  explicit DiskDelay(const std::string& path) : path_(path), thread_([this] { Work(); }) {}
  ~DiskDelay() {
    stop_ = true;
    thread_.join();
    ::unlink(path_.c_str());
  }

  // The longest of the syncs that were under way in this time, even if not for all of it.
  std::chrono::milliseconds WorstDuring(Clock::time_point begin, Clock::time_point end) {
    std::lock_guard lock(mutex_);
    Clock::duration worst = begun_ <= end ? Clock::now() - begun_ : Clock::duration::zero();
    for (const Sync& sync : syncs_) {
      if (sync.begun <= end && sync.begun + sync.took >= begin) worst = std::max(worst, sync.took);
    }
    return std::chrono::ceil<std::chrono::milliseconds>(std::max(worst, Clock::duration::zero()));
  }

 private:
  struct Sync {
    Clock::time_point begun;
    Clock::duration took;
  };

  void Work() {
    const int file = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    while (!stop_) {
      const Clock::time_point begun = Clock::now();
      {
        std::lock_guard lock(mutex_);
        begun_ = begun;
      }
      if (::pwrite(file, "x", 1, 0) == 1) ::fdatasync(file);
      const Clock::time_point now = Clock::now();
      {
        std::lock_guard lock(mutex_);
        begun_ = Clock::time_point::max();
        if (now - begun > std::chrono::milliseconds(50)) syncs_.push_back({begun, now - begun});
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    ::close(file);
  }

  const std::string path_;
  std::mutex mutex_;
  std::vector<Sync> syncs_;                             // guarded by mutex_; those of more than 50 ms
  Clock::time_point begun_ = Clock::time_point::max();  // guarded by mutex_; of the sync under way
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_DISK_DELAY_H_
