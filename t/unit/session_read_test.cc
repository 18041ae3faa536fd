// What must hold for reads: what memory lacks is asked of the database, once; a miss is said only of what is known to
// be missing; and when nothing can be known, the request waits and then gets what its rule says.

#include <gtest/gtest.h>

#include "lib/session_site.h"

namespace holdfast::session {
namespace {

using store::Key;
using test::Answer;
using test::FaultyDriver;
using test::SessionSite;

constexpr int64_t kSecond = 1'000'000;

// Parks one request for each connection number.
void Park(SessionSite& site, const std::string& name, std::initializer_list<uint64_t> connections) {
  for (const uint64_t connection : connections) {
    EXPECT_TRUE(site.Park(name, Waiter{0, connection, 0}));
  }
}

TEST(SessionRead, AnEvictedSessionComesBackWhole) {
  SessionSite site;
  std::string value(100'000, 'v');
  value[50'000] = '\0';
  site.Set("web:1", value, 1, 500);
  site.WriteDue();
  const uint64_t cas = site.access().Find(Key::Of("web:1"), site.Now()).item.cas();
  site.Evict("web:1");
  site.clock.AdvanceSeconds(100);
  EXPECT_EQ(site.Value("web:1"), value);
  const store::ItemRef item = site.access().Find(Key::Of("web:1"), site.Now()).item;
  EXPECT_EQ(item.cas(), cas);
  EXPECT_EQ(item.expiry(), site.Now() + 400);
  EXPECT_FALSE(site.IsDirty("web:1"));
}

TEST(SessionRead, ARestartKeepsWhatWasSynced) {
  SessionSite site;
  site.Set("web:1", "v", 1, 0);
  site.Set("web:2", "w", 1, 50);
  site.WriteDue();
  site.clock.AdvanceMillis(700);
  site.Restart();
  EXPECT_EQ(site.Value("web:1"), "v");
  EXPECT_EQ(site.access().Find(Key::Of("web:1"), site.Now()).item.expiry(), base::kNever);
  EXPECT_EQ(site.Value("web:2"), "w");
  EXPECT_EQ(site.Get("web:3", 1), Answer::kMiss);
}

TEST(SessionRead, EveryCommandBringsTheSessionBack) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  const auto evicted = [&] {
    site.clock.AdvanceSeconds(1000 - 999);
    site.sessions().write_behind().SetDraining(true);
    site.WriteDue();
    site.sessions().write_behind().SetDraining(false);
    site.Evict("web:1");
  };
  evicted();
  EXPECT_EQ(site.Add("web:1", "x"), Answer::kNotStored);
  evicted();
  EXPECT_EQ(site.Append("web:1", "+"), Answer::kStored);
  EXPECT_EQ(site.Value("web:1"), "v+");
  evicted();
  EXPECT_EQ(site.Touch("web:1", 2000), Answer::kTouched);
  EXPECT_EQ(site.Value("web:1"), "v+");
  evicted();
  EXPECT_EQ(site.Set("web:1", "w"), Answer::kStored);
  evicted();
  EXPECT_EQ(site.Delete("web:1"), Answer::kDeleted);
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
}

TEST(SessionRead, ASetOverAnEvictedSessionKeepsItsBirth) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  const uint64_t born = site.InDatabase("web:1")->born;
  site.Evict("web:1");
  site.clock.AdvanceSeconds(200);
  site.Set("web:1", "w");
  site.WriteDue();
  EXPECT_EQ(site.InDatabase("web:1")->born, born);
  EXPECT_EQ(site.RowValue("web:1"), "w");
}

TEST(SessionRead, AnExpiredRowIsAMiss) {
  SessionSite site;
  site.Set("web:1", "v", 1, 10);
  site.WriteDue();
  site.Evict("web:1");
  site.clock.AdvanceSeconds(10);
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
  EXPECT_EQ(site.Set("web:1", "new"), Answer::kStored);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "new");
}

TEST(SessionRead, OneQueryServesAllWhoWait) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Evict("web:1");
  const size_t before = site.driver().loads;
  Park(site, "web:1", {1, 2, 3});
  Park(site, "web:2", {4});
  EXPECT_EQ(site.sessions().read_through().parked(), 4u);
  EXPECT_TRUE(site.ReadOnce());
  EXPECT_FALSE(site.ReadOnce());
  EXPECT_EQ(site.driver().loads, before + 1);
  ASSERT_EQ(site.woken.size(), 4u);
  for (const auto& [waiter, outcome] : site.woken) {
    EXPECT_EQ(outcome, waiter.connection == 4 ? LoadOutcome::kAbsent : LoadOutcome::kLoaded);
  }
  EXPECT_EQ(site.sessions().read_through().parked(), 0u);
}

TEST(SessionRead, WhoComesDuringTheQueryIsServedByIt) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Evict("web:1");
  Park(site, "web:1", {1});
  const std::span<const std::string_view> keys = site.sessions().read_through().NextBatch();
  ASSERT_EQ(keys.size(), 1u);
  std::vector<Row> rows;
  ASSERT_TRUE(site.driver().Load(keys, &rows).ok());
  Park(site, "web:1", {2});
  site.sessions().read_through().OnRows(site.access(), rows);
  EXPECT_EQ(site.woken.size(), 2u);
}

TEST(SessionRead, PreloadedKeysTravelWithTheFirst) {
  SessionSite site;
  for (int i = 0; i < 150; ++i) {
    site.Set("web:" + std::to_string(i), "v");
    site.WriteDue();
    site.Evict("web:" + std::to_string(i));
  }
  const size_t before = site.driver().loads;
  Park(site, "web:0", {1});
  for (int i = 1; i < 150; ++i) site.sessions().Preload(Key::Of("web:" + std::to_string(i)));
  while (site.ReadOnce()) {
  }
  EXPECT_EQ(site.driver().loads, before + 2);
  EXPECT_TRUE(site.InMemory("web:149"));
  EXPECT_EQ(site.woken.size(), 1u);
}

TEST(SessionRead, AMissIsRememberedForAMoment) {
  SessionSite site;
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
  const size_t before = site.driver().loads;
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
  EXPECT_EQ(site.Add("web:1", "v"), Answer::kStored);
  EXPECT_EQ(site.driver().loads, before);
  EXPECT_EQ(site.Value("web:1"), "v");
  site.WriteDue();
  site.Evict("web:1");
  EXPECT_EQ(site.Value("web:1"), "v") << "the write cleared it";
  EXPECT_EQ(site.Get("web:2", 1), Answer::kMiss);
  site.clock.AdvanceMillis(1000);
  const size_t later = site.driver().loads;
  EXPECT_EQ(site.Get("web:2", 1), Answer::kMiss);
  EXPECT_EQ(site.driver().loads, later + 1);
}

// The query began before the session was; meanwhile it was stored, written down, and evicted.
TEST(SessionRead, AnOldAnswerIsNoProofOfAbsence) {
  SessionSite site;
  Park(site, "web:1", {1});
  const std::span<const std::string_view> keys = site.sessions().read_through().NextBatch();
  std::vector<Row> rows;
  ASSERT_TRUE(site.driver().Load(keys, &rows).ok());
  {
    const Key key = Key::Of("web:1");
    store::Draft draft;
    store::DraftShape shape{.key = key, .value_size = 1};
    shape.session = true;
    ASSERT_EQ(site.access().NewDraft(shape, &draft), store::Reserve::kOk);
    draft.Append("v");
    store::Slot slot = site.access().Lock(key, site.Now());
    site.sessions().Write(slot, std::move(draft),
                          {*site.sessions().Match("web:1"), key, WriteKind::kSet, 2, site.Now(), {}});
  }
  site.WriteDue();
  site.Evict("web:1");
  site.sessions().read_through().OnRows(site.access(), rows);
  EXPECT_TRUE(site.woken.empty()) << "asked again";
  site.clock.AdvanceMillis(1);
  EXPECT_TRUE(site.ReadOnce());
  ASSERT_EQ(site.woken.size(), 1u);
  EXPECT_EQ(site.woken[0].second, LoadOutcome::kLoaded);
  EXPECT_EQ(site.Value("web:1"), "v");
}

// The query saw the session; meanwhile it was deleted, the delete written down, and the tombstone evicted.
TEST(SessionRead, AnOldAnswerBringsNothingBack) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Evict("web:1");
  Park(site, "web:1", {1});
  const std::span<const std::string_view> keys = site.sessions().read_through().NextBatch();
  std::vector<Row> rows;
  ASSERT_TRUE(site.driver().Load(keys, &rows).ok());
  {
    const Key key = Key::Of("web:1");
    store::Draft tombstone;
    ASSERT_EQ(site.access().NewDraft(Sessions::TombstoneShape(key), &tombstone), store::Reserve::kOk);
    store::Slot slot = site.access().Lock(key, site.Now());
    site.sessions().Delete(slot, std::move(tombstone), *site.sessions().Match("web:1"), key, site.Now());
  }
  site.WriteDue();
  site.Evict("web:1");
  site.sessions().read_through().OnRows(site.access(), rows);
  EXPECT_FALSE(site.InMemory("web:1"));
  site.clock.AdvanceMillis(1);
  site.ReadOnce();
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
}

TEST(SessionRead, AnOlderRowDoesNotReplaceANewerSession) {
  SessionSite site;
  site.Set("web:1", "old");
  site.WriteDue();
  Park(site, "web:1", {1});
  const std::span<const std::string_view> keys = site.sessions().read_through().NextBatch();
  std::vector<Row> rows;
  ASSERT_TRUE(site.driver().Load(keys, &rows).ok());
  site.Set("web:1", "new");
  site.sessions().read_through().OnRows(site.access(), rows);
  EXPECT_EQ(site.Value("web:1"), "new");
  EXPECT_TRUE(site.IsDirty("web:1"));
}

// The key is asked for although memory has it, as a doubted copy is; what was written down meanwhile left memory.
TEST(SessionRead, AnOldAnswerDoesNotReplaceWhatWasWrittenMeanwhile) {
  for (const bool touches : {false, true}) {
    SessionSite site;
    site.Set("web:1", "old", 1, 1000);
    site.WriteDue();
    Park(site, "web:1", {1});
    const std::span<const std::string_view> keys = site.sessions().read_through().NextBatch();
    std::vector<Row> rows;
    ASSERT_TRUE(site.driver().Load(keys, &rows).ok());
    if (touches) {
      site.Touch("web:1", 500);
    } else {
      site.Set("web:1", "new", 1, 500);
    }
    ASSERT_EQ(site.WriteDue(), 1u);
    site.Evict("web:1");
    site.sessions().read_through().OnRows(site.access(), rows);
    EXPECT_FALSE(site.InMemory("web:1"));
    EXPECT_TRUE(site.woken.empty()) << "asked again";
    site.clock.AdvanceMillis(1);
    EXPECT_TRUE(site.ReadOnce());
    EXPECT_EQ(site.woken.size(), 1u);
    EXPECT_EQ(site.Value("web:1"), touches ? "old" : "new");
    EXPECT_EQ(site.access().Find(Key::Of("web:1"), site.Now()).item.expiry(), site.Now() + 500);
  }
}

// Only who asks for a key is told that it was written down: other keys' queries are not asked again for that.
TEST(SessionRead, WhatIsWrittenOfOthersDoesNotSpoilAnAnswer) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Evict("web:1");
  for (int i = 2; i < 100; ++i) site.Set("web:" + std::to_string(i), "other");
  Park(site, "web:1", {1});
  const std::span<const std::string_view> keys = site.sessions().read_through().NextBatch();
  std::vector<Row> rows;
  ASSERT_TRUE(site.driver().Load(keys, &rows).ok());
  site.WriteDue();
  site.sessions().read_through().OnRows(site.access(), rows);
  EXPECT_EQ(site.woken.size(), 1u);
}

// -- The database away ----------------------------------------------------------------------------

TEST(SessionRead, WithoutTheDatabaseARequestWaitsItsBudgetAndIsNeverTold) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Evict("web:1");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  for (const auto& ask :
       {+[](SessionSite& s) { return s.Get("web:1", 1); }, +[](SessionSite& s) { return s.Add("web:1", "blind"); },
        +[](SessionSite& s) { return s.Touch("web:1", 100); },
        +[](SessionSite& s) { return s.Get("web:unknown", 1); }}) {
    const int64_t before = site.clock.SteadyMicros();
    EXPECT_EQ(ask(site), Answer::kUnavailable);
    EXPECT_EQ(site.clock.SteadyMicros() - before, kSecond);
  }
  site.driver().fault = FaultyDriver::Fault::kNone;
  site.clock.AdvanceSeconds(1);
  EXPECT_EQ(site.Value("web:1"), "v");
}

TEST(SessionRead, TheBudgetIsTheRules) {
  SessionSite site;
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  const int64_t before = site.clock.SteadyMicros();
  EXPECT_EQ(site.Get("php:1", 1), Answer::kUnavailable);
  EXPECT_EQ(site.clock.SteadyMicros() - before, 4 * kSecond);
}

TEST(SessionRead, AShortOutageIsOnlyADelay) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Evict("web:1");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  Park(site, "web:1", {1});
  EXPECT_TRUE(site.ReadOnce());
  EXPECT_FALSE(site.ReadOnce()) << "a pause first";
  EXPECT_TRUE(site.woken.empty());
  site.driver().fault = FaultyDriver::Fault::kNone;
  site.clock.AdvanceMillis(20);
  EXPECT_TRUE(site.ReadOnce());
  ASSERT_EQ(site.woken.size(), 1u);
  EXPECT_EQ(site.woken[0].second, LoadOutcome::kLoaded);
}

TEST(SessionRead, ALostReplyIsNotAnAnswer) {
  SessionSite site;
  site.driver().fault = FaultyDriver::Fault::kLoseReply;
  EXPECT_EQ(site.Get("web:1", 1), Answer::kUnavailable);
}

TEST(SessionRead, WhatIsInMemoryIsServedWithoutTheDatabase) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Delete("web:2");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  EXPECT_EQ(site.Value("web:1"), "v");
  EXPECT_EQ(site.Set("web:1", "w"), Answer::kStored);
  EXPECT_EQ(site.Value("web:1"), "w");
}

TEST(SessionRead, ADeleteWithoutTheDatabaseIsQueued) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Evict("web:1");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  EXPECT_EQ(site.Delete("web:1"), Answer::kDeleted);
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss) << "the tombstone answers";
  site.driver().fault = FaultyDriver::Fault::kNone;
  site.clock.AdvanceSeconds(1);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "(deleted)");
}

TEST(SessionRead, WhoIsParkedAgainGetsNoNewBudget) {
  SessionSite site;
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  const session::Rule& rule = *site.sessions().Match("web:1");
  session::Waits waits;
  ASSERT_TRUE(site.sessions().Load(rule, Key::Of("web:1"), Waiter{0, 1, 0}, &waits));
  const int64_t until_us = waits.until_us;
  EXPECT_EQ(until_us, site.clock.SteadyMicros() + int64_t{rule.budget_ms} * 1000);
  site.clock.AdvanceSeconds(60);
  site.sessions().read_through().Tick();
  ASSERT_EQ(site.woken.size(), 1u);
  ASSERT_TRUE(site.sessions().Load(rule, Key::Of("web:1"), Waiter{0, 1, 0}, &waits));
  EXPECT_EQ(waits.until_us, until_us);
  site.sessions().read_through().Tick();
  ASSERT_EQ(site.woken.size(), 2u);
  EXPECT_EQ(site.woken.back().second, LoadOutcome::kUnavailable);
}

TEST(SessionRead, ParkedRequestsAreCapped) {
  SessionSettings settings;
  settings.parked_max = 3;
  SessionSite site(settings);
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  Park(site, "web:1", {1, 2});
  Park(site, "web:2", {3});
  EXPECT_FALSE(site.Park("web:3", Waiter{0, 4, 0}));
  EXPECT_EQ(site.sessions().stats().loads_refused.value(), 1u);
  site.clock.AdvanceSeconds(1);
  EXPECT_EQ(site.sessions().read_through().Tick(), kNeverMicros);
  EXPECT_EQ(site.woken.size(), 3u);
  Park(site, "web:3", {4});
}

TEST(SessionRead, EachWaiterHasItsOwnDeadline) {
  SessionSite site;
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  Park(site, "web:1", {1});
  site.clock.AdvanceMillis(600);
  Park(site, "web:1", {2});
  Park(site, "php:1", {3});
  site.clock.AdvanceMillis(400);
  const int64_t next = site.sessions().read_through().Tick();
  ASSERT_EQ(site.woken.size(), 1u);
  EXPECT_EQ(site.woken[0].first.connection, 1u);
  EXPECT_EQ(site.woken[0].second, LoadOutcome::kUnavailable);
  EXPECT_EQ(next, site.clock.SteadyMicros() + 600'000);
  site.clock.AdvanceMillis(600);
  site.sessions().read_through().Tick();
  EXPECT_EQ(site.woken.size(), 2u);
  EXPECT_EQ(site.sessions().read_through().parked(), 1u);
  site.driver().fault = FaultyDriver::Fault::kNone;
  EXPECT_TRUE(site.ReadOnce());
  EXPECT_EQ(site.woken.size(), 3u);
}

// A hung query: its waiters leave, others come for the same key; the late answer serves those.
TEST(SessionRead, AnAnswerAfterTheDeadlineStillCounts) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  site.Evict("web:1");
  Park(site, "web:1", {1});
  const std::span<const std::string_view> keys = site.sessions().read_through().NextBatch();
  std::vector<Row> rows;
  ASSERT_TRUE(site.driver().Load(keys, &rows).ok());
  site.clock.AdvanceSeconds(10);
  site.sessions().read_through().Tick();
  EXPECT_EQ(site.woken.size(), 1u);
  Park(site, "web:1", {2});
  site.sessions().read_through().OnRows(site.access(), rows);
  ASSERT_EQ(site.woken.size(), 2u);
  EXPECT_EQ(site.woken[1].second, LoadOutcome::kLoaded);
  EXPECT_TRUE(site.InMemory("web:1"));
}

TEST(SessionRead, WithoutMemoryASessionIsUnavailableAndNotMissing) {
  store::StoreSettings store_settings;
  store_settings.memory_limit_bytes = 8 << 20;
  store_settings.evictions = false;
  SessionSite site(SessionSettings(), store_settings);
  site.Set("web:big", std::string(500'000, 'v'));
  site.WriteDue();
  site.Evict("web:big");
  for (int i = 0; i < 100; ++i) {
    if (site.Set("web:" + std::to_string(i), std::string(400'000, 'x')) == Answer::kRefused) break;
    site.WriteDue();
  }
  EXPECT_EQ(site.Get("web:big", 1), Answer::kUnavailable);
}

// -- The reaper -----------------------------------------------------------------------------------

TEST(SessionRead, TheReaperTakesOnlyWhatExpiredLongAgo) {
  SessionSite site;
  site.Set("web:old", "v", 1, 10);
  site.Set("web:new", "v", 1, 100'000);
  site.WriteDue();
  Reaper& reaper = site.sessions().reaper();
  site.clock.AdvanceSeconds(3600);
  ASSERT_TRUE(reaper.Sweep(site.driver()).ok());
  EXPECT_EQ(site.RowValue("web:old"), "v");
  site.clock.AdvanceSeconds(70);
  ASSERT_TRUE(reaper.Sweep(site.driver()).ok());
  EXPECT_EQ(site.RowValue("web:old"), "(none)");
  EXPECT_EQ(site.RowValue("web:new"), "v");
  EXPECT_EQ(site.sessions().stats().reaped.value(), 1u);
}

TEST(SessionRead, TheReaperWorksInSmallBatchesWithPauses) {
  SessionSettings settings;
  settings.reaper_rows_max = 10;
  SessionSite site(settings);
  for (int i = 0; i < 25; ++i) site.Set("web:" + std::to_string(i), "v", 1, 10);
  site.WriteDue();
  site.clock.AdvanceSeconds(4000);
  Reaper& reaper = site.sessions().reaper();
  for (const uint64_t reaped : {10u, 20u, 25u}) {
    ASSERT_TRUE(reaper.Sweep(site.driver()).ok());
    EXPECT_EQ(site.sessions().stats().reaped.value(), reaped);
    ASSERT_TRUE(reaper.Sweep(site.driver()).ok());
    EXPECT_EQ(site.sessions().stats().reaped.value(), reaped) << "a pause first";
    site.clock.AdvanceMillis(100);
  }
  EXPECT_GT(reaper.NextDue(), site.clock.SteadyMicros() + 50 * kSecond);
}

TEST(SessionRead, AFailedSweepIsTriedLater) {
  SessionSite site;
  site.clock.AdvanceSeconds(61);
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  EXPECT_FALSE(site.sessions().reaper().Sweep(site.driver()).ok());
  EXPECT_TRUE(site.sessions().reaper().Sweep(site.driver()).ok()) << "not due";
  EXPECT_EQ(site.sessions().stats().reaper_failures.value(), 1u);
}

}  // namespace
}  // namespace holdfast::session
