// Every statistic of `stats sessions` moves when what it counts happens, and not before.

#include <gtest/gtest.h>

#include <set>

#include "base/stat.h"
#include "lib/session_site.h"
#include "session/session_options.h"

namespace holdfast::session {
namespace {

using store::Key;
using test::Answer;
using test::FaultyDriver;
using test::SessionSite;

constexpr int64_t kSecond = 1'000'000;

// The statistics of a site by name.
class Numbers {
 public:
  explicit Numbers(SessionSite& site) {
    stats_.Add("sessions", SessionStatRows(), site.sessions());
    stats_.Add("sessions", SessionMeasureRows(), site.sessions());
  }
  uint64_t operator[](const char* name) const { return std::stoull(stats_.Value("sessions", name)); }
  void ForEach(const base::StatSet::Visit& visit) const { stats_.ForEach("sessions", visit); }

 private:
  base::StatSet stats_;
};

TEST(SessionStats, AreAllThereFromZero) {
  SessionSite site;
  std::set<std::string> names;
  Numbers(site).ForEach([&](std::string_view name, std::string_view value) {
    EXPECT_EQ(value, "0") << name;
    EXPECT_TRUE(names.emplace(name).second) << name;
  });
  // What operators were promised, under these names.
  for (const char* name : {"dirty_items",
                           "dirty_oldest_ms",
                           "database_away_s",
                           "synced_rows",
                           "coalesced",
                           "batch_rows_p50",
                           "batch_bytes_p50",
                           "database_write_us_p50",
                           "database_write_within_1ms",
                           "database_read_us_p99",
                           "loads_found",
                           "loads_absent",
                           "loads_unavailable",
                           "negative_hits",
                           "calls_retried",
                           "calls_reconnected",
                           "calls_blocked",
                           "quarantined",
                           "tombstones",
                           "resurrections_refused",
                           "provisional_won",
                           "provisional_lost_later",
                           "superseded",
                           "maybe_stale",
                           "serving_unverified",
                           "stale_copies_dropped",
                           "journal_bytes",
                           "journal_fsync_us_max",
                           "journal_replayed"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
}

TEST(SessionStats, TellHowLongTheDatabaseIsAwayFromTheFirstFailureToTheNextAnswer) {
  AwaySince away;
  EXPECT_EQ(away.Seconds(kSecond), 0u);
  away.Note(true, kSecond);
  EXPECT_EQ(away.Seconds(9 * kSecond), 0u);
  away.Note(false, 10 * kSecond);
  EXPECT_EQ(away.Seconds(10 * kSecond), 1u) << "away at once";
  away.Note(false, 10 * kSecond + 500'000);
  EXPECT_EQ(away.Seconds(11 * kSecond - 1), 1u);
  EXPECT_EQ(away.Seconds(11 * kSecond), 2u);
  EXPECT_EQ(away.Seconds(610 * kSecond), 601u);
  away.Note(true, 611 * kSecond);
  EXPECT_EQ(away.Seconds(611 * kSecond), 0u);
  away.Note(false, 700 * kSecond);
  EXPECT_EQ(away.Seconds(700 * kSecond), 1u);
}

TEST(SessionStats, TellWhatWasWritten) {
  SessionSite site;
  const Numbers now(site);
  site.Set("web:1", "value");
  EXPECT_EQ(now["dirty_items"], 1u);
  EXPECT_GT(now["dirty_bytes"], 5u);
  site.Set("web:2", "value");
  site.WriteDue();
  EXPECT_EQ(now["dirty_items"], 0u);
  EXPECT_EQ(now["dirty_bytes"], 0u);
  EXPECT_EQ(now["synced_rows"], 2u);
  EXPECT_EQ(now["synced_bytes"], 10u);
  EXPECT_EQ(now["write_batches"], 1u);
  EXPECT_EQ(now["batch_rows_p50"], 2u);
  EXPECT_EQ(now["batch_rows_max"], 2u);
  EXPECT_EQ(now["batch_bytes_max"], 2u * (5 + 5));
  EXPECT_EQ(now["synced_expiries"], 0u);
  site.Touch("web:1", 5000);
  site.clock.AdvanceSeconds(200);
  site.WriteDue();
  EXPECT_EQ(now["synced_expiries"], 1u);
  EXPECT_EQ(now["tombstones"], 0u);
  site.Delete("web:2");
  EXPECT_EQ(now["tombstones"], 1u);
  EXPECT_EQ(now["synced_deletes"], 0u);
  site.WriteDue();
  EXPECT_EQ(now["synced_deletes"], 1u);
  EXPECT_EQ(now["synced_rows"], 4u);
}

TEST(SessionStats, TellWhatNeededNoRow) {
  SessionSite site;
  const Numbers now(site);
  site.Set("web:1", "one");
  EXPECT_EQ(now["coalesced"], 0u);
  site.Set("web:1", "two");
  EXPECT_EQ(now["coalesced"], 1u);
  site.Set("php:1", "");
  EXPECT_EQ(now["reservations"], 1u);
}

TEST(SessionStats, TellHowLongTheOldestWaitsDueOrNot) {
  SessionSettings settings;
  settings.immediate_writes = 1;
  SessionSite site(settings);
  const Numbers now(site);
  site.Set("web:1", "one");
  site.WriteDue();
  EXPECT_EQ(now["dirty_oldest_ms"], 0u);
  site.Set("web:1", "two");  // due in 120 s
  site.clock.AdvanceSeconds(50);
  site.Set("web:2", "new");  // due at once
  site.clock.AdvanceSeconds(10);
  EXPECT_GE(now["dirty_oldest_ms"], 60'000u);
  EXPECT_LE(now["dirty_oldest_ms"], 61'000u);
  EXPECT_EQ(now["dirty_late_ms"], 10'000u);
  site.WriteDue();  // the later one
  EXPECT_EQ(now["dirty_late_ms"], 0u);
  EXPECT_GE(now["dirty_oldest_ms"], 60'000u);
  site.clock.AdvanceSeconds(100);
  site.WriteDue();
  EXPECT_EQ(now["dirty_oldest_ms"], 0u);
}

TEST(SessionStats, AFailedWriteMakesNobodyYounger) {
  SessionSite site;
  const Numbers now(site);
  site.Set("web:1", "one");
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  site.clock.AdvanceSeconds(30);
  site.WriteOnce();
  EXPECT_EQ(now["write_failures"], 1u);
  EXPECT_GE(now["dirty_oldest_ms"], 30'000u);
  site.clock.AdvanceSeconds(30);
  const std::span<const Change> in_hand = site.sessions().write_behind().NextBatch(site.access());
  ASSERT_EQ(in_hand.size(), 1u);
  EXPECT_GE(now["dirty_oldest_ms"], 60'000u) << "while it is with the database";
  site.sessions().write_behind().OnFailure({FailureClass::kRetry, "lost"});
  EXPECT_GE(now["dirty_oldest_ms"], 60'000u);
  EXPECT_EQ(now["write_failures"], 2u);
}

TEST(SessionStats, TellWhatCannotBeWritten) {
  SessionSite site;
  const Numbers now(site);
  site.driver().bad_key = "web:1";
  site.Set("web:1", "one");
  site.WriteDue();
  EXPECT_EQ(now["quarantined"], 1u);
  EXPECT_EQ(now["quarantined_total"], 1u);
  site.driver().bad_key = "";
  site.Set("web:1", "two");
  site.WriteDue();
  EXPECT_EQ(now["quarantined"], 0u);
  EXPECT_EQ(now["quarantined_total"], 1u);
}

TEST(SessionStats, TellWhatLookUpsBrought) {
  SessionSite site;
  const Numbers now(site);
  site.Get("web:none", 1);
  EXPECT_EQ(now["load_queries"], 1u);
  EXPECT_EQ(now["loads_absent"], 1u);
  EXPECT_EQ(now["negative_hits"], 0u);
  site.Get("web:none", 1);
  EXPECT_EQ(now["load_queries"], 1u);
  EXPECT_EQ(now["negative_hits"], 1u);
  for (const char* name : {"web:live", "web:deleted"}) site.Set(name, "value");
  site.Set("web:short", "value", 1, 10);
  site.WriteDue();
  site.Delete("web:deleted");
  site.WriteDue();
  for (const char* name : {"web:live", "web:deleted", "web:short"}) site.Evict(name);
  site.clock.AdvanceSeconds(60);
  EXPECT_EQ(site.Get("web:live", 1), Answer::kHit);
  EXPECT_EQ(now["loads_found"], 1u);
  EXPECT_EQ(site.Get("web:deleted", 1), Answer::kMiss);
  EXPECT_EQ(now["loads_deleted"], 1u);
  EXPECT_EQ(now["loads_expired"], 0u);
  EXPECT_EQ(site.Get("web:short", 1), Answer::kMiss);
  EXPECT_EQ(now["loads_expired"], 1u);
}

TEST(SessionStats, TellWhoWaitedInVain) {
  SessionSite site;
  const Numbers now(site);
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  ASSERT_TRUE(site.Park("web:1", {0, 1, 0}));
  EXPECT_EQ(now["parked"], 1u);
  EXPECT_EQ(site.Get("web:2", 1), Answer::kUnavailable);
  EXPECT_GT(now["load_failures"], 0u);
  EXPECT_EQ(now["loads_unavailable"], 2u);
  EXPECT_EQ(now["parked"], 0u);
}

TEST(SessionStats, TellWhatMemoryHadNoRoomFor) {
  SessionSite site;
  const Numbers now(site);
  Change change;
  change.row.key = "web:1";
  change.row.version = change.row.born = change.row.touched = site.sessions().stamp_clock().Next(0);
  change.row.data = std::string(4 << 20, 'v');  // -I was larger once
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(site.driver().Write({&change, 1}, &outcomes).ok());
  EXPECT_EQ(site.Get("web:1", 1), Answer::kUnavailable);
  EXPECT_GT(now["loads_no_memory"], 0u);
}

TEST(SessionStats, TellWhatWasRefusedOrDropped) {
  SessionSite site;
  const Numbers now(site);
  site.Set("web:1", "one");
  site.Delete("web:1", 2);
  site.Set("web:1", "late", 1);
  EXPECT_EQ(now["resurrections_refused"], 1u);
  site.Get("web:2", 1);
  site.journal.full = true;
  EXPECT_EQ(site.Set("web:2", "two"), Answer::kRefused);
  EXPECT_EQ(now["refused_journal"], 0u);
  session::Waits waits{.until_us = site.clock.SteadyMicros(), .were_for_room = true};
  EXPECT_FALSE(site.sessions().AwaitRoom(*site.sessions().Match("web:2"), {0, 1, 0}, LoadOutcome::kNone, 3, &waits));
  EXPECT_EQ(now["refused_journal"], 1u);
}

TEST(SessionStats, TellThatAProvisionalWriteCameTooLate) {
  SessionSite site;
  const Numbers now(site);
  site.driver().fault = FaultyDriver::Fault::kRefuse;
  EXPECT_EQ(site.Set("web:1", "ours"), Answer::kStored);
  EXPECT_EQ(now["provisional"], 1u);
  EXPECT_EQ(now["provisional_writes"], 1u);
  site.driver().fault = FaultyDriver::Fault::kNone;
  Change change;
  change.row.key = "web:1";
  change.row.born = change.row.touched = change.row.version =
      site.sessions().stamp_clock().Next(0) + (uint64_t{1'000'000} << kNodeBits);
  change.row.data = "theirs";
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(site.driver().Write({&change, 1}, &outcomes).ok());
  site.clock.AdvanceSeconds(1);
  while (site.ReadOnce()) site.clock.AdvanceSeconds(1);
  EXPECT_EQ(now["provisional_lost_later"], 1u);
  EXPECT_EQ(now["provisional"], 0u);
}

}  // namespace
}  // namespace holdfast::session
