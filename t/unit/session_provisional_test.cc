// Blind sets while the database is away: acknowledged, served, and settled when it is back.

#include <gtest/gtest.h>

#include "lib/session_site.h"

namespace holdfast::session {
namespace {

using test::Answer;
using test::FaultyDriver;
using test::SessionSite;

class ProvisionalWrite : public testing::Test {
 protected:
  void Away() { site_.driver().fault = FaultyDriver::Fault::kRefuse; }
  void Back() {
    site_.driver().fault = FaultyDriver::Fault::kNone;
    site_.clock.AdvanceSeconds(1);
    while (site_.ReadOnce()) site_.clock.AdvanceSeconds(1);
    site_.clock.AdvanceSeconds(1);
    site_.WriteDue();
  }
  // A session in the database that memory does not hold.
  void Known(const std::string& name, const std::string& value) {
    ASSERT_EQ(site_.Set(name, value), Answer::kStored);
    site_.WriteDue();
    site_.Evict(name);
  }
  const SessionStats& stats() { return site_.sessions().stats(); }

  SessionSite site_;
};

TEST_F(ProvisionalWrite, is_stored_and_served_here_and_waits) {
  Away();
  EXPECT_EQ(site_.Set("php:a", "one"), Answer::kStored);
  EXPECT_EQ(site_.Value("php:a"), "one");
  EXPECT_EQ(site_.RowValue("php:a"), "(none)");
  EXPECT_EQ(stats().provisional_writes.value(), 1u);
  EXPECT_EQ(site_.sessions().write_behind().dirty_items(), 1u);
  EXPECT_EQ(site_.journal.kinds.size(), 1u);
}

TEST_F(ProvisionalWrite, waits_for_the_budget_only_until_that_has_passed_once) {
  Away();
  EXPECT_EQ(site_.Set("php:a", "one"), Answer::kStored);
  const int64_t before_us = site_.clock.SteadyMicros();
  EXPECT_EQ(site_.Set("php:b", "one"), Answer::kStored);
  EXPECT_EQ(site_.clock.SteadyMicros(), before_us);
}

TEST_F(ProvisionalWrite, wins_over_no_row) {
  Away();
  site_.Set("php:a", "one");
  site_.Append("php:a", "more");
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "onemore");
  EXPECT_EQ(site_.Value("php:a"), "onemore");
  EXPECT_FALSE(site_.IsDirty("php:a"));
  EXPECT_EQ(stats().provisional_won.value(), 1u);
  EXPECT_EQ(site_.sessions().write_behind().dirty_items(), 0u);
  EXPECT_EQ(site_.sessions().write_behind().dirty_bytes(), 0);
}

TEST_F(ProvisionalWrite, wins_over_an_expired_row) {
  ASSERT_EQ(site_.Set("php:a", "old", 1, 10), Answer::kStored);
  site_.WriteDue();
  site_.Evict("php:a");
  Away();
  site_.clock.AdvanceSeconds(60);
  site_.Set("php:a", "new");
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "new");
  EXPECT_EQ(stats().provisional_won.value(), 1u);
}

TEST_F(ProvisionalWrite, wins_over_a_live_row_when_nobody_was_refused) {
  Known("php:a", "old");
  const uint64_t born = site_.InDatabase("php:a")->born;
  Away();
  site_.Set("php:a", "new");
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "new");
  EXPECT_EQ(site_.InDatabase("php:a")->born, born);  // the same session goes on
  EXPECT_EQ(stats().provisional_merged.value(), 1u);
}

TEST_F(ProvisionalWrite, loses_to_a_live_row_of_which_a_reader_was_refused) {
  Known("php:a", "old");
  Away();
  EXPECT_EQ(site_.Get("php:a", 7), Answer::kUnavailable);
  site_.Set("php:a", "based on nothing", 7);
  Back();
  EXPECT_EQ(site_.Value("php:a"), "old");
  EXPECT_EQ(site_.RowValue("php:a"), "old");
  EXPECT_EQ(stats().provisional_lost_refused.value(), 1u);
  EXPECT_EQ(site_.sessions().write_behind().dirty_items(), 0u);
  EXPECT_EQ(site_.sessions().write_behind().dirty_bytes(), 0);
}

TEST_F(ProvisionalWrite, does_not_pay_for_readers_refused_in_an_outage_before) {
  Known("php:a", "old");
  Away();
  EXPECT_EQ(site_.Get("php:a", 7), Answer::kUnavailable);
  Back();
  EXPECT_EQ(site_.Value("php:a"), "old");
  site_.Evict("php:a");
  Away();
  site_.Set("php:a", "new", 7);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "new");
}

TEST_F(ProvisionalWrite, loses_although_the_database_answered_for_another_key_after_its_reader_was_refused) {
  Known("php:a", "old");
  Away();
  EXPECT_EQ(site_.Get("php:a", 7), Answer::kUnavailable);
  site_.driver().fault = FaultyDriver::Fault::kNone;
  EXPECT_EQ(site_.Get("php:b", 8), Answer::kMiss);
  Away();
  site_.Set("php:a", "based on nothing", 7);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "old");
}

TEST_F(ProvisionalWrite, loses_to_a_live_row_when_more_readers_were_refused_than_are_remembered) {
  Known("php:a", "old");
  Away();
  EXPECT_EQ(site_.Get("php:a", 7), Answer::kUnavailable);
  for (size_t i = 0; i < Provisional::kRefusedMax; ++i) {
    site_.sessions().NoteRefused(store::Key::Of("php:" + std::to_string(i)));
  }
  site_.Set("php:a", "based on nothing", 7);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "old");
  EXPECT_EQ(stats().provisional_lost_refused.value(), 1u);

  site_.clock.AdvanceSeconds(2 * 3600);
  Away();
  site_.Set("php:a", "new", 7);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "new") << "no page takes so long";
}

TEST_F(ProvisionalWrite, does_not_pay_for_readers_refused_days_ago_although_nobody_had_to_ask_the_database_since) {
  constexpr int kDaySeconds = 86'400;
  site_.Set("php:a", "old", 1, 30 * kDaySeconds);
  site_.WriteDue();
  site_.Evict("php:a");
  Away();
  EXPECT_EQ(site_.Get("php:a", 7), Answer::kUnavailable);
  EXPECT_EQ(site_.Delete("php:a", 7), Answer::kDeleted);
  Back();
  site_.clock.AdvanceSeconds(kDaySeconds);
  EXPECT_EQ(site_.Get("php:a", 8), Answer::kMiss);
  ASSERT_EQ(site_.Set("php:a", "login", 8, 30 * kDaySeconds), Answer::kStored);
  site_.clock.AdvanceSeconds(kDaySeconds);
  site_.WriteDue();
  site_.Evict("php:a");
  Away();
  site_.Set("php:a", "cart", 8, 30 * kDaySeconds);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "cart");
  EXPECT_EQ(stats().provisional_lost_refused.value(), 0u);
}

TEST_F(ProvisionalWrite, does_not_pay_for_clients_refused_outage_after_outage_that_never_came_back) {
  constexpr int kDaySeconds = 86'400;
  site_.Set("php:a", "old", 1, 30 * kDaySeconds);
  site_.WriteDue();
  site_.Evict("php:a");
  for (size_t outage = 0; outage < 10; ++outage) {
    for (size_t i = 0; i < Provisional::kRefusedMax / 10; ++i) {
      site_.sessions().NoteRefused(store::Key::Of("php:" + std::to_string(outage) + "." + std::to_string(i)));
    }
    site_.clock.AdvanceSeconds(kDaySeconds);
  }
  Away();
  EXPECT_EQ(site_.Get("php:other", 7), Answer::kUnavailable);
  site_.Set("php:a", "new", 8, 30 * kDaySeconds);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "new");
}

TEST_F(ProvisionalWrite, wins_if_it_was_made_before_more_readers_were_refused_than_are_remembered) {
  Known("php:a", "old");
  Away();
  site_.Set("php:a", "new", 7);
  site_.clock.AdvanceSeconds(60);
  for (size_t i = 0; i <= Provisional::kRefusedMax; ++i) {
    site_.sessions().NoteRefused(store::Key::Of("php:" + std::to_string(i)));
  }
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "new");
}

TEST_F(ProvisionalWrite, loses_to_a_live_row_when_it_is_empty) {
  Known("php:a", "old");
  Away();
  site_.Set("php:a", "");
  Back();
  EXPECT_EQ(site_.Value("php:a"), "old");
  EXPECT_EQ(stats().provisional_lost_empty.value(), 1u);
}

TEST_F(ProvisionalWrite, loses_to_a_delete) {
  Known("php:a", "old");
  site_.Delete("php:a");
  site_.WriteDue();
  site_.Evict("php:a");
  site_.clock.AdvanceSeconds(60);  // the delete is no longer remembered here
  Away();
  site_.Set("php:a", "back again");
  Back();
  EXPECT_EQ(site_.Get("php:a", 1), Answer::kMiss);
  EXPECT_EQ(site_.RowValue("php:a"), "(deleted)");
  EXPECT_EQ(stats().provisional_lost_delete.value(), 1u);
}

TEST_F(ProvisionalWrite, loses_to_a_delete_of_a_session_that_was_never_written) {
  ASSERT_EQ(site_.Set("php:a", "old"), Answer::kStored);
  site_.Delete("php:a");
  site_.WriteDue();
  site_.Evict("php:a");
  ASSERT_EQ(site_.InDatabase("php:a")->born, 0u);
  site_.clock.AdvanceSeconds(60);
  Away();
  site_.Set("php:a", "back again");
  Back();
  EXPECT_EQ(site_.Get("php:a", 1), Answer::kMiss);
  EXPECT_EQ(site_.RowValue("php:a"), "(deleted)");
  EXPECT_EQ(stats().provisional_lost_delete.value(), 1u);
}

TEST_F(ProvisionalWrite, does_not_hide_a_delete_that_the_book_knows_of) {
  Known("php:a", "old");
  site_.Delete("php:a", 2);
  site_.WriteDue();
  site_.Evict("php:a");
  Away();
  EXPECT_EQ(site_.Set("php:a", "slow page", 1), Answer::kStored);
  EXPECT_EQ(site_.Get("php:a", 3), Answer::kUnavailable) << "not even for the time of the outage";
  EXPECT_EQ(stats().provisional_writes.value(), 0u);
  EXPECT_EQ(stats().resurrections_refused.value(), 1u);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "(deleted)");
}

TEST_F(ProvisionalWrite, that_is_empty_becomes_a_reservation) {
  Away();
  site_.Set("php:a", "");
  EXPECT_EQ(site_.Get("php:a", 1), Answer::kHit);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "(none)");
  EXPECT_FALSE(site_.IsDirty("php:a"));
  EXPECT_EQ(site_.Get("php:a", 1), Answer::kHit);
  EXPECT_EQ(site_.sessions().write_behind().dirty_bytes(), 0);
}

TEST_F(ProvisionalWrite, can_be_deleted_before_it_is_settled) {
  Known("php:a", "old");
  Away();
  site_.Set("php:a", "new");
  EXPECT_EQ(site_.Delete("php:a"), Answer::kDeleted);
  EXPECT_EQ(site_.sessions().provisional().size(), 0u);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "(deleted)");
  EXPECT_EQ(site_.Get("php:a", 1), Answer::kMiss);
}

TEST_F(ProvisionalWrite, that_was_touched_keeps_its_expiry) {
  Away();
  site_.Set("php:a", "one", 1, 100);
  EXPECT_EQ(site_.Touch("php:a", 5000), Answer::kTouched);
  Back();
  EXPECT_GT(site_.RowTtl("php:a"), int64_t{4900} * 1'000'000);
}

TEST_F(ProvisionalWrite, a_lost_reply_on_return_settles_it_once) {
  Known("php:a", "old");
  Away();
  site_.Set("php:a", "new");
  site_.driver().fault = FaultyDriver::Fault::kNone;
  site_.clock.AdvanceSeconds(1);
  ASSERT_TRUE(site_.ReadOnce());
  site_.driver().fault = FaultyDriver::Fault::kLoseReply;
  EXPECT_FALSE(site_.WriteOnce().has_value());
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "new");
  EXPECT_EQ(stats().provisional_merged.value(), 1u);
}

TEST_F(ProvisionalWrite, replace_add_and_append_are_none) {
  Away();
  EXPECT_EQ(site_.Add("php:a", "x"), Answer::kUnavailable);
  EXPECT_EQ(site_.Append("php:a", "x"), Answer::kUnavailable);
}

TEST_F(ProvisionalWrite, that_expires_before_it_is_settled_goes) {
  Away();
  site_.Set("php:a", "one", 1, 10);
  site_.clock.AdvanceSeconds(60);
  Back();
  EXPECT_EQ(site_.sessions().write_behind().dirty_items(), 0u);
  EXPECT_EQ(site_.Get("php:a", 1), Answer::kMiss);
}

// That the value has expired says nothing of the row, which may be live and win.
TEST_F(ProvisionalWrite, that_expires_is_no_miss_before_it_is_settled) {
  Known("php:a", "old");
  Away();
  EXPECT_EQ(site_.Get("php:a", 1), Answer::kUnavailable);
  site_.Set("php:a", "one", 1, 10);
  site_.clock.AdvanceSeconds(60);
  EXPECT_EQ(site_.Get("php:a", 1), Answer::kUnavailable);
  EXPECT_EQ(site_.Add("php:a", "x"), Answer::kUnavailable);
  Back();
  EXPECT_EQ(site_.Value("php:a"), "old");
}

TEST_F(ProvisionalWrite, over_an_expired_one_waits_to_be_settled_too) {
  Away();
  site_.Set("php:a", "one", 1, 10);
  site_.clock.AdvanceSeconds(60);
  EXPECT_EQ(site_.Set("php:a", "two"), Answer::kStored);
  EXPECT_EQ(stats().provisional_writes.value(), 2u);
  EXPECT_EQ(site_.sessions().provisional().size(), 1u);
  Back();
  EXPECT_EQ(site_.RowValue("php:a"), "two");
  EXPECT_EQ(site_.sessions().provisional().size(), 0u);
  EXPECT_EQ(site_.sessions().write_behind().dirty_items(), 0u);
}

}  // namespace
}  // namespace holdfast::session
