// What looking for work before sleeping must hold. Limits are either so long or so short that no machine is in between.

#include "network/busy_poll.h"

#include <gtest/gtest.h>
#include <sched.h>

#include "network_harness.h"

namespace holdfast::network {
namespace {

constexpr uint32_t kLongMicros = 5'000'000;
constexpr uint32_t kShortMicros = 1000;

void Talk(Client& client, int times) {
  for (int i = 0; i < times; ++i) {
    ASSERT_TRUE(client.Send("x\n"));
    ASSERT_EQ("x\n", client.ReceiveLine());
  }
}

WorkerSettings Polling(SpareProcessor* spare, uint32_t micros) {
  WorkerSettings settings;
  settings.busy_poll_us = micros;
  settings.spare_processor = spare;
  return settings;
}

TEST(BusyPoll, PaysOnceWaitsAreShort) {
  SpareProcessor spare;
  LineWorker line(size_t{64} << 20, Polling(&spare, kLongMicros));
  line.Start();
  Client client = line.Connect();
  Talk(client, 200);
  const BusyPollCounters& counters = line.worker.counters().busy_poll;
  EXPECT_GT(counters.won.value() + counters.contended.value(), 0u);
}

TEST(BusyPoll, IsOffWithoutALimit) {
  SpareProcessor spare;
  LineWorker line(size_t{64} << 20, Polling(&spare, 0));
  line.Start();
  Client client = line.Connect();
  Talk(client, 200);
  EXPECT_EQ(0u, line.worker.counters().busy_poll.won.value());
  EXPECT_EQ(0u, line.worker.counters().busy_poll.lost.value());
}

TEST(BusyPoll, CanBeSwitchedOnAndOff) {
  SpareProcessor spare;
  LineWorker line(size_t{64} << 20, Polling(&spare, 0));
  line.Start();
  Client client = line.Connect();
  line.worker.SetBusyPoll(kLongMicros);
  Talk(client, 200);
  const BusyPollCounters& counters = line.worker.counters().busy_poll;
  EXPECT_GT(counters.won.value() + counters.contended.value(), 0u);
  line.worker.SetBusyPoll(0);
  Talk(client, 2);  // the first may still have been waited for
  const uint64_t won = counters.won.value();
  Talk(client, 100);
  EXPECT_EQ(won, counters.won.value());
}

TEST(BusyPoll, IsForOneWorkerAtATime) {
  SpareProcessor spare;
  ASSERT_TRUE(spare.TryTake());  // as another worker
  LineWorker line(size_t{64} << 20, Polling(&spare, kLongMicros));
  line.Start();
  Client client = line.Connect();
  Talk(client, 200);
  EXPECT_EQ(0u, line.worker.counters().busy_poll.won.value());
  spare.GiveBack();
  Talk(client, 200);
  const BusyPollCounters& counters = line.worker.counters().busy_poll;
  EXPECT_GT(counters.won.value() + counters.contended.value(), 0u);
}

TEST(BusyPoll, EndsWhenRequestsAreRare) {
  SpareProcessor spare;
  LineWorker line(size_t{64} << 20, Polling(&spare, kLongMicros));
  line.Start();
  Client client = line.Connect();
  Talk(client, 100);
  line.worker.SetBusyPoll(kShortMicros);
  const BusyPollCounters& counters = line.worker.counters().busy_poll;
  uint64_t looked = 0;
  for (int i = 0; i < 40; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    if (i == 30) looked = counters.won.value() + counters.lost.value();
    Talk(client, 1);
  }
  EXPECT_EQ(looked, counters.won.value() + counters.lost.value());
  const uint64_t micros = counters.micros.value();
  std::this_thread::sleep_for(std::chrono::milliseconds(100));  // nobody comes at all
  EXPECT_EQ(micros, counters.micros.value());
}

TEST(BusyPoll, StopsAtOnceWhileItLooks) {
  SpareProcessor spare;
  LineWorker line(size_t{64} << 20, Polling(&spare, kLongMicros));
  line.Start();
  Client client = line.Connect();
  Talk(client, 100);
  const auto before = std::chrono::steady_clock::now();
  line.Stop();
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::microseconds(kLongMicros));
}

TEST(BusyPoll, FindsTimersAndTasksToo) {
  SpareProcessor spare;
  LineWorker line(size_t{64} << 20, Polling(&spare, kLongMicros));
  line.Start();
  Client client = line.Connect();
  Talk(client, 100);
  const auto before = std::chrono::steady_clock::now();
  std::promise<void> rang;
  line.Do([&] { line.worker.StartTimer(1, [&] { rang.set_value(); }); });
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
