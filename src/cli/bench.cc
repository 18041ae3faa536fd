// Threads that call one client without pause, one set to nine gets, and note how long each call took.

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <random>
#include <thread>

#include "cli/command.h"

namespace holdfast::cli {
namespace {

using Clock = std::chrono::steady_clock;

struct Tally {
  std::vector<uint32_t> micros;  // of each call
  uint64_t keys = 0;
  uint64_t hits = 0;
  uint64_t failed = 0;
};

class Worker {
 public:
  Worker(Client& client, const Settings& settings, uint32_t seed)
      : client_(client), settings_(settings), value_(settings.value_bytes, 'v'), random_(seed) {}

  void Work(const std::atomic<bool>& stop) {
    while (!stop.load(std::memory_order_relaxed)) {
      const Clock::time_point begin = Clock::now();
      if (random_() % 10 == 0) {
        Count(client_.Set(Key(), value_, {}, CallOf(settings_)).status);
      } else if (settings_.multiget > 0) {
        GetMany();
      } else {
        Count(client_.Get(Key(), CallOf(settings_)).status);
      }
      const auto took = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - begin);
      tally_.micros.push_back(static_cast<uint32_t>(took.count()));
    }
  }

  Tally& tally() { return tally_; }

 private:
  std::string Key() { return "bench:" + std::to_string(random_() % settings_.keys); }

  void Count(const Status& status) {
    tally_.keys++;
    if (status.ok()) tally_.hits++;
    if (!status.answered()) tally_.failed++;
  }

  void GetMany() {
    std::vector<std::string> keys;
    for (uint32_t i = 0; i < settings_.multiget; i++) keys.push_back(Key());
    for (const Found& found : client_.GetMany(std::span<const std::string>(keys), CallOf(settings_)))
      Count(found.status);
  }

  Client& client_;
  const Settings& settings_;
  const std::string value_;
  std::minstd_rand random_;
  Tally tally_;
};

void Print(const Settings& settings, Tally& all) {
  std::sort(all.micros.begin(), all.micros.end());
  const auto at = [&](double part) {
    return all.micros.empty() ? 0u : all.micros[static_cast<size_t>(part * static_cast<double>(all.micros.size() - 1))];
  };
  const double seconds = settings.seconds;
  std::printf("calls   %.0f/s\nkeys    %.0f/s\nhits    %.1f%%\nfailed  %llu\n",
              static_cast<double>(all.micros.size()) / seconds, static_cast<double>(all.keys) / seconds,
              100 * static_cast<double>(all.hits) / static_cast<double>(std::max<uint64_t>(all.keys, 1)),
              static_cast<unsigned long long>(all.failed));
  std::printf("time    median %u us, 99%% %u us, 99.9%% %u us, longest %u us\n", at(0.5), at(0.99), at(0.999), at(1));
}

}  // namespace

int Bench(const Settings& settings, Words) {
  const std::unique_ptr<Client> client = MakeClient(settings);
  if (client == nullptr) return kExitUsage;
  std::atomic<bool> stop{false};
  std::vector<std::unique_ptr<Worker>> workers;
  std::vector<std::thread> threads;
  for (uint32_t i = 0; i < settings.threads; i++) {
    workers.push_back(std::make_unique<Worker>(*client, settings, i + 1));
    threads.emplace_back([&stop, worker = workers.back().get()] { worker->Work(stop); });
  }
  std::this_thread::sleep_for(std::chrono::seconds(settings.seconds));
  stop = true;
  for (std::thread& thread : threads) thread.join();
  Tally all;
  for (const auto& worker : workers) {
    const Tally& tally = worker->tally();
    all.micros.insert(all.micros.end(), tally.micros.begin(), tally.micros.end());
    all.keys += tally.keys;
    all.hits += tally.hits;
    all.failed += tally.failed;
  }
  Print(settings, all);
  return all.failed == 0 ? kExitOk : kExitFailed;
}

}  // namespace holdfast::cli
