// How it works: every wait is timed, slept or not, and whether it was short goes into a sliding mean; above one half it
// pays to look. After each fruitless poll the processor is offered to others (sched_yield): when that takes long,
// somebody took it, and there is none to spare; then it rests, for longer each time.

#include "network/busy_poll.h"

#include <sched.h>

#include <algorithm>

namespace holdfast::network {
namespace {

constexpr int kAllShort = 1024;
constexpr int kMemory = 16;            // the sliding mean is over about so many waits
constexpr int64_t kWakeUpMicros = 50;  // what falling asleep and waking up adds to a wait
constexpr int64_t kTakenMicros = 100;  // a yield that takes longer had another thread run
constexpr int64_t kRestMicrosMin = 10'000, kRestMicrosMax = 1'000'000;

}  // namespace

void BusyPoll::SetLimit(uint32_t micros) {
  limit_us_ = micros;
  short_waits_ = 0;
}

bool BusyPoll::Pays() { return short_waits_ * 2 > kAllShort && began_us_ >= rest_until_us_ && spare_->TryTake(); }

int64_t BusyPoll::LetOthersRun(int64_t before_us) {
  ::sched_yield();
  const int64_t now_us = base::MonotonicMicros();
  if (now_us - before_us > kTakenMicros) {
    counters_.contended.Add();
    rest_us_ = std::clamp(2 * rest_us_, kRestMicrosMin, kRestMicrosMax);
    rest_until_us_ = now_us + rest_us_;
  }
  return now_us;
}

void BusyPoll::Finish(bool found) {
  spare_->GiveBack();
  (found ? counters_.won : counters_.lost).Add();
  counters_.micros.Add(static_cast<uint64_t>(base::MonotonicMicros() - began_us_));
  // A long time without others: the next rest may be short again.
  if (found && rest_us_ > 0 && began_us_ > rest_until_us_ + kRestMicrosMax) rest_us_ = 0;
}

void BusyPoll::NoteWork() {
  const bool was_short = base::MonotonicMicros() - began_us_ <= limit_us_ + kWakeUpMicros;
  short_waits_ += ((was_short ? kAllShort : 0) - short_waits_) / kMemory;
}

}  // namespace holdfast::network
