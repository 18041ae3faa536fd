// driver_contract.cc - what every driver promises (session/driver.h), held against a real database.
//
// Without arguments from the environment it runs on an SQLite file in a temporary directory. With HOLDFAST_CONTRACT_URL
// it runs on that database, whose password is in HOLDFAST_DATABASE_PASSWORD; HOLDFAST_CONTRACT_SQL is then a command
// that carries out SQL from its standard input as an administrator, and HOLDFAST_CONTRACT_KILL one that cuts off all
// connections of our user.

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <random>

#include "base/check.h"
#include "base/clock.h"
#include "session/driver.h"

namespace holdfast::session {
namespace {

constexpr int64_t kSecond = 1'000'000;
constexpr int64_t kSlack = 20 * kSecond;  // a busy machine, between a call and a look at it

std::string Environment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// The machine's clock, with a wall clock that may be set.
class SettableClock final : public base::Clock {
 public:
  int64_t SteadyMicros() const override { return system_.SteadyMicros(); }
  int64_t WallMicros() const override { return system_.WallMicros() + offset_us; }
  base::Seconds Now() const override { return system_.Now(); }
  int64_t SteadyMicrosAt(base::Seconds second) const override { return system_.SteadyMicrosAt(second); }
  int64_t offset_us = 0;

 private:
  base::SystemClock system_;
};

class DriverContract : public testing::Test {
 protected:
  DriverContract() {
    url_ = Environment("HOLDFAST_CONTRACT_URL");
    if (url_.empty()) {
      directory_ = testing::TempDir() + "holdfast-contract-XXXXXX";
      CHECK(mkdtemp(directory_.data()) != nullptr);
      url_ = "sqlite:" + directory_ + "/sessions.db";
    }
    prefix_ = std::string(testing::UnitTest::GetInstance()->current_test_info()->name()) + "-" +
              std::to_string(std::random_device()()) + "-";
    auto opened = Database::Open(url_, clock_, -1, Environment("HOLDFAST_DATABASE_PASSWORD"));
    CHECK(opened.ok() || (std::fprintf(stderr, "%s\n", opened.status().message().c_str()), false));
    database_ = std::move(opened.value());
    writer_ = Connect();
    reader_ = Connect();
  }
  ~DriverContract() override {
    writer_.reset();
    reader_.reset();
    database_.reset();
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
  }

  std::unique_ptr<Driver> Connect() {
    std::unique_ptr<Driver> driver = database_->NewDriver();
    const Failure failure = driver->Open();
    EXPECT_TRUE(failure.ok()) << failure.detail;
    return driver;
  }
  bool is_file() const { return !directory_.empty(); }

  std::string Key(const std::string& name = "k") const { return prefix_ + name; }
  int64_t In(int64_t us) const { return us == kNeverMicros ? kNeverMicros : clock_.SteadyMicros() + us; }

  Change Value(const std::string& key, uint64_t version, uint64_t born, uint64_t floor, std::string data,
               int64_t ttl_us = 1000 * kSecond) const {
    Change change;
    change.row.key = key;
    change.row.version = version;
    change.row.touched = version;
    change.row.born = born;
    change.row.floor = floor;
    change.row.expires_us = In(ttl_us);
    change.row.data = std::move(data);
    return change;
  }
  Change Delete(const std::string& key, uint64_t version, int64_t life_us = 86400 * kSecond) const {
    Change change;
    change.kind = ChangeKind::kDelete;
    change.row.key = key;
    change.row.version = version;
    change.row.expires_us = In(life_us);
    return change;
  }
  Change Expiry(const std::string& key, uint64_t base_version, uint64_t born, uint64_t touched, int64_t ttl_us) const {
    Change change;
    change.kind = ChangeKind::kExpiry;
    change.base_version = base_version;
    change.row.key = key;
    change.row.version = base_version;
    change.row.born = born;
    change.row.touched = touched;
    change.row.expires_us = In(ttl_us);
    return change;
  }

  std::vector<ChangeOutcome> Write(const std::vector<Change>& changes) {
    std::vector<ChangeOutcome> outcomes;
    const Failure failure = writer_->Write(changes, &outcomes);
    EXPECT_TRUE(failure.ok()) << failure.detail;
    EXPECT_EQ(outcomes.size(), changes.size());
    outcomes.resize(changes.size(), ChangeOutcome::kBad);
    return outcomes;
  }
  ChangeOutcome WriteOne(const Change& change) { return Write({change})[0]; }

  // The row of key; version 0 when there is none.
  Row LoadRow(std::string_view key) {
    std::vector<Row> rows;
    const Failure failure = reader_->Load({&key, 1}, &rows);
    EXPECT_TRUE(failure.ok()) << failure.detail;
    EXPECT_LE(rows.size(), 1u);
    return rows.empty() ? Row() : rows[0];
  }
  void ExpectExpiresIn(const std::string& key, int64_t us) {
    EXPECT_NEAR(static_cast<double>(LoadRow(key).expires_us - clock_.SteadyMicros()), static_cast<double>(us),
                static_cast<double>(kSlack));
  }
  // False where there is nobody to carry it out.
  bool Sql(const std::string& sql) const {
    const std::string command = Environment("HOLDFAST_CONTRACT_SQL");
    if (command.empty()) return false;
    FILE* const pipe = popen(command.c_str(), "w");
    CHECK(pipe != nullptr);
    std::fputs(sql.c_str(), pipe);
    EXPECT_EQ(pclose(pipe), 0) << sql;
    return true;
  }

  SettableClock clock_;
  std::string url_;
  std::string directory_;  // of SQLite; else empty
  std::string prefix_;     // of this test's keys
  std::unique_ptr<Database> database_;
  std::unique_ptr<Driver> writer_;
  std::unique_ptr<Driver> reader_;
};

// -- Bytes ----------------------------------------------------------------------------------------

TEST_F(DriverContract, ARowComesBackAsItWent) {
  std::string every_byte;
  for (int i = 0; i < 256; ++i) every_byte += static_cast<char>(i);
  Change change = Value(Key(), 20, 12, 7, every_byte + every_byte + "'\\%_;--");
  change.row.touched = 25;
  change.row.client_flags = 4294967295u;
  change.row.owner = 3;
  ASSERT_EQ(WriteOne(change), ChangeOutcome::kDone);
  const Row row = LoadRow(change.row.key);
  EXPECT_EQ(row.key, change.row.key);
  EXPECT_EQ(row.version, 20u);
  EXPECT_EQ(row.born, 12u);
  EXPECT_EQ(row.floor, 7u);
  EXPECT_EQ(row.touched, 25u);
  EXPECT_EQ(row.state, RowState::kLive);
  EXPECT_EQ(row.client_flags, 4294967295u);
  EXPECT_EQ(row.owner, 3u);
  EXPECT_EQ(row.data, change.row.data);
  EXPECT_LT(std::abs(clock_.SteadyMicros() - row.changed_us), kSlack);
  ExpectExpiresIn(change.row.key, 1000 * kSecond);
  EXPECT_EQ(LoadRow(Key("other")).version, 0u);
}

TEST_F(DriverContract, KeysAreBytesAndNotText) {
  const std::vector<std::string> keys = {Key(),          Key() + " ",        Key() + "  ", Key() + std::string(1, '\0'),
                                         Key() + "\xff", Key() + "\xc3\xa4", Key() + "A",  Key() + "a",
                                         Key() + "'",    Key() + "\\",       Key() + "%",  Key() + "\n\t"};
  std::vector<Change> changes;
  for (size_t i = 0; i < keys.size(); ++i) changes.push_back(Value(keys[i], 10, 10, 0, std::to_string(i)));
  for (const ChangeOutcome outcome : Write(changes)) EXPECT_EQ(outcome, ChangeOutcome::kDone);
  for (size_t i = 0; i < keys.size(); ++i) EXPECT_EQ(LoadRow(keys[i]).data, std::to_string(i)) << i;
}

TEST_F(DriverContract, AKeyMayHave250Bytes) {
  std::string key = Key();
  key.resize(250, '\xee');
  EXPECT_EQ(WriteOne(Value(key, 10, 10, 0, "v")), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(key).data, "v");
  EXPECT_EQ(LoadRow(key.substr(0, 249)).version, 0u);
}

TEST_F(DriverContract, StampsMayHave63Bits) {
  constexpr uint64_t kHighest = (uint64_t{1} << 63) - 1;
  EXPECT_EQ(WriteOne(Value(Key(), kHighest, kHighest - 1, kHighest - 2, "v")), ChangeOutcome::kDone);
  const Row row = LoadRow(Key());
  EXPECT_EQ(row.version, kHighest);
  EXPECT_EQ(row.born, kHighest - 1);
  EXPECT_EQ(row.floor, kHighest - 2);
}

TEST_F(DriverContract, AnEmptyValueIsAValue) {
  EXPECT_EQ(WriteOne(Value(Key(), 10, 10, 0, "")), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).state, RowState::kLive);
  EXPECT_EQ(LoadRow(Key()).data, "");
}

TEST_F(DriverContract, TheLargestValueFitsAndALargerIsBad) {
  const uint64_t limit = database_->value_bytes_max();
  ASSERT_GE(limit, 1u << 20);
  if (limit <= 32u << 20) {
    // Every byte of this one must be escaped where statements are text.
    const std::string largest(limit, '\'');
    EXPECT_EQ(WriteOne(Value(Key(), 10, 10, 0, largest)), ChangeOutcome::kDone);
    EXPECT_TRUE(LoadRow(Key()).data == largest);
    EXPECT_EQ(Write({Value(Key("a"), 10, 10, 0, "v"), Value(Key(), 20, 10, 0, std::string(limit + 1, 'x')),
                     Value(Key("z"), 10, 10, 0, "v")}),
              (std::vector{ChangeOutcome::kDone, ChangeOutcome::kBad, ChangeOutcome::kDone}));
    EXPECT_EQ(LoadRow(Key()).version, 10u) << "the old value stays";
  }
  const std::string large(1 << 20, '\0');
  EXPECT_EQ(WriteOne(Value(Key("m"), 10, 10, 0, large)), ChangeOutcome::kDone);
  EXPECT_TRUE(LoadRow(Key("m")).data == large);
}

TEST_F(DriverContract, ABatchMayBeLargerThanAStatement) {
  std::vector<Change> changes;
  for (int i = 0; i < 24; ++i) {
    changes.push_back(Value(Key(std::to_string(i)), 10, 10, 0, std::string(1 << 20, static_cast<char>('a' + i))));
  }
  for (const ChangeOutcome outcome : Write(changes)) EXPECT_EQ(outcome, ChangeOutcome::kDone);
  for (int i = 0; i < 24; ++i) EXPECT_TRUE(LoadRow(Key(std::to_string(i))).data == changes[i].row.data) << i;
}

TEST_F(DriverContract, ABadRowIsLeftOutAndTheOthersAreWritten) {
  const std::string long_key = Key() + std::string(251, 'x');
  EXPECT_EQ(Write({Value(Key("a"), 10, 10, 0, "v"), Value(long_key, 10, 10, 0, "v"), Value(Key("b"), 10, 10, 0, "v"),
                   Value(Key("c"), 10, 10, 0, "v"), Delete(Key("d"), 30)}),
            (std::vector{ChangeOutcome::kDone, ChangeOutcome::kBad, ChangeOutcome::kDone, ChangeOutcome::kDone,
                         ChangeOutcome::kDone}));
  EXPECT_EQ(LoadRow(Key("a")).data, "v");
  EXPECT_EQ(LoadRow(Key("c")).data, "v");
  EXPECT_EQ(LoadRow(Key("d")).state, RowState::kTombstone);
  EXPECT_EQ(LoadRow(long_key.substr(0, 250)).version, 0u) << "not cut to fit";
}

// -- Time -----------------------------------------------------------------------------------------

TEST_F(DriverContract, NeverExpiresStaysSo) {
  WriteOne(Value(Key(), 10, 10, 0, "", kNeverMicros));
  EXPECT_EQ(LoadRow(Key()).expires_us, kNeverMicros);
  EXPECT_EQ(WriteOne(Expiry(Key(), 10, 10, 20, 50 * kSecond)), ChangeOutcome::kDone);
  ExpectExpiresIn(Key(), 50 * kSecond);
  EXPECT_EQ(WriteOne(Expiry(Key(), 10, 10, 30, kNeverMicros)), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).expires_us, kNeverMicros);
}

TEST_F(DriverContract, AnExpiryInThePastIsKept) {
  WriteOne(Value(Key(), 10, 10, 0, "v", -100 * kSecond));
  ExpectExpiresIn(Key(), -100 * kSecond);
  EXPECT_EQ(LoadRow(Key()).data, "v");
}

TEST_F(DriverContract, OurWallClockMovesNoExpiryInAServer) {
  if (is_file()) GTEST_SKIP() << "the clock of the file is our own";
  clock_.offset_us = -7200 * kSecond;
  WriteOne(Value(Key(), 10, 10, 0, "v", 500 * kSecond));
  clock_.offset_us = 7200 * kSecond;
  ExpectExpiresIn(Key(), 500 * kSecond);
  uint64_t deleted = 0;
  EXPECT_TRUE(writer_->Sweep(0, 100, &deleted).ok());
  EXPECT_EQ(LoadRow(Key()).data, "v");
}

TEST_F(DriverContract, AClockThatIsAheadOfTheServersIsRefused) {
  if (is_file()) GTEST_SKIP() << "the clock of the file is our own";
  clock_.offset_us = 5 * kSecond + kSecond / 2;
  const auto opened = Database::Open(url_, clock_, -1, Environment("HOLDFAST_DATABASE_PASSWORD"));
  ASSERT_FALSE(opened.ok());
  EXPECT_EQ(opened.status().kind(), base::ErrorKind::kRefused);
  EXPECT_NE(opened.status().message().find("clock of this machine"), std::string::npos);
}

// -- The guard ------------------------------------------------------------------------------------

TEST_F(DriverContract, TheLaterVersionWinsWhateverTheOrder) {
  EXPECT_EQ(WriteOne(Value(Key(), 20, 10, 0, "later")), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Value(Key(), 15, 10, 0, "earlier")), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow(Key()).data, "later");
  EXPECT_EQ(WriteOne(Value(Key(), 30, 10, 0, "latest")), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).data, "latest");
  EXPECT_EQ(LoadRow(Key()).version, 30u);
}

TEST_F(DriverContract, TheSameChangeTwiceIsDoneOnce) {
  for (int i = 0; i < 2; ++i) EXPECT_EQ(WriteOne(Value(Key(), 20, 10, 0, "v")), ChangeOutcome::kDone);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(WriteOne(Expiry(Key(), 20, 10, 25, kSecond)), ChangeOutcome::kDone);
  for (int i = 0; i < 2; ++i) EXPECT_EQ(WriteOne(Delete(Key(), 30)), ChangeOutcome::kDone);
}

TEST_F(DriverContract, ABatchTellsForEachChangeWhatBecameOfIt) {
  Write({Value(Key("newer"), 50, 10, 0, "kept"), Value(Key("same"), 20, 10, 0, "v"),
         Value(Key("touched"), 20, 10, 0, "v"), Value(Key("gone"), 20, 10, 0, "v"), Delete(Key("dead"), 40)});
  EXPECT_EQ(Write({Value(Key("new"), 20, 20, 0, "v"), Value(Key("newer"), 20, 10, 0, "lost"),
                   Expiry(Key("touched"), 20, 10, 25, kSecond), Value(Key("same"), 20, 10, 0, "v"),
                   Delete(Key("gone"), 30), Expiry(Key("absent"), 20, 10, 25, kSecond), Delete(Key("newer"), 5),
                   Value(Key("dead"), 45, 10, 0, "late"), Delete(Key("nothing"), 30)}),
            (std::vector{ChangeOutcome::kDone, ChangeOutcome::kOvertaken, ChangeOutcome::kDone, ChangeOutcome::kDone,
                         ChangeOutcome::kDone, ChangeOutcome::kNeedsRow, ChangeOutcome::kOvertaken,
                         ChangeOutcome::kOvertaken, ChangeOutcome::kDone}));
  EXPECT_EQ(LoadRow(Key("newer")).data, "kept");
  EXPECT_EQ(LoadRow(Key("newer")).floor, 5u);
  EXPECT_EQ(LoadRow(Key("new")).data, "v");
  EXPECT_EQ(LoadRow(Key("touched")).touched, 25u);
  EXPECT_EQ(LoadRow(Key("gone")).state, RowState::kTombstone);
  EXPECT_EQ(LoadRow(Key("dead")).state, RowState::kTombstone);
  EXPECT_EQ(LoadRow(Key("nothing")).floor, 30u);
  EXPECT_EQ(LoadRow(Key("absent")).version, 0u);
}

TEST_F(DriverContract, AKeyMayStandTwiceInABatch) {
  Write({Value(Key(), 20, 10, 0, "a"), Value(Key(), 30, 10, 0, "b"), Expiry(Key(), 30, 10, 31, 77 * kSecond),
         Expiry(Key(), 30, 10, 35, 99 * kSecond), Value(Key("d"), 20, 10, 0, "a"), Delete(Key("d"), 30),
         Value(Key("d"), 40, 40, 30, "login"), Delete(Key("d"), 25)});
  EXPECT_EQ(LoadRow(Key()).data, "b");
  EXPECT_EQ(LoadRow(Key("d")).data, "login");
  EXPECT_EQ(LoadRow(Key("d")).floor, 30u);
}

TEST_F(DriverContract, ATouchMovesTheExpiryAndNothingElse) {
  WriteOne(Value(Key(), 20, 10, 0, "v"));
  EXPECT_EQ(WriteOne(Expiry(Key(), 20, 10, 25, 5000 * kSecond)), ChangeOutcome::kDone);
  const Row row = LoadRow(Key());
  EXPECT_EQ(row.data, "v");
  EXPECT_EQ(row.version, 20u);
  EXPECT_EQ(row.touched, 25u);
  ExpectExpiresIn(Key(), 5000 * kSecond);
  WriteOne(Expiry(Key(), 20, 10, 22, 10 * kSecond));
  ExpectExpiresIn(Key(), 5000 * kSecond);
}

TEST_F(DriverContract, ATouchOfARowThatIsGoneOrAnotherAsksForTheWhole) {
  EXPECT_EQ(WriteOne(Expiry(Key(), 20, 10, 25, kSecond)), ChangeOutcome::kNeedsRow);
  EXPECT_EQ(LoadRow(Key()).version, 0u);
  WriteOne(Value(Key(), 30, 10, 0, "v"));
  EXPECT_EQ(WriteOne(Expiry(Key(), 20, 10, 35, kSecond)), ChangeOutcome::kNeedsRow);
  WriteOne(Delete(Key(), 40));
  EXPECT_EQ(WriteOne(Expiry(Key(), 30, 10, 45, kSecond)), ChangeOutcome::kNeedsRow);
}

TEST_F(DriverContract, ValueAndExpiryAreTwoRegisters) {
  WriteOne(Value(Key(), 20, 10, 0, "v"));
  WriteOne(Expiry(Key(), 20, 10, 40, 5000 * kSecond));
  EXPECT_EQ(WriteOne(Value(Key(), 30, 10, 0, "w", 100 * kSecond)), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).data, "w");
  ExpectExpiresIn(Key(), 5000 * kSecond);

  Change earlier = Value(Key(), 25, 10, 0, "x", 9000 * kSecond);
  earlier.row.touched = 60;
  EXPECT_EQ(WriteOne(earlier), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow(Key()).data, "w");
  ExpectExpiresIn(Key(), 9000 * kSecond);

  Change same = Value(Key(), 30, 10, 0, "w", 200 * kSecond);
  same.row.touched = 70;
  EXPECT_EQ(WriteOne(same), ChangeOutcome::kDone);
  ExpectExpiresIn(Key(), 200 * kSecond);
}

TEST_F(DriverContract, NothingBornBeforeADeleteComesBack) {
  WriteOne(Value(Key(), 20, 10, 0, "v"));
  EXPECT_EQ(WriteOne(Delete(Key(), 30)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Value(Key(), 40, 10, 0, "slow writer")), ChangeOutcome::kOvertaken);
  const Row row = LoadRow(Key());
  EXPECT_EQ(row.state, RowState::kTombstone);
  EXPECT_EQ(row.floor, 30u);
  EXPECT_EQ(row.data, "");
}

TEST_F(DriverContract, ADeleteBeforeTheRowIsKnownHoldsToo) {
  EXPECT_EQ(WriteOne(Delete(Key(), 30)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Value(Key(), 20, 20, 0, "late")), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow(Key()).state, RowState::kTombstone);
}

TEST_F(DriverContract, ANewLoginAfterADeleteLivesAndKeepsTheFloor) {
  WriteOne(Value(Key(), 20, 10, 0, "v"));
  WriteOne(Delete(Key(), 30));
  EXPECT_EQ(WriteOne(Value(Key(), 40, 40, 30, "login")), ChangeOutcome::kDone);
  const Row row = LoadRow(Key());
  EXPECT_EQ(row.state, RowState::kLive);
  EXPECT_EQ(row.data, "login");
  EXPECT_EQ(row.floor, 30u);
  ExpectExpiresIn(Key(), 1000 * kSecond);
  EXPECT_EQ(WriteOne(Value(Key(), 50, 10, 0, "slow writer")), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow(Key()).data, "login");
}

TEST_F(DriverContract, ALateDeleteSparesTheLoginAfterItAndRaisesTheFloor) {
  WriteOne(Value(Key(), 40, 40, 30, "login"));
  EXPECT_EQ(WriteOne(Delete(Key(), 30)), ChangeOutcome::kOvertaken) << "its floor came with the login";
  EXPECT_EQ(WriteOne(Delete(Key(), 35)), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow(Key()).data, "login");
  EXPECT_EQ(LoadRow(Key()).floor, 35u);
}

// A login, the delete before it, and writes of the deleted incarnation arrive in every order, some of them twice: the
// row is the same in the end.
TEST_F(DriverContract, TheOrderOfArrivalDoesNotMatter) {
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  std::minstd_rand random(1);
  do {
    const std::string key = Key(std::to_string(random()));
    const std::vector<Change> changes = {Value(key, 20, 10, 0, "old"), Value(key, 60, 10, 0, "old, under a fast clock"),
                                         Delete(key, 30), Value(key, 40, 40, 30, "login"),
                                         Value(key, 50, 40, 30, "click")};
    for (const size_t i : order) {
      WriteOne(changes[i]);
      if (random() % 3 == 0) WriteOne(changes[random() % changes.size()]);
    }
    const Row row = LoadRow(key);
    EXPECT_EQ(row.data, "click");
    EXPECT_EQ(row.floor, 30u);
    EXPECT_EQ(row.version, 50u);
    EXPECT_EQ(row.born, 40u);
    EXPECT_EQ(row.state, RowState::kLive);
    ASSERT_FALSE(HasFailure()) << order[0] << order[1] << order[2] << order[3] << order[4];
  } while (std::next_permutation(order.begin(), order.end()));
}

// -- Loading, sweeping ----------------------------------------------------------------------------

TEST_F(DriverContract, ManyKeysAreWrittenAndLoadedAtOnce) {
  std::vector<std::string> names;
  std::vector<Change> changes;
  for (int i = 0; i < 1000; ++i) {
    names.push_back(Key(std::to_string(i)));
    if (i % 2 == 0) changes.push_back(Value(names.back(), 10, 10, 0, std::to_string(i)));
  }
  for (const ChangeOutcome outcome : Write(changes)) EXPECT_EQ(outcome, ChangeOutcome::kDone);
  const std::vector<std::string_view> keys(names.begin(), names.end());
  std::vector<Row> rows;
  ASSERT_TRUE(reader_->Load(keys, &rows).ok());
  EXPECT_EQ(rows.size(), 500u);
  for (const Row& row : rows) EXPECT_EQ(row.key, Key(row.data));
}

TEST_F(DriverContract, NothingIsLoadedAndNothingWrittenForNothing) {
  std::vector<Row> rows;
  EXPECT_TRUE(reader_->Load({}, &rows).ok());
  EXPECT_TRUE(Write({}).empty());
}

TEST_F(DriverContract, TheSweepTakesWhatExpiredLongAgoAndNoMoreThanAsked) {
  uint64_t deleted = 1;
  while (deleted > 0) ASSERT_TRUE(writer_->Sweep(0, 1000, &deleted).ok());  // what other tests left
  std::vector<Change> changes;
  for (int i = 0; i < 6; ++i) changes.push_back(Value(Key(std::to_string(i)), 10, 10, 0, "v", -1000 * kSecond));
  changes.push_back(Value(Key("later"), 10, 10, 0, "v", 1000 * kSecond));
  changes.push_back(Value(Key("never"), 10, 10, 0, "v", kNeverMicros));
  changes.push_back(Delete(Key("young"), 30, 500 * kSecond));
  changes.push_back(Delete(Key("old"), 30, -2000 * kSecond));
  Write(changes);
  ASSERT_TRUE(writer_->Sweep(3000 * kSecond, 4, &deleted).ok());
  EXPECT_EQ(deleted, 0u) << "within the grace";
  ASSERT_TRUE(writer_->Sweep(900 * kSecond, 4, &deleted).ok());
  EXPECT_EQ(deleted, 4u);
  EXPECT_EQ(LoadRow(Key("old")).version, 0u) << "the oldest first";
  ASSERT_TRUE(writer_->Sweep(900 * kSecond, 4, &deleted).ok());
  EXPECT_EQ(deleted, 3u);
  EXPECT_EQ(LoadRow(Key("later")).data, "v");
  EXPECT_EQ(LoadRow(Key("never")).data, "v");
  EXPECT_EQ(LoadRow(Key("young")).state, RowState::kTombstone);
}

TEST_F(DriverContract, ASweptSessionComesBackWhole) {
  WriteOne(Value(Key(), 20, 10, 0, "v", -1000 * kSecond));
  uint64_t deleted = 1;
  while (deleted > 0) ASSERT_TRUE(writer_->Sweep(0, 1000, &deleted).ok());
  EXPECT_EQ(WriteOne(Expiry(Key(), 20, 10, 25, 1000 * kSecond)), ChangeOutcome::kNeedsRow);
  EXPECT_EQ(WriteOne(Value(Key(), 20, 10, 0, "v")), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).data, "v");
}

// -- Several servers ------------------------------------------------------------------------------

TEST_F(DriverContract, AComparedWriteTakesPlaceOverTheExpectedVersionAlone) {
  const auto compared = [this](uint64_t base, uint64_t version, uint64_t born, const char* data) {
    Change change = Value(Key(), version, born, 0, data);
    change.kind = ChangeKind::kCompared;
    change.base_version = base;
    return WriteOne(change);
  };
  EXPECT_EQ(compared(5, 20, 20, "x"), ChangeOutcome::kOvertaken) << "there is no row of that version";
  EXPECT_EQ(LoadRow(Key()).version, 0u);
  EXPECT_EQ(compared(0, 20, 20, "first"), ChangeOutcome::kDone);
  EXPECT_EQ(compared(0, 20, 20, "first"), ChangeOutcome::kDone) << "held already";
  EXPECT_EQ(compared(0, 25, 25, "second login"), ChangeOutcome::kOvertaken);
  EXPECT_EQ(compared(19, 26, 20, "other"), ChangeOutcome::kOvertaken);
  EXPECT_EQ(compared(20, 30, 20, "changed"), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).data, "changed");
  WriteOne(Delete(Key(), 40));
  EXPECT_EQ(compared(30, 50, 20, "from before the delete"), ChangeOutcome::kOvertaken);
  EXPECT_EQ(compared(0, 35, 35, "from before the delete"), ChangeOutcome::kOvertaken);
  EXPECT_EQ(compared(0, 50, 50, "login"), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).data, "login");
  EXPECT_EQ(LoadRow(Key()).floor, 40u);
  EXPECT_EQ(LoadRow(Key()).state, RowState::kLive);
}

TEST_F(DriverContract, AnExpiredRowComparesAsNone) {
  WriteOne(Value(Key(), 20, 20, 0, "old", -100 * kSecond));
  Change change = Value(Key(), 30, 30, 0, "new");
  change.kind = ChangeKind::kCompared;
  change.base_version = 20;
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kOvertaken);
  change.base_version = 0;
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).data, "new");
  ExpectExpiresIn(Key(), 1000 * kSecond);
}

TEST_F(DriverContract, AComparedWriteKeepsAnExpiryThatWasSetLater) {
  WriteOne(Value(Key(), 20, 20, 0, "v", 100 * kSecond));
  EXPECT_EQ(WriteOne(Expiry(Key(), 20, 20, 40, 900 * kSecond)), ChangeOutcome::kDone);
  Change change = Value(Key(), 30, 20, 0, "changed", 100 * kSecond);
  change.kind = ChangeKind::kCompared;
  change.base_version = 20;
  change.row.touched = 20;
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).data, "changed");
  EXPECT_EQ(LoadRow(Key()).touched, 40u);
  ExpectExpiresIn(Key(), 900 * kSecond);
  change = Value(Key(), 50, 20, 0, "again", 200 * kSecond);
  change.kind = ChangeKind::kCompared;
  change.base_version = 30;
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).touched, 50u);
  ExpectExpiresIn(Key(), 200 * kSecond);
}

TEST_F(DriverContract, AComparedWriteOverNothingAliveHasItsOwnExpiry) {
  Change old = Value(Key(), 20, 20, 0, "old", -100 * kSecond);
  old.row.touched = 60;
  WriteOne(old);
  Change change = Value(Key(), 50, 50, 0, "new", 200 * kSecond);
  change.kind = ChangeKind::kCompared;
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kDone);
  ExpectExpiresIn(Key(), 200 * kSecond);
}

TEST_F(DriverContract, AComparedDeleteTakesPlaceOverTheExpectedVersionAlone) {
  const auto compared = [this](uint64_t base, uint64_t version) {
    Change change = Delete(Key(), version);
    change.kind = ChangeKind::kComparedDelete;
    change.base_version = base;
    return WriteOne(change);
  };
  EXPECT_EQ(compared(20, 30), ChangeOutcome::kOvertaken) << "there is no row";
  EXPECT_EQ(LoadRow(Key()).version, 0u);
  WriteOne(Value(Key(), 20, 10, 0, "v"));
  EXPECT_EQ(compared(19, 30), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow(Key()).data, "v");
  EXPECT_EQ(compared(20, 30), ChangeOutcome::kDone);
  EXPECT_EQ(compared(20, 30), ChangeOutcome::kDone) << "held already";
  EXPECT_EQ(compared(20, 31), ChangeOutcome::kOvertaken) << "another's";
  EXPECT_EQ(LoadRow(Key()).state, RowState::kTombstone);
  EXPECT_EQ(LoadRow(Key()).floor, 30u);
  EXPECT_EQ(LoadRow(Key()).data, "");
  EXPECT_EQ(WriteOne(Value(Key(), 40, 10, 0, "late")), ChangeOutcome::kOvertaken);
  WriteOne(Value(Key("expired"), 20, 10, 0, "v", -100 * kSecond));
  Change change = Delete(Key("expired"), 30);
  change.kind = ChangeKind::kComparedDelete;
  change.base_version = 20;
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kOvertaken);
}

TEST_F(DriverContract, StampsAreReadWithoutValues) {
  Change change = Value(Key(), 20, 12, 7, "v", 300 * kSecond);
  change.row.touched = 25;
  change.row.owner = 9;
  Write({change, Delete(Key("d"), 30)});
  const std::string dead = Key("d");
  const std::string live = Key();
  const std::string absent = Key("absent");
  const std::string_view keys[] = {live, dead, absent};
  std::vector<RowStamps> rows;
  ASSERT_TRUE(reader_->LoadStamps(keys, &rows).ok());
  ASSERT_EQ(rows.size(), 2u);
  const RowStamps& row = rows[rows[0].key == live ? 0 : 1];
  EXPECT_EQ(row.key, live);
  EXPECT_EQ(row.version, 20u);
  EXPECT_EQ(row.born, 12u);
  EXPECT_EQ(row.floor, 7u);
  EXPECT_EQ(row.touched, 25u);
  EXPECT_EQ(row.owner, 9u);
  EXPECT_EQ(row.state, RowState::kLive);
  EXPECT_LT(std::abs(row.expires_us - clock_.SteadyMicros() - 300 * kSecond), kSlack);
  EXPECT_EQ(rows[rows[0].key == live ? 1 : 0].state, RowState::kTombstone);
}

TEST_F(DriverContract, ChangesOfOthersAreReadInOrderAndOnce) {
  ChangeCursor start;
  std::vector<RowStamps> rows;
  do {  // what other tests left
    rows.clear();
    ASSERT_TRUE(reader_->ReadChanges(4'000'000'000u, start, 1000, &rows, &start).ok());
  } while (!rows.empty());

  std::vector<Change> changes;
  for (int i = 0; i < 10; ++i) {
    changes.push_back(Value(Key(std::string(1, static_cast<char>('a' + i))), 20, 10, 0, "v"));
    changes.back().row.owner = i == 3 ? 77 : 88;
  }
  Write(changes);  // all of one moment
  WriteOne(Value(Key("later"), 20, 10, 0, "v"));
  ChangeCursor place = start;
  std::vector<std::string> seen;
  for (int i = 0; i < 20; ++i) {
    rows.clear();
    ASSERT_TRUE(reader_->ReadChanges(77, place, 3, &rows, &place).ok());
    EXPECT_LE(rows.size(), 3u);
    for (const RowStamps& row : rows) seen.push_back(row.key);
  }
  ASSERT_EQ(seen.size(), 10u) << "without that of 77";
  for (int i = 0; i < 9; ++i) EXPECT_EQ(seen[i], Key(std::string(1, static_cast<char>('a' + i + (i >= 3)))));
  EXPECT_EQ(seen[9], Key("later"));
}

TEST_F(DriverContract, ARowIsClaimedFromItsOwnerAlone) {
  Change mine = Value(Key("a"), 20, 10, 0, "v");
  mine.row.owner = 1;
  Change other = Value(Key("b"), 20, 10, 0, "v");
  other.row.owner = 2;
  Write({mine, other});
  const std::string a = Key("a");
  const std::string b = Key("b");
  const std::string absent = Key("absent");
  const OwnerChange claims[] = {{a, 1, 5}, {b, 1, 5}, {absent, 1, 5}};
  ASSERT_TRUE(writer_->Claim(claims).ok());
  EXPECT_EQ(LoadRow(a).owner, 5u);
  EXPECT_EQ(LoadRow(b).owner, 2u);
  EXPECT_EQ(LoadRow(a).data, "v");
  EXPECT_TRUE(writer_->Claim({}).ok());
}

TEST_F(DriverContract, ANumberIsLeasedToOneServerAtATime) {
  const uint32_t number = std::random_device()() % 1'000'000 + 1000;
  const auto find = [&](NodeLease* lease) {
    std::vector<NodeLease> nodes;
    int64_t now_us = 0;
    EXPECT_TRUE(reader_->ReadNodes(&nodes, &now_us).ok());
    EXPECT_LT(std::abs(now_us - clock_.WallMicros()), kSlack);
    for (const NodeLease& node : nodes) {
      if (node.number == number) return *lease = node, true;
    }
    return false;
  };
  NodeLease first{number, "first's", "10.0.0.1:11211", 1000, 2000};
  const NodeLease second{number, "second", "[::1]:11211", 1500, 2500};
  NodeLease found;
  bool done = false;
  EXPECT_FALSE(find(&found));
  ASSERT_TRUE(writer_->PutNode(first, &second, &done).ok());
  EXPECT_FALSE(done) << "nothing stands there";
  ASSERT_TRUE(writer_->PutNode(first, nullptr, &done).ok());
  EXPECT_TRUE(done);
  ASSERT_TRUE(writer_->PutNode(second, nullptr, &done).ok());
  EXPECT_FALSE(done);
  ASSERT_TRUE(find(&found));
  EXPECT_EQ(found.name, "first's");
  EXPECT_EQ(found.address, "10.0.0.1:11211");
  EXPECT_EQ(found.started_us, 1000);
  EXPECT_EQ(found.until_us, 2000);
  const NodeLease before = first;
  first.until_us = 3000;
  ASSERT_TRUE(writer_->PutNode(first, &before, &done).ok());
  EXPECT_TRUE(done) << "prolonged";
  ASSERT_TRUE(writer_->PutNode(second, &before, &done).ok());
  EXPECT_FALSE(done) << "it has been prolonged meanwhile";
  ASSERT_TRUE(writer_->PutNode(second, &first, &done).ok());
  EXPECT_TRUE(done);
  ASSERT_TRUE(find(&found));
  EXPECT_EQ(found.name, "second");
}

TEST_F(DriverContract, ALeaseHasOneHolderUntilItEnds) {
  bool held = false;
  ASSERT_TRUE(writer_->TakeLease(Key(), 1, 600 * kSecond, &held).ok());
  EXPECT_TRUE(held);
  ASSERT_TRUE(writer_->TakeLease(Key(), 2, 600 * kSecond, &held).ok());
  EXPECT_FALSE(held);
  ASSERT_TRUE(writer_->TakeLease(Key(), 1, -kSecond, &held).ok());
  EXPECT_TRUE(held) << "its holder may prolong it, or give it back";
  ASSERT_TRUE(writer_->TakeLease(Key(), 2, 600 * kSecond, &held).ok());
  EXPECT_TRUE(held);
  ASSERT_TRUE(writer_->TakeLease(Key(), 1, 600 * kSecond, &held).ok());
  EXPECT_FALSE(held);
}

// -- Two connections ------------------------------------------------------------------------------

TEST_F(DriverContract, TwoWritersOfTheSameRowsEndWithTheLaterVersions) {
  if (is_file()) GTEST_SKIP() << "one connection writes";
  const std::unique_ptr<Driver> other = Connect();
  std::minstd_rand random(7);
  std::vector<uint64_t> highest(20, 0);
  for (int round = 0; round < 60; ++round) {
    std::vector<Change> changes;
    for (int i = 0; i < 20; ++i) {
      const uint64_t version = 100 + random() % 10'000;
      changes.push_back(Value(Key(std::to_string(i)), version, 10, 0, std::to_string(version)));
      highest[i] = std::max(highest[i], version);
    }
    std::vector<ChangeOutcome> outcomes;
    const Failure failure = (round % 2 == 0 ? *writer_ : *other).Write(changes, &outcomes);
    ASSERT_TRUE(failure.ok()) << failure.detail;
    for (int i = 0; i < 20; ++i) {
      const bool holds = LoadRow(Key(std::to_string(i))).version == changes[i].row.version;
      EXPECT_EQ(outcomes[i], holds ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken);
    }
  }
  for (int i = 0; i < 20; ++i) EXPECT_EQ(LoadRow(Key(std::to_string(i))).data, std::to_string(highest[i]));
}

// -- Trouble --------------------------------------------------------------------------------------

TEST_F(DriverContract, ALostConnectionMeansAnotherNodeAndOpenMendsIt) {
  const std::string kill = Environment("HOLDFAST_CONTRACT_KILL");
  if (kill.empty()) GTEST_SKIP() << "nobody to cut connections";
  WriteOne(Value(Key(), 10, 10, 0, "v"));
  ASSERT_EQ(std::system(kill.c_str()), 0);
  std::vector<ChangeOutcome> outcomes;
  const Change change = Value(Key(), 20, 10, 0, "w");
  const Failure failure = writer_->Write({&change, 1}, &outcomes);
  EXPECT_EQ(failure.kind, FailureClass::kNextNode) << failure.detail;
  EXPECT_FALSE(failure.detail.empty());
  std::vector<Row> rows;
  const std::string key = Key();
  const std::string_view view = key;
  EXPECT_EQ(reader_->Load({&view, 1}, &rows).kind, FailureClass::kNextNode);
  ASSERT_TRUE(writer_->Open().ok());
  ASSERT_TRUE(reader_->Open().ok());
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow(Key()).data, "w");
}

TEST_F(DriverContract, AMissingTableIsForAPersonToMend) {
  if (!Sql("ALTER TABLE sessions RENAME TO elsewhere;")) GTEST_SKIP() << "nobody to rename a table";
  std::vector<ChangeOutcome> outcomes;
  const Change change = Value(Key(), 20, 10, 0, "w");
  const Failure failure = writer_->Write({&change, 1}, &outcomes);
  EXPECT_EQ(failure.kind, FailureClass::kConfiguration) << failure.detail;
  EXPECT_NE(failure.detail.find("--init-schema"), std::string::npos) << failure.detail;
  Sql("ALTER TABLE elsewhere RENAME TO sessions;");
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kDone);
}

TEST_F(DriverContract, TheIdentityIsTheSameForAllWhoOpen) {
  EXPECT_EQ(database_->identity().uuid.size(), 32u);
  EXPECT_EQ(database_->identity().generation, 1u);
  EXPECT_EQ(database_->identity().schema_version, kSchemaVersion);
  if (is_file()) return;
  const auto again = Database::Open(url_, clock_, -1, Environment("HOLDFAST_DATABASE_PASSWORD"));
  ASSERT_TRUE(again.ok());
  EXPECT_EQ(again.value()->identity(), database_->identity());
  DatabaseIdentity read;
  ASSERT_TRUE(reader_->ReadIdentity(&read).ok());
  EXPECT_EQ(read, database_->identity());
}

}  // namespace
}  // namespace holdfast::session
