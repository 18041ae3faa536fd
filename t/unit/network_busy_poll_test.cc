// What looking for work before sleeping must hold. Limits are either so long or so short that no machine is in between.

#include "network/busy_poll.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "network_harness.h"

namespace holdfast::network {
namespace {

constexpr uint32_t kLongMicros = 5'000'000;
constexpr uint32_t kShortMicros = 1000;

// A worker that may look for so long, with a client.
struct PollingWorker {
  explicit PollingWorker(uint32_t micros) : line(size_t{64} << 20, SettingsOf(micros)), client(Connect()) {}

  WorkerSettings SettingsOf(uint32_t micros) {
    WorkerSettings settings;
    settings.busy_poll_us = micros;
    settings.spare_processor = &spare;
    return settings;
  }
  Client Connect() {
    line.Start();
    return line.Connect();
  }
  void Talk(int times) {
    for (int i = 0; i < times; ++i) {
      ASSERT_TRUE(client.Send("x\n"));
      ASSERT_EQ("x\n", client.ReceiveLine());
    }
  }
  const BusyPollCounters& counters() { return line.worker.counters().busy_poll; }
  // How often it has looked until somebody came, or the processor was wanted by others.
  uint64_t won_or_contended() { return counters().won.value() + counters().contended.value(); }
  uint64_t looks() { return counters().won.value() + counters().lost.value(); }

  SpareProcessor spare;
  LineWorker line;
  Client client;
};

TEST(BusyPoll, PaysOnceWaitsAreShort) {
  PollingWorker worker(kLongMicros);
  worker.Talk(200);
  EXPECT_GT(worker.won_or_contended(), 0u);
}

TEST(BusyPoll, IsOffWithoutALimit) {
  PollingWorker worker(0);
  worker.Talk(200);
  EXPECT_EQ(0u, worker.counters().won.value());
  EXPECT_EQ(0u, worker.counters().lost.value());
}

TEST(BusyPoll, CanBeSwitchedOnAndOff) {
  PollingWorker worker(0);
  worker.line.worker.SetBusyPoll(kLongMicros);
  worker.Talk(200);
  EXPECT_GT(worker.won_or_contended(), 0u);
  worker.line.worker.SetBusyPoll(0);
  worker.Talk(2);  // the first may still have been waited for
  const uint64_t won = worker.counters().won.value();
  worker.Talk(100);
  EXPECT_EQ(won, worker.counters().won.value());
}

TEST(BusyPoll, IsForOneWorkerAtATime) {
  PollingWorker worker(kLongMicros);
  ASSERT_TRUE(worker.spare.TryTake());  // as another worker; this one has had no reason to yet
  worker.Talk(200);
  EXPECT_EQ(0u, worker.counters().won.value());
  worker.spare.GiveBack();
  worker.Talk(200);
  EXPECT_GT(worker.won_or_contended(), 0u);
}

TEST(BusyPoll, EndsWhenRequestsAreRare) {
  PollingWorker worker(kLongMicros);
  worker.Talk(100);
  worker.line.worker.SetBusyPoll(kShortMicros);
  uint64_t looked = 0;
  for (int i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (i == 30) looked = worker.looks();
    worker.Talk(1);
  }
  EXPECT_EQ(looked, worker.looks());
  const uint64_t micros = worker.counters().micros.value();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // nobody comes at all
  EXPECT_EQ(micros, worker.counters().micros.value());
}

TEST(BusyPoll, StopsAtOnceWhileItLooks) {
  PollingWorker worker(kLongMicros);
  worker.Talk(100);
  const auto before = std::chrono::steady_clock::now();
  worker.line.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::microseconds(kLongMicros));
}

TEST(BusyPoll, FindsTimersAndTasksToo) {
  PollingWorker worker(kLongMicros);
  worker.Talk(100);
  const auto before = std::chrono::steady_clock::now();
  std::promise<void> rang;
  worker.line.Do([&] { worker.line.worker.StartTimer(1, [&] { rang.set_value(); }); });
  rang.get_future().wait();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::microseconds(kLongMicros));
}

TEST(BusyPoll, RestsWhileAnotherThreadWantsTheProcessor) {
  cpu_set_t allowed, one;
  ASSERT_EQ(0, ::sched_getaffinity(0, sizeof allowed, &allowed));
  int processor = 0;
  while (!CPU_ISSET(processor, &allowed)) ++processor;
  CPU_ZERO(&one);
  CPU_SET(processor, &one);
  ASSERT_EQ(0, ::sched_setaffinity(0, sizeof one, &one));  // threads made from now on inherit it
  std::atomic<bool> over{false};
  std::thread other([&over] {
    while (!over) {
    }
  });
  SpareProcessor spare;
  BusyPollCounters counters;
  BusyPoll poll(&spare, counters);
  poll.SetLimit(kLongMicros);
  for (int i = 0; i < 1000; ++i) {
    poll.Look([] { return true; });
    poll.NoteWork();
  }
  EXPECT_TRUE(Eventually([&] {
    const uint64_t before = counters.contended.value();
    poll.Look([] { return false; });
    if (counters.contended.value() == before) return false;
    const uint64_t looked = counters.won.value() + counters.lost.value();
    return !poll.Look([] { return true; }) && counters.won.value() + counters.lost.value() == looked;
  }));
  over = true;
  other.join();
  ASSERT_EQ(0, ::sched_setaffinity(0, sizeof allowed, &allowed));
}

}  // namespace
}  // namespace holdfast::network
