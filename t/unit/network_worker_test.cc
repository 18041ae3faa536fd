// What a worker and its connections must hold, over socketpairs, with the line protocol of network_harness.h.

#include <gtest/gtest.h>

#include <algorithm>

#include "network/socket_connection.h"
#include "network_harness.h"

namespace holdfast::network {
namespace {

TEST(Worker, AnswersALine) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("hello\n"));
  EXPECT_EQ("hello\n", client.ReceiveLine());
}

TEST(Worker, AnswersALineThatComesOneByteAtATime) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  for (const char c : std::string("one byte at a time\n")) ASSERT_TRUE(client.Send(std::string(1, c)));
  EXPECT_EQ("one byte at a time\n", client.ReceiveLine());
}

TEST(Worker, AnswersAPipelineInOrder) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  std::string all;
  for (int i = 0; i < 20'000; ++i) all += std::to_string(i) + "\n";
  std::thread sender([&] { EXPECT_TRUE(client.Send(all)); });
  EXPECT_EQ(all, client.Receive(all.size()));
  sender.join();
  line.Do([] {});
  EXPECT_EQ(all.size(), line.worker.counters().bytes_read.value());
  EXPECT_EQ(all.size(), line.worker.counters().bytes_written.value());
}

TEST(Worker, KeepsALineThatStraddlesTheInputBlock) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  const std::string first(base::kBlockBytes - 10, 'a');
  const std::string second(base::kBlockBytes - 10, 'c');
  ASSERT_TRUE(client.Send(first + "\n" + second + "\n"));
  EXPECT_EQ(first + "\n", client.Receive(first.size() + 1));
  EXPECT_EQ(second + "\n", client.Receive(second.size() + 1));
}

TEST(Worker, ALineOfOneWholeBlockFitsAndALongerOneIsSeen) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  const std::string fits(base::kBlockBytes - 1, 'f');
  ASSERT_TRUE(client.Send(fits + "\n"));
  EXPECT_EQ(fits + "\n", client.Receive(fits.size() + 1));
  ASSERT_TRUE(client.Send(std::string(base::kBlockBytes, 'x')));
  EXPECT_EQ("long\n", client.ReceiveLine());
  EXPECT_TRUE(client.AtEnd());
}

TEST(Worker, CallsHooksOnceARoundAndGivesNoTurnBetweenThem) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(client.Send("x\n"));
    ASSERT_EQ("x\n", client.ReceiveLine());
  }
  line.Stop();
  EXPECT_FALSE(line.stage.turn_while_waiting);
  EXPECT_TRUE(line.stage.stopped);
}

// Counts what a plain transport is asked for.
class CountingTransport final : public Transport {
 public:
  CountingTransport(int socket, std::atomic<int>& calls) : plain_(MakePlainTransport(socket)), calls_(calls) {}
  int socket() const override { return plain_->socket(); }
  Io Handshake() override { return Io::kDone; }
  IoResult Read(char* to, size_t size) override { return ++calls_, plain_->Read(to, size); }
  IoResult Write(const iovec* vectors, int count) override { return ++calls_, plain_->Write(vectors, count); }
  bool HasUnreadBytes() const override { return false; }

 private:
  std::unique_ptr<Transport> plain_;
  std::atomic<int>& calls_;
};

TEST(Worker, ARequestCostsOneWaitOneReadAndOneWrite) {
  LineWorker line;
  line.Start();
  auto [socket, client] = MakeStream();
  std::atomic<int> calls{0};
  line.worker.Adopt(Arrival{std::make_unique<CountingTransport>(socket, calls), {}});
  ASSERT_TRUE(client.Send("warm\n"));
  ASSERT_EQ("warm\n", client.ReceiveLine());
  ASSERT_TRUE(Eventually([&] { return line.stage.waiting.load(); }));
  const uint64_t rounds = line.stage.rounds;
  const int before = calls;
  constexpr int kRequests = 500;
  for (int i = 0; i < kRequests; ++i) {
    ASSERT_TRUE(client.Send("request\n"));
    ASSERT_EQ("request\n", client.ReceiveLine());
  }
  EXPECT_EQ(2 * kRequests, calls - before);
  EXPECT_LE(line.stage.rounds - rounds, kRequests + 1);
  line.Stop();
}

// -- Output --------------------------------------------------------------------------------------------------------

TEST(Worker, AReaderThatStopsCostsBoundedMemoryAndGetsEverythingLater) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  constexpr int kLines = 5000;
  constexpr size_t kReply = 10'000;
  std::string all;
  for (int i = 0; i < kLines; ++i) all += "big " + std::to_string(kReply) + "\n";
  std::thread sender([&] { EXPECT_TRUE(client.Send(all)); });
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  EXPECT_LE(line.budget.used_bytes(), kOutputHighWater + 6 * base::kBlockBytes);
  const std::string reply = std::string(kReply, 'b') + "\n";
  for (int i = 0; i < kLines; ++i) ASSERT_EQ(reply, client.Receive(reply.size())) << i;
  sender.join();
  EXPECT_LT(line.stage.unsent_max, kOutputHighWater + kReply + 1);
}

TEST(Worker, WhatIsLentIsSentOrCopiedBeforeTheQuiescentState) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  constexpr size_t kValue = 1 << 20;
  ASSERT_TRUE(client.Send("lend 1048576\nlend 1048576\nlend 1048576\nend\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  const std::string value = std::string(kValue, 'l') + "\n";
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(value == client.Receive(value.size())) << i;
  EXPECT_EQ("end\n", client.ReceiveLine());
}

TEST(Worker, AYieldWithLentBytesSettlesThem) {
  LineWorker line;
  line.stage.lines_a_turn = 1;
  line.Start();
  Client first = line.Connect();
  Client second = line.Connect();
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(first.Send("lend 100\nlend 100\nlend 100\nlend 40000\n"));
    ASSERT_TRUE(second.Send("lend 100\nlend 100\nlend 100\nlend 40000\n"));
  }
  const std::string small = std::string(100, 'l') + "\n";
  const std::string large = std::string(40'000, 'l') + "\n";
  const std::string round = small + small + small + large;
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(round == first.Receive(round.size())) << i;
    ASSERT_TRUE(round == second.Receive(round.size())) << i;
  }
}

TEST(Worker, AtTheBudgetsCapTheConnectionWithMostUnsentIsClosed) {
  LineWorker line(2 << 20);
  line.Start();
  std::vector<Client> slow;
  for (int i = 0; i < 40; ++i) {
    slow.push_back(line.Connect());
    std::string requests;
    for (int j = 0; j < 100; ++j) requests += "big 10000\n";
    ASSERT_TRUE(slow.back().Send(requests));
  }
  ASSERT_TRUE(Eventually([&] { return line.worker.counters().closed_for_memory.value() > 0; }));
  // Somebody who reads is still served.
  Client quick = line.Connect();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(quick.Send("still here\n"));
    ASSERT_EQ("still here\n", quick.ReceiveLine());
  }
  EXPECT_LE(line.budget.used_bytes(), line.budget.limit_bytes());
}

TEST(Worker, AtTheBudgetsCapUnfinishedRequestsMakeRoomForOthers) {
  LineWorker line(1 << 20);
  line.Start();
  std::vector<Client> unfinished;
  for (int i = 0; i < 100; ++i) {
    unfinished.push_back(line.Connect());
    ASSERT_TRUE(unfinished.back().Send("unfinished"));
  }
  ASSERT_TRUE(Eventually([&] { return line.worker.counters().closed_for_memory.value() > 0; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(1100));
  Client quick = line.Connect();
  for (int i = 0; i < 50; ++i) {
    ASSERT_TRUE(quick.Send("still here\n"));
    ASSERT_EQ("still here\n", quick.ReceiveLine());
  }
  EXPECT_LE(line.budget.used_bytes(), line.budget.limit_bytes());
}

TEST(Worker, APeerThatVanishesBeforeItReadsIsNoSignal) {
  LineWorker line;
  line.Start();
  for (int i = 0; i < 20; ++i) {
    Client client = line.Connect();
    ASSERT_TRUE(client.Send("big 500000\nbig 500000\nbig 500000\n"));
  }
  EXPECT_TRUE(Eventually([&] { return line.stage.closed == 20; }));
  line.Stop();
  EXPECT_EQ(0u, line.budget.used_bytes() / base::kBlockBytes / 65);  // at most what the pool keeps
}

// -- Order and fairness -------------------------------------------------------------------------------------------

TEST(Worker, AYieldLetsTheOthersInBetween) {
  LineWorker line;
  line.stage.lines_a_turn = 1;
  line.Start();
  Client greedy = line.Connect();
  Client modest = line.Connect();
  ASSERT_TRUE(greedy.Send("warm\n"));
  ASSERT_EQ("warm\n", greedy.ReceiveLine());
  std::string many;
  for (int i = 0; i < 500; ++i) many += "greedy\n";
  {
    const Hold hold(line.worker);
    ASSERT_TRUE(greedy.Send(many));
    ASSERT_TRUE(modest.Send("modest\nmodest\n"));
  }
  EXPECT_EQ("modest\nmodest\n", modest.Receive(14));
  EXPECT_EQ(many, greedy.Receive(many.size()));
  EXPECT_GE(line.worker.counters().yields.value(), 1u);
  // Alone it is not limited: few of its 500 lines were turns of their own.
  EXPECT_LE(line.worker.counters().yields.value(), 10u);
}

TEST(Worker, WhatIsWrittenIsNotKeptForManyTurns) {
  LineWorker line;
  line.stage.lines_a_turn = 1;
  line.Start();
  Client one = line.Connect();
  Client other = line.Connect();
  for (Client* client : {&one, &other}) {
    ASSERT_TRUE(client->Send("warm\n"));
    ASSERT_EQ("warm\n", client->ReceiveLine());
  }
  const std::string answer = "greedy\n";
  std::string many;
  for (int i = 0; i < 200; ++i) many += answer;
  {
    const Hold hold(line.worker);
    ASSERT_TRUE(one.Send(many));
    ASSERT_TRUE(other.Send(many));
  }
  EXPECT_EQ(many, one.Receive(many.size()));
  EXPECT_EQ(many, other.Receive(many.size()));
  EXPECT_GE(line.worker.counters().yields.value(), 300u);
  EXPECT_LE(line.stage.unsent_max.load(), 5 * answer.size());
}

TEST(Worker, TasksRunInTheOrderPosted) {
  LineWorker line;
  line.Start();
  constexpr int kThreads = 4;
  constexpr int kTasks = 2000;
  std::vector<int> seen[kThreads];
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kTasks; ++i) line.worker.Post([&seen, t, i] { seen[t].push_back(i); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  line.Do([] {});
  for (const std::vector<int>& one : seen) {
    ASSERT_EQ(size_t{kTasks}, one.size());
    EXPECT_TRUE(std::is_sorted(one.begin(), one.end()));
  }
}

TEST(Worker, ATaskMayPostAndNeitherStarvesConnectionsNorSleeps) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  std::atomic<int> count{0};
  std::function<void()> again = [&] {
    if (++count < 1000) line.worker.Post(again);
  };
  line.worker.Post(again);
  ASSERT_TRUE(client.Send("x\n"));
  EXPECT_EQ("x\n", client.ReceiveLine());
  EXPECT_TRUE(Eventually([&] { return count == 1000; }));
}

// -- Parking ------------------------------------------------------------------------------------------------------

TEST(Worker, AParkedConnectionIsResumedFromAnotherThreadAndGoesOnInOrder) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("before\npark\nafter\n"));
  EXPECT_EQ("before\n", client.ReceiveLine());
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  ASSERT_TRUE(client.Send("later\n"));
  std::this_thread::sleep_for(std::chrono::milliseconds(20));
  line.worker.Resume(line.stage.parked_id);
  EXPECT_EQ("resumed\nafter\nlater\n", client.Receive(20));
}

TEST(Worker, AResumeThatComesBeforeTheParkIsNotLost) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("early\nafter\n"));
  EXPECT_EQ("resumed\nafter\n", client.Receive(14));
}

TEST(Worker, UnknownAndRepeatedResumesAreIgnored) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("park\n"));
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  const uint64_t id = line.stage.parked_id;
  line.worker.Resume(0);
  line.worker.Resume(id + 1);
  line.worker.Resume(id + (1 << 16));
  for (int i = 0; i < 3; ++i) line.worker.Resume(id);
  EXPECT_EQ("resumed\n", client.ReceiveLine());
  ASSERT_TRUE(client.Send("x\n"));
  EXPECT_EQ("x\n", client.ReceiveLine());
  client.Close();
  ASSERT_TRUE(Eventually([&] { return line.stage.closed == 1; }));
  line.worker.Resume(id);
  line.Do([] {});
}

TEST(Worker, ParkedInputIsBoundedAndDoesNotSpin) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  std::string flood;
  for (int i = 0; i < 100'000; ++i) flood += "flood\n";
  std::thread sender([&] { client.Send("park\n" + flood); });
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(line.budget.used_bytes(), 2 * base::kBlockBytes);
  const uint64_t rounds = line.stage.rounds;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_LE(line.stage.rounds - rounds, 2u);
  line.worker.Resume(line.stage.parked_id);
  EXPECT_EQ("resumed\n", client.ReceiveLine());
  EXPECT_TRUE(flood == client.Receive(flood.size()));
  sender.join();
}

TEST(Worker, APeerThatGoesWhileParkedIsForgotten) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("park\n"));
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  client.Close();
  EXPECT_TRUE(Eventually([&] { return line.stage.closed == 1; }, 5));
  line.worker.Resume(line.stage.parked_id);
  line.Do([] {});
  EXPECT_EQ(0u, line.worker.counters().connections_current.value());
}

TEST(Worker, APeerThatHasOnlyEndedSendingStillGetsTheParkedAnswer) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("park\nlast\n"));
  client.EndSending();
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  line.worker.Resume(line.stage.parked_id);
  EXPECT_EQ("resumed\nlast\n", client.Receive(13));
  EXPECT_TRUE(client.AtEnd());
}

// -- The end ------------------------------------------------------------------------------------------------------

TEST(Worker, AnswersWhatCameBeforeTheEndAndThenCloses) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("one\ntwo\nbig 300000\nhalf"));
  client.EndSending();
  EXPECT_EQ("one\ntwo\n", client.Receive(8));
  EXPECT_EQ(300'001u, client.Receive(300'001).size());
  EXPECT_TRUE(client.AtEnd());
  EXPECT_TRUE(Eventually([&] { return line.stage.closed == 1; }));
}

TEST(Worker, CloseSendsWhatIsThereAndAbortDoesNot) {
  LineWorker line;
  line.Start();
  Client polite = line.Connect();
  ASSERT_TRUE(polite.Send("big 400000\nquit\nignored\n"));
  EXPECT_EQ(400'001u, polite.Receive(400'001).size());
  EXPECT_EQ("bye\n", polite.ReceiveLine());
  EXPECT_TRUE(polite.AtEnd());
  Client rude = line.Connect();
  ASSERT_TRUE(rude.Send("unsent\nabort\n"));
  EXPECT_TRUE(rude.AtEnd());
}

TEST(Worker, AnIdleConnectionIsClosedAndABusyOrParkedOneIsNot) {
  WorkerSettings settings;
  settings.idle_timeout_seconds = 1;
  LineWorker line(size_t{64} << 20, settings);
  line.Start();
  Client idle = line.Connect();
  Client busy = line.Connect();
  Client parked = line.Connect();
  ASSERT_TRUE(parked.Send("park\n"));
  const auto end = std::chrono::steady_clock::now() + std::chrono::milliseconds(3500);
  while (std::chrono::steady_clock::now() < end) {
    ASSERT_TRUE(busy.Send("x\n"));
    ASSERT_EQ("x\n", busy.ReceiveLine());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_TRUE(idle.AtEnd());
  EXPECT_EQ(1u, line.worker.counters().idle_kicks.value());
  line.worker.Resume(line.stage.parked_id);
  EXPECT_EQ("resumed\n", parked.ReceiveLine());
}

TEST(Worker, WhoIsResumedInTheMomentOfALookForIdleOnesIsAnswered) {
  WorkerSettings settings;
  settings.idle_timeout_seconds = 1;
  LineWorker line(size_t{64} << 20, settings);
  line.Start();
  Client parked = line.Connect();
  ASSERT_TRUE(parked.Send("park\n"));
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  std::promise<void> busy;
  line.worker.Post([&busy] {
    busy.set_value();
    std::this_thread::sleep_for(std::chrono::milliseconds(3500));
  });
  busy.get_future().wait();
  // Both come with one piece of mail, in which the look becomes due.
  line.worker.Post([] { std::this_thread::sleep_for(std::chrono::milliseconds(2500)); });
  line.worker.Resume(line.stage.parked_id);
  EXPECT_EQ("resumed\n", parked.ReceiveLine());
}

TEST(Worker, StopUnderLoadClosesEverythingOnce) {
  LineWorker line;
  line.Start();
  std::atomic<bool> over{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      while (!over) {
        Client client = line.Connect();
        for (int i = 0; i < 20 && client.Send("big 1000\n"); ++i) client.Receive(1001);
        client.Send("park\n");
        line.worker.Resume(line.stage.parked_id);
      }
    });
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(300));
  line.Stop();
  over = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_GT(line.stage.opened, 0);
  EXPECT_EQ(line.stage.opened, line.stage.closed);
  EXPECT_EQ(0u, line.worker.counters().connections_current.value());
}

TEST(Worker, StopSendsWhatIsWrittenAndRunsWhatIsPosted) {
  LineWorker line;
  line.Start();
  Client client = line.Connect();
  ASSERT_TRUE(client.Send("x\npark\n"));
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  bool ran = false;
  line.worker.Post([&] {
    line.worker.Stop();
    line.worker.Post([&] { ran = true; });
  });
  line.worker.Join();
  EXPECT_TRUE(ran);
  EXPECT_EQ("x\n", client.ReceiveLine());
  EXPECT_TRUE(client.AtEnd());
  Client late = line.Connect();  // after the end: dropped with the worker
  line.worker.Post([] { FAIL(); });
  EXPECT_EQ(1, line.stage.closed);
}

TEST(Worker, StopsWithoutHavingStarted) {
  LineWorker line;
  line.Stop();
}

// -- Timers -------------------------------------------------------------------------------------------------------

TEST(Worker, TimersRunInOrderOnTheWorkerAndNotBeforeTheirTime) {
  LineWorker line;
  line.Start();
  std::vector<int> order;
  std::promise<void> done;
  const auto begin = std::chrono::steady_clock::now();
  line.worker.Post([&] {
    line.worker.StartTimer(60, [&] {
      order.push_back(60);
      EXPECT_FALSE(line.stage.waiting);
      done.set_value();
    });
    line.worker.StartTimer(20, [&] { order.push_back(20); });
    const uint64_t cancelled = line.worker.StartTimer(30, [&] { order.push_back(30); });
    line.worker.StartTimer(0, [&, cancelled] {
      order.push_back(0);
      line.worker.CancelTimer(cancelled);
      line.worker.CancelTimer(cancelled);
      line.worker.CancelTimer(12345);
    });
  });
  done.get_future().wait();
  EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(60));
  line.Do([] {});
  EXPECT_EQ((std::vector<int>{0, 20, 60}), order);
}

TEST(Worker, TimersThatAreLeftAtStopAreDropped) {
  LineWorker line;
  line.Start();
  line.Do([&] { line.worker.StartTimer(3'600'000, [] { FAIL(); }); });
  line.Stop();
}

// -- Many ---------------------------------------------------------------------------------------------------------

TEST(Worker, ServesManyConnectionsAndAnIdleOneIsSmall) {
  // With its Transport (16) and the kernel interface's share in libevent (32) this leaves a Handler more than 128
  // bytes.
  static_assert(sizeof(SocketConnection) <= 320);
  LineWorker line;
  line.Start();
  std::vector<Client> clients;
  for (int i = 0; i < 400; ++i) clients.push_back(line.Connect());
  for (int round = 0; round < 3; ++round) {
    for (size_t i = 0; i < clients.size(); ++i) ASSERT_TRUE(clients[i].Send(std::to_string(i) + "\n"));
    for (size_t i = 0; i < clients.size(); ++i) ASSERT_EQ(std::to_string(i) + "\n", clients[i].ReceiveLine());
  }
  EXPECT_EQ(400u, line.worker.counters().connections_current.value());
  std::vector<uint64_t> ids;
  line.Do([&] { line.worker.ForEachConnection([&](Connection& one) { ids.push_back(one.id()); }); });
  std::sort(ids.begin(), ids.end());
  EXPECT_EQ(400u, ids.size());
  EXPECT_EQ(ids.end(), std::unique(ids.begin(), ids.end()));
  for (size_t i = 0; i < clients.size(); i += 2) clients[i].Close();
  EXPECT_TRUE(Eventually([&] { return line.worker.counters().connections_current.value() == 200; }));
  ASSERT_TRUE(clients[1].Send("x\n"));
  EXPECT_EQ("x\n", clients[1].ReceiveLine());
}

TEST(Worker, IdsOfDifferentWorkersDiffer) {
  LineWorker first;
  WorkerSettings settings;
  settings.index = 1;
  LineWorker second(size_t{64} << 20, settings);
  first.Start();
  second.Start();
  Client a = first.Connect();
  Client b = second.Connect();
  uint64_t ids[2] = {0, 0};
  first.Do([&] { first.worker.ForEachConnection([&](Connection& one) { ids[0] = one.id(); }); });
  second.Do([&] { second.worker.ForEachConnection([&](Connection& one) { ids[1] = one.id(); }); });
  EXPECT_NE(0u, ids[0]);
  EXPECT_NE(ids[0], ids[1]);
}

// -- Handshake ----------------------------------------------------------------------------------------------------

// Wants the byte 'H' from the client, answers 'h', and hands out what it reads in pieces of three, as a record layer
// does.
class RecordTransport final : public Transport {
 public:
  explicit RecordTransport(int socket) : plain_(MakePlainTransport(socket)) {}
  int socket() const override { return plain_->socket(); }
  Io Handshake() override {
    if (!greeted_) {
      char hello;
      const IoResult read = plain_->Read(&hello, 1);
      if (read.io != Io::kDone) return read.io;
      if (hello != 'H') return Io::kFailed;
      greeted_ = true;
      return Io::kWantWrite;
    }
    char answer = 'h';
    const iovec vector{&answer, 1};
    return plain_->Write(&vector, 1).io;
  }
  IoResult Read(char* to, size_t size) override {
    if (held_.empty()) {
      char bytes[4096];
      const IoResult read = plain_->Read(bytes, sizeof bytes);
      if (read.io != Io::kDone) return read;
      held_.assign(bytes, read.bytes);
    }
    const size_t n = std::min({size, held_.size(), size_t{3}});
    held_.copy(to, n);
    held_.erase(0, n);
    return {Io::kDone, n};
  }
  IoResult Write(const iovec* vectors, int count) override { return plain_->Write(vectors, count); }
  bool HasUnreadBytes() const override { return !held_.empty(); }

 private:
  std::unique_ptr<Transport> plain_;
  std::string held_;
  bool greeted_ = false;
};

TEST(Worker, ATransportMayShakeHandsAndHoldBytesBack) {
  LineWorker line;
  line.Start();
  auto [socket, client] = MakeStream();
  line.worker.Adopt(Arrival{std::make_unique<RecordTransport>(socket), {}});
  ASSERT_TRUE(client.Send("H"));
  EXPECT_EQ("h", client.Receive(1));
  ASSERT_TRUE(client.Send("held back\npark\nafter the park\n"));
  EXPECT_EQ("held back\n", client.ReceiveLine());
  ASSERT_TRUE(Eventually([&] { return line.stage.parks == 1; }));
  line.worker.Resume(line.stage.parked_id);
  EXPECT_EQ("resumed\nafter the park\n", client.Receive(23));

  auto [other, stranger] = MakeStream();
  line.worker.Adopt(Arrival{std::make_unique<RecordTransport>(other), {}});
  ASSERT_TRUE(stranger.Send("?"));
  EXPECT_TRUE(stranger.AtEnd());
}

}  // namespace
}  // namespace holdfast::network
