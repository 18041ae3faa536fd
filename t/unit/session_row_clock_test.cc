// Rows of a file expire by a clock that no step of the wall clock moves, over restarts of process and machine.

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <cstdlib>
#include <filesystem>
#include <functional>

#include "base/check.h"
#include "lib/virtual_clock.h"
#include "session/driver.h"
#include "session/row_clock.h"

namespace holdfast::session {
namespace {

using test::VirtualClock;

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kHour = 3600 * kSecond;
constexpr int64_t kYear = 365 * 86400 * kSecond;

void Step(VirtualClock& clock, int64_t by_us) { clock.SetWallMicros(clock.WallMicros() + by_us); }

// One process after the other, with a file that has what they left.
class RowClocks : public testing::Test {
 protected:
  RowClocks() { Start(); }
  void Start() { rows_ = std::make_unique<RowClock>(clock_, kept_); }
  void Reboot(int64_t off_us) {
    Step(clock_, off_us);
    clock_.Reboot();
    Start();
  }
  // As who writes does. Was there anything to write down?
  bool Note() {
    const auto note = rows_->Due();
    if (!note) return false;
    rows_->Keep(*note);
    kept_ = RowClockNote::Parse(note->Text());
    CHECK(kept_);
    kept_->shift_us = note->shift_us;
    EXPECT_EQ(*kept_, *note);
    return true;
  }
  int64_t Now() const { return rows_->WallMicros(); }
  int64_t ShownMicros() const { return Now() + kept_->shift_us; }

  VirtualClock clock_;
  std::optional<RowClockNote> kept_;
  std::unique_ptr<RowClock> rows_;
};

TEST_F(RowClocks, begin_with_the_wall_clock) {
  EXPECT_EQ(Now(), clock_.WallMicros());
  EXPECT_EQ(rows_->At(clock_.SteadyMicros() + 7), clock_.WallMicros() + 7);
  EXPECT_TRUE(Note());
  EXPECT_EQ(kept_->shift_us, 0);
  clock_.AdvanceSeconds(10);
  EXPECT_EQ(Now(), clock_.WallMicros());
  EXPECT_EQ(rows_->BootId(), clock_.BootId());
  EXPECT_EQ(rows_->SteadyMicros(), clock_.SteadyMicros());
  EXPECT_EQ(rows_->Now(), clock_.Now());
  EXPECT_EQ(rows_->SteadyMicrosAt(9), clock_.SteadyMicrosAt(9));
}

TEST_F(RowClocks, do_not_go_along_with_a_step_and_have_it_written_down) {
  Note();
  for (const int64_t step_us : {kHour, -kHour, -kHour, 2 * kHour}) {
    const int64_t before_us = Now();
    Step(clock_, step_us);
    EXPECT_EQ(Now(), before_us);
    EXPECT_TRUE(Note());
    EXPECT_FALSE(Note());
    EXPECT_EQ(ShownMicros(), clock_.WallMicros());
  }
}

TEST_F(RowClocks, take_nothing_below_a_second_for_a_step) {
  Note();
  Step(clock_, kSecond);
  EXPECT_FALSE(Note());
  Step(clock_, -2 * kSecond);
  EXPECT_FALSE(Note());
  Step(clock_, 2 * kSecond + 1);
  EXPECT_TRUE(Note()) << "small ones add up";
  EXPECT_EQ(kept_->shift_us, kSecond + 1);
  Step(clock_, -kSecond);
  EXPECT_FALSE(Note());
  Step(clock_, -1);
  EXPECT_TRUE(Note());
  EXPECT_EQ(kept_->shift_us, 0) << "the clocks agree";
}

TEST_F(RowClocks, have_a_note_that_is_never_old) {
  Note();
  clock_.AdvanceMicros(RowClock::kNoteMicros - 1);
  EXPECT_FALSE(Note());
  clock_.AdvanceMicros(1);
  EXPECT_TRUE(Note());
  EXPECT_EQ(kept_->wall_us, clock_.WallMicros());
}

TEST_F(RowClocks, go_on_with_the_next_process_whatever_the_wall_clock_did_meanwhile) {
  Note();
  for (const int64_t step_us : {kHour, -3 * kHour, int64_t{1}}) {
    const int64_t before_us = Now();
    Step(clock_, step_us);
    clock_.AdvanceSeconds(5);
    Start();
    EXPECT_EQ(Now(), before_us + 5 * kSecond);
    EXPECT_EQ(Note(), step_us != 1);
  }
}

TEST_F(RowClocks, count_the_time_that_the_machine_was_off) {
  Note();
  Step(clock_, kHour);
  Note();
  clock_.AdvanceSeconds(30);
  const int64_t before_us = Now();
  Reboot(10 * kSecond);
  EXPECT_EQ(Now(), before_us + 10 * kSecond);
  EXPECT_TRUE(Note()) << "another run of the machine";
  EXPECT_EQ(kept_->shift_us, kHour) << "the wall clock is as wrong as before";
  EXPECT_EQ(ShownMicros(), clock_.WallMicros());
  EXPECT_FALSE(Note());
}

TEST_F(RowClocks, do_not_age_with_a_machine_that_comes_up_in_1970_and_is_told_the_time_later) {
  Note();
  const int64_t before_us = Now();
  const int64_t wall_us = clock_.WallMicros();
  clock_.SetWallMicros(0);
  Reboot(0);
  EXPECT_EQ(Now(), before_us);
  EXPECT_TRUE(Note());
  clock_.AdvanceSeconds(30);
  clock_.SetWallMicros(wall_us + kHour);  // it was off for an hour, less the half minute
  EXPECT_EQ(Now(), before_us + 30 * kSecond);
  EXPECT_TRUE(Note());
  EXPECT_EQ(ShownMicros(), clock_.WallMicros());
  Start();
  EXPECT_EQ(Now(), before_us + 30 * kSecond);
  Reboot(10 * kSecond);
  EXPECT_EQ(Now(), before_us + 40 * kSecond) << "from now on the wall clock says it right again";
}

TEST_F(RowClocks, do_not_age_by_half_a_century_after_a_run_of_the_machine_in_1970) {
  Note();
  const int64_t before_us = Now();
  const int64_t wall_us = clock_.WallMicros();
  clock_.SetWallMicros(0);
  Reboot(0);
  Note();
  clock_.AdvanceSeconds(600);
  Note();
  clock_.SetWallMicros(wall_us + 2 * kHour);
  Reboot(0);
  EXPECT_EQ(Now(), before_us + 2 * kHour);
  Note();
  EXPECT_EQ(ShownMicros(), clock_.WallMicros());
}

TEST_F(RowClocks, live_on_when_a_clock_that_was_years_ahead_is_set_right) {
  Step(clock_, 70 * kYear);
  Start();
  Note();
  const int64_t before_us = Now();
  Step(clock_, -70 * kYear);
  Note();
  EXPECT_EQ(Now(), before_us);
  EXPECT_EQ(ShownMicros(), clock_.WallMicros());
  Reboot(kHour);
  EXPECT_EQ(Now(), before_us) << "nobody knows how long the machine was off";
}

TEST_F(RowClocks, of_a_machine_whose_runs_have_no_name_go_by_the_wall_clock_between_processes) {
  const auto note = rows_->Due();
  kept_ = note;
  kept_->boot_id = 0;
  clock_.AdvanceSeconds(5);
  Start();
  EXPECT_EQ(Now(), clock_.WallMicros());
  EXPECT_TRUE(Note());
  EXPECT_FALSE(Note()) << "one a minute all the same";
  Step(clock_, kHour);
  EXPECT_EQ(Now(), clock_.WallMicros() - kHour);
}

TEST_F(RowClocks, tell_two_runs_apart_by_steady_time_that_went_back) {
  clock_.AdvanceSeconds(100);
  Note();
  const int64_t before_us = Now();
  VirtualClock anew;  // the same name, earlier
  anew.SetWallMicros(clock_.WallMicros() + 20 * kSecond);
  EXPECT_EQ(RowClock(anew, kept_).WallMicros(), before_us + 20 * kSecond);
}

// A process that is stopped between two looks.
class StoppedClock final : public base::Clock {
 public:
  int64_t SteadyMicros() const override { return steady_us += between_us; }
  int64_t WallMicros() const override { return VirtualClock::kStartWallMicros + (steady_us += between_us); }
  base::Seconds Now() const override { return 2; }
  int64_t SteadyMicrosAt(base::Seconds) const override { return 0; }
  mutable int64_t steady_us = 0;
  int64_t between_us = 0;
};

TEST(RowClock, believes_no_clocks_that_were_read_far_apart) {
  StoppedClock clock;
  RowClock rows(clock, std::nullopt);
  clock.between_us = 3 * kSecond;
  EXPECT_FALSE(rows.Due());
  clock.between_us = 1;
  const auto note = rows.Due();
  ASSERT_TRUE(note);
  EXPECT_EQ(note->shift_us, 0);
}

TEST(RowClockNote, is_nothing_else) {
  RowClockNote note{1, 2, 3, 4};
  EXPECT_EQ(note.Text(), "1 2 3 4 -");
  EXPECT_EQ(RowClockNote::Parse("1 2 3 4 -"), note);
  note.lead_before_us = -5;
  EXPECT_EQ(RowClockNote::Parse(note.Text()), note);
  for (const char* text :
       {"", "1", "1 2 3 4", "1 2 3 4 ", "1 2 3 4 5 ", "1 2 3 4 5 6", "1 2 3 4 --", "-1 2 3 4 -", "1 2 3 x -",
        "1  2 3 4 -", " 1 2 3 4 -", "99999999999999999999 2 3 4 -", "1 2 3 1152921504606846976 -",
        "1 -1152921504606846976 3 4 -", "1 2 3 4 -9223372036854775808", "a row clock"}) {
    EXPECT_FALSE(RowClockNote::Parse(text)) << text;
  }
}

// -- The file -------------------------------------------------------------------------------------

class RowClockFile : public testing::Test {
 protected:
  RowClockFile() {
    directory_ = testing::TempDir() + "holdfast-row-clock-XXXXXX";
    CHECK(mkdtemp(directory_.data()) != nullptr);
    path_ = directory_ + "/sessions.db";
    Start();
  }
  ~RowClockFile() override {
    Kill();
    std::filesystem::remove_all(directory_);
  }
  void Start() {
    Kill();
    auto opened = Database::Open("sqlite:" + path_, clock_);
    CHECK(opened.ok());
    database_ = std::move(opened.value());
    driver_ = database_->NewDriver();
    CHECK(driver_->Open().ok());
  }
  void Kill() {
    driver_.reset();
    database_.reset();
  }
  void Write(const std::string& key, int64_t ttl_us, ChangeKind kind = ChangeKind::kValue) {
    Change change;
    change.kind = kind;
    change.row.key = key;
    change.row.version = change.row.born = change.row.touched = 1000;
    change.row.expires_us = clock_.SteadyMicros() + ttl_us;
    std::vector<ChangeOutcome> outcomes;
    const Failure failure = driver_->Write({&change, 1}, &outcomes);
    CHECK(failure.ok());
    CHECK(outcomes == std::vector{ChangeOutcome::kDone});
  }
  int64_t Left(std::string_view key) {
    std::vector<Row> rows;
    CHECK(driver_->Load({&key, 1}, &rows).ok());
    return rows.empty() ? -1 : rows[0].expires_us - clock_.SteadyMicros();
  }
  uint64_t Sweep(int64_t grace_us = 0) {
    uint64_t deleted = 0;
    CHECK(driver_->Sweep(grace_us, 100, &deleted).ok());
    return deleted;
  }
  std::string Sql(const std::string& sql) const {
    sqlite3* connection = nullptr;
    CHECK(sqlite3_open(path_.c_str(), &connection) == SQLITE_OK);
    std::string text;
    const auto append = [](void* out, int columns, char** values, char**) {
      for (int i = 0; i < columns; ++i) *static_cast<std::string*>(out) += std::string(values[i]) + "|";
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(connection, sql.c_str(), append, &text, nullptr), SQLITE_OK) << sqlite3_errmsg(connection);
    sqlite3_close(connection);
    return text;
  }
  std::string Shown() const { return Sql("SELECT expires_utc, updated_utc FROM sessions_readable"); }

  VirtualClock clock_;
  std::string directory_;
  std::string path_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Driver> driver_;
};

TEST_F(RowClockFile, a_step_ends_no_session_and_prolongs_none) {
  for (const int64_t step_us : {kHour, -kHour, -kHour, 2 * kHour}) {
    Write("k" + std::to_string(clock_.SteadyMicros()) + std::to_string(step_us), 5 * kSecond);
    const std::string key = "session" + std::to_string(step_us) + std::to_string(clock_.WallMicros());
    Write(key, 100 * kSecond);
    Step(clock_, step_us);
    EXPECT_EQ(Left(key), 100 * kSecond) << "while it runs";
    Kill();
    clock_.AdvanceSeconds(1);
    Start();
    EXPECT_EQ(Left(key), 99 * kSecond) << "after a restart";
    EXPECT_EQ(Sweep(), 0u);
    clock_.AdvanceSeconds(5);
    EXPECT_EQ(Sweep(), 1u) << "the short one";
    EXPECT_EQ(Left(key), 94 * kSecond);
  }
}

TEST_F(RowClockFile, a_step_while_no_server_runs_ends_no_session) {
  Write("k", 100 * kSecond);
  Kill();
  Step(clock_, kHour);
  clock_.AdvanceSeconds(10);
  Start();
  EXPECT_EQ(Left("k"), 90 * kSecond);
  EXPECT_EQ(Sweep(), 0u);
  Kill();
  Step(clock_, -2 * kHour);
  Start();
  EXPECT_EQ(Left("k"), 90 * kSecond);
  clock_.AdvanceSeconds(90);
  EXPECT_LE(Left("k"), 0);
}

TEST_F(RowClockFile, a_step_is_known_after_the_next_write_whatever_ends_the_machine) {
  for (const auto& note : std::initializer_list<std::function<void()>>{
           [this] { Write("other" + std::to_string(clock_.WallMicros()), kHour); }, [this] { Sweep(); },
           [this] { driver_->Idle(); }}) {
    const std::string key = "k" + std::to_string(clock_.WallMicros());
    Write(key, 100 * kSecond);
    Step(clock_, kHour);
    note();
    Kill();
    clock_.AdvanceSeconds(10);
    clock_.Reboot();
    Start();
    EXPECT_EQ(Left(key), 90 * kSecond);
  }
}

TEST_F(RowClockFile, a_tombstone_lives_its_life) {
  Write("k", 100 * kSecond, ChangeKind::kDelete);
  Step(clock_, kHour);
  Start();
  EXPECT_EQ(Sweep(), 0u);
  EXPECT_EQ(Left("k"), 100 * kSecond);
}

TEST_F(RowClockFile, people_see_utc) {
  Write("k", 100 * kSecond);
  EXPECT_EQ(Shown(), "2027-01-15 08:01:40|2027-01-15 08:00:00|");
  Step(clock_, kHour);
  driver_->Idle();
  EXPECT_EQ(Shown(), "2027-01-15 09:01:40|2027-01-15 09:00:00|");
  Start();
  EXPECT_EQ(Shown(), "2027-01-15 09:01:40|2027-01-15 09:00:00|");
  Step(clock_, -kHour);
  Sweep();
  EXPECT_EQ(Shown(), "2027-01-15 08:01:40|2027-01-15 08:00:00|");
  Sql("DELETE FROM meta WHERE name = 'clock_shift_us'");
  EXPECT_EQ(Shown(), "2027-01-15 08:01:40|2027-01-15 08:00:00|") << "no note is no shift";
}

TEST_F(RowClockFile, one_from_before_there_were_notes_is_read_as_it_is_and_gets_its_note_and_view) {
  Write("k", 100 * kSecond);
  Kill();
  Sql("DELETE FROM meta WHERE name IN ('row_clock', 'clock_shift_us'); DROP VIEW sessions_readable;"
      "CREATE VIEW sessions_readable AS SELECT 'as it was' AS expires_utc, '' AS updated_utc FROM sessions");
  clock_.AdvanceSeconds(10);
  Start();
  EXPECT_EQ(Left("k"), 90 * kSecond);
  EXPECT_EQ(Shown(), "2027-01-15 08:01:40|2027-01-15 08:00:00|");
  Step(clock_, kHour);
  Start();
  EXPECT_EQ(Left("k"), 90 * kSecond);
  EXPECT_EQ(Shown(), "2027-01-15 09:01:40|2027-01-15 09:00:00|");
}

TEST_F(RowClockFile, an_older_copy_has_its_own_time) {
  Write("k", 100 * kSecond);
  driver_->Idle();
  std::filesystem::copy_file(path_, path_ + ".copy");
  Step(clock_, kHour);
  Write("k2", 100 * kSecond);
  clock_.AdvanceSeconds(10);
  const auto restore = [this] {
    Kill();
    for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path_ + suffix);
    std::filesystem::copy_file(path_ + ".copy", path_);
    Start();
  };
  restore();
  EXPECT_EQ(Left("k"), 90 * kSecond);
  EXPECT_EQ(Shown(), "2027-01-15 09:01:40|2027-01-15 09:00:00|");
  clock_.Reboot();  // or another machine, whose clock says what it says
  restore();
  EXPECT_EQ(Left("k"), 90 * kSecond - kHour) << "the copy knows of no step";
  Step(clock_, -kHour);
  clock_.Reboot();
  restore();
  EXPECT_EQ(Left("k"), 90 * kSecond);
}

TEST_F(RowClockFile, that_has_something_else_for_a_note_is_refused_by_name) {
  Kill();
  Sql("UPDATE meta SET value = 'noon' WHERE name = 'row_clock'");
  const auto opened = Database::Open("sqlite:" + path_, clock_);
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().kind(), base::ErrorKind::kCorrupt);
  EXPECT_NE(opened.status().message().find(path_), std::string::npos);
  EXPECT_NE(opened.status().message().find("row_clock"), std::string::npos);
}

}  // namespace
}  // namespace holdfast::session
