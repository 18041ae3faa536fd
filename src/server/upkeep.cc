// How it works: four times a second it walks a share of the pages, in steps short enough that no reader's memory waits
// long for this thread.

#include "server/upkeep.h"

#include <algorithm>
#include <chrono>

namespace holdfast::server {

namespace {
constexpr uint32_t kStepsPerSecond = 4;
constexpr uint32_t kTrimsPerStep = 64;
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
    uint64_t pages = store_.Totals().pages / (kRoundSeconds * kStepsPerSecond) + 1;
    while (pages > 0) {
      const auto step = static_cast<uint32_t>(std::min<uint64_t>(pages, kPagesPerStep));
      access.Online();
      store_.Upkeep(access, clock_.Now(), step);
      access.Offline();
      pages -= step;
    }
  }
}

}  // namespace holdfast::server
