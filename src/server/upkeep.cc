// How it works: four times a second it walks those pages on which something has expired, in steps short enough that no
// reader's memory waits long for this thread.

#include "server/upkeep.h"

#include <algorithm>
#include <chrono>

namespace holdfast::server {

namespace {
constexpr uint32_t kStepsPerSecond = 4;
constexpr uint32_t kTrimsPerStep = 64;
constexpr uint32_t kWorthwhileItems = 16;  // dropped from a page
constexpr uint32_t kStepsMax = 256;        // so that memory limits and flushes have their turn
}  // namespace

void Upkeep::Start() {
  thread_ = std::thread([this] { Run(); });
}

void Upkeep::Stop() {
  {
    std::lock_guard<std::mutex> guard(mutex_);
    stop_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

bool Upkeep::WaitFor(uint32_t millis) {
  std::unique_lock<std::mutex> lock(mutex_);
  wake_.wait_for(lock, std::chrono::milliseconds(millis), [this] { return stop_; });
  return !stop_;
}

void Upkeep::Run() {
  store::Access access(store_);
  access.Offline();
  while (WaitFor(1000 / kStepsPerSecond)) {
    for (uint32_t i = 0, more = 1; i < kTrimsPerStep && more; ++i) {
      access.Online();
      more = store_.Trim(access);
      access.Offline();
    }
    Sweep(access);
  }
}

// Pages on which hardly anything is dead are limited to a share of all; others are worth their walk at once.
void Upkeep::Sweep(store::Access& access) {
  uint64_t fruitless = store_.Totals().pages / (kRoundSeconds * kStepsPerSecond) + 1;
  for (uint32_t steps = 0; steps < kStepsMax; ++steps) {
    access.Online();
    const store::Store::UpkeepStep step =
        store_.Upkeep(access, clock_.Now(), static_cast<uint32_t>(std::min<uint64_t>(fruitless, kPagesPerStep)));
    access.Offline();
    if (step.round_over) return;
    if (step.dropped >= uint64_t{step.walked} * kWorthwhileItems) continue;
    if (fruitless <= step.walked) return;
    fruitless -= step.walked;
  }
}

}  // namespace holdfast::server
