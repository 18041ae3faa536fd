// The module with its threads, the system's clock and real files: many clients at once, too little memory for all, and
// nothing acknowledged is lost.

#include "session/session_threads.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <algorithm>
#include <condition_variable>
#include <filesystem>
#include <map>
#include <mutex>
#include <random>
#include <thread>

#include "base/check.h"
#include "lib/lateness.h"
#include "lib/passing_driver.h"
#include "lib/session_site.h"
#include "session/session_options.h"

namespace holdfast::session {
namespace {

using store::Key;

// A driver whose calls can be made to fail or to hang from another thread.
class Gate {
 public:
  void Set(bool away) { away_.store(away); }
  bool away() const { return away_.load(); }

 private:
  std::atomic<bool> away_{false};
};

class GatedDriver final : public test::PassingDriver {
 public:
  GatedDriver(std::unique_ptr<Driver> driver, const Gate& gate) : PassingDriver(std::move(driver)), gate_(gate) {}

 private:
  Failure Pass(const std::function<Failure()>& call) override {
    return gate_.away() ? Failure{FailureClass::kNextNode, "the database is away"} : call();
  }
  const Gate& gate_;
};

class GatedDatabase final : public Database {
 public:
  GatedDatabase(std::unique_ptr<Database> database, const Gate& gate) : database_(std::move(database)), gate_(gate) {}
  std::unique_ptr<Driver> NewDriver() override { return std::make_unique<GatedDriver>(database_->NewDriver(), gate_); }
  const DatabaseIdentity& identity() const override { return database_->identity(); }
  std::string Describe() const override { return database_->Describe(); }
  std::string local_path() const override { return database_->local_path(); }
  bool is_shared() const override { return database_->is_shared(); }
  uint64_t value_bytes_max() const override { return database_->value_bytes_max(); }

 private:
  const std::unique_ptr<Database> database_;
  const Gate& gate_;
};

class SessionThreadsTest : public testing::Test {
 protected:
  SessionThreadsTest() : directory_(testing::TempDir() + "holdfast-threads-XXXXXX") {
    CHECK(mkdtemp(directory_.data()) != nullptr);
  }
  ~SessionThreadsTest() override {
    Stop();
    std::filesystem::remove_all(directory_);
  }

  void Start() {
    auto database = Database::Open("sqlite:" + directory_ + "/sessions.db", clock_);
    ASSERT_TRUE(database.ok()) << database.status().message();
    database_ = std::make_unique<GatedDatabase>(std::move(database.value()), gate_);
    store::StoreSettings store_settings;
    store_settings.memory_limit_bytes = 4 << 20;
    auto store = store::Store::Create(store_settings, clock_);
    ASSERT_TRUE(store.ok());
    store_ = std::move(store.value());
    auto rules = Rules::Parse("prefix=s: budget=500ms; prefix=strict: policy=strict budget=1h");
    ASSERT_TRUE(rules.ok());
    SessionSettings settings;
    settings.immediate_writes = 1;
    settings.sync_interval_s = 1;
    settings.reaper_interval_s = 1;
    sessions_ = std::make_unique<Sessions>(
        settings, std::move(rules.value()),
        Sessions::Doors{clock_, *store_, journal_, [this](const Waiter& waiter, LoadOutcome outcome) {
                          const std::lock_guard lock(mutex_);
                          woken_[waiter.connection] = outcome;
                          condition_.notify_all();
                        }});
    threads_ = std::make_unique<SessionThreads>(*sessions_, *database_, log_);
    const base::Status status = threads_->Start();
    ASSERT_TRUE(status.ok()) << status.message();
  }
  void Stop() {
    threads_.reset();
    sessions_.reset();
    store_.reset();
    database_.reset();
  }

  // What a worker does with one request; connection is the worker.
  LoadOutcome Wait(store::Access& access, const std::string& name, uint64_t connection) {
    const Waiter waiter{0, connection, 0};
    Waits waits;
    EXPECT_TRUE(sessions_->Load(*sessions_->Match(name), Key::Of(name), waiter, &waits));
    return Await(access, connection);
  }
  std::optional<std::string> Get(store::Access& access, const std::string& name, uint64_t connection) {
    const Key key = Key::Of(name);
    const Rule& rule = *sessions_->Match(name);
    for (LoadOutcome in_hand = LoadOutcome::kNone;; in_hand = Wait(access, name, connection)) {
      const store::Found found = access.Find(key, clock_.Now());
      const Verdict verdict = sessions_->Judge(rule, key, found.state, in_hand, clock_.Now());
      if (verdict == Verdict::kAsk) continue;
      if (verdict == Verdict::kUnavailable) return "(unavailable)";
      if (verdict == Verdict::kDeleted) sessions_->NoteMiss(access, rule, key, connection, clock_.Now());
      if (verdict != Verdict::kLive) return std::nullopt;
      std::string value;
      found.item.ForEachPiece([&value](std::string_view piece) { value += piece; });
      sessions_->NoteHit(access, rule, key, found.item, connection, clock_.Now());
      access.Quiesce();
      return value;
    }
  }
  WriteOutcome Set(store::Access& access, const std::string& name, std::string_view value, uint64_t connection) {
    const Key key = Key::Of(name);
    const Rule& rule = *sessions_->Match(name);
    for (LoadOutcome in_hand = LoadOutcome::kNone;; in_hand = Wait(access, name, connection)) {
      store::DraftShape shape{.key = key, .value_size = value.size(), .expiry = clock_.Now() + 1000};
      shape.session = true;
      store::Draft draft;
      store::Reserve reserve;
      while ((reserve = access.NewDraft(shape, &draft)) == store::Reserve::kRetry) {
        access.Quiesce();
        std::this_thread::yield();
      }
      if (reserve != store::Reserve::kOk) return WriteOutcome::kRefused;
      draft.Append(value);
      store::Slot slot = access.Lock(key, clock_.Now());
      const Verdict verdict = sessions_->Judge(rule, key, slot.state(), in_hand, clock_.Now());
      if (verdict == Verdict::kUnavailable) return WriteOutcome::kRefused;
      if (verdict == Verdict::kAsk) continue;
      return sessions_->Write(slot, std::move(draft), {rule, key, WriteKind::kSet, connection, clock_.Now(), {}});
    }
  }
  LoadOutcome Await(store::Access& access, uint64_t connection) {
    access.Offline();
    std::unique_lock lock(mutex_);
    condition_.wait(lock, [&] { return woken_.contains(connection); });
    const LoadOutcome outcome = woken_.extract(connection).mapped();
    lock.unlock();
    access.Online();
    return outcome;
  }
  // Adds one to a strict session; what it has become.
  uint64_t Count(store::Access& access, const std::string& name, uint64_t connection) {
    constexpr size_t kDigits = 8;
    const Key key = Key::Of(name);
    const Rule& rule = *sessions_->Match(name);
    const Waiter waiter{0, connection, 0};
    Waits waits;
    for (LoadOutcome in_hand = LoadOutcome::kNone;;) {
      store::DraftShape shape{.key = key, .value_size = kDigits};
      shape.session = true;
      store::Draft draft;
      while (access.NewDraft(shape, &draft) != store::Reserve::kOk) {
        access.Quiesce();
        std::this_thread::yield();
      }
      uint64_t number = 1;
      uint64_t stamp = 0;
      WriteOutcome outcome;
      {
        store::Slot slot = access.Lock(key, clock_.Now());
        const Verdict verdict = sessions_->JudgeStrict(rule, key, slot.state(), in_hand, clock_.Now(), true);
        if (verdict == Verdict::kLive) number = std::stoull(std::string(slot.item().value())) + 1;
        std::string digits = std::to_string(number);
        digits.insert(0, kDigits - digits.size(), '0');
        draft.Append(digits);
        if (verdict == Verdict::kAsk) {
          outcome = WriteOutcome::kUnavailable;
        } else {
          outcome = sessions_->strict_writes().Write(slot, draft,
                                                     {rule, key, WriteKind::kRewrite, connection, clock_.Now(), {}},
                                                     base::kNever, {waiter, waits}, &stamp);
        }
      }
      if (outcome == WriteOutcome::kUnavailable) {
        in_hand = Wait(access, name, connection);
      } else {
        in_hand = Await(access, connection);
        if (outcome == WriteOutcome::kSubmitted && in_hand == LoadOutcome::kCommitted) return number;
        EXPECT_EQ(in_hand, LoadOutcome::kNone);
      }
    }
  }
  void AwaitAllWritten() {
    const int64_t begin_us = clock_.SteadyMicros();
    while (sessions_->write_behind().dirty_items() != 0 && clock_.SteadyMicros() < begin_us + 30'000'000) {
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    EXPECT_EQ(sessions_->write_behind().dirty_items(), 0u);
  }
  bool Delete(store::Access& access, const std::string& name, uint64_t connection) {
    const Key key = Key::Of(name);
    const Rule& rule = *sessions_->Match(name);
    for (LoadOutcome in_hand = LoadOutcome::kNone;; in_hand = Wait(access, name, connection)) {
      store::Draft tombstone;
      while (access.NewDraft(Sessions::TombstoneShape(key), &tombstone) != store::Reserve::kOk) {
        access.Quiesce();
        std::this_thread::yield();
      }
      store::Slot slot = access.Lock(key, clock_.Now());
      const Verdict verdict = sessions_->Judge(rule, key, slot.state(), in_hand, clock_.Now());
      if (verdict == Verdict::kAsk) continue;
      if (verdict != Verdict::kLive && verdict != Verdict::kUnavailable) return false;
      return sessions_->Delete(slot, std::move(tombstone), rule, key, clock_.Now()) == WriteOutcome::kStored;
    }
  }

  const base::SystemClock clock_;
  const base::Log log_{base::LogLevel::kError, base::LogFormat::kTimed, clock_};
  std::string directory_;
  Gate gate_;
  NullJournal journal_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<store::Store> store_;
  std::unique_ptr<Sessions> sessions_;
  std::unique_ptr<SessionThreads> threads_;

  std::mutex mutex_;  // guards woken_
  std::condition_variable condition_;
  std::map<uint64_t, LoadOutcome> woken_;
};

TEST_F(SessionThreadsTest, ALoginIsWrittenWithoutWaitingForAnything) {
  Start();
  store::Access access(*store_);
  EXPECT_EQ(Set(access, "s:1", "v", 1), WriteOutcome::kStored);
  access.Offline();
  AwaitAllWritten();
}

TEST_F(SessionThreadsTest, EachChangeOfAStrictSessionIsMadeOnceWhileTheDatabaseComesAndGoes) {
  constexpr uint64_t kWorkers = 3;
  constexpr uint64_t kCounts = 150;
  Start();
  std::vector<std::vector<uint64_t>> numbers(kWorkers);
  std::vector<std::thread> workers;
  for (uint64_t w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&, w] {
      store::Access access(*store_);
      for (uint64_t i = 0; i < kCounts; ++i) {
        numbers[w].push_back(Count(access, "strict:all", w + 1));
        EXPECT_EQ(Count(access, "strict:" + std::to_string(w), w + 1), i + 1);
        if (w == 0 && i % 50 == 10) {
          gate_.Set(true);
          std::this_thread::sleep_for(std::chrono::milliseconds(5));
          gate_.Set(false);
        }
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::vector<uint64_t> all;
  for (const std::vector<uint64_t>& some : numbers) all.insert(all.end(), some.begin(), some.end());
  std::sort(all.begin(), all.end());
  for (uint64_t i = 0; i < all.size(); ++i) ASSERT_EQ(all[i], i + 1);
  EXPECT_EQ(sessions_->stats().strict_writes.value(), 2 * kWorkers * kCounts);
  EXPECT_EQ(sessions_->stats().strict_conflicts.value(), 0u);
  EXPECT_EQ(sessions_->write_behind().dirty_items(), 0u);
  Stop();
  Start();
  store::Access access(*store_);
  EXPECT_EQ(Get(access, "strict:all", 9), "00000450");
}

// While another process takes over.
TEST_F(SessionThreadsTest, AWriterThatIsHeldBeginsNothingAndGoesOnAfterwards) {
  Start();
  store::Access access(*store_);
  EXPECT_EQ(Set(access, "s:1", "v", 1), WriteOutcome::kStored);
  access.Offline();
  AwaitAllWritten();
  threads_->SetPace(SessionThreads::Pace::kHeld);
  ASSERT_TRUE(threads_->AwaitHeld(30'000));
  const uint64_t rows = sessions_->stats().synced_rows.value();
  access.Online();
  EXPECT_EQ(Set(access, "s:2", "v", 1), WriteOutcome::kStored);
  access.Offline();
  std::this_thread::sleep_for(std::chrono::milliseconds(50));
  EXPECT_EQ(sessions_->write_behind().dirty_items(), 1u);
  EXPECT_EQ(sessions_->stats().synced_rows.value(), rows);
  threads_->SetPace(SessionThreads::Pace::kGivesWay);
  AwaitAllWritten();
  access.Online();
  EXPECT_EQ(Set(access, "s:3", "v", 1), WriteOutcome::kStored);
  access.Offline();
  threads_->SetPace(SessionThreads::Pace::kFull);
  AwaitAllWritten();
}

// Each worker has its own sessions, twice as many as memory holds, and remembers what it was last told was stored.
TEST_F(SessionThreadsTest, NothingAcknowledgedIsLostUnderEvictionAndRestart) {
  constexpr int kWorkers = 3;
  constexpr int kKeys = 1200;
  constexpr int kSteps = 3000;
  std::vector<std::map<std::string, std::string>> stored(kWorkers);
  Start();
  std::vector<std::thread> workers;
  for (int w = 0; w < kWorkers; ++w) {
    workers.emplace_back([&, w] {
      store::Access access(*store_);
      std::minstd_rand random(static_cast<uint32_t>(w) + 1);
      std::map<std::string, std::string>& mine = stored[static_cast<size_t>(w)];
      const auto connection = static_cast<uint64_t>(w) + 1;
      // While the disk is slow most sessions are dirty and none is evicted: then it takes longer.
      const auto enough = [&](int step) {
        return step >= kSteps && (sessions_->stats().loads_found.value() > 0 || step >= 50 * kSteps);
      };
      for (int step = 0; !enough(step); ++step) {
        const std::string name = "s:" + std::to_string(w) + ":" + std::to_string(random() % kKeys);
        const auto known = mine.find(name);
        const std::optional<std::string> value = Get(access, name, connection);
        if (known == mine.end()) {
          EXPECT_EQ(value, std::nullopt) << name;
        } else {
          EXPECT_EQ(value, known->second) << name;
        }
        if (random() % 8 == 0) {
          EXPECT_EQ(Delete(access, name, connection), known != mine.end());
          mine.erase(name);
        } else if (random() % 2 == 0) {
          const std::string next = name + "=" + std::to_string(step) + std::string(random() % 8000, 'x');
          // Refused while too much is unsynced: the previous value stays, and a moment later there is room.
          while (Set(access, name, next, connection) == WriteOutcome::kRefused) {
            access.Offline();
            std::this_thread::sleep_for(std::chrono::milliseconds(1));
            access.Online();
          }
          mine[name] = next;
        }
        access.Quiesce();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  EXPECT_GT(sessions_->stats().loads_found.value(), 0u) << "memory was meant to be too small";
  uint64_t reported = 1;
  EXPECT_EQ(threads_->Drain(20'000, [&reported](uint64_t left) { reported = left; }), 0u);
  EXPECT_EQ(reported, 0u);
  Stop();
  Start();
  store::Access access(*store_);
  for (int w = 0; w < kWorkers; ++w) {
    for (const auto& [name, value] : stored[static_cast<size_t>(w)]) EXPECT_EQ(Get(access, name, 9), value);
  }
}

TEST_F(SessionThreadsTest, SharedSessionsUnderManyWritersEndAsMemorySays) {
  Start();
  std::vector<std::thread> workers;
  for (uint64_t w = 1; w <= 3; ++w) {
    workers.emplace_back([&, w] {
      store::Access access(*store_);
      std::minstd_rand random(static_cast<uint32_t>(w));
      for (int step = 0; step < 3000; ++step) {
        const std::string name = "s:" + std::to_string(random() % 20);
        switch (random() % 6) {
          case 0:
            Delete(access, name, w);
            break;
          case 1:
          case 2:
            Set(access, name, std::to_string(w) + "." + std::to_string(step), w);
            break;
          default:
            Get(access, name, w);
        }
        access.Quiesce();
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  std::map<std::string, std::optional<std::string>> before;
  {
    store::Access access(*store_);
    for (int i = 0; i < 20; ++i) before["s:" + std::to_string(i)] = Get(access, "s:" + std::to_string(i), 9);
  }
  EXPECT_EQ(threads_->Drain(20'000, [](uint64_t) {}), 0u);
  EXPECT_EQ(sessions_->write_behind().dirty_bytes(), 0);
  EXPECT_EQ(store_->Totals().dirty_items, 0u);
  Stop();
  Start();
  store::Access access(*store_);
  for (const auto& [name, value] : before) EXPECT_EQ(Get(access, name, 9), value) << name;
}

TEST_F(SessionThreadsTest, AnOutageIsWaitedOutOrAnsweredInTime) {
  Start();
  store::Access access(*store_);
  ASSERT_EQ(Set(access, "s:1", "v", 1), WriteOutcome::kStored);
  gate_.Set(true);
  test::Lateness lateness;
  const auto begin = test::Lateness::Clock::now();
  const int64_t begin_us = clock_.SteadyMicros();
  EXPECT_EQ(Get(access, "s:unknown", 1), "(unavailable)");
  const int64_t waited_us = clock_.SteadyMicros() - begin_us;
  // Four threads have a hand in it, one after the other.
  const int64_t noise_us = std::chrono::microseconds(4 * lateness.WorstSince(begin)).count();
  EXPECT_GE(waited_us, 500'000);
  EXPECT_LT(waited_us, 1'000'000 + noise_us);
  EXPECT_EQ(Set(access, "s:1", "w", 1), WriteOutcome::kStored) << "known, so it goes on";
  access.Offline();
  EXPECT_GT(threads_->Drain(300, [](uint64_t) {}), 0u) << "what cannot be written is reported";
  gate_.Set(false);
  EXPECT_EQ(threads_->Drain(10'000, [](uint64_t) {}), 0u);
  access.Online();
  EXPECT_EQ(Get(access, "s:unknown", 1), std::nullopt);
}

TEST_F(SessionThreadsTest, StopsWithRequestsParked) {
  Start();
  gate_.Set(true);
  for (uint64_t i = 0; i < 100; ++i) {
    const std::string name = "s:" + std::to_string(i);
    Waits waits;
    EXPECT_TRUE(sessions_->Load(*sessions_->Match(name), Key::Of(name), Waiter{0, i, 0}, &waits));
  }
  Stop();
}

// As after a restart: what the journal brought is dirty and doubted, so it is written and asked for in one moment. The
// question was answered before the row was there, and is acted on while the write is noted.
TEST(SessionRaces, WhatIsWrittenWhileTheDatabaseIsAskedIsNotCalledMissing) {
  test::SessionSite site;
  Sessions& sessions = site.sessions();
  constexpr uint64_t kRounds = 20'000;
  std::atomic<uint64_t> begun{0}, done{0};
  const std::vector<ChangeOutcome> outcomes{ChangeOutcome::kDone};
  // To the moment, but without keeping the other from a processor that both want.
  const auto await = [](const std::atomic<uint64_t>& what, uint64_t round) {
    for (int spins = 0; what.load() < round; ++spins) {
      if (spins > 20'000) std::this_thread::yield();
    }
  };
  std::thread writer([&] {
    store::Access access(site.store());
    for (uint64_t round = 1; round <= kRounds; ++round) {
      await(begun, round);
      for (uint64_t pause = round % 64; pause > 0; --pause) done.load();  // so they meet anywhere
      sessions.write_behind().OnOutcomes(access, outcomes);
      done.store(round);
    }
  });
  int missing = 0;
  for (uint64_t round = 1; round <= kRounds; ++round) {
    const std::string name = "web:" + std::to_string(round);
    site.Set(name, "v");
    sessions.verification().DoubtKey(name);
    EXPECT_TRUE(site.Park(name, Waiter{0, round, 0}));
    EXPECT_FALSE(sessions.read_through().NextBatch().empty());
    EXPECT_EQ(sessions.write_behind().NextBatch(site.access()).size(), 1u);
    site.woken.clear();
    begun.store(round);
    sessions.read_through().OnRows(site.access(), {});
    await(done, round);
    for (const auto& [waiter, outcome] : site.woken) {
      if (waiter.connection == round && outcome == LoadOutcome::kAbsent) ++missing;
    }
    site.clock.AdvanceMillis(2);  // who is told to ask again does
  }
  writer.join();
  EXPECT_EQ(missing, 0);
}

// -- Options and statistics -----------------------------------------------------------------------

TEST(SessionOptions, AreReadIntoTheSettings) {
  SessionSettings settings;
  base::OptionSet options;
  options.Add(SessionOptions(), settings);
  const char* const arguments[] = {"holdfast",
                                   "--sessions=sqlite:/tmp/x.db",
                                   "--session-rule=php prefix=P.",
                                   "--session-rule",
                                   "express",
                                   "--sync-interval=2m",
                                   "--dirty-share=40"};
  const base::Status status = options.ReadArguments(static_cast<int>(std::size(arguments)), arguments);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(settings.database, "sqlite:/tmp/x.db");
  EXPECT_EQ(settings.rules, (std::vector<std::string>{"php prefix=P.", "express"}));
  EXPECT_EQ(settings.sync_interval_s, 120u);
  EXPECT_EQ(settings.dirty_share_percent, 40u);
  const base::Result<Rules> rules = Rules::Parse(settings.rules);
  ASSERT_TRUE(rules.ok());
  EXPECT_NE(rules.value().Match("P.abc"), nullptr);
  EXPECT_NE(rules.value().Match("Xe8-dVwHDtsxJn5_hrR1yiQsUnVnGZ8a"), nullptr);
}

TEST(SessionOptions, WithoutRulesTheHandlersWithPrefixesAreKnown) {
  const base::Result<Rules> rules = Rules::Parse(std::vector<std::string>());
  ASSERT_TRUE(rules.ok());
  EXPECT_NE(rules.value().Match("memc.sess.key.abc"), nullptr);
  EXPECT_NE(rules.value().Match("rack:session:abc"), nullptr);
  EXPECT_EQ(rules.value().Match("Xe8-dVwHDtsxJn5_hrR1yiQsUnVnGZ8a"), nullptr);
}

TEST_F(SessionThreadsTest, StatisticsAreThereFromZero) {
  Start();
  base::StatSet stats;
  stats.Add("sessions", SessionStatRows(), *sessions_);
  EXPECT_EQ(stats.Value("sessions", "synced_rows"), "0");
  EXPECT_EQ(stats.Value("sessions", "resurrections_refused"), "0");
  store::Access access(*store_);
  Set(access, "s:1", "v", 1);
  access.Offline();
  threads_->Drain(10'000, [](uint64_t) {});
  EXPECT_EQ(stats.Value("sessions", "synced_rows"), "1");
  EXPECT_EQ(stats.Value("sessions", "loads_absent"), "1");
  EXPECT_EQ(stats.Value("sessions", "dirty_items"), "0");
}

TEST_F(SessionThreadsTest, CallsOfTheDatabaseAreTimedAndFailedOnesCounted) {
  Start();
  base::StatSet stats;
  stats.Add("sessions", SessionStatRows(), *sessions_);
  stats.Add("sessions", SessionMeasureRows(), *sessions_);
  EXPECT_EQ(stats.Value("sessions", "database_write_calls"), "0");
  EXPECT_EQ(stats.Value("sessions", "database_read_calls"), "0");
  store::Access access(*store_);
  Set(access, "s:1", "v", 1);
  access.Offline();
  threads_->Drain(10'000, [](uint64_t) {});
  EXPECT_EQ(stats.Value("sessions", "database_write_calls"), "1");
  EXPECT_EQ(stats.Value("sessions", "database_read_calls"), "1");
  EXPECT_NE(stats.Value("sessions", "database_write_us_max"), "0");
  EXPECT_EQ(stats.Value("sessions", "calls_reconnected"), "0");
  EXPECT_EQ(stats.Value("sessions", "database_away_s"), "0");
  gate_.Set(true);
  access.Online();
  EXPECT_EQ(Get(access, "s:2", 1), "(unavailable)");
  access.Offline();
  EXPECT_NE(stats.Value("sessions", "calls_reconnected"), "0");
  EXPECT_EQ(stats.Value("sessions", "calls_retried"), "0");
  EXPECT_EQ(stats.Value("sessions", "calls_blocked"), "0");
  EXPECT_NE(stats.Value("sessions", "database_away_s"), "0");
  gate_.Set(false);
  access.Online();
  EXPECT_EQ(Get(access, "s:2", 1), std::nullopt);
  EXPECT_EQ(stats.Value("sessions", "database_away_s"), "0");
}

}  // namespace
}  // namespace holdfast::session
