// Eight threads call without pause while servers are killed, stopped and started again. Every value carries its key, so
// a reply that reaches the wrong caller shows; every call is timed.

#include <holdfast/client.h>

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <random>
#include <semaphore>
#include <thread>

#include "lib/bad_server.h"
#include "lib/cache_server.h"
#include "lib/lateness.h"

namespace holdfast {
namespace {

using namespace std::chrono_literals;
using test::CacheServer;
using test::kOverrunMax;
using test::Lateness;
using test::ServerKind;
using Clock = std::chrono::steady_clock;

constexpr int kThreads = 8;
constexpr auto kTimeout = 2000ms;  // well servers must keep it, however busy the machine

// What the threads have seen.
struct Seen {
  std::atomic<uint64_t> calls{0};
  std::atomic<uint64_t> failed{0};            // at the server that is being mistreated
  std::atomic<uint64_t> failed_elsewhere{0};  // at servers that were well all along
  std::atomic<uint64_t> foreign{0};           // a value of another key
  std::atomic<uint64_t> late{0};
  std::atomic<int64_t> loop_delay_ms{0};  // how long the client's thread has waited for a processor so far
  std::mutex mutex;
  std::string first_late, first_elsewhere;  // guarded by mutex
};

class Caller {
 public:
  Caller(Client& client, const std::string& victim, Seen& seen, Lateness& lateness, uint32_t seed)
      : client_(client), victim_(victim), seen_(seen), lateness_(lateness), random_(seed) {}

  void CallOnce() {
    const Clock::time_point begin = Clock::now();
    const auto delay_before = Lateness::OwnDelay() + std::chrono::milliseconds(seen_.loop_delay_ms);
    switch (random_() % 4) {
      case 0:
        CallSet();
        break;
      case 1:
        CallGet();
        break;
      case 2:
        CallGetMany();
        break;
      case 3:
        CallBack();
        break;
    }
    const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(Clock::now() - begin);
    seen_.calls++;
    if (took <= kTimeout + kOverrunMax) return;
    // What this thread and the client's own were kept waiting for a processor, and how late sleepers woke up.
    const auto delay = Lateness::OwnDelay() + std::chrono::milliseconds(seen_.loop_delay_ms) - delay_before;
    const std::chrono::milliseconds noise = lateness_.WorstSince(begin) + delay;
    if (took <= kTimeout + kOverrunMax + noise) return;
    seen_.late++;
    std::lock_guard lock(seen_.mutex);
    seen_.first_late =
        std::to_string(took.count()) + " ms, the machine was " + std::to_string(noise.count()) + " ms late";
  }

 private:
  std::string Key() { return "key" + std::to_string(random_() % 200); }

  static std::string ValueOf(const std::string& key) {
    const size_t size = std::hash<std::string>()(key) % 5000;
    return key + '=' + std::string(size, static_cast<char>('a' + size % 26));
  }

  void Judge(const std::string& key, const Status& status, const std::string_view* value) {
    if (status.ok() && value != nullptr && *value != ValueOf(key)) seen_.foreign++;
    if (status.answered()) return;
    if (client_.ServerOf(key) == victim_) {
      seen_.failed++;
      return;
    }
    seen_.failed_elsewhere++;
    std::lock_guard lock(seen_.mutex);
    seen_.first_elsewhere = status.message();
  }

  void CallSet() {
    const std::string key = Key();
    Judge(key, client_.Set(key, ValueOf(key)).status, nullptr);
  }

  void CallGet() {
    const std::string key = Key();
    const GetResult found = client_.Get(key);
    const std::string_view value = found.value;
    Judge(key, found.status, &value);
  }

  void CallGetMany() {
    std::vector<std::string> keys;
    for (int i = 0; i < 30; i++) keys.push_back(Key());
    const GetManyResult found = client_.GetMany(std::span<const std::string>(keys));
    for (size_t i = 0; i < keys.size(); i++) Judge(keys[i], found[i].status, &found[i].value);
  }

  // Several at once, each of which must be answered.
  void CallBack() {
    std::counting_semaphore<> answered(0);
    constexpr int kCalls = 5;
    for (int i = 0; i < kCalls; i++) {
      const std::string key = Key();
      client_.Get(key, {}, [this, key, &answered](GetResult found) {
        const std::string_view value = found.value;
        Judge(key, found.status, &value);
        seen_.loop_delay_ms = Lateness::OwnDelay().count();
        answered.release();
      });
    }
    for (int i = 0; i < kCalls; i++) answered.acquire();
  }

  Client& client_;
  const std::string& victim_;
  Seen& seen_;
  Lateness& lateness_;
  std::mt19937 random_;
};

class Storm : public testing::TestWithParam<ServerKind> {};

TEST_P(Storm, NoReplyReachesAWrongCallerAndNoCallIsLate) {
  if (!test::Available(GetParam())) GTEST_SKIP() << test::ProgramOf(GetParam()) << " is not here";
  std::vector<std::unique_ptr<CacheServer>> servers;
  ClientOptions options;
  for (int i = 0; i < 2; i++) servers.push_back(std::make_unique<CacheServer>(GetParam()));
  auto victim = std::make_unique<CacheServer>(GetParam());
  test::SlowProxy proxy(victim->port(), 0ms);
  for (const auto& server : servers) options.servers.push_back({server->address(), "", 1});
  const std::string victim_address = proxy.address();
  options.servers.push_back({victim_address, "", 1});
  options.timeout = kTimeout;
  options.connect_timeout = kTimeout;
  options.probe_interval = 20ms;
  auto client = std::move(Client::Make(options).client);

  Lateness lateness;
  Seen seen;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (uint32_t t = 0; t < kThreads; t++) {
    threads.emplace_back([&, t] {
      Caller caller(*client, victim_address, seen, lateness, t);
      while (!stop) caller.CallOnce();
    });
  }
  for (int round = 0; round < 2; round++) {
    std::this_thread::sleep_for(200ms);
    victim->Pause();
    std::this_thread::sleep_for(kTimeout + 500ms);
    victim->Continue();
    std::this_thread::sleep_for(200ms);
    victim->Kill();
    std::this_thread::sleep_for(200ms);
    EXPECT_TRUE(victim->Start());
    std::this_thread::sleep_for(200ms);
    proxy.set_delay(kTimeout + 100ms);
    std::this_thread::sleep_for(kTimeout + 300ms);
    proxy.set_delay(0ms);
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(seen.foreign, 0u);
  EXPECT_EQ(seen.late, 0u) << seen.first_late;
  EXPECT_EQ(seen.failed_elsewhere, 0u) << seen.first_elsewhere;
  EXPECT_GT(seen.failed, 0u) << "nothing was tested";
  EXPECT_GT(seen.calls, 100u);
  const std::vector<ServerState> states = client->Servers();
  EXPECT_GT(states[2].ejections, 0u);
  EXPECT_EQ(states[0].ejections + states[1].ejections, 0u);
  RecordProperty("calls", static_cast<int>(seen.calls));
}

INSTANTIATE_TEST_SUITE_P(Servers, Storm, testing::Values(ServerKind::kHoldfast, ServerKind::kMemcached),
                         [](const auto& kind) {
                           return kind.param == ServerKind::kHoldfast ? "Holdfast" : "Memcached";
                         });

}  // namespace
}  // namespace holdfast
