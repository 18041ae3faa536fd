// What the database has acknowledged is read back, a little of it, and what is not there is told and written again.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "lib/session_site.h"

namespace holdfast::session {
namespace {

using test::SessionSite;

class SamplerTest : public testing::Test {
 protected:
  static SessionSettings At(uint32_t rate) {
    SessionSettings settings;
    settings.read_back_rate = rate;
    return settings;
  }
  // What the reader does; how many were read back.
  size_t ReadBack(SessionSite& site) {
    const std::span<const std::string_view> keys = site.sessions().sampler().NextBatch();
    if (keys.empty()) return 0;
    const size_t count = keys.size();
    std::vector<RowStamps> rows;
    if (site.driver().LoadStamps(keys, &rows).ok()) {
      site.sessions().sampler().OnRows(site.access(), rows);
    } else {
      site.sessions().sampler().OnFailure();
    }
    return count;
  }
  // As if a commit had been lost.
  void Forget(SessionSite& site, const std::string& change) {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open(site.path().c_str(), &connection), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(connection, change.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(connection);
  }
  uint64_t Misses(SessionSite& site) { return site.sessions().stats().sample_misses.value(); }
  uint64_t Read(SessionSite& site) { return site.sessions().stats().samples_read.value(); }
};

TEST_F(SamplerTest, FindsWhatIsThereAMomentLaterAndNotBefore) {
  SessionSite site(At(60));
  site.Set("web:1", "one");
  site.WriteDue();
  EXPECT_EQ(ReadBack(site), 0u);
  EXPECT_EQ(site.sessions().sampler().NextDue(), site.clock.SteadyMicros() + Sampler::kDelayMicros);
  site.clock.AdvanceSeconds(1);
  EXPECT_EQ(ReadBack(site), 1u);
  EXPECT_EQ(Read(site), 1u);
  EXPECT_EQ(Misses(site), 0u);
  EXPECT_EQ(site.sessions().sampler().NextDue(), kNeverMicros);
}

TEST_F(SamplerTest, KeepsToItsRateAndItsPause) {
  SessionSite site(At(6));  // one in 10 s
  for (int i = 0; i < 60; ++i) {
    site.Set("web:" + std::to_string(i), "v");
    site.WriteDue();
    site.clock.AdvanceSeconds(1);
    ReadBack(site);
  }
  EXPECT_EQ(Read(site), 6u);
  SessionSite often(At(60'000));
  size_t batches = 0;
  for (int i = 0; i < 20; ++i) {
    often.Set("web:" + std::to_string(i), "v");
    often.WriteDue();
    often.clock.AdvanceSeconds(1);
    batches += ReadBack(often) > 0;
  }
  EXPECT_LE(batches, 4u);
}

TEST_F(SamplerTest, WithRateZeroReadsNothing) {
  SessionSite site(At(0));
  site.Set("web:1", "one");
  site.WriteDue();
  site.clock.AdvanceSeconds(60);
  EXPECT_EQ(ReadBack(site), 0u);
  EXPECT_EQ(site.sessions().sampler().NextDue(), kNeverMicros);
}

TEST_F(SamplerTest, ALostRowIsCountedAndWrittenAgain) {
  SessionSite site(At(60));
  std::string said;
  site.sessions().SetSay([&said](const std::string& line) { said = line; });
  site.Set("web:1", "one");
  site.WriteDue();
  Forget(site, "DELETE FROM sessions");
  site.clock.AdvanceSeconds(2);
  ReadBack(site);
  EXPECT_EQ(Misses(site), 1u);
  EXPECT_NE(said.find("1 of 1 changes"), std::string::npos) << said;
  EXPECT_TRUE(site.IsDirty("web:1"));
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "one");
}

TEST_F(SamplerTest, AnOlderRowIsAMissAndALaterOneIsNot) {
  SessionSite site(At(60'000));
  site.Set("web:1", "one");
  site.WriteDue();
  Forget(site, "UPDATE sessions SET version = version - 1024");
  site.clock.AdvanceMillis(10);
  site.Set("web:2", "one");
  site.WriteDue();
  Forget(site,
         "UPDATE sessions SET version = version + 1024, touched = touched + 1024 WHERE sid = CAST('web:2' AS BLOB)");
  site.clock.AdvanceSeconds(2);
  EXPECT_EQ(ReadBack(site), 2u);
  EXPECT_EQ(Misses(site), 1u);
}

TEST_F(SamplerTest, ALostDeleteIsAMiss) {
  SessionSite site(At(60'000));
  site.Set("web:1", "one");
  site.WriteDue();
  site.clock.AdvanceSeconds(2);
  ReadBack(site);
  site.Delete("web:1");
  site.WriteDue();
  Forget(site, "UPDATE sessions SET floor = 0, state = 0");
  site.clock.AdvanceSeconds(6);
  EXPECT_EQ(ReadBack(site), 1u);
  EXPECT_EQ(Misses(site), 1u);
  site.WriteDue();
  EXPECT_EQ(site.RowValue("web:1"), "(deleted)");
}

TEST_F(SamplerTest, WhatHasExpiredMayBeGone) {
  SessionSite site(At(60));
  site.Set("web:1", "one", 1, 1);
  site.WriteDue();
  Forget(site, "DELETE FROM sessions");
  site.clock.AdvanceSeconds(3);
  EXPECT_EQ(ReadBack(site), 1u);
  EXPECT_EQ(Read(site), 0u);
  EXPECT_EQ(Misses(site), 0u);
}

TEST_F(SamplerTest, ADatabaseThatIsAwayIsNoMiss) {
  SessionSite site(At(60));
  site.Set("web:1", "one");
  site.WriteDue();
  site.clock.AdvanceSeconds(2);
  site.driver().fault = test::FaultyDriver::Fault::kRefuse;
  ReadBack(site);
  EXPECT_EQ(Misses(site), 0u);
  site.driver().fault = test::FaultyDriver::Fault::kNone;
  site.clock.AdvanceSeconds(6);
  EXPECT_EQ(ReadBack(site), 1u);
  EXPECT_EQ(Read(site), 1u);
}

}  // namespace
}  // namespace holdfast::session
