// database_delay.h - how long a look-up and a commit of nobody's row take just now, so that a judge of deadlines can
// tell a server that is slow from a database that is: a client that has nothing to do with the servers, twenty times a
// second.
//
// Threads: its own; WorstDuring from any.
// Owns:    the thread and its connection. Writes a row of the table `lease` alone.
// Errors:  none: a call that fails took as long as it took, and the connection is made anew.

#ifndef HOLDFAST_T_FAULTS_DATABASE_DELAY_H_
#define HOLDFAST_T_FAULTS_DATABASE_DELAY_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <limits>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "faults/site_client.h"
#include "session/driver.h"

namespace holdfast::faults {

class DatabaseDelay {
 public:
  DatabaseDelay(std::string url, std::string password) : url_(std::move(url)), password_(std::move(password)) {}
  ~DatabaseDelay() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  // When the database can be asked.
  void Start() {
    thread_ = std::thread([this] { Work(); });
  }

  // The longest of the calls that were under way in this time, even if not for all of it. Microseconds, as NowMicros.
  int64_t WorstDuring(int64_t begun_us, int64_t ended_us) {
    const std::lock_guard lock(mutex_);
    int64_t worst_us = begun_us_ <= ended_us ? NowMicros() - begun_us_ : 0;
    for (const Call& call : calls_) {
      if (call.begun_us <= ended_us && call.ended_us >= begun_us) {
        worst_us = std::max(worst_us, call.ended_us - call.begun_us);
      }
    }
    return worst_us;
  }
  uint64_t calls() const { return done_; }
  int64_t longest_us() const { return longest_us_; }

 private:
  struct Call {
    int64_t begun_us, ended_us;
  };
  static constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  static constexpr int64_t kNotedMicros = 20'000;
  static constexpr std::chrono::milliseconds kPause{50};

  void Work() {
    auto database = session::Database::Open(url_, clock_, -1, password_);
    if (!database.ok()) return;
    const std::unique_ptr<session::Driver> driver = database.value()->NewDriver();
    bool is_open = driver->Open().ok();
    while (!stop_) {
      const int64_t begun_us = NowMicros();
      Note(begun_us);
      is_open = (is_open || driver->Open().ok()) && Ask(*driver);
      Take(begun_us);
      std::this_thread::sleep_for(kPause);
    }
  }
  static bool Ask(session::Driver& driver) {
    const std::string_view key = "nobody's";
    std::vector<session::RowStamps> rows;
    bool held = false;
    return driver.LoadStamps({&key, 1}, &rows).ok() && driver.TakeLease("judge", 1, 1'000'000, &held).ok();
  }
  void Note(int64_t begun_us) {
    const std::lock_guard lock(mutex_);
    begun_us_ = begun_us;
  }
  void Take(int64_t begun_us) {
    const int64_t now_us = NowMicros();
    const std::lock_guard lock(mutex_);
    begun_us_ = kNone;
    ++done_;
    longest_us_ = std::max<int64_t>(longest_us_, now_us - begun_us);
    if (now_us - begun_us > kNotedMicros) calls_.push_back({begun_us, now_us});
  }

  const std::string url_, password_;
  const base::SystemClock clock_;
  std::mutex mutex_;
  std::vector<Call> calls_;   // guarded by mutex_; those that took long
  int64_t begun_us_ = kNone;  // guarded by mutex_; of the call under way
  std::atomic<uint64_t> done_{0};
  std::atomic<int64_t> longest_us_{0};
  std::atomic<bool> stop_{false};
  std::thread thread_;
};

}  // namespace holdfast::faults

#endif  // HOLDFAST_T_FAULTS_DATABASE_DELAY_H_
