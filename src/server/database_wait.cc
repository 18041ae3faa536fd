// How it works: the first failure is told as it is, with its remedy, for whoever sits before the screen. After that a
// line now and then says that it goes on.

#include "server/database_wait.h"

#include <chrono>
#include <string>
#include <thread>

#include "base/clock.h"

namespace holdfast::server {

namespace {

constexpr auto kBetweenTries = std::chrono::milliseconds(200);
constexpr int64_t kSayMicros = 5'000'000;
constexpr int64_t kMicrosASecond = 1'000'000;

}  // namespace

DatabaseWait::DatabaseWait(uint32_t seconds, const std::function<bool()>& is_asked_to_end, const base::Log& log)
    : is_asked_to_end_(is_asked_to_end), log_(log), until_us_(base::MonotonicMicros() + seconds * kMicrosASecond) {}

base::Status DatabaseWait::For(const std::function<base::Status()>& attempt) {
  base::Status status = attempt();
  while (!status.ok() && Again(status)) status = attempt();
  return status;
}

bool DatabaseWait::Again(const base::Status& status) {
  const int64_t now_us = base::MonotonicMicros();
  if (status.kind() != base::ErrorKind::kUnavailable || now_us >= until_us_ || is_asked_to_end_()) return false;
  if (now_us >= say_at_us_) {
    const std::string left = std::to_string((until_us_ - now_us + kMicrosASecond - 1) / kMicrosASecond) + " s";
    if (say_at_us_ == 0) {
      log_.Warning(status.message() + "; trying again for " + left + " (--database-wait)");
    } else {
      log_.Notice("waiting for the database: " + left + " left");
    }
    say_at_us_ = now_us + kSayMicros;
  }
  std::this_thread::sleep_for(kBetweenTries);
  return true;
}

void DatabaseWait::Answered() const {
  if (say_at_us_ != 0) log_.Notice("the database answers");
}

}  // namespace holdfast::server
