// What must hold for writes: they reach the database when they are due, once, and stay in memory until they have.

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "lib/session_site.h"

namespace holdfast::session {
namespace {

using test::Answer;
using test::FaultyDriver;
using test::SessionSite;

TEST(SessionWrite, ALoginIsInTheDatabaseAtOnce) {
  SessionSite site;
  EXPECT_EQ(site.Set("web:1", "login"), Answer::kStored);
  EXPECT_TRUE(site.IsDirty("web:1"));
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_FALSE(site.IsDirty("web:1"));
  EXPECT_EQ(site.RowValue("web:1"), "login");
  EXPECT_EQ(site.RowTtl("web:1"), 1000 * int64_t{1'000'000});
}

// A drain that sees none left ends.
TEST(SessionWrite, ADirtySessionIsCountedOnItsWayIntoABatchToo) {
  SessionSite site;
  site.Set("web:1", "login");
  WriteBehind& write_behind = site.sessions().write_behind();
  std::atomic<bool> over{false};
  uint64_t fewest = 1;
  std::thread onlooker([&] {
    while (!over.load()) fewest = std::min(fewest, write_behind.dirty_items());
  });
  for (int round = 0; round < 5'000; ++round) {
    EXPECT_EQ(write_behind.NextBatch(site.access()).size(), 1u);
    write_behind.OnFailure({FailureClass::kRetry, "the database is away"});
    site.clock.AdvanceSeconds(1);
  }
  over.store(true);
  onlooker.join();
  EXPECT_EQ(fewest, 1u);
}

TEST(SessionWrite, TheVersionIsTheCasAndGrows) {
  SessionSite site;
  site.Set("web:1", "a");
  const uint64_t first = site.access().Find(store::Key::Of("web:1"), site.Now()).item.cas();
  site.Set("web:1", "b");
  const uint64_t second = site.access().Find(store::Key::Of("web:1"), site.Now()).item.cas();
  EXPECT_GT(second, first);
  site.WriteDue();
  EXPECT_EQ(site.InDatabase("web:1")->version, second);
}

TEST(SessionWrite, TheFirstChangesGoAtOnceAndThenOneRowEachInterval) {
  SessionSite site;
  size_t rows = 0;
  for (int click = 0; click < 720; ++click) {  // an hour, a click every 5 s
    site.Set("web:1", "click " + std::to_string(click), 1, 100'000);
    rows += site.WriteDue();
    if (click < 4) {
      EXPECT_EQ(rows, static_cast<size_t>(click) + 1);
    }
    site.clock.AdvanceSeconds(5);
    rows += site.WriteDue();
  }
  EXPECT_GE(rows, 4u + 28u);
  EXPECT_LE(rows, 4u + 31u);
}

TEST(SessionWrite, AShortSessionIsSyncedWithinAQuarterOfItsLife) {
  SessionSite site;
  for (int i = 0; i < 4; ++i) site.Set("web:1", "v", 1, 40);
  site.WriteDue();
  for (int i = 0; i < 4; ++i) {
    site.Set("web:1", std::to_string(i), 1, 40);
    site.WriteDue();
  }
  site.Set("web:1", "last", 1, 40);
  EXPECT_EQ(site.WriteDue(), 0u);
  site.clock.AdvanceSeconds(9);
  EXPECT_EQ(site.WriteDue(), 0u);
  site.clock.AdvanceSeconds(1);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("web:1"), "last");
}

TEST(SessionWrite, TenWritesBeforeABatchAreOneRow) {
  SessionSite site;
  for (int i = 0; i < 10; ++i) site.Set("web:1", std::to_string(i));
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("web:1"), "9");
}

TEST(SessionWrite, ATouchTravelsWithoutTheValueAndLater) {
  SessionSite site;
  site.Set("web:1", "v", 1, 1000);
  site.WriteDue();
  site.clock.AdvanceSeconds(10);
  EXPECT_EQ(site.Touch("web:1", 1000), Answer::kTouched);
  EXPECT_EQ(site.WriteDue(), 0u);
  site.clock.AdvanceSeconds(110);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.driver().written.back().kind, ChangeKind::kExpiry);
  EXPECT_EQ(site.driver().written.back().row.data, "");
  EXPECT_EQ(site.RowTtl("web:1"), 890 * int64_t{1'000'000});
  EXPECT_EQ(site.RowValue("web:1"), "v");
}

TEST(SessionWrite, ATouchKeepsTheCas) {
  SessionSite site;
  site.Set("web:1", "v");
  const uint64_t cas = site.access().Find(store::Key::Of("web:1"), site.Now()).item.cas();
  site.Touch("web:1", 5000);
  EXPECT_EQ(site.access().Find(store::Key::Of("web:1"), site.Now()).item.cas(), cas);
}

TEST(SessionWrite, AShorterExpiryIsDueAtOnce) {
  SessionSite site;
  for (int i = 0; i < 8; ++i) {
    site.Set("web:1", std::to_string(i), 1, 1000);
    site.WriteDue();
  }
  site.WriteDue();
  EXPECT_EQ(site.Touch("web:1", 10), Answer::kTouched);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowTtl("web:1"), 10 * int64_t{1'000'000});
  site.Set("web:1", "shorter still", 1, 5);
  EXPECT_EQ(site.WriteDue(), 1u);
}

TEST(SessionWrite, OverwritingWithNothingIsDueAtOnce) {
  SessionSite site;
  for (int i = 0; i < 8; ++i) site.Set("web:1", std::to_string(i));
  site.WriteDue();
  site.Set("web:1", "full again");
  site.WriteDue();
  EXPECT_EQ(site.Set("web:1", ""), Answer::kStored);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("web:1"), "");
  EXPECT_EQ(site.Value("web:1"), "");
}

TEST(SessionWrite, AReservationStaysInMemory) {
  SessionSite site;
  EXPECT_EQ(site.Add("php:1", "", 1, 30), Answer::kStored);
  EXPECT_EQ(site.Value("php:1"), "");
  EXPECT_EQ(site.Set("php:1", "", 1, 1440), Answer::kStored);
  EXPECT_EQ(site.Touch("php:1", 1440), Answer::kTouched);
  EXPECT_EQ(site.Add("php:1", "x"), Answer::kNotStored);
  EXPECT_FALSE(site.IsDirty("php:1"));
  EXPECT_EQ(site.WriteDue(), 0u);
  EXPECT_EQ(site.RowValue("php:1"), "(none)");
  EXPECT_EQ(site.Set("php:1", "login"), Answer::kStored);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("php:1"), "login");
}

TEST(SessionWrite, WhatIsAppendedToAReservationIsASession) {
  SessionSite site;
  site.Add("php:1", "");
  EXPECT_EQ(site.Append("php:1", "data"), Answer::kStored);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("php:1"), "data");
}

TEST(SessionWrite, AChangeDuringABatchGoesWithTheNext) {
  SessionSite site;
  site.Set("web:1", "first");
  WriteBehind& write_behind = site.sessions().write_behind();
  const std::span<const Change> batch = write_behind.NextBatch(site.access());
  ASSERT_EQ(batch.size(), 1u);
  site.Set("web:1", "second");
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(site.driver().Write(batch, &outcomes).ok());
  write_behind.OnOutcomes(site.access(), outcomes);
  EXPECT_EQ(site.RowValue("web:1"), "first");
  EXPECT_TRUE(site.IsDirty("web:1"));
  site.clock.AdvanceSeconds(120);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("web:1"), "second");
  EXPECT_FALSE(site.IsDirty("web:1"));
  EXPECT_EQ(write_behind.dirty_items(), 0u);
}

TEST(SessionWrite, ATouchDuringABatchIsNotForgotten) {
  SessionSite site;
  site.Set("web:1", "v", 1, 100);
  WriteBehind& write_behind = site.sessions().write_behind();
  const std::span<const Change> batch = write_behind.NextBatch(site.access());
  site.Touch("web:1", 5000);
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(site.driver().Write(batch, &outcomes).ok());
  write_behind.OnOutcomes(site.access(), outcomes);
  EXPECT_TRUE(site.IsDirty("web:1"));
  site.clock.AdvanceSeconds(120);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowTtl("web:1"), 4880 * int64_t{1'000'000});
}

TEST(SessionWrite, AFailedBatchIsTriedAgainAfterAPause) {
  SessionSite site;
  site.Set("web:1", "v");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  EXPECT_EQ(site.WriteOnce(), std::nullopt);
  EXPECT_TRUE(site.IsDirty("web:1"));
  EXPECT_EQ(site.WriteOnce(), 0u) << "not at once";
  site.driver().fault = FaultyDriver::Fault::kNone;
  EXPECT_GT(site.sessions().write_behind().NextDue(), site.clock.SteadyMicros());
  site.clock.AdvanceMillis(500);
  EXPECT_EQ(site.WriteOnce(), 1u);
  EXPECT_EQ(site.RowValue("web:1"), "v");
}

TEST(SessionWrite, ALostReplyChangesNothing) {
  SessionSite site;
  site.Set("web:1", "v");
  site.driver().fault = FaultyDriver::Fault::kLoseReply;
  EXPECT_EQ(site.WriteOnce(), std::nullopt);
  EXPECT_TRUE(site.IsDirty("web:1"));
  site.Set("web:1", "w");
  site.driver().fault = FaultyDriver::Fault::kNone;
  site.clock.AdvanceSeconds(120);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("web:1"), "w");
  EXPECT_FALSE(site.IsDirty("web:1"));
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 0u);
}

TEST(SessionWrite, OutageKeepsEverythingAndDrainsAfter) {
  SessionSite site;
  // The state of these keys must be known before; then the database goes.
  for (int i = 0; i < 300; ++i) site.Get("web:" + std::to_string(i), 1);
  for (int i = 0; i < 300; ++i) site.Set("web:" + std::to_string(i), "v");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  for (int minute = 0; minute < 10; ++minute) {
    site.WriteDue();
    site.clock.AdvanceSeconds(60);
  }
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 300u);
  site.driver().fault = FaultyDriver::Fault::kNone;
  EXPECT_EQ(site.WriteDue(), 300u);
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 0u);
  EXPECT_EQ(site.sessions().write_behind().dirty_bytes(), 0);
}

TEST(SessionWrite, BatchesAreBoundedByRowsAndByBytes) {
  SessionSettings settings;
  settings.batch_rows_max = 50;
  settings.batch_bytes_max = 10'000;
  SessionSite site(settings);
  for (int i = 0; i < 120; ++i) site.Set("web:" + std::to_string(i), "v");
  EXPECT_EQ(site.WriteOnce(), 50u);
  EXPECT_EQ(site.WriteOnce(), 50u);
  EXPECT_EQ(site.WriteOnce(), 20u);
  for (int i = 0; i < 10; ++i) site.Set("web:big" + std::to_string(i), std::string(4000, 'x'));
  EXPECT_EQ(site.WriteOnce(), 3u);
  site.Set("web:huge", std::string(500'000, 'x'));
  EXPECT_EQ(site.WriteDue(), 8u);
  EXPECT_EQ(site.RowValue("web:huge").size(), 500'000u);
}

TEST(SessionWrite, ABadRowGoesToQuarantineAndTheOthersPass) {
  SessionSite site;
  site.driver().bad_key = "web:bad";
  site.Set("web:bad", "v");
  site.Set("web:good", "v");
  site.WriteDue();
  EXPECT_FALSE(site.IsDirty("web:good"));
  EXPECT_TRUE(site.IsDirty("web:bad")) << "kept in memory";
  EXPECT_EQ(site.sessions().write_behind().quarantined(), 1u);
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 1u);
  site.clock.AdvanceSeconds(1000);
  EXPECT_EQ(site.WriteDue(), 0u) << "not tried for ever";
  site.driver().bad_key = "";
  site.Set("web:bad", "better");
  EXPECT_EQ(site.sessions().write_behind().quarantined(), 0u);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 0u);
}

TEST(SessionWrite, ARowThatVanishedIsWrittenWhole) {
  SessionSite site;
  site.Set("web:1", "v", 1, 1000);
  site.WriteDue();
  const std::unique_ptr<Driver> driver = site.database().NewDriver();
  ASSERT_TRUE(driver->Open().ok());
  uint64_t deleted = 0;
  ASSERT_TRUE(driver->Sweep(-int64_t{5000} * 1'000'000, 10, &deleted).ok());  // as if it had expired
  ASSERT_EQ(deleted, 1u);
  site.Touch("web:1", 2000);
  site.clock.AdvanceSeconds(120);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "v");
  EXPECT_FALSE(site.IsDirty("web:1"));
}

TEST(SessionWrite, WhatSomebodyElseWroteLaterIsNotOverwritten) {
  SessionSite site;
  site.Set("web:1", "mine");
  site.WriteDue();
  site.OverwriteRow("web:1", "theirs");
  site.Set("web:1", "older than theirs");
  site.WriteDue();
  EXPECT_EQ(site.sessions().stats().overtaken.value(), 1u);
  EXPECT_EQ(site.Value("web:1"), "theirs");
  site.Set("web:1", "newer");
  site.clock.AdvanceSeconds(120);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "newer");
}

TEST(SessionWrite, AFullJournalRefusesAndKeepsThePreviousValue) {
  SessionSite site;
  site.Set("web:1", "before");
  site.journal.full = true;
  EXPECT_EQ(site.Set("web:1", "after"), Answer::kRefused);
  EXPECT_EQ(site.Touch("web:1", 5), Answer::kRefused);
  EXPECT_EQ(site.Delete("web:1"), Answer::kRefused);
  EXPECT_EQ(site.Value("web:1"), "before");
  site.journal.full = false;
  EXPECT_EQ(site.Set("web:1", "after"), Answer::kStored);
  EXPECT_EQ(site.journal.kinds, (std::vector{RecordKind::kValue, RecordKind::kValue}));
}

TEST(SessionWrite, TheDirtyShareIsALimitForWhatGrows) {
  store::StoreSettings store_settings;
  store_settings.memory_limit_bytes = 8 << 20;
  SessionSettings settings;
  settings.dirty_share_percent = 25;
  SessionSite site(settings, store_settings);
  site.Get("web:0", 1);
  int stored = 0;
  for (int i = 0; i < 2000; ++i) {
    const std::string name = "web:" + std::to_string(i);
    site.Get(name, 1);
    site.driver().fault = FaultyDriver::Fault::kRefuse;
    if (site.Set(name, std::string(4000, 'v')) == Answer::kStored) ++stored;
    site.driver().fault = FaultyDriver::Fault::kNone;
  }
  EXPECT_GT(stored, 400);
  EXPECT_LT(stored, 525);
  EXPECT_EQ(site.Set("web:0", std::string(3000, 'w')), Answer::kStored) << "does not grow";
  EXPECT_EQ(site.Set("web:0", std::string(5000, 'w')), Answer::kRefused);
  EXPECT_EQ(site.Value("web:0"), std::string(3000, 'w'));
  EXPECT_EQ(site.Delete("web:1"), Answer::kDeleted);
  EXPECT_GT(site.sessions().stats().refused_dirty_full.value(), 0u);
  site.WriteDue();
  EXPECT_EQ(site.sessions().write_behind().dirty_bytes(), 0);
  EXPECT_EQ(site.Set("web:new", std::string(5000, 'w')), Answer::kStored);
}

TEST(SessionWrite, NearTheShareSyncingIsBroughtForward) {
  store::StoreSettings store_settings;
  store_settings.memory_limit_bytes = 8 << 20;
  SessionSettings settings;
  settings.immediate_writes = 0;
  SessionSite site(settings, store_settings);
  const auto change_all = [&site](int count) {
    for (int i = 0; i < count; ++i) site.Set("web:" + std::to_string(i), std::string(4000, 'v'));
  };
  change_all(900);
  EXPECT_EQ(site.WriteDue(), 900u) << "never written yet";
  change_all(600);
  EXPECT_EQ(site.WriteDue(), 0u) << "there is time";
  int woken = 0;
  site.sessions().write_behind().SetWake([&woken] { ++woken; });
  site.sessions().write_behind().NextDue();
  change_all(900);
  EXPECT_GT(woken, 0);
  EXPECT_EQ(site.sessions().write_behind().NextDue(), 0);
  EXPECT_GT(site.WriteDue(), 0u);
  EXPECT_GT(site.sessions().write_behind().NextDue(), 0) << "and no further than needed";
}

TEST(SessionWrite, DrainingWritesWhatIsNotDue) {
  SessionSite site;
  for (int i = 0; i < 5; ++i) {
    site.Set("web:1", std::to_string(i));
    site.WriteDue();
  }
  EXPECT_TRUE(site.IsDirty("web:1"));
  site.sessions().write_behind().SetDraining(true);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("web:1"), "4");
}

TEST(SessionWrite, TheWriterIsWokenForWhatIsEarlierAndNotForTheRest) {
  SessionSite site;
  int woken = 0;
  site.sessions().write_behind().SetWake([&woken] { ++woken; });
  WriteBehind& write_behind = site.sessions().write_behind();
  EXPECT_EQ(write_behind.NextDue(), kNeverMicros);
  site.Set("web:1", "v");
  EXPECT_EQ(woken, 1);
  site.WriteDue();
  EXPECT_EQ(write_behind.NextDue(), kNeverMicros);
  site.Touch("web:1", 2000);
  EXPECT_EQ(woken, 2);
  const int64_t due = write_behind.NextDue();
  EXPECT_GT(due, site.clock.SteadyMicros());
  site.Touch("web:1", 2001);
  EXPECT_EQ(woken, 2);
}

// A login form's session of seconds becomes one of hours.
TEST(SessionWrite, ALongerLifeIsWrittenBeforeTheRowsOwnIsOver) {
  SessionSite site;
  site.Set("web:1", "v", 1, 8);
  ASSERT_EQ(site.WriteDue(), 1u);
  site.Touch("web:1", 2000);
  site.clock.AdvanceSeconds(3);
  EXPECT_EQ(site.WriteDue(), 1u);
  for (int i = 0; i < 5; ++i) {
    site.Set("web:2", std::to_string(i), 1, 8);
    site.WriteDue();
  }
  site.WriteDue();
  site.clock.AdvanceSeconds(2);
  site.WriteDue();
  ASSERT_FALSE(site.IsDirty("web:2"));
  site.Set("web:2", "longer", 1, 2000);
  site.clock.AdvanceSeconds(3);
  EXPECT_EQ(site.WriteDue(), 1u);
}

TEST(SessionWrite, AnExpiredSessionThatNobodyWroteDownIsForgotten) {
  SessionSite site;
  site.Get("web:1", 1);
  site.Set("web:1", "v", 1, 2);
  site.clock.AdvanceSeconds(3);
  EXPECT_EQ(site.WriteDue(), 0u);
  EXPECT_EQ(site.RowValue("web:1"), "(none)");
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 0u);
  EXPECT_EQ(site.sessions().write_behind().dirty_bytes(), 0);
}

// The longer-lived value before it went out and no reply came: the row must not outlive what replaced it.
TEST(SessionWrite, AnExpiredSessionThatMayHaveBeenWrittenDownIsNotForgotten) {
  SessionSite site;
  site.Get("web:1", 1);
  site.Set("web:1", "long", 1, 1000);
  site.driver().fault = FaultyDriver::Fault::kLoseReply;
  EXPECT_EQ(site.WriteOnce(), std::nullopt);
  site.Set("web:1", "short", 1, 2);
  site.clock.AdvanceSeconds(3);
  site.driver().fault = FaultyDriver::Fault::kNone;
  EXPECT_EQ(site.WriteDue(), 1u);
  site.Evict("web:1");
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
}

TEST(SessionWrite, AStepOfTheWallClockLosesNothing) {
  SessionSite site;
  site.Set("web:1", "before");
  site.WriteDue();
  site.clock.SetWallMicros(site.clock.WallMicros() - int64_t{3600} * 1'000'000);
  EXPECT_EQ(site.Value("web:1"), "before");
  site.Set("web:1", "after");
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "after");
  site.clock.SetWallMicros(site.clock.WallMicros() + int64_t{7200} * 1'000'000);
  EXPECT_EQ(site.Value("web:1"), "after");
}

// As after a restart, when what the journal brought is doubted and written at the same time.
TEST(SessionWrite, ALongerLifeReadFromTheDatabaseDuringTheWriteLeavesNothingDirty) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  const store::Key key = store::Key::Of("web:1");
  {
    store::Slot slot = site.access().Lock(key, site.Now());
    site.sessions().write_behind().MakeDirty(slot, key);
  }
  const std::span<const Change> batch = site.sessions().write_behind().NextBatch(site.access());
  ASSERT_EQ(batch.size(), 1u);
  const Row row = *site.InDatabase("web:1");
  Change touch{.kind = ChangeKind::kExpiry, .base_version = row.version, .row = row};
  touch.row.touched += uint64_t{5'000'000} << kNodeBits;
  touch.row.expires_us += 9'000'000;
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(site.driver().Write({&touch, 1}, &outcomes).ok());
  ASSERT_EQ(outcomes.at(0), ChangeOutcome::kDone);
  site.sessions().verification().DoubtKey("web:1");
  EXPECT_EQ(site.Value("web:1"), "v");
  ASSERT_TRUE(site.driver().Write(batch, &outcomes).ok());
  site.sessions().write_behind().OnOutcomes(site.access(), outcomes);
  EXPECT_FALSE(site.IsDirty("web:1"));
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 0u);
  EXPECT_EQ(site.sessions().write_behind().dirty_bytes(), 0);
  EXPECT_EQ(site.InDatabase("web:1")->touched, touch.row.touched);
}

}  // namespace
}  // namespace holdfast::session
