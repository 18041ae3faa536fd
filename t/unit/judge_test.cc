// The judge itself: histories written by hand, each fault once as it must be found and once as it must not.

#include "lib/judge.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace holdfast::test {
namespace {

constexpr int64_t kSecond = 1'000'000;

// A history of one key, each operation a second after the one before and a millisecond long.
class History {
 public:
  Operation& Then(Act act, Said said, uint32_t value = 0) {
    Operation op;
    op.act = act;
    op.said = said;
    op.value = value;
    op.begun_us = (at_us_ += kSecond);
    op.ended_us = said == Said::kNothing ? kForever : op.begun_us + 1000;
    operations_.push_back(op);
    return operations_.back();
  }
  Operation& Login(uint32_t value) { return Then(Act::kAdd, Said::kStored, value); }
  // By a connection that has just read `based_on`.
  Operation& Set(uint32_t value, uint32_t based_on) {
    Operation& op = Then(Act::kSet, Said::kStored, value);
    op.based_on = based_on;
    op.told_us = op.begun_us - kSecond / 2;
    op.told_ended_us = op.told_us + 1000;
    op.told_value = based_on;
    return op;
  }
  Operation& Delete() { return Then(Act::kDelete, Said::kDeleted); }
  Operation& Hit(uint32_t value) { return Then(Act::kGet, Said::kHit, value); }
  Operation& Miss() { return Then(Act::kGet, Said::kMiss); }
  Operation& Quiet(uint32_t value) {
    Operation& op = value == 0 ? Miss() : Hit(value);
    op.is_final = true;
    return op;
  }
  Operation& Row(uint32_t value) {
    Operation& op = Then(Act::kRow, value == 0 ? Said::kMiss : Said::kHit, value);
    op.node = kDatabaseNode;
    op.database_up_us = 0;
    return op;
  }
  Operation& Last() { return operations_.back(); }
  void Wait(int64_t micros) { at_us_ += micros; }

  std::vector<Fault> Faults() const {
    std::vector<Fault> faults;
    for (const Finding& finding : Judge(operations_, rules)) faults.push_back(finding.fault);
    return faults;
  }
  bool Clean() const { return Faults().empty(); }
  bool Finds(Fault fault) const {
    const std::vector<Fault> faults = Faults();
    return !faults.empty() && std::all_of(faults.begin(), faults.end(), [fault](Fault f) { return f == fault; });
  }

  const std::vector<Operation>& operations() const { return operations_; }

  JudgeRules rules;

 private:
  std::vector<Operation> operations_;
  int64_t at_us_ = 1000 * kSecond;
};

TEST(Judge, a_history_in_which_all_is_well_has_no_findings) {
  History h;
  h.Miss();
  h.Login(1);
  h.Hit(1);
  h.Set(2, 1);
  h.Hit(2);
  h.Then(Act::kTouch, Said::kTouched).ttl_us = 100 * kSecond;
  h.Hit(2);
  h.Delete();
  h.Miss();
  h.Login(3);
  h.Hit(3);
  h.Quiet(3);
  EXPECT_TRUE(h.Clean());
}

TEST(Judge, a_session_that_is_gone_is_lost) {
  History h;
  h.Login(1);
  h.Set(2, 1);
  h.Miss();
  EXPECT_TRUE(h.Finds(Fault::kLostSession));
}

TEST(Judge, a_login_that_is_gone_was_refused) {
  for (const bool by_probe : {false, true}) {
    History h;
    h.Login(1);
    h.Delete();
    h.Miss();
    Operation& login = h.Set(2, 0);
    login.told_us = login.begun_us - kSecond;
    h.Then(by_probe ? Act::kProbe : Act::kGet, Said::kMiss);
    EXPECT_TRUE(h.Finds(Fault::kLoginRefused));
  }
}

TEST(Judge, nothing_is_lost_that_was_deleted_or_may_have_been) {
  for (const Said said : {Said::kDeleted, Said::kNothing}) {
    History h;
    h.Login(1);
    h.Then(Act::kDelete, said);
    h.Miss();
    EXPECT_TRUE(h.Clean());
  }
}

TEST(Judge, a_delete_that_was_before_the_login_excuses_nothing) {
  History h;
  h.Login(1);
  h.Delete();
  h.Login(2);
  h.Miss();
  EXPECT_TRUE(h.Finds(Fault::kLoginRefused));
}

TEST(Judge, nothing_is_lost_that_has_expired) {
  History h;
  h.Login(1).ttl_us = 5 * kSecond;
  h.Wait(3 * kSecond);
  h.Miss();
  EXPECT_TRUE(h.Clean()) << "within the grain of an expiry";
  h.Wait(10 * kSecond);
  h.Miss();
  EXPECT_TRUE(h.Clean());
}

TEST(Judge, a_touch_keeps_a_session_and_an_unanswered_one_need_not) {
  for (const bool answered : {true, false}) {
    History h;
    h.Login(1).ttl_us = 5 * kSecond;
    h.Then(Act::kTouch, answered ? Said::kTouched : Said::kNothing).ttl_us = 100 * kSecond;
    h.Wait(20 * kSecond);
    h.Miss();
    EXPECT_EQ(h.Finds(Fault::kLoginRefused), answered);
    EXPECT_EQ(h.Clean(), !answered);
  }
}

TEST(Judge, a_set_that_may_have_been_dropped_is_not_lost) {
  History h;
  h.Login(1);
  h.Delete();
  Operation& late = h.Set(2, 1);
  late.told_us -= 10 * kSecond;
  late.told_ended_us -= 10 * kSecond;
  h.Miss();
  EXPECT_TRUE(h.Clean());
}

TEST(Judge, a_write_without_an_answer_is_owed_nothing_and_may_be_there) {
  for (const bool there : {true, false}) {
    History h;
    h.Login(1);
    h.Then(Act::kSet, Said::kNothing, 2).based_on = 1;
    h.Hit(there ? 2 : 1);
    EXPECT_TRUE(h.Clean());
  }
}

TEST(Judge, an_older_value_is_stale_and_in_the_end_a_lost_update) {
  History h;
  h.Login(1);
  h.Set(2, 1);
  h.Hit(1);
  EXPECT_TRUE(h.Finds(Fault::kStale));

  History quiet;
  quiet.Login(1);
  quiet.Set(2, 1);
  quiet.Quiet(1);
  EXPECT_TRUE(quiet.Finds(Fault::kLostUpdate));
}

TEST(Judge, of_writes_at_the_same_time_either_may_be_last) {
  for (const uint32_t last : {2u, 3u}) {
    History h;
    h.Login(1);
    const int64_t ends_us = h.Set(2, 1).ended_us + 2 * kSecond;
    h.Set(3, 1).begun_us -= kSecond;
    h.Then(Act::kGet, Said::kHit, last).begun_us = ends_us;
    EXPECT_TRUE(h.Clean()) << last;
  }
}

TEST(Judge, another_node_may_be_behind_by_the_bound_and_no_more) {
  for (const bool within : {true, false}) {
    History h;
    h.rules.bound_us = 3 * kSecond;
    h.Login(1);
    h.Set(2, 1);
    if (!within) h.Wait(3 * kSecond);
    h.Hit(1).node = 1;
    EXPECT_EQ(h.Clean(), within);
    EXPECT_EQ(h.Finds(Fault::kStale), !within);
  }
}

// The second operation ends at 1002.001 s, and the read is sent at 1010 s.
TEST(Judge, the_bound_runs_from_where_nothing_is_harmed) {
  const auto at = [](double seconds) { return static_cast<int64_t>((1000 + seconds) * kSecond); };
  struct Case {
    std::vector<Span> harms;
    int64_t settled_us;
    bool must_know;
  };
  const std::vector<Case> cases = {
      {{}, 0, true},
      {{{at(2), at(4)}}, 0, true},      // 6 s without harm are left
      {{{at(4), at(8)}}, 0, false},     // 2 s before, and 2 s after
      {{{at(4), at(8)}}, at(9), true},  // and then all had been written and heard of
      {{{at(6), at(30)}}, 0, true},     // 4 s before: what was known then stays known
      {{{at(2), at(4)}, {at(6), at(8)}}, 0, false},
      {{{at(-9), at(-4)}, {at(2), at(4)}}, 0, true},
      {{{at(4), kForever}}, 0, false},
      {{{at(4), kForever}}, at(1), false},  // it was settled before
  };
  for (const Case& c : cases) {
    const auto number = &c - cases.data();
    History h;
    h.rules.bound_us = 3 * kSecond;
    h.rules.harms = c.harms;
    if (c.settled_us != 0) h.rules.settled_us = {at(-5), c.settled_us};
    h.Login(1);
    h.Set(2, 1);
    h.Wait(7 * kSecond);
    h.Hit(1).node = 1;
    EXPECT_EQ(h.Finds(Fault::kStale), c.must_know) << number;
    EXPECT_EQ(h.Clean(), !c.must_know) << number;
    h.rules.harmed_bound_us = 7 * kSecond;
    EXPECT_TRUE(h.Finds(Fault::kStale)) << number << ": harmed or not, it is too long ago";
  }
}

TEST(Judge, a_set_of_who_was_told_of_the_logout_elsewhere_is_owed_where_nothing_was_harmed_between) {
  for (const bool harmed : {false, true}) {
    History h;
    h.rules.bound_us = 3 * kSecond;
    if (harmed) h.rules.harms = {{1003 * kSecond, 1004 * kSecond}};
    h.Login(1).node = 1;
    h.Delete().node = 1;
    h.Wait(4 * kSecond);
    h.Set(2, 0);
    h.Quiet(0);
    EXPECT_EQ(h.Finds(Fault::kLoginRefused), !harmed);
    EXPECT_EQ(h.Clean(), harmed);
  }
}

TEST(Judge, who_read_before_the_logout_and_writes_after_it_resurrects) {
  History h;
  h.Login(1);
  h.Delete();
  Operation& late = h.Set(2, 1);
  late.told_us -= 10 * kSecond;
  late.told_ended_us -= 10 * kSecond;
  h.Hit(2);
  EXPECT_TRUE(h.Finds(Fault::kResurrected));
}

TEST(Judge, so_does_a_chain_of_writes_and_the_row_in_the_end) {
  History h;
  h.Login(1);
  h.Delete();
  Operation& late = h.Set(2, 1);
  late.told_us -= 10 * kSecond;
  late.told_ended_us -= 10 * kSecond;
  Operation& later = h.Set(3, 2);
  later.told_us = -1;
  later.told_ended_us = -1;
  h.Row(3).is_final = true;
  EXPECT_TRUE(h.Finds(Fault::kResurrected));
}

TEST(Judge, a_touch_or_cas_that_succeeds_after_a_logout_resurrects) {
  History touch;
  touch.Login(1);
  touch.Delete();
  touch.Then(Act::kTouch, Said::kTouched);
  EXPECT_TRUE(touch.Finds(Fault::kResurrected));

  History cas;
  cas.Login(1);
  cas.Delete();
  Operation& op = cas.Then(Act::kRewrite, Said::kStored, 2);
  op.based_on = 1;
  EXPECT_FALSE(cas.Clean());
}

TEST(Judge, a_new_login_resurrects_nothing) {
  History h;
  h.Login(1);
  h.Delete();
  h.Miss();
  h.Set(2, 0);
  h.Hit(2);
  h.Set(3, 2);
  h.Hit(3);
  EXPECT_TRUE(h.Clean());
}

TEST(Judge, later_than_the_writer_window_a_set_is_a_login) {
  History h;
  h.rules.window_us = 5 * kSecond;
  h.Login(1);
  h.Delete();
  h.Wait(10 * kSecond);
  Operation& late = h.Set(2, 1);
  late.told_us = late.told_ended_us = 1000;
  h.Hit(2);
  EXPECT_TRUE(h.Clean());
}

TEST(Judge, what_was_never_written_is_foreign) {
  History h;
  h.Login(1);
  h.Hit(7);
  EXPECT_TRUE(h.Finds(Fault::kForeign));

  History damaged;
  damaged.Login(1);
  damaged.Hit(1).foreign = true;
  EXPECT_TRUE(damaged.Finds(Fault::kForeign));
}

TEST(Judge, a_hit_after_the_expiry_is_over_alive) {
  for (const bool late : {true, false}) {
    History h;
    h.Login(1).ttl_us = 5 * kSecond;
    h.Wait(late ? 7 * kSecond : 4 * kSecond);
    h.Hit(1);
    EXPECT_EQ(h.Finds(Fault::kOverAlive), late);
    EXPECT_EQ(h.Clean(), !late);
  }
}

TEST(Judge, the_row_must_have_the_expiry_of_the_last_touch) {
  for (const int64_t ttl_us : {100 * kSecond - kSecond, 50 * kSecond}) {
    History h;
    h.Login(1).ttl_us = 50 * kSecond;
    h.Then(Act::kTouch, Said::kTouched).ttl_us = 100 * kSecond;
    Operation& row = h.Row(1);
    row.is_final = true;
    row.ttl_us = ttl_us;
    EXPECT_EQ(h.Clean(), ttl_us > 60 * kSecond);
    EXPECT_EQ(h.Finds(Fault::kLostTouch), ttl_us < 60 * kSecond);
  }
}

TEST(Judge, a_login_is_in_the_database_within_the_lag_while_that_is_up) {
  for (const bool up : {true, false}) {
    History h;
    h.rules.lag_us = 2 * kSecond;
    h.Login(1);
    h.Wait(5 * kSecond);
    Operation& row = h.Row(0);
    if (!up) row.database_up_us = row.begun_us - kSecond;
    EXPECT_EQ(h.Finds(Fault::kLag), up);
    EXPECT_EQ(h.Clean(), !up);
  }
}

TEST(Judge, a_change_may_stay_unsynced_for_the_interval) {
  for (const bool late : {true, false}) {
    History h;
    h.rules.lag_us = 2 * kSecond;
    h.rules.interval_us = 10 * kSecond;
    h.Login(1);
    h.Set(2, 1);
    h.Wait(late ? 20 * kSecond : 5 * kSecond);
    h.Row(1);
    EXPECT_EQ(h.Finds(Fault::kLag), late);
    EXPECT_EQ(h.Clean(), !late);
  }
}

TEST(Judge, a_reservation_may_go_and_an_emptied_session_may_not) {
  History reservation;
  reservation.Miss();
  reservation.Set(1, 0).empty = true;
  reservation.Miss();
  EXPECT_TRUE(reservation.Clean());

  History emptied;
  emptied.Login(1);
  emptied.Set(2, 1).empty = true;
  emptied.Hit(1);
  EXPECT_TRUE(emptied.Finds(Fault::kStale));
}

TEST(Judge, what_was_stored_provisionally_may_be_lost) {
  History h;
  h.Login(1);
  h.Set(2, 1).uncertain = true;
  h.Hit(1);
  EXPECT_TRUE(h.Clean());
}

TEST(Judge, who_was_told_of_a_provisional_value_knows_of_no_logout) {
  for (const bool provisional : {false, true}) {
    History h;
    h.Login(1);
    h.Delete();
    Operation& login = h.Set(2, 0);
    login.uncertain = provisional;
    Operation& next = h.Set(3, 0);
    next.told_value = 2;
    h.Quiet(0);
    EXPECT_EQ(h.Clean(), provisional);
  }
}

TEST(Judge, a_login_on_a_node_that_could_not_know_of_the_logout_hides_it_there) {
  for (const bool unknowing : {false, true}) {
    History h;
    h.rules.bound_us = 2 * kSecond;
    h.Login(1);
    h.Delete().node = 1;
    if (!unknowing) h.Wait(3 * kSecond);
    h.Set(2, 0);
    h.Wait(5 * kSecond);
    Operation& late = h.Set(3, 1);
    late.told_us = late.told_ended_us = kSecond + 500'000;
    h.Quiet(3);
    EXPECT_EQ(h.Finds(Fault::kResurrected), !unknowing);
  }
}

// Its connection was told nothing, and the page had read the session elsewhere.
TEST(Judge, a_write_to_a_node_that_could_not_know_of_the_logout_and_had_none_is_a_login) {
  enum class Case { kHadNone, kToldOfNone, kLearnt, kServedIt, kWroteIt, kToldTheWriter };
  for (const Case c :
       {Case::kHadNone, Case::kToldOfNone, Case::kLearnt, Case::kServedIt, Case::kWroteIt, Case::kToldTheWriter}) {
    History h;
    h.rules.bound_us = 2 * kSecond;
    if (c == Case::kToldOfNone) h.Miss();
    h.Login(1).node = c == Case::kWroteIt ? 0 : 1;
    if (c == Case::kServedIt) h.Hit(1);
    h.Delete().node = 1;
    if (c == Case::kLearnt) h.Wait(3 * kSecond);
    Operation& late = h.Set(2, 1);
    if (c != Case::kToldTheWriter) late.told_us = late.told_ended_us = -1;
    if (c == Case::kToldTheWriter) late.told_us = late.told_ended_us = kSecond + 500'000;
    h.Then(Act::kRewrite, Said::kStored, 3).based_on = 2;
    h.Last().node = 1;
    h.Last().told_us = h.Last().told_ended_us = h.Last().begun_us - 1000;
    h.Last().told_value = 2;
    h.Quiet(3);
    EXPECT_EQ(h.Finds(Fault::kResurrected), c != Case::kHadNone && c != Case::kToldOfNone) << static_cast<int>(c);
  }
}

TEST(Judge, a_set_long_after_a_logout_on_its_node_is_a_login_where_another_logout_is_not_known) {
  enum Case { kAlone, kWithinTheWindow, kOverALogin };
  for (const Case c : {kAlone, kWithinTheWindow, kOverALogin}) {
    History h;
    h.rules.bound_us = 60 * kSecond;
    h.rules.window_us = 5 * kSecond;
    h.Login(1);
    h.Delete();
    if (c == kOverALogin) h.Login(3);
    if (c != kWithinTheWindow) h.Wait(4 * kSecond);
    h.Delete().node = 1;
    Operation& late = h.Set(2, 1);
    late.told_us = 1001 * kSecond + 2000;
    late.told_ended_us = late.told_us + 1000;
    h.Quiet(2);
    EXPECT_EQ(h.Finds(Fault::kResurrected), c != kAlone) << c;
    EXPECT_EQ(h.Clean(), c == kAlone) << c;
  }
}

// On pooled connections nobody can tell a late page over such a login from another.
TEST(Judge, a_late_write_over_a_login_that_could_not_know_of_the_logout_may_stand_where_connections_are_pooled) {
  for (const bool pooled : {false, true}) {
    History h;
    h.rules.bound_us = 2 * kSecond;
    h.Login(1).node = 1;
    h.Delete().node = 1;
    Operation& login = h.Set(2, 1);
    login.told_us = login.told_ended_us = -1;
    Operation& late = h.Set(3, 1);
    late.node = 1;
    late.pooled = pooled;
    late.told_us = late.told_ended_us = kSecond + 500'000;
    h.Quiet(3);
    EXPECT_EQ(h.Finds(Fault::kResurrected), !pooled);
  }
}

// What is over a session is none.
TEST(Judge, who_was_told_of_a_reservation_may_log_in_where_the_logout_is_not_known_yet) {
  for (const bool is_reservation : {false, true}) {
    History h;
    h.rules.bound_us = 2 * kSecond;
    if (!is_reservation) h.Login(1);
    h.Set(2, 0).empty = true;
    h.Delete().node = 1;
    Operation& login = h.Set(3, 2);
    login.told_us = login.told_ended_us = login.begun_us - kSecond - 500'000;
    h.Quiet(3);
    EXPECT_EQ(h.Finds(Fault::kResurrected), !is_reservation);
  }
}

TEST(Judge, a_touch_of_a_provisional_value_goes_with_it) {
  for (const bool provisional : {false, true}) {
    History h;
    h.Login(1).ttl_us = 1000 * kSecond;
    h.Then(Act::kTouch, Said::kTouched).ttl_us = 5 * kSecond;
    h.Last().uncertain = provisional;
    h.Wait(20 * kSecond);
    h.Hit(1);
    EXPECT_EQ(h.Finds(Fault::kOverAlive), !provisional);
    EXPECT_EQ(h.Clean(), provisional);
  }
}

TEST(Judge, a_login_may_be_replaced_by_another_that_a_third_server_had_deleted) {
  for (const bool knew : {false, true}) {
    History h;
    h.rules.bound_us = 10 * kSecond;
    h.Login(1).node = 1;
    h.Delete().node = 2;
    h.Login(2).node = 0;
    if (knew) h.Wait(20 * kSecond);
    h.Set(3, 1).node = 1;
    h.Quiet(0);
    EXPECT_EQ(h.Clean(), !knew);
  }
}

// -- What was dropped -----------------------------------------------------------------------------

size_t Dropped(const History& h) { return DroppedSets(h.operations(), 0, h.rules).size(); }

TEST(Judge, a_set_was_dropped_when_what_was_there_before_it_is_read_after_it) {
  for (const uint32_t read : {1u, 2u, 3u}) {
    for (const bool is_final : {true, false}) {
      History h;
      h.Login(1);
      h.Set(2, 1);
      h.Set(3, 1).begun_us -= kSecond;  // at the same time
      h.Hit(read).is_final = is_final;
      h.Hit(1);
      EXPECT_EQ(Dropped(h), read == 1 ? 1u : 0u) << "one of both, and only by what was read first";
      h.Set(4, 1);
      h.Hit(1);
      EXPECT_EQ(Dropped(h), read == 1 ? 2u : 1u);
    }
  }
}

TEST(Judge, another_node_that_is_behind_does_not_tell_that_a_set_was_dropped) {
  for (const bool is_final : {true, false}) {
    History h;
    h.Login(1);
    h.Set(2, 1);
    h.Hit(1).node = 1;
    h.Last().is_final = is_final;
    EXPECT_EQ(Dropped(h), is_final ? 1u : 0u);
  }
}

TEST(Judge, a_set_was_dropped_when_nothing_is_there_and_nothing_can_have_ended_it) {
  enum class Case { kDropped, kDeleted, kMayBeDeleted, kOver, kShortened, kEmpty };
  for (const Case c :
       {Case::kDropped, Case::kDeleted, Case::kMayBeDeleted, Case::kOver, Case::kShortened, Case::kEmpty}) {
    History h;
    h.Login(1);
    h.Delete();
    Operation& late = h.Set(2, 1);
    late.empty = c == Case::kEmpty;
    if (c == Case::kOver) late.ttl_us = kSecond;
    if (c == Case::kDeleted) h.Delete();
    if (c == Case::kMayBeDeleted) h.Then(Act::kDelete, Said::kNothing);
    if (c == Case::kShortened) h.Then(Act::kTouch, Said::kNothing).ttl_us = kSecond;
    h.Miss();
    EXPECT_EQ(Dropped(h), c == Case::kDropped ? 1u : 0u) << static_cast<int>(c);
  }
}

// -- Strict sessions ------------------------------------------------------------------------------

Operation& Strict(Operation& op, uint32_t node = 0) {
  op.strict = true;
  if (op.node == 0) op.node = node;
  return op;
}

TEST(Judge, what_is_acknowledged_of_a_strict_session_is_in_the_database) {
  for (const uint32_t value : {1u, 2u}) {
    History h;
    Strict(h.Login(1));
    Strict(h.Set(2, 1));
    Strict(h.Row(value)).database_up_us = kForever;
    EXPECT_EQ(h.Clean(), value == 2);
    EXPECT_EQ(h.Finds(Fault::kStale), value == 1);
  }
  History h;
  Strict(h.Login(1));
  Strict(h.Row(0)).database_up_us = kForever;
  EXPECT_TRUE(h.Finds(Fault::kLoginRefused));
  Strict(h.Delete());
  h.Last().node = 0;
  Strict(h.Row(1));
  EXPECT_FALSE(h.Clean());
}

TEST(Judge, only_a_plain_read_of_a_strict_session_may_be_old) {
  enum class Case { kReadInTime, kReadLate, kProbe, kTouch };
  for (const Case c : {Case::kReadInTime, Case::kReadLate, Case::kProbe, Case::kTouch}) {
    History h;
    h.rules.bound_us = 100 * kSecond;
    h.rules.strict_bound_us = 2 * kSecond;
    Strict(h.Miss(), 1);
    Strict(h.Login(1), 2);
    if (c == Case::kReadLate) h.Wait(2 * kSecond);
    const bool reads = c == Case::kReadInTime || c == Case::kReadLate;
    Strict(h.Then(reads ? Act::kGet : c == Case::kProbe ? Act::kProbe : Act::kTouch, Said::kMiss), 1);
    EXPECT_EQ(h.Clean(), c == Case::kReadInTime) << static_cast<int>(c);
  }
}

TEST(Judge, a_set_that_a_strict_session_did_not_store_tells_nothing_of_it) {
  History h;
  Strict(h.Login(1));
  Strict(h.Delete());
  Operation& late = Strict(h.Set(2, 1));
  late.said = Said::kNotStored;
  Strict(h.Row(0));
  EXPECT_TRUE(h.Clean());
}

TEST(Judge, an_empty_value_of_a_strict_session_is_one) {
  for (const bool strict : {false, true}) {
    History h;
    Operation& reservation = h.Set(1, 0);
    reservation.strict = strict;
    reservation.empty = true;
    h.Miss().strict = strict;
    EXPECT_EQ(h.Clean(), !strict);
  }
}

TEST(Judge, of_two_that_change_a_strict_session_from_the_same_value_one_is_told_so) {
  for (const bool strict : {false, true}) {
    History h;
    h.rules.bound_us = 100 * kSecond;
    for (const uint32_t value : {1u, 2u, 3u}) {
      Operation& op = value == 1 ? h.Login(1) : h.Set(value, 1);
      if (value != 1) op.act = Act::kRewrite;
      op.ended_us += value == 2 ? 2 * kSecond : 0;  // the two at the same time
      op.strict = strict;
      op.node = value;
    }
    EXPECT_EQ(h.Clean(), !strict);
  }
}

TEST(Judge, of_two_that_add_a_strict_session_one_is_told_so) {
  enum class Case { kLoose, kStrict, kDeletedBetween, kEndedBetween };
  for (const Case c : {Case::kLoose, Case::kStrict, Case::kDeletedBetween, Case::kEndedBetween}) {
    History h;
    h.rules.bound_us = 100 * kSecond;
    for (const uint32_t value : {1u, 2u}) {
      Operation& op = h.Login(value);
      if (value == 1) op.ended_us += 5 * kSecond;
      if (value == 1 && c == Case::kEndedBetween) op.ttl_us = kSecond;
      op.node = value;
      op.strict = c != Case::kLoose;
      if (value == 1 && c == Case::kDeletedBetween) Strict(h.Delete()).node = 3;
    }
    EXPECT_EQ(h.Clean(), c != Case::kStrict) << static_cast<int>(c);
  }
}

TEST(Judge, keys_have_nothing_to_do_with_each_other) {
  History h;
  h.Login(1);
  h.Delete().key = 1;
  h.Miss().key = 1;
  h.Hit(1);
  EXPECT_TRUE(h.Clean());
}

}  // namespace
}  // namespace holdfast::test
