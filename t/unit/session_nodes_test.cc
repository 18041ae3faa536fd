// Several servers on one database, in one process: numbers, the owner's question, polls, stops, replaced databases.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include "lib/session_site.h"
#include "session/inquiry.h"

namespace holdfast::session {
namespace {

using test::Answer;
using test::FaultyDriver;
using test::Ground;
using test::SessionSite;

constexpr int64_t kSecond = 1'000'000;

class Nodes : public testing::Test {
 protected:
  static SessionSettings Lazy() {
    SessionSettings settings;
    settings.immediate_writes = 1;
    return settings;
  }
  void Sql(const std::string& sql) {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open(a_.path().c_str(), &connection), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(connection, sql.c_str(), nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(connection);
  }
  // A session that A has changed since it was written: the database has "one", A has "two".
  void MakeDirtyAtA(const std::string& name) {
    ASSERT_EQ(a_.Set(name, "one"), Answer::kStored);
    a_.WriteDue();
    ASSERT_EQ(a_.Set(name, "two"), Answer::kStored);
    a_.WriteDue();
    ASSERT_EQ(a_.RowValue(name), "one");
  }
  // The second logout is in the database, and B has not heard of it.
  void LogOutAtBAndThenAtA(const std::string& name) {
    ASSERT_EQ(b_.Set(name, "first", 1), Answer::kStored);
    ASSERT_EQ(b_.Delete(name, 1), Answer::kDeleted);
    b_.WriteDue();
    ASSERT_EQ(a_.Get(name, 1), Answer::kMiss);
    ASSERT_EQ(a_.Set(name, "second", 1), Answer::kStored);
    ASSERT_EQ(a_.Delete(name, 1), Answer::kDeleted);
    a_.WriteDue();
    ground_->clock.AdvanceMillis(1);
  }
  // A cannot ask the database; and then it can, and writes everything.
  void Away() { a_.driver().fault = FaultyDriver::Fault::kRefuse; }
  void Back() {
    a_.driver().fault = FaultyDriver::Fault::kNone;
    a_.sessions().write_behind().SetDraining(true);
    a_.Pass(1000);
    while (a_.ReadOnce()) {
    }
    a_.Pass(2000);
    EXPECT_EQ(a_.sessions().write_behind().dirty_items(), 0u);
    EXPECT_EQ(a_.sessions().write_behind().dirty_bytes(), 0);
  }

  const std::shared_ptr<Ground> ground_ = std::make_shared<Ground>();
  SessionSite a_{ground_, "a", Lazy()};
  SessionSite b_{ground_, "b", Lazy()};
};

// -- Numbers --------------------------------------------------------------------------------------

TEST_F(Nodes, have_numbers_of_their_own_and_versions_with_them) {
  EXPECT_NE(a_.number(), 0u);
  EXPECT_NE(a_.number(), b_.number());
  a_.Set("php:1", "v");
  a_.WriteDue();
  EXPECT_EQ(StampClock::NodeOf(a_.InDatabase("php:1")->version), a_.number());
  EXPECT_EQ(a_.InDatabase("php:1")->owner, a_.number());
}

TEST_F(Nodes, with_a_copied_configuration_do_not_share_a_number) {
  SessionSite copy(ground_, "a");
  EXPECT_NE(copy.number(), a_.number());
  EXPECT_NE(copy.number(), b_.number());
}

TEST_F(Nodes, take_a_number_that_was_given_back_before_one_that_ran_out) {
  const uint32_t old_a = a_.number();
  const uint32_t old_b = b_.number();
  a_.Kill();
  b_.sessions().nodes().Leave(b_.driver());
  b_.Kill();
  ground_->clock.AdvanceSeconds(3600);
  SessionSite c(ground_, "c");
  EXPECT_EQ(c.number(), old_b);
  SessionSite d(ground_, "d");
  EXPECT_NE(d.number(), old_a);
  EXPECT_NE(d.number(), old_b);
}

TEST_F(Nodes, keep_their_number_as_long_as_they_renew_it) {
  const uint32_t number = a_.number();
  a_.Pass(60'000);
  EXPECT_EQ(a_.number(), number);
  EXPECT_EQ(a_.sessions().stats().database_replaced.value(), 0u);
  EXPECT_EQ(a_.sessions().verification().stops(), 0u);
  EXPECT_EQ(a_.sessions().nodes().live(), 2u);
}

TEST_F(Nodes, with_a_clock_that_is_ahead_are_refused) {
  // The database has a clock of its own here.
  class AheadDriver final : public test::PassingDriver {
   public:
    using PassingDriver::PassingDriver;
    Failure ReadNodes(std::vector<NodeLease>* nodes, int64_t* now_us) override {
      Failure failure = PassingDriver::ReadNodes(nodes, now_us);
      *now_us -= behind_us;
      return failure;
    }
    int64_t behind_us = 0;
  };
  AheadDriver driver(a_.database().NewDriver());
  ASSERT_TRUE(driver.Open().ok());
  driver.behind_us = 999'000;
  EXPECT_TRUE(a_.sessions().nodes().Join(driver).ok());
  driver.behind_us = 1'001'000;
  const Failure failure = a_.sessions().nodes().Join(driver);
  EXPECT_EQ(failure.kind, FailureClass::kConfiguration);
  EXPECT_NE(failure.detail.find("clock"), std::string::npos);
}

// -- The owner's question -------------------------------------------------------------------------

TEST_F(Nodes, read_what_another_has_not_written_yet) {
  MakeDirtyAtA("php:1");
  EXPECT_EQ(b_.Value("php:1"), "two");
  EXPECT_FALSE(a_.InMemory("php:1"));
  EXPECT_EQ(a_.InDatabase("php:1")->owner, b_.number());
  EXPECT_EQ(a_.sessions().stats().yields.value(), 1u);
  EXPECT_EQ(b_.sessions().stats().maybe_stale.value(), 0u);
}

TEST_F(Nodes, read_what_another_has_only_prolonged) {
  ASSERT_EQ(a_.Set("php:1", "v", 1, 100), Answer::kStored);
  a_.WriteDue();
  ASSERT_EQ(a_.Touch("php:1", 5000), Answer::kTouched);
  a_.Pass(12'000);
  ASSERT_LT(a_.RowTtl("php:1"), 100'000'000) << "the touch is due later";
  EXPECT_EQ(b_.Value("php:1"), "v");
  EXPECT_GT(b_.RowTtl("php:1"), 4'000'000'000) << "its owner wrote it down when it was asked";
}

TEST_F(Nodes, hand_a_session_to_and_fro_and_lose_no_change) {
  std::string value = "0";
  ASSERT_EQ(a_.Set("php:1", value), Answer::kStored);
  a_.WriteDue();
  for (int i = 1; i <= 20; ++i) {
    SessionSite& here = i % 2 == 0 ? a_ : b_;
    ASSERT_EQ(here.Value("php:1"), value) << i;
    value = std::to_string(i);
    ASSERT_EQ(here.Set("php:1", value), Answer::kStored);
  }
  EXPECT_EQ(a_.sessions().stats().superseded.value() + b_.sessions().stats().superseded.value(), 0u);
}

TEST_F(Nodes, ask_for_many_keys_at_once) {
  for (int i = 0; i < 50; ++i) MakeDirtyAtA("php:" + std::to_string(i));
  for (int i = 0; i < 50; ++i) b_.sessions().Preload(store::Key::Of("php:" + std::to_string(i)));
  while (b_.ReadOnce()) {
  }
  for (int i = 0; i < 50; ++i) EXPECT_EQ(b_.Value("php:" + std::to_string(i)), "two");
}

TEST_F(Nodes, serve_the_row_of_a_silent_owner_and_count_it) {
  MakeDirtyAtA("php:1");
  a_.unreachable = true;
  EXPECT_EQ(b_.Value("php:1"), "one");
  EXPECT_EQ(b_.sessions().stats().maybe_stale.value(), 1u);
  EXPECT_EQ(b_.sessions().stats().peer_silent.value(), 1u);
}

TEST_F(Nodes, do_not_wait_for_a_silent_owner_again_and_again) {
  for (int i = 0; i < 10; ++i) MakeDirtyAtA("php:" + std::to_string(i));
  a_.unreachable = true;
  for (int i = 0; i < 10; ++i) EXPECT_EQ(b_.Value("php:" + std::to_string(i)), "one");
  EXPECT_EQ(b_.sessions().stats().peer_silent.value(), 1u);
  EXPECT_EQ(b_.sessions().stats().maybe_stale.value(), 10u);
}

TEST_F(Nodes, a_silent_owners_later_write_wins_when_it_comes) {
  MakeDirtyAtA("php:1");
  a_.unreachable = true;
  EXPECT_EQ(b_.Value("php:1"), "one");
  a_.Pass(2000);  // A finds the row claimed and writes what it has
  EXPECT_EQ(b_.RowValue("php:1"), "two");
  EXPECT_EQ(b_.Value("php:1"), "two");
}

TEST_F(Nodes, a_silent_owners_earlier_write_is_superseded) {
  MakeDirtyAtA("php:1");
  a_.stopped = true;
  EXPECT_EQ(b_.Value("php:1"), "one");
  ASSERT_EQ(b_.Set("php:1", "three"), Answer::kStored);
  b_.Pass(2000);
  b_.sessions().write_behind().SetDraining(true);
  b_.WriteDue();
  a_.stopped = false;
  a_.sessions().write_behind().SetDraining(true);
  a_.WriteDue();
  EXPECT_EQ(a_.RowValue("php:1"), "three");
  EXPECT_EQ(a_.sessions().stats().superseded.value(), 1u);
  EXPECT_EQ(a_.Value("php:1"), "three");
}

TEST_F(Nodes, take_over_from_a_dead_owner_without_asking) {
  MakeDirtyAtA("php:1");
  a_.Kill();
  b_.Pass(11'000);
  EXPECT_EQ(b_.Value("php:1"), "one");
  EXPECT_EQ(b_.sessions().stats().peer_questions.value(), 0u);
  EXPECT_EQ(b_.sessions().stats().maybe_stale.value(), 0u);
}

TEST_F(Nodes, delete_what_another_owns_for_good) {
  MakeDirtyAtA("php:1");
  EXPECT_EQ(b_.Delete("php:1"), Answer::kDeleted);
  b_.WriteDue();
  EXPECT_EQ(a_.Get("php:1", 1), Answer::kMiss);
  EXPECT_EQ(a_.RowValue("php:1"), "(deleted)");
}

// B has the session's page open; A logs out and in again.
TEST_F(Nodes, drop_a_late_write_over_a_login_made_elsewhere) {
  ASSERT_EQ(a_.Set("php:1", "old", 1), Answer::kStored);
  a_.WriteDue();
  EXPECT_EQ(b_.Value("php:1", 7), "old");
  EXPECT_EQ(a_.Delete("php:1", 1), Answer::kDeleted);
  EXPECT_EQ(a_.Get("php:1", 2), Answer::kMiss);
  EXPECT_EQ(a_.Set("php:1", "new", 2), Answer::kStored);
  a_.WriteDue();
  EXPECT_EQ(b_.Set("php:1", "late", 7), Answer::kStored);
  EXPECT_EQ(b_.sessions().stats().resurrections_refused.value(), 1u);
  EXPECT_EQ(b_.Value("php:1", 8), "new");
  EXPECT_EQ(b_.Set("php:1", "newer", 8), Answer::kStored);
  EXPECT_EQ(b_.Value("php:1", 8), "newer");
}

// B knows of the logout by a late write that it dropped; the login at B was not told of it, nor who reads it there.
TEST_F(Nodes, keep_a_write_of_who_was_answered_before_the_session_went_to_and_fro) {
  ASSERT_EQ(a_.Set("php:1", "old", 1), Answer::kStored);
  EXPECT_EQ(a_.Delete("php:1", 1), Answer::kDeleted);
  a_.WriteDue();
  EXPECT_EQ(b_.Set("php:1", "late", 6), Answer::kStored);
  EXPECT_EQ(b_.Add("php:1", "new", 7), Answer::kStored);
  b_.WriteDue();
  EXPECT_EQ(b_.Value("php:1", 8), "new");
  a_.PollNow();
  EXPECT_EQ(a_.Value("php:1", 2), "new");
  EXPECT_EQ(b_.Set("php:1", "newer", 8), Answer::kStored);
  EXPECT_EQ(b_.Value("php:1", 9), "newer");
}

// A number that was given back goes to the next who asks: so do hand-overs one after the other.
TEST_F(Nodes, drop_a_late_write_over_a_login_made_by_who_had_their_number_before) {
  ASSERT_EQ(a_.Set("php:1", "old", 1), Answer::kStored);
  a_.WriteDue();
  EXPECT_EQ(b_.Value("php:1", 7), "old");
  EXPECT_EQ(b_.Delete("php:1", 8), Answer::kDeleted);
  EXPECT_EQ(b_.Add("php:1", "new", 8), Answer::kStored);
  b_.WriteDue();
  const uint32_t number = b_.number();
  b_.sessions().nodes().Leave(b_.driver());
  b_.Kill();
  a_.sessions().nodes().Leave(a_.driver());
  a_.Kill();
  ground_->clock.AdvanceMillis(1);
  a_.Start();
  while (a_.number() != number) {
    a_.Kill();
    a_.Start();
  }
  EXPECT_EQ(a_.Set("php:1", "late", 7), Answer::kStored);
  EXPECT_EQ(a_.sessions().stats().resurrections_refused.value(), 1u);
  EXPECT_EQ(a_.Value("php:1", 9), "new");
}

// A's journal brought back a session that B has changed meanwhile, and did not write yet.
TEST_F(Nodes, ask_for_what_the_journal_brought_although_the_row_has_not_changed) {
  ASSERT_EQ(a_.Set("php:1", "one", 1), Answer::kStored);
  a_.WriteDue();
  const store::Key key = store::Key::Of("php:1");
  EXPECT_EQ(b_.Value("php:1", 2), "one");
  ASSERT_EQ(b_.Set("php:1", "two", 2), Answer::kStored);
  b_.WriteDue();
  ASSERT_EQ(b_.Set("php:1", "three", 2), Answer::kStored);
  b_.WriteDue();
  ASSERT_NE(b_.RowValue("php:1"), "three");
  const std::string row = b_.RowValue("php:1");
  // What a replay leaves: the copy as the row has it, dirty and doubted.
  Row replayed = *b_.InDatabase("php:1");
  {
    store::DraftShape shape{.key = key, .value_size = row.size(), .expiry = a_.Now() + 1000};
    shape.session = true;
    store::Draft draft;
    ASSERT_EQ(a_.access().NewDraft(shape, &draft), store::Reserve::kOk);
    draft.Append(row);
    store::SessionStamps stamps;
    stamps.version = replayed.version;
    stamps.touched = replayed.touched;
    stamps.born = replayed.born;
    stamps.rule = a_.sessions().Match("php:1")->number;
    draft.SetStamps(stamps);
    store::Slot slot = a_.access().Lock(key, a_.Now());
    slot.Publish(std::move(draft), {});
    a_.sessions().write_behind().MakeDirty(slot, key);
    a_.sessions().verification().DoubtKey("php:1");
  }
  a_.WriteDue();
  EXPECT_EQ(a_.Value("php:1", 3), "three");
}

// A's login came before it had heard of the logout at B.
TEST_F(Nodes, keep_a_write_over_a_login_that_did_not_know_of_the_logout) {
  ASSERT_EQ(a_.Get("php:1", 1), Answer::kMiss);
  ASSERT_EQ(b_.Set("php:1", "old", 1), Answer::kStored);
  b_.WriteDue();
  EXPECT_EQ(b_.Delete("php:1", 1), Answer::kDeleted);
  b_.WriteDue();
  ground_->clock.AdvanceMillis(1);
  EXPECT_EQ(a_.Add("php:1", "new", 1), Answer::kStored);
  a_.WriteDue();
  EXPECT_EQ(a_.Value("php:1", 2), "new");
  b_.PollNow();
  EXPECT_EQ(b_.Value("php:1", 3), "new");
  EXPECT_EQ(a_.Set("php:1", "newer", 2), Answer::kStored);
  EXPECT_EQ(a_.Value("php:1", 4), "newer");
}

// B hears of A's logout by the row of a later login, when its own login is over: who was told of that one knows enough.
TEST_F(Nodes, keep_a_write_of_who_was_told_of_a_login_made_before_the_logout_was_heard_of) {
  LogOutAtBAndThenAtA("php:1");
  ASSERT_EQ(b_.Add("php:1", "third", 7, 2), Answer::kStored);
  b_.WriteDue();
  ASSERT_EQ(b_.Value("php:1", 8), "third");
  ground_->clock.AdvanceSeconds(3);
  a_.PollNow();
  ASSERT_EQ(a_.Get("php:1", 2), Answer::kMiss);
  ASSERT_EQ(a_.Add("php:1", "fourth", 2), Answer::kStored);
  a_.WriteDue();
  EXPECT_EQ(b_.Set("php:1", "late", 9), Answer::kStored);
  EXPECT_EQ(b_.sessions().stats().resurrections_refused.value(), 1u) << "of a connection that was told nothing";
  EXPECT_EQ(b_.Set("php:1", "fifth", 8), Answer::kStored);
  EXPECT_EQ(b_.Value("php:1", 9), "fifth");
}

TEST_F(Nodes, do_not_take_who_was_told_of_an_earlier_logout_for_one_told_of_this) {
  ASSERT_EQ(b_.Set("php:1", "one", 1), Answer::kStored);
  EXPECT_EQ(b_.Delete("php:1", 1), Answer::kDeleted);
  EXPECT_EQ(b_.Get("php:1", 7), Answer::kMiss);
  EXPECT_EQ(b_.Set("php:1", "two", 7), Answer::kStored);
  b_.WriteDue();
  EXPECT_EQ(a_.Delete("php:1", 1), Answer::kDeleted);
  a_.WriteDue();
  EXPECT_EQ(b_.Set("php:1", "late", 7), Answer::kStored);
  EXPECT_EQ(b_.sessions().stats().resurrections_refused.value(), 1u);
  EXPECT_EQ(b_.Get("php:1", 8), Answer::kMiss);
  b_.WriteDue();
  EXPECT_EQ(b_.RowValue("php:1"), "(deleted)");
}

TEST_F(Nodes, do_not_bring_a_copy_back_while_it_is_handed_over) {
  MakeDirtyAtA("php:1");
  a_.WriteDue();
  const std::string line =
      YieldLine(a_.sessions().settings().node_token, b_.number(), std::vector<std::string>{"php:1"});
  EXPECT_EQ(AnswerPeer(a_.sessions(), line), "YIELD w");
  a_.sessions().yields().Step(a_.access());
  a_.WriteDue();
  a_.sessions().yields().Step(a_.access());
  ASSERT_FALSE(a_.InMemory("php:1"));
  // A client of A asks for it in between.
  ASSERT_TRUE(a_.Park("php:1", {0, 9, 9}));
  a_.ReadOnce();
  EXPECT_FALSE(a_.InMemory("php:1"));
  a_.YieldOnce();
  EXPECT_EQ(a_.InDatabase("php:1")->owner, 0u);
  EXPECT_EQ(AnswerPeer(a_.sessions(), line), "YIELD d");
}

TEST_F(Nodes, keep_a_second_asker_waiting_until_the_first_was_told) {
  MakeDirtyAtA("php:1");
  SessionSite c(ground_, "c");
  const auto ask = [&](SessionSite& asker) {
    return AnswerPeer(a_.sessions(), YieldLine(a_.sessions().settings().node_token, asker.number(),
                                               std::vector<std::string>{"php:1"}));
  };
  EXPECT_EQ(ask(b_), "YIELD w");
  EXPECT_EQ(ask(c), "YIELD w");
  a_.YieldOnce();
  a_.WriteDue();
  a_.YieldOnce();
  EXPECT_EQ(ask(c), "YIELD w") << "it is B's turn";
  EXPECT_EQ(ask(b_), "YIELD d");
  EXPECT_EQ(b_.Value("php:1"), "two");
  EXPECT_EQ(ask(c), "YIELD w");
  a_.YieldOnce();
  EXPECT_EQ(ask(c), "YIELD d");
  EXPECT_EQ(a_.InDatabase("php:1")->owner, b_.number()) << "it was not A's any more";
  EXPECT_EQ(c.Value("php:1"), "two");
  EXPECT_EQ(c.sessions().stats().maybe_stale.value(), 0u);
}

// B was tired of asking and took the row as it was; then A wrote what it had, and let go.
TEST_F(Nodes, see_by_the_poll_what_the_owner_wrote_after_its_row_was_taken) {
  MakeDirtyAtA("php:1");
  const std::string line =
      YieldLine(a_.sessions().settings().node_token, b_.number(), std::vector<std::string>{"php:1"});
  EXPECT_EQ(AnswerPeer(a_.sessions(), line), "YIELD w");
  a_.stopped = true;
  EXPECT_EQ(b_.Value("php:1"), "one");
  EXPECT_EQ(b_.sessions().stats().maybe_stale.value(), 1u);
  a_.stopped = false;
  a_.YieldOnce();
  a_.WriteDue();
  a_.YieldOnce();
  b_.PollNow();
  EXPECT_EQ(b_.Value("php:1"), "two");
}

TEST_F(Nodes, answer_nobody_who_does_not_know_the_token) {
  MakeDirtyAtA("php:1");
  EXPECT_EQ(AnswerPeer(a_.sessions(), YieldLine("guess", 5, std::vector<std::string>{"php:1"})), "DENIED");
  EXPECT_EQ(AnswerPeer(a_.sessions(), "session_yield"), "DENIED");
  const std::string token = a_.sessions().settings().node_token;
  EXPECT_EQ(AnswerPeer(a_.sessions(), "session_yield " + token + " x 00"), "ERROR");
  EXPECT_EQ(AnswerPeer(a_.sessions(), "session_yield " + token + " 0 00"), "ERROR");
  EXPECT_EQ(AnswerPeer(a_.sessions(), "session_yield " + token + " 3 0g"), "ERROR");
  EXPECT_EQ(AnswerPeer(a_.sessions(), "session_yield " + token + " 3 000"), "ERROR");
  EXPECT_TRUE(a_.InMemory("php:1"));
}

// -- Polls ----------------------------------------------------------------------------------------

TEST_F(Nodes, drop_a_stale_copy_within_the_poll) {
  MakeDirtyAtA("php:1");
  a_.unreachable = true;
  ASSERT_EQ(b_.Value("php:1"), "one");
  ASSERT_EQ(b_.Set("php:1", "three"), Answer::kStored);
  b_.sessions().write_behind().SetDraining(true);
  b_.Pass(600);
  EXPECT_EQ(a_.Value("php:1"), "three");
}

TEST_F(Nodes, forget_by_the_poll_that_a_session_is_not_there) {
  EXPECT_EQ(b_.Get("php:1", 1), Answer::kMiss);
  ASSERT_EQ(a_.Add("php:1", "login"), Answer::kStored);
  b_.Pass(600);
  EXPECT_EQ(b_.Value("php:1"), "login");
}

TEST_F(Nodes, see_a_logout_elsewhere_within_the_poll) {
  ASSERT_EQ(a_.Add("php:1", "login"), Answer::kStored);
  a_.WriteDue();
  ASSERT_EQ(b_.Delete("php:1"), Answer::kDeleted);
  b_.Pass(600);
  EXPECT_EQ(a_.Get("php:1", 1), Answer::kMiss);
}

TEST_F(Nodes, see_a_login_after_a_logout_elsewhere_within_the_poll) {
  ASSERT_EQ(a_.Add("php:1", "first"), Answer::kStored);
  ASSERT_EQ(a_.Delete("php:1"), Answer::kDeleted);
  a_.WriteDue();
  ASSERT_EQ(b_.Add("php:1", "second"), Answer::kStored);
  b_.Pass(600);
  EXPECT_EQ(a_.Value("php:1"), "second");
}

TEST_F(Nodes, poll_on_where_an_outage_broke_it_off) {
  ASSERT_EQ(b_.Get("php:1", 1), Answer::kMiss);
  MakeDirtyAtA("php:2");
  b_.driver().fault = FaultyDriver::Fault::kRefuse;
  ASSERT_EQ(a_.Value("php:2"), "two");
  b_.Pass(60'000);
  b_.driver().fault = FaultyDriver::Fault::kNone;
  ASSERT_EQ(a_.Add("php:1", "login"), Answer::kStored);
  b_.Pass(1000);
  EXPECT_EQ(b_.Value("php:1"), "login");
  EXPECT_EQ(b_.Value("php:2"), "two");
}

TEST_F(Nodes, serve_what_they_have_while_the_database_is_away_and_count_it) {
  MakeDirtyAtA("php:1");
  for (SessionSite* site : {&a_, &b_}) site->driver().fault = FaultyDriver::Fault::kRefuse;
  a_.Pass(10'000);
  EXPECT_EQ(a_.Value("php:1"), "two");
  EXPECT_EQ(a_.sessions().stats().serving_unverified.value(), 1u);
  EXPECT_EQ(a_.sessions().verification().stops(), 0u);
}

// -- One that is cut off --------------------------------------------------------------------------

// A's copy is over soon. B has prolonged the session, and A hears of nothing.
class OverHere : public Nodes {
 protected:
  OverHere() {
    EXPECT_EQ(a_.Set("php:1", "v", 1, 2), Answer::kStored);
    a_.WriteDue();
    Away();
    a_.unreachable = true;
    EXPECT_EQ(b_.Value("php:1", 2), "v");
    EXPECT_EQ(b_.Touch("php:1", 5000, 2), Answer::kTouched);
    a_.Pass(4000);
  }
};

TEST_F(OverHere, is_no_miss_while_the_database_cannot_be_asked) {
  EXPECT_EQ(a_.Get("php:1", 1), Answer::kUnavailable);
  Back();
  EXPECT_EQ(a_.Value("php:1", 1), "v");
}

TEST_F(OverHere, is_deleted_when_it_lives_elsewhere) {
  EXPECT_EQ(a_.Delete("php:1", 1), Answer::kDeleted);
  Back();
  EXPECT_EQ(a_.RowValue("php:1"), "(deleted)");
}

TEST_F(OverHere, is_written_over_provisionally) {
  EXPECT_EQ(a_.Get("php:1", 1), Answer::kUnavailable);
  EXPECT_EQ(a_.Set("php:1", "reader was refused", 1), Answer::kStored);
  EXPECT_EQ(a_.sessions().stats().provisional_writes.value(), 1u);
  Back();
  EXPECT_EQ(a_.RowValue("php:1"), "v");
  EXPECT_EQ(a_.sessions().stats().provisional_lost_refused.value(), 1u);
}

TEST_F(Nodes, write_a_touch_that_changes_nothing_here_for_another_may_have_touched_before) {
  ASSERT_EQ(a_.Set("php:1", "v", 1, 100), Answer::kStored);
  a_.WriteDue();
  a_.unreachable = true;
  EXPECT_EQ(b_.Value("php:1", 2), "v");
  ASSERT_EQ(b_.Touch("php:1", 5000, 2), Answer::kTouched);
  ground_->clock.AdvanceMillis(1);
  ASSERT_EQ(a_.Touch("php:1", 100, 1), Answer::kTouched);
  a_.sessions().write_behind().SetDraining(true);
  b_.sessions().write_behind().SetDraining(true);
  a_.Pass(2000);
  EXPECT_LE(a_.RowTtl("php:1"), 100 * kSecond);
}

TEST_F(Nodes, write_the_expiry_of_a_cas_though_it_stood_there_before) {
  ASSERT_EQ(a_.Set("php:1", "v", 1, 100), Answer::kStored);
  a_.WriteDue();
  a_.unreachable = true;
  EXPECT_EQ(b_.Value("php:1", 2), "v");
  ASSERT_EQ(b_.Set("php:1", "longer", 2, 5000), Answer::kStored);
  ground_->clock.AdvanceMillis(1);
  ASSERT_EQ(a_.Cas("php:1", "shorter", 1, 100), Answer::kStored);
  a_.sessions().write_behind().SetDraining(true);
  b_.sessions().write_behind().SetDraining(true);
  a_.Pass(2000);
  EXPECT_EQ(a_.RowValue("php:1"), "shorter");
  EXPECT_LE(a_.RowTtl("php:1"), 100 * kSecond);
}

// -- Stops ----------------------------------------------------------------------------------------

TEST_F(Nodes, that_were_stopped_serve_nothing_unverified) {
  MakeDirtyAtA("php:1");
  ASSERT_EQ(a_.Set("php:2", "own"), Answer::kStored);
  a_.sessions().write_behind().SetDraining(true);
  a_.WriteDue();
  a_.sessions().write_behind().SetDraining(false);
  a_.stopped = true;
  b_.Pass(3000);
  ASSERT_EQ(b_.Value("php:1"), "two");
  ASSERT_EQ(b_.Set("php:1", "three"), Answer::kStored);
  b_.sessions().write_behind().SetDraining(true);
  b_.Pass(100);
  a_.stopped = false;
  // The first thing that A does is to answer a client.
  EXPECT_EQ(a_.Value("php:1"), "three");
  EXPECT_EQ(a_.Value("php:2"), "own");
  EXPECT_EQ(a_.sessions().verification().stops(), 1u);
  EXPECT_GE(a_.sessions().stats().unverified_asked.value(), 1u);
}

TEST_F(Nodes, that_were_stopped_with_the_database_away_refuse) {
  MakeDirtyAtA("php:1");
  a_.driver().fault = FaultyDriver::Fault::kRefuse;
  ground_->clock.AdvanceSeconds(5);
  EXPECT_EQ(a_.Get("php:1", 1), Answer::kUnavailable);
  a_.driver().fault = FaultyDriver::Fault::kNone;
  a_.Pass(1000);
  EXPECT_EQ(a_.Value("php:1"), "two");
}

// -- A blind set over what was acknowledged and not written, while neither may be read ------------

class UnseenSet : public Nodes {
 protected:
  // A was stopped, and cannot ask the database. That has "one"; "two" was acknowledged.
  void SetUp() override {
    MakeDirtyAtA("php:1");
    a_.unreachable = true;
    ground_->clock.AdvanceSeconds(5);
  }
  const SessionStats& stats() { return a_.sessions().stats(); }
};

TEST_F(UnseenSet, goes_on_from_the_value_that_is_not_written) {
  Away();
  const uint64_t born = a_.InDatabase("php:1")->born;
  EXPECT_EQ(a_.Set("php:1", "three", 3), Answer::kStored);
  EXPECT_EQ(stats().provisional_writes.value(), 0u);
  EXPECT_EQ(a_.Get("php:1", 4), Answer::kUnavailable) << "it is not known to be the latest";
  Back();
  EXPECT_EQ(a_.RowValue("php:1"), "three");
  EXPECT_EQ(a_.InDatabase("php:1")->born, born);
  EXPECT_EQ(a_.Value("php:1"), "three");
}

TEST_F(UnseenSet, of_which_a_reader_was_refused_loses_to_the_value_that_is_not_written) {
  Away();
  EXPECT_EQ(a_.Get("php:1", 3), Answer::kUnavailable);
  EXPECT_EQ(a_.Set("php:1", "based on nothing", 3), Answer::kStored);
  Back();
  EXPECT_EQ(a_.RowValue("php:1"), "two");
  EXPECT_EQ(a_.Value("php:1"), "two");
  EXPECT_EQ(stats().provisional_lost_refused.value(), 1u);
  EXPECT_EQ(a_.sessions().losses().value(Loss::kProvisional), 1u);
}

TEST_F(UnseenSet, of_which_a_reader_was_refused_loses_although_the_call_that_hung_had_not_failed_yet) {
  a_.sessions().NoteRefused(store::Key::Of("php:1"));  // its budget has passed
  ground_->clock.AdvanceSeconds(6);
  Away();
  EXPECT_EQ(a_.Set("php:1", "based on nothing", 3), Answer::kStored);
  Back();
  EXPECT_EQ(a_.RowValue("php:1"), "two");
}

TEST_F(UnseenSet, that_is_empty_loses_to_the_value_that_is_not_written) {
  Away();
  EXPECT_EQ(a_.Set("php:1", "", 3), Answer::kStored);
  Back();
  EXPECT_EQ(a_.RowValue("php:1"), "two");
  EXPECT_EQ(stats().provisional_lost_empty.value(), 1u);
}

TEST_F(UnseenSet, does_not_undo_a_logout_made_elsewhere_meanwhile) {
  ASSERT_EQ(b_.Delete("php:1", 9), Answer::kDeleted);
  b_.WriteDue();
  Away();
  EXPECT_EQ(a_.Set("php:1", "three", 3), Answer::kStored);
  Back();
  EXPECT_EQ(a_.RowValue("php:1"), "(deleted)");
  EXPECT_EQ(a_.Get("php:1", 4), Answer::kMiss);
}

TEST_F(UnseenSet, does_not_hide_a_login_made_elsewhere_after_a_logout) {
  ASSERT_EQ(b_.Delete("php:1", 9), Answer::kDeleted);
  ASSERT_EQ(b_.Get("php:1", 9), Answer::kMiss);
  ASSERT_EQ(b_.Set("php:1", "login", 9), Answer::kStored);
  b_.WriteDue();
  Away();
  EXPECT_EQ(a_.Set("php:1", "three", 3), Answer::kStored);
  Back();
  EXPECT_EQ(a_.RowValue("php:1"), "login");
  EXPECT_EQ(a_.Value("php:1", 4), "login");
}

TEST_F(Nodes, that_were_stopped_are_trusted_again_after_a_poll) {
  MakeDirtyAtA("php:1");
  ground_->clock.AdvanceSeconds(5);
  for (SessionSite* site : {&a_, &b_}) site->Beat();
  EXPECT_TRUE(a_.sessions().verification().Doubts("php:1"));
  a_.Pass(600);
  EXPECT_FALSE(a_.sessions().verification().Doubts("php:1"));
  const size_t loads = a_.driver().loads;
  EXPECT_EQ(a_.Value("php:1"), "two");
  EXPECT_EQ(a_.driver().loads, loads);
}

TEST_F(Nodes, that_were_stopped_longer_than_tombstones_live_drop_their_clean_copies) {
  ASSERT_EQ(a_.Set("php:1", "v", 1, 100'000), Answer::kStored);
  a_.sessions().write_behind().SetDraining(true);
  a_.WriteDue();
  ground_->clock.AdvanceSeconds(50'000);
  Sql("DELETE FROM sessions");  // deleted elsewhere, and the tombstone swept
  a_.Pass(600);
  EXPECT_FALSE(a_.InMemory("php:1"));
  EXPECT_EQ(a_.Get("php:1", 1), Answer::kMiss);
}

// A session whose expiry was shortened while the database is away, and that is over here by now.
class ShortenedWhileAway : public Nodes {
 protected:
  ShortenedWhileAway() {
    EXPECT_EQ(a_.Set("php:1", "v", 1, 1000), Answer::kStored);
    a_.WriteDue();
    Away();
    EXPECT_EQ(a_.Touch("php:1", 3, 1), Answer::kTouched);
    a_.Pass(6000);
  }
};

TEST_F(ShortenedWhileAway, is_over_under_an_empty_set) {
  EXPECT_EQ(a_.Get("php:1", 2), Answer::kUnavailable) << "another may have prolonged it";
  EXPECT_EQ(a_.Set("php:1", "", 2), Answer::kStored);
  EXPECT_EQ(a_.sessions().stats().provisional_lost_empty.value(), 1u);
  Back();
  EXPECT_EQ(a_.Get("php:1", 3), Answer::kMiss);
  EXPECT_LE(a_.RowTtl("php:1"), 0);
}

// The second set is of a session that is over, and nobody can say that it is over everywhere. It must not take along
// what ended it.
TEST_F(ShortenedWhileAway, is_over_under_a_set_of_which_a_reader_was_refused_later) {
  ASSERT_EQ(a_.Set("php:1", "short", 2, 1), Answer::kStored);
  a_.Pass(3000);
  EXPECT_EQ(a_.Get("php:1", 3), Answer::kUnavailable);
  Back();
  EXPECT_EQ(a_.Get("php:1", 4), Answer::kMiss);
  EXPECT_LE(a_.RowTtl("php:1"), 0);
}

TEST_F(Nodes, take_a_login_of_who_was_told_of_none_by_an_older_tombstone) {
  LogOutAtBAndThenAtA("php:1");
  ASSERT_EQ(b_.Get("php:1", 7), Answer::kMiss);  // b has not heard of a's yet
  ground_->clock.AdvanceMillis(10);
  b_.PollNow();
  EXPECT_EQ(b_.Set("php:1", "login", 7), Answer::kStored);
  EXPECT_EQ(b_.sessions().stats().resurrections_refused.value(), 0u);
  EXPECT_EQ(b_.Value("php:1", 8), "login");
}

TEST_F(Nodes, whose_number_was_taken_while_they_were_stopped_take_another) {
  const uint32_t number = a_.number();
  MakeDirtyAtA("php:1");
  a_.stopped = true;
  ground_->clock.AdvanceSeconds(600);
  Sql("UPDATE nodes SET started_at = started_at + 1, lease = lease + 10000000000 WHERE number = " +
      std::to_string(number));
  a_.stopped = false;
  a_.Pass(1000);
  EXPECT_NE(a_.number(), number);
  EXPECT_EQ(a_.Value("php:1"), "two");
}

// -- Starts while the database cannot be asked ----------------------------------------------------

TEST_F(Nodes, that_start_without_the_database_go_on_with_their_lease_if_it_is_still_theirs) {
  for (const bool was_given_back : {false, true}) {
    const std::string name = was_given_back ? "php:1" : "php:2";
    const NodeLease lease = a_.sessions().nodes().lease();
    if (was_given_back) a_.sessions().nodes().Leave(a_.driver());
    a_.Kill();
    ground_->clock.AdvanceSeconds(600);
    a_.Start(&lease);
    EXPECT_EQ(a_.number(), lease.number);
    Away();
    EXPECT_EQ(a_.Set(name, "unseen", 1), Answer::kStored);
    EXPECT_FALSE(a_.sessions().nodes().RenewNow(a_.driver()).ok());
    a_.driver().fault = FaultyDriver::Fault::kNone;
    ASSERT_TRUE(a_.sessions().nodes().RenewNow(a_.driver()).ok());
    EXPECT_EQ(a_.number(), lease.number);
    EXPECT_EQ(a_.sessions().stats().database_replaced.value(), 0u);
    SessionSite copy(ground_, "c");
    EXPECT_NE(copy.number(), lease.number);
    Back();
    EXPECT_EQ(copy.Value(name), "unseen");
  }
}

TEST_F(Nodes, that_start_without_the_database_take_another_number_if_theirs_is_anothers_by_now) {
  const NodeLease lease = a_.sessions().nodes().lease();
  a_.sessions().nodes().Leave(a_.driver());
  a_.Kill();
  ground_->clock.AdvanceSeconds(1);
  SessionSite c(ground_, "c");
  ASSERT_EQ(c.number(), lease.number);
  ground_->clock.AdvanceSeconds(1);
  a_.Start(&lease);
  Away();
  EXPECT_EQ(a_.Set("php:1", "unseen", 1), Answer::kStored);
  a_.driver().fault = FaultyDriver::Fault::kNone;
  ASSERT_TRUE(a_.sessions().nodes().RenewNow(a_.driver()).ok());
  EXPECT_NE(a_.number(), c.number());
  EXPECT_NE(a_.number(), b_.number());
  Back();
  EXPECT_EQ(c.Value("php:1"), "unseen");
}

// A state directory was copied with its machine: both know the same lease.
TEST_F(Nodes, that_are_copies_of_one_another_and_start_without_the_database_do_not_share_a_number) {
  const NodeLease lease = a_.sessions().nodes().lease();
  for (const bool is_running : {true, false}) {
    SessionSite copy(ground_, "copy");
    copy.Kill();
    if (!is_running) {
      a_.Kill();
      ground_->clock.AdvanceSeconds(600);
      a_.Start(&lease);
    }
    copy.Start(&lease);
    ASSERT_EQ(copy.number(), a_.number());
    ground_->clock.AdvanceMicros(1);
    ASSERT_TRUE(copy.sessions().nodes().RenewNow(copy.driver()).ok());
    ground_->clock.AdvanceMicros(1);
    ASSERT_TRUE(a_.sessions().nodes().RenewNow(a_.driver()).ok());
    EXPECT_NE(copy.number(), a_.number()) << is_running;
    EXPECT_EQ(copy.sessions().stats().database_replaced.value(), 0u);
    EXPECT_EQ(a_.sessions().stats().database_replaced.value(), 0u);
  }
}

TEST_F(Nodes, whose_row_is_gone_when_they_start_without_the_database_do_not_take_it_for_another_one) {
  const NodeLease lease = a_.sessions().nodes().lease();
  a_.Kill();
  Sql("DELETE FROM nodes WHERE number = " + std::to_string(lease.number));
  a_.Start(&lease);
  ASSERT_TRUE(a_.sessions().nodes().RenewNow(a_.driver()).ok());
  EXPECT_EQ(a_.sessions().stats().database_replaced.value(), 0u);
  EXPECT_NE(a_.number(), b_.number());
}

// The clock was set between: what is in memory has stamps of before.
TEST_F(Nodes, that_stamped_with_a_clock_ahead_while_the_database_was_away_wait_until_its_clock_is_there) {
  for (const int64_t ahead_us : {int64_t{999'000}, int64_t{3'600'000'000}}) {
    const NodeLease lease = a_.sessions().nodes().lease();
    a_.Kill();
    ground_->clock.AdvanceSeconds(600);
    ground_->clock.SetWallMicros(ground_->clock.WallMicros() + ahead_us);
    a_.Start(&lease);
    Away();
    EXPECT_EQ(a_.Set("php:" + std::to_string(ahead_us), "unseen", 1), Answer::kStored);
    a_.driver().fault = FaultyDriver::Fault::kNone;
    ground_->clock.SetWallMicros(ground_->clock.WallMicros() - ahead_us);
    const bool waits = ahead_us > kSecond;
    const Failure failure = a_.sessions().nodes().RenewNow(a_.driver());
    EXPECT_EQ(failure.kind, waits ? FailureClass::kConfiguration : FailureClass::kNone);
    if (!waits) continue;
    EXPECT_NE(failure.detail.find("clock"), std::string::npos);
    ground_->clock.AdvanceSeconds(3590);
    EXPECT_FALSE(a_.sessions().nodes().RenewNow(a_.driver()).ok());
    ground_->clock.AdvanceSeconds(10);
    EXPECT_TRUE(a_.sessions().nodes().RenewNow(a_.driver()).ok());
  }
}

// -- Databases that change ------------------------------------------------------------------------

TEST_F(Nodes, write_everything_anew_when_the_database_is_restored_from_an_older_copy) {
  ASSERT_EQ(a_.Set("php:1", "v"), Answer::kStored);
  ASSERT_EQ(a_.Set("php:2", "w"), Answer::kStored);
  a_.Delete("php:2");
  a_.sessions().write_behind().SetDraining(true);
  a_.WriteDue();
  ASSERT_FALSE(a_.IsDirty("php:1"));
  // The copy has neither row, and knows nothing of this server's last lease.
  Sql("DELETE FROM sessions; UPDATE nodes SET lease = lease - 5000000");
  a_.Pass(4000);
  EXPECT_EQ(a_.sessions().stats().database_replaced.value(), 1u);
  EXPECT_EQ(a_.RowValue("php:1"), "v");
  EXPECT_EQ(a_.RowValue("php:2"), "(deleted)");
  EXPECT_EQ(a_.Value("php:1"), "v");
  a_.Pass(60'000);
  EXPECT_EQ(a_.sessions().stats().database_replaced.value(), 1u);
  EXPECT_EQ(a_.sessions().verification().reason(), Doubt::kNone);
}

TEST_F(Nodes, write_everything_anew_when_the_generation_changes) {
  ASSERT_EQ(a_.Set("php:1", "v"), Answer::kStored);
  a_.WriteDue();
  Sql("DELETE FROM sessions; UPDATE meta SET value = '2' WHERE name = 'generation'");
  a_.Pass(4000);
  EXPECT_EQ(a_.sessions().stats().database_replaced.value(), 1u);
  EXPECT_EQ(a_.RowValue("php:1"), "v");
}

TEST_F(Nodes, keep_what_a_restored_database_lacks_although_it_is_asked_for_first) {
  ASSERT_EQ(a_.Set("php:1", "v"), Answer::kStored);
  a_.WriteDue();
  Sql("DELETE FROM sessions");
  a_.sessions().OnDatabaseReplaced("test");
  EXPECT_EQ(a_.Value("php:1"), "v");
  EXPECT_TRUE(a_.IsDirty("php:1"));
}

// -- Deletes that the database has forgotten ------------------------------------------------------

// A database that remembers a delete for a hundred seconds and no grace.
class LongAway : public testing::Test {
 protected:
  static constexpr int64_t kLife = 100 * kSecond;
  static SessionSettings Forgetful() {
    SessionSettings settings;
    settings.immediate_writes = 1;
    settings.tombstone_life_s = kLife / kSecond;
    settings.grace_s = 0;
    return settings;
  }
  void SetUp() override {
    a_.sessions().SetSay([this](const std::string& line) { said_.push_back(line); });
  }
  void Sweep() {
    uint64_t deleted = 0;
    ASSERT_TRUE(b_.driver().Sweep(0, 100, &deleted).ok());
  }
  void Away() { a_.driver().fault = FaultyDriver::Fault::kRefuse; }
  void Back() { a_.driver().fault = FaultyDriver::Fault::kNone; }
  // The database has "one", A "two"; then A is away until this long after it has looked for changes for the last time.
  void LeaveWithAChange(const std::string& name, int64_t for_us) {
    ASSERT_EQ(a_.Set(name, "one", 1, 0), Answer::kStored);
    a_.WriteDue();
    ASSERT_EQ(a_.Set(name, "two", 1, 0), Answer::kStored);
    a_.PollNow();
    Away();
    ground_->clock.AdvanceMicros(a_.sessions().change_poll().polled_us() + for_us - ground_->clock.SteadyMicros());
    b_.PollNow();
  }
  // Another server deletes it, and the database forgets that.
  void Forget(const std::string& name) {
    Change change;
    change.kind = ChangeKind::kDelete;
    change.row.key = name;
    change.row.version = b_.sessions().stamp_clock().Next(0);
    change.row.expires_us = ground_->clock.SteadyMicros() - 1;
    std::vector<ChangeOutcome> outcomes;
    ASSERT_TRUE(b_.driver().Write({&change, 1}, &outcomes).ok());
    Sweep();
    ASSERT_EQ(b_.RowValue(name), "(none)");
  }
  uint64_t quarantined() { return a_.sessions().write_behind().quarantined(); }
  uint64_t without_row() { return a_.sessions().stats().quarantined_without_row.value(); }

  const std::shared_ptr<Ground> ground_ = std::make_shared<Ground>();
  SessionSite a_{ground_, "a", Forgetful()};
  SessionSite b_{ground_, "b", Forgetful()};
  std::vector<std::string> said_;
};

TEST_F(LongAway, brings_no_session_back_that_was_deleted_elsewhere) {
  ASSERT_EQ(a_.Set("web:1", "one", 1, 0), Answer::kStored);
  a_.WriteDue();
  ASSERT_EQ(a_.Set("web:1", "two", 1, 0), Answer::kStored);
  Away();
  a_.unreachable = true;
  ASSERT_EQ(b_.Delete("web:1", 9), Answer::kDeleted);
  b_.WriteDue();
  ASSERT_EQ(b_.RowValue("web:1"), "(deleted)");
  ground_->clock.AdvanceMicros(kLife + 2 * kSecond);
  Sweep();
  ASSERT_EQ(b_.RowValue("web:1"), "(none)");
  b_.PollNow();
  a_.Beat();

  Back();
  a_.unreachable = false;
  a_.sessions().write_behind().SetDraining(true);
  a_.Pass(3000);
  EXPECT_EQ(b_.RowValue("web:1"), "(none)");
  EXPECT_EQ(quarantined(), 1u);
  EXPECT_EQ(without_row(), 1u);
  EXPECT_EQ(a_.sessions().stats().quarantined_total.value(), 1u);
  EXPECT_EQ(a_.sessions().write_behind().dirty_items(), 1u);
  ASSERT_EQ(said_.size(), 1u);
  EXPECT_NE(said_[0].find("--tombstone-life"), std::string::npos) << said_[0];
  EXPECT_EQ(b_.Get("web:1", 9), Answer::kMiss);
  EXPECT_EQ(a_.Get("web:1", 1), Answer::kMiss);
  EXPECT_EQ(a_.Append("web:1", "more"), Answer::kNotStored);

  Inquiry inquiry(a_.sessions(), a_.database());
  a_.access().Offline();
  const SessionFacts facts = inquiry.Ask(a_.access(), "web:1");
  const std::vector<SessionFacts> listed = inquiry.Quarantined(a_.access(), 10);
  a_.access().Online();
  const std::string why = Why(facts, ground_->clock.WallMicros());
  EXPECT_NE(why.find("another server may have deleted it"), std::string::npos) << why;
  EXPECT_NE(why.find("it does not expire"), std::string::npos) << why;
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(DescribeQuarantined(listed[0]),
            "reason=without_row rule=web: size=3 written=2027-01-15_08:00:00_UTC expires=never");

  EXPECT_EQ(a_.Set("web:1", "login", 1, 0), Answer::kStored);
  a_.WriteDue();
  EXPECT_EQ(quarantined(), 0u);
  EXPECT_EQ(a_.sessions().write_behind().dirty_items(), 0u);
  EXPECT_EQ(b_.RowValue("web:1"), "login");
  b_.PollNow();
  EXPECT_EQ(b_.Value("web:1", 9), "login");
}

TEST_F(LongAway, begins_when_the_last_poll_is_older_than_a_tombstone_lives) {
  for (const bool poller_is_first : {false, true}) {
    for (const int64_t beyond_us : {0, 1}) {
      const std::string name = "web:" + std::to_string(poller_is_first) + std::to_string(beyond_us);
      LeaveWithAChange(name, kLife + beyond_us);
      Forget(name);
      Back();
      const uint64_t before = without_row();
      if (poller_is_first) (void)a_.PollOnce();
      a_.sessions().write_behind().SetDraining(true);
      a_.WriteDue();
      a_.sessions().write_behind().SetDraining(false);
      EXPECT_EQ(without_row() - before, beyond_us == 0 ? 0u : 1u) << name;
      EXPECT_EQ(b_.RowValue(name), beyond_us == 0 ? "two" : "(none)") << name;
      a_.PollNow();
    }
  }
}

TEST_F(LongAway, leaves_it_to_the_guard_where_there_is_a_row) {
  LeaveWithAChange("web:live", 3 * kLife);
  Back();
  a_.sessions().write_behind().SetDraining(true);
  a_.WriteDue();
  EXPECT_EQ(b_.RowValue("web:live"), "two");
  LeaveWithAChange("web:deleted", 3 * kLife);
  ASSERT_EQ(b_.Delete("web:deleted", 9), Answer::kDeleted);
  b_.WriteDue();
  Back();
  a_.WriteDue();
  EXPECT_EQ(b_.RowValue("web:deleted"), "(deleted)");
  EXPECT_EQ(quarantined(), 0u);
  EXPECT_EQ(without_row(), 0u);
}

TEST_F(LongAway, obeys_a_delete_that_is_swept_before_the_write) {
  // Between the look and the write.
  class SweepingDriver final : public test::PassingDriver {
   public:
    using PassingDriver::PassingDriver;
    Failure Write(std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) override {
      uint64_t deleted = 0;
      CHECK(Sweep(-1000 * kSecond, 100, &deleted).ok() && deleted == 1);
      return PassingDriver::Write(changes, outcomes);
    }
  };
  LeaveWithAChange("web:1", 3 * kLife);
  ASSERT_EQ(b_.Delete("web:1", 9), Answer::kDeleted);
  b_.WriteDue();
  Back();
  ground_->clock.AdvanceSeconds(1);  // a pause is kept
  SweepingDriver driver(a_.database().NewDriver());
  ASSERT_TRUE(driver.Open().ok());
  a_.sessions().write_behind().SetDraining(true);
  const std::span<const Change> due = a_.sessions().write_behind().NextBatch(a_.access());
  ASSERT_EQ(due.size(), 1u);
  std::vector<Change> batch{due[0], Change()};
  batch[1].row.key = "web:2";
  batch[1].row.version = batch[1].row.born = a_.sessions().stamp_clock().Next(0);
  batch[1].row.data = "fresh";
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(a_.sessions().forgotten_deletes().Write(driver, batch, &outcomes).ok());
  EXPECT_EQ(outcomes, (std::vector{ChangeOutcome::kOvertaken, ChangeOutcome::kDone}));
  EXPECT_EQ(b_.RowValue("web:1"), "(none)");
  EXPECT_EQ(b_.RowValue("web:2"), "fresh");
}

TEST_F(LongAway, loses_nothing_when_no_other_server_was_there) {
  b_.Kill();
  ground_->clock.AdvanceSeconds(20);  // its lease is over
  a_.PollNow();
  ASSERT_EQ(a_.Set("web:1", "one", 1, 0), Answer::kStored);
  Away();
  ground_->clock.AdvanceMicros(3 * kLife);
  a_.Beat();
  Back();
  a_.WriteDue();
  EXPECT_EQ(without_row(), 0u);
  EXPECT_EQ(a_.RowValue("web:1"), "one");
}

TEST_F(LongAway, keeps_a_set_of_the_outage_from_taking_the_place_of_a_forgotten_delete) {
  for (const int64_t beyond_us : {0, 1, 2}) {
    const std::string name = "web:" + std::to_string(beyond_us);
    a_.PollNow();
    Away();
    ASSERT_EQ(a_.Set(name, "blind", 1, 0), Answer::kStored);
    ASSERT_EQ(a_.sessions().provisional().size(), 1u);
    ground_->clock.AdvanceMicros(a_.sessions().change_poll().polled_us() + kLife + beyond_us -
                                 ground_->clock.SteadyMicros());
    b_.PollNow();
    Back();
    if (beyond_us == 2) (void)a_.PollOnce();  // comes before the reader
    a_.ReadOnce();
    EXPECT_EQ(a_.sessions().provisional().size(), 0u);
    a_.WriteDue();
    EXPECT_EQ(without_row(), static_cast<uint64_t>(beyond_us));
    EXPECT_EQ(b_.RowValue(name), beyond_us == 0 ? "blind" : "(none)");
  }
}

TEST_F(LongAway, is_not_who_was_there_all_along_however_old_the_session) {
  ASSERT_EQ(a_.Set("web:1", "v", 1, 0), Answer::kStored);
  a_.WriteDue();
  for (int i = 0; i < 3; ++i) {
    ground_->clock.AdvanceMicros(kLife - kSecond);
    for (SessionSite* site : {&a_, &b_}) site->Beat();
    ASSERT_TRUE(a_.PollOnce().ok());
  }
  a_.sessions().OnDatabaseReplaced("test");
  Forget("web:1");
  a_.YieldOnce();
  a_.WriteDue();
  EXPECT_EQ(without_row(), 0u);
  EXPECT_EQ(b_.RowValue("web:1"), "v");
}

TEST_F(LongAway, drops_the_copies_that_others_may_have_deleted) {
  ASSERT_EQ(a_.Set("web:1", "v", 1, 0), Answer::kStored);
  a_.WriteDue();
  LeaveWithAChange("web:2", kLife + 1);
  Forget("web:1");
  Back();
  ASSERT_TRUE(a_.PollOnce().ok());
  a_.YieldOnce();
  EXPECT_FALSE(a_.InMemory("web:1"));
  EXPECT_EQ(a_.Get("web:1", 1), Answer::kMiss);
}

TEST_F(LongAway, is_nobody_with_a_database_of_his_own) {
  SessionSite alone(Forgetful());
  ASSERT_EQ(alone.Set("web:1", "v", 1, 0), Answer::kStored);
  alone.driver().fault = FaultyDriver::Fault::kRefuse;
  alone.clock.AdvanceMicros(3 * kLife);
  alone.driver().fault = FaultyDriver::Fault::kNone;
  alone.WriteDue();
  EXPECT_EQ(alone.RowValue("web:1"), "v");
  EXPECT_EQ(alone.sessions().stats().quarantined_total.value(), 0u);
}

// -- The reaper -----------------------------------------------------------------------------------

TEST_F(Nodes, sweep_one_at_a_time) {
  ground_->clock.AdvanceSeconds(61);
  ASSERT_TRUE(a_.sessions().reaper().Sweep(a_.driver()).ok());
  ASSERT_EQ(a_.Set("php:1", "v", 1, 1), Answer::kStored);
  a_.WriteDue();
  ground_->clock.AdvanceSeconds(3700);
  bool held = false;
  ASSERT_TRUE(a_.driver().TakeLease("reaper", a_.number(), 7200 * kSecond, &held).ok());
  ASSERT_TRUE(b_.sessions().reaper().Sweep(b_.driver()).ok());
  EXPECT_EQ(b_.sessions().stats().reaped.value(), 0u);
  ASSERT_TRUE(a_.sessions().reaper().Sweep(a_.driver()).ok());
  EXPECT_EQ(a_.sessions().stats().reaped.value(), 1u);
}

}  // namespace
}  // namespace holdfast::session
