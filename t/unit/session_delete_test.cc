// What must hold after a delete: it stays, whatever a slow request writes; and a new login works.

#include <gtest/gtest.h>

#include "lib/session_site.h"

namespace holdfast::session {
namespace {

using test::Answer;
using test::FaultyDriver;
using test::SessionSite;

TEST(SessionDelete, ALogoutIsInTheDatabaseAtOnce) {
  SessionSite site;
  site.Set("web:1", "v");
  site.WriteDue();
  EXPECT_EQ(site.Delete("web:1"), Answer::kDeleted);
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
  EXPECT_EQ(site.Delete("web:1"), Answer::kNotFound);
  EXPECT_EQ(site.Touch("web:1", 100), Answer::kNotFound);
  EXPECT_EQ(site.Append("web:1", "x"), Answer::kNotStored);
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("web:1"), "(deleted)");
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 0u);
  EXPECT_EQ(site.sessions().write_behind().dirty_bytes(), 0);
}

TEST(SessionDelete, StaysThroughRestartAndEviction) {
  SessionSite site;
  site.Set("web:1", "v");
  site.Delete("web:1");
  site.WriteDue();
  site.Evict("web:1");
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
  site.Restart();
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
  EXPECT_EQ(site.Delete("web:2"), Answer::kNotFound);
}

TEST(SessionDelete, AnUnknownSessionIsNotDeleted) {
  SessionSite site;
  EXPECT_EQ(site.Delete("web:1"), Answer::kNotFound);
  EXPECT_EQ(site.WriteDue(), 0u);
}

TEST(SessionDelete, OvertakesTheWriteThatIsStillInTheBatch) {
  SessionSite site;
  site.Set("web:1", "v");
  WriteBehind& write_behind = site.sessions().write_behind();
  const std::span<const Change> batch = write_behind.NextBatch(site.access());
  site.Delete("web:1");
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(site.driver().Write(batch, &outcomes).ok());
  write_behind.OnOutcomes(site.access(), outcomes);
  EXPECT_TRUE(site.IsDirty("web:1"));
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "(deleted)");
  EXPECT_EQ(write_behind.dirty_items(), 0u);
}

TEST(SessionDelete, ASlowRequestDoesNotUndoIt) {
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.Get("web:1", 2);  // the slow page reads
  site.Delete("web:1", 3);
  EXPECT_EQ(site.Set("web:1", "v, and a click", 2), Answer::kStored) << "so it is told";
  EXPECT_EQ(site.Get("web:1", 3), Answer::kMiss);
  EXPECT_EQ(site.sessions().stats().resurrections_refused.value(), 1u);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "(deleted)");
}

TEST(SessionDelete, NorAfterARestart) {
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.WriteDue();
  site.Delete("web:1", 3);
  site.WriteDue();
  site.Restart();
  EXPECT_EQ(site.Set("web:1", "from before", 2), Answer::kStored);
  EXPECT_EQ(site.Get("web:1", 3), Answer::kMiss);
}

TEST(SessionDelete, AnAddIsANewLogin) {
  SessionSite site;
  site.Set("web:1", "v");
  site.Delete("web:1");
  EXPECT_EQ(site.Add("web:1", "login", 2), Answer::kStored);
  EXPECT_EQ(site.Value("web:1"), "login");
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "login");
  EXPECT_GT(site.InDatabase("web:1")->floor, 0u);
}

TEST(SessionDelete, ASetByWhoeverWasToldIsANewLogin) {
  SessionSite site;
  site.Set("php:1", "v", 1);
  site.Delete("php:1", 2);
  EXPECT_EQ(site.Get("php:1", 3), Answer::kMiss);
  EXPECT_EQ(site.Set("php:1", "login", 3), Answer::kStored);
  EXPECT_EQ(site.Value("php:1"), "login");
}

TEST(SessionDelete, WithinTheWindowNobodyElsesSetIs) {
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.Delete("web:1", 2);
  site.Get("web:1", 3);
  site.clock.AdvanceSeconds(30);
  EXPECT_EQ(site.Set("web:1", "late", 4), Answer::kStored);
  EXPECT_EQ(site.Get("web:1", 3), Answer::kMiss);
  site.clock.AdvanceSeconds(1);
  EXPECT_EQ(site.Set("web:1", "login", 4), Answer::kStored) << "somebody was told, and the window is over";
  EXPECT_EQ(site.Value("web:1"), "login");
}

TEST(SessionDelete, WhereIdsAreFreshNoSetIsANewLoginWhoeverWasTold) {
  SessionSite site;
  site.Set("fresh:1", "v", 1);
  site.Delete("fresh:1", 1);
  EXPECT_EQ(site.Get("fresh:1", 1), Answer::kMiss);
  EXPECT_EQ(site.Set("fresh:1", "slow page", 1), Answer::kStored);
  EXPECT_EQ(site.Get("fresh:1", 1), Answer::kMiss);
  site.clock.AdvanceSeconds(3600);
  EXPECT_EQ(site.Set("fresh:1", "very slow page", 1), Answer::kStored);
  EXPECT_EQ(site.Get("fresh:1", 1), Answer::kMiss);
  EXPECT_EQ(site.Add("fresh:1", "login", 1), Answer::kStored);
  EXPECT_EQ(site.Value("fresh:1"), "login");
}

TEST(SessionDelete, ASetThatNobodyPreparedForIsNotALoginHoweverLate) {
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.Delete("web:1", 2);
  site.clock.AdvanceSeconds(3600);
  EXPECT_EQ(site.Set("web:1", "very late", 4), Answer::kStored);
  EXPECT_EQ(site.Get("web:1", 3), Answer::kMiss);
}

TEST(SessionDelete, ThePagesAfterALogoutMayLogInAgainWhileASlowOneMayNot) {
  SessionSite site;
  site.Set("php:1", "logged in", 1);
  site.Get("php:1", 2);     // a slow page begins
  site.Delete("php:1", 3);  // logout
  site.Get("php:1", 4);     // the next page: PHP stores an empty session
  EXPECT_EQ(site.Set("php:1", "", 4), Answer::kStored);
  site.Get("php:1", 5);  // the login page
  EXPECT_EQ(site.Set("php:1", "new login", 5), Answer::kStored);
  EXPECT_EQ(site.Set("php:1", "old login", 2), Answer::kStored);  // the slow page ends
  EXPECT_EQ(site.Value("php:1"), "new login");
  EXPECT_EQ(site.sessions().stats().resurrections_refused.value(), 1u);
  site.Get("php:1", 6);
  EXPECT_EQ(site.Set("php:1", "click", 6), Answer::kStored);
  EXPECT_EQ(site.Value("php:1"), "click");
  site.WriteDue();
  EXPECT_EQ(site.RowValue("php:1"), "click");
}

// A pool reads on one connection and writes on another.
TEST(SessionDelete, AfterANewLoginAPoolMayWriteOnAnyConnection) {
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.Delete("web:1", 2);
  site.Get("web:1", 3);
  site.Set("web:1", "login", 3);
  EXPECT_EQ(site.Set("web:1", "click", 7), Answer::kStored);
  EXPECT_EQ(site.Value("web:1"), "click");
}

TEST(SessionDelete, WhoWasToldAtTheVeryEndOfTheWindowMayLogInAfterARestart) {
  SessionSite site;
  site.clock.AdvanceMillis(300);
  site.Set("web:1", "v", 1);
  site.Delete("web:1", 1);
  site.WriteDue();
  site.Restart();
  site.clock.AdvanceMillis(29'650);
  EXPECT_EQ(site.Get("web:1", 2), Answer::kMiss);
  site.clock.AdvanceMillis(100);  // into the next second
  EXPECT_EQ(site.Set("web:1", "login", 2), Answer::kStored);
  EXPECT_EQ(site.Value("web:1", 2), "login");
}

TEST(SessionDelete, WhoWasToldMayLogInEvenIfMemoryForgotTheTombstone) {
  for (const bool reserves : {false, true}) {
    SessionSite site;
    site.Set("php:1", "v", 1);
    site.Delete("php:1", 1);
    site.WriteDue();
    site.clock.AdvanceSeconds(25);
    EXPECT_EQ(site.Get("php:1", 2), Answer::kMiss);
    if (reserves) {
      EXPECT_EQ(site.Set("php:1", "", 2), Answer::kStored);
      EXPECT_EQ(site.Get("php:1", 2), Answer::kHit);
    }
    site.clock.AdvanceSeconds(10);  // the writer window is over
    site.Evict("php:1");
    EXPECT_EQ(site.Set("php:1", "login", 2), Answer::kStored);
    EXPECT_EQ(site.Value("php:1", 2), "login");
  }
}

// A reservation lasts longer than the book remembers the delete below it.
TEST(SessionDelete, WhoWasAnsweredFromAReservationMayLogIn) {
  SessionSite site;
  site.Set("php:1", "v", 1);
  site.Delete("php:1", 1);
  site.WriteDue();
  EXPECT_EQ(site.Get("php:1", 2), Answer::kMiss);
  EXPECT_EQ(site.Set("php:1", "", 2), Answer::kStored);
  site.WriteDue();
  site.clock.AdvanceSeconds(200);
  EXPECT_EQ(site.Get("php:1", 3), Answer::kHit);
  site.Evict("php:1");
  EXPECT_EQ(site.Set("php:1", "login", 3), Answer::kStored);
  EXPECT_EQ(site.Value("php:1", 3), "login");
}

TEST(SessionDelete, WhoWasAnsweredFromAReservationThatIsOverMayLogIn) {
  SessionSite site;
  site.Set("php:1", "v", 1);
  site.Delete("php:1", 1);
  site.WriteDue();
  EXPECT_EQ(site.Get("php:1", 2), Answer::kMiss);
  EXPECT_EQ(site.Set("php:1", "", 2, 60), Answer::kStored);
  site.WriteDue();
  site.clock.AdvanceSeconds(200);
  EXPECT_EQ(site.Get("php:1", 3), Answer::kMiss);
  site.Evict("php:1");
  EXPECT_EQ(site.Set("php:1", "login", 3), Answer::kStored);
  EXPECT_EQ(site.Value("php:1", 3), "login");
}

TEST(SessionDelete, WhoWasToldMayLogInWhateverElseWasDeleted) {
  constexpr int kOthers = 40'000;  // some of them share a place in the filter
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.Delete("web:1", 1);
  site.WriteDue();
  site.Restart();
  for (int i = 0; i < kOthers; ++i) {
    const std::string name = "web:other" + std::to_string(i);
    if (store::Key::Of(name).hash % 4096 != store::Key::Of("web:1").hash % 4096) continue;
    site.Set(name, "v", 1);
    site.Delete(name, 1);
  }
  EXPECT_EQ(site.Get("web:1", 2), Answer::kMiss);
  EXPECT_EQ(site.Set("web:1", "login", 2), Answer::kStored);
  EXPECT_EQ(site.Value("web:1", 2), "login");
}

TEST(SessionDelete, ALoginThatIsOverAlreadyOpensNoDoorForASlowRequest) {
  for (const std::string name : {"php:1", "web:1"}) {
    SessionSite site;
    site.Set(name, "v", 1);
    site.Get(name, 2);  // the slow page reads
    site.Delete(name, 3);
    site.Add(name, "login", 4, 5);
    site.clock.AdvanceSeconds(6);
    EXPECT_EQ(site.Set(name, "v, and a click", 2), Answer::kStored);
    EXPECT_EQ(site.Get(name, 5), Answer::kMiss) << name;
    EXPECT_EQ(site.Set(name, "another login", 5), Answer::kStored);
    EXPECT_EQ(site.Value(name, 6), "another login");
  }
}

TEST(SessionDelete, AReservationOverADeleteDoesNotForgetIt) {
  SessionSite site;
  site.Set("php:1", "v", 1);
  site.WriteDue();
  site.Delete("php:1", 2);
  site.Get("php:1", 3);
  site.Set("php:1", "", 3);
  EXPECT_TRUE(site.IsDirty("php:1"));
  EXPECT_EQ(site.WriteDue(), 1u);
  EXPECT_EQ(site.RowValue("php:1"), "(deleted)");
  EXPECT_FALSE(site.IsDirty("php:1"));
  EXPECT_EQ(site.Value("php:1", 3), "");
  site.Set("php:1", "login", 3);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("php:1"), "login");
}

TEST(SessionDelete, AReservationMayBeDeletedToo) {
  SessionSite site;
  site.Add("php:1", "", 1, 30);
  EXPECT_EQ(site.Delete("php:1", 2), Answer::kDeleted);
  EXPECT_EQ(site.Set("php:1", "slow", 1), Answer::kStored);
  EXPECT_EQ(site.Get("php:1", 3), Answer::kMiss);
}

TEST(SessionDelete, ALoginIsNotLostToTheDeleteBeforeItWhateverFails) {
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.WriteDue();
  site.driver().fault = FaultyDriver::Fault::kLoseReply;
  site.Delete("web:1", 2);
  site.WriteOnce();
  site.Get("web:1", 2);
  site.Set("web:1", "login", 2);
  site.clock.AdvanceSeconds(1);
  site.WriteOnce();
  site.driver().fault = FaultyDriver::Fault::kNone;
  site.clock.AdvanceSeconds(1);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "login");
  EXPECT_EQ(site.sessions().write_behind().dirty_items(), 0u);
  site.Restart();
  EXPECT_EQ(site.Value("web:1"), "login");
}

TEST(SessionDelete, ALoginInTheBatchDoesNotHideALaterDelete) {
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.Delete("web:1", 1);
  site.Get("web:1", 1);
  site.Set("web:1", "login", 1);
  WriteBehind& write_behind = site.sessions().write_behind();
  const std::span<const Change> batch = write_behind.NextBatch(site.access());
  site.Delete("web:1", 1);
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(site.driver().Write(batch, &outcomes).ok());
  write_behind.OnOutcomes(site.access(), outcomes);
  EXPECT_EQ(site.Get("web:1", 1), Answer::kMiss);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "(deleted)");
}

TEST(SessionDelete, TheTombstoneLivesItsLifeInTheDatabase) {
  SessionSite site;
  site.Set("web:1", "v");
  site.Delete("web:1");
  site.WriteDue();
  Reaper& reaper = site.sessions().reaper();
  site.clock.AdvanceSeconds(86'400);
  ASSERT_TRUE(reaper.Sweep(site.driver()).ok());
  EXPECT_EQ(site.RowValue("web:1"), "(deleted)");
  site.clock.AdvanceSeconds(3'700);
  ASSERT_TRUE(reaper.Sweep(site.driver()).ok());
  EXPECT_EQ(site.RowValue("web:1"), "(none)");
}

TEST(SessionDelete, AStepOfTheWallClockRefusesNoLogin) {
  SessionSite site;
  site.Set("web:1", "v", 1);
  site.WriteDue();
  site.Delete("web:1", 1);
  site.WriteDue();
  site.clock.SetWallMicros(site.clock.WallMicros() - int64_t{3600} * 1'000'000);
  EXPECT_EQ(site.Get("web:1", 2), Answer::kMiss);
  EXPECT_EQ(site.Set("web:1", "login", 2), Answer::kStored);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "login");
  EXPECT_EQ(site.Value("web:1"), "login");
}

}  // namespace
}  // namespace holdfast::session
