#include <fcntl.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <sstream>

#include "base/check.h"
#include "lib/virtual_clock.h"
#include "session/driver.h"
#include "session/driver_sqlite.h"

namespace holdfast::session {
namespace {

using base::ErrorKind;
using base::Result;
using test::VirtualClock;

constexpr int64_t kSecond = 1'000'000;

class Sqlite : public testing::Test {
 protected:
  Sqlite() {
    directory_ = testing::TempDir() + "holdfast-sqlite-XXXXXX";
    CHECK(mkdtemp(directory_.data()) != nullptr);
    path_ = directory_ + "/sessions.db";
  }
  ~Sqlite() override {
    Close();
    std::filesystem::remove_all(directory_);
  }

  void OpenOrFail() {
    Result<std::unique_ptr<Database>> opened = Database::Open("sqlite:" + path_, clock_);
    ASSERT_TRUE(opened.ok()) << opened.status().message();
    database_ = std::move(opened.value());
    writer_ = database_->NewDriver();
    reader_ = database_->NewDriver();
    ASSERT_TRUE(writer_->Open().ok());
    ASSERT_TRUE(reader_->Open().ok());
  }
  void Close() {
    writer_.reset();
    reader_.reset();
    database_.reset();
  }
  base::Status OpenStatus() {
    Result<std::unique_ptr<Database>> opened = Database::Open("sqlite:" + path_, clock_);
    return opened.ok() ? base::Status() : opened.status();
  }

  ChangeOutcome WriteOne(const Change& change) {
    std::vector<ChangeOutcome> outcomes;
    const Failure failure = writer_->Write({&change, 1}, &outcomes);
    EXPECT_TRUE(failure.ok()) << failure.detail;
    return outcomes.size() == 1 ? outcomes[0] : ChangeOutcome::kBad;
  }
  Change Value(uint64_t version, uint64_t born, uint64_t floor, std::string data, int64_t ttl_us = 1000 * kSecond) {
    Change change;
    change.row.key = "k";
    change.row.version = version;
    change.row.touched = version;
    change.row.born = born;
    change.row.floor = floor;
    change.row.expires_us = ttl_us == kNeverMicros ? kNeverMicros : clock_.SteadyMicros() + ttl_us;
    change.row.data = std::move(data);
    return change;
  }
  Change Delete(uint64_t version) {
    Change change;
    change.kind = ChangeKind::kDelete;
    change.row.key = "k";
    change.row.version = version;
    change.row.expires_us = clock_.SteadyMicros() + 86400 * kSecond;
    return change;
  }
  Change Expiry(uint64_t base_version, uint64_t born, uint64_t touched, int64_t ttl_us) {
    Change change;
    change.kind = ChangeKind::kExpiry;
    change.base_version = base_version;
    change.row.key = "k";
    change.row.version = base_version;
    change.row.born = born;
    change.row.touched = touched;
    change.row.expires_us = ttl_us == kNeverMicros ? kNeverMicros : clock_.SteadyMicros() + ttl_us;
    return change;
  }
  // The row of key; version 0 when there is none.
  Row LoadRow(std::string_view key = "k") {
    std::vector<Row> rows;
    const Failure failure = reader_->Load({&key, 1}, &rows);
    EXPECT_TRUE(failure.ok()) << failure.detail;
    return rows.empty() ? Row() : rows[0];
  }

  std::string Bytes() const {
    std::ifstream file(path_, std::ios::binary);
    std::stringstream bytes;
    bytes << file.rdbuf();
    return bytes.str();
  }
  void WriteFile(const std::string& bytes) const { std::ofstream(path_, std::ios::binary) << bytes; }
  void Sql(const char* sql) const {
    sqlite3* connection = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &connection), SQLITE_OK);
    char* error = nullptr;
    EXPECT_EQ(sqlite3_exec(connection, sql, nullptr, nullptr, &error), SQLITE_OK) << error;
    sqlite3_close(connection);
  }
  // Opening must fail with this kind, name the file, and change nothing.
  void ExpectRefusedAsFound(ErrorKind kind, const char* word) {
    const std::string before = Bytes();
    const base::Status status = OpenStatus();
    ASSERT_FALSE(status.ok());
    EXPECT_EQ(status.kind(), kind);
    EXPECT_NE(status.message().find(path_), std::string::npos) << status.message();
    EXPECT_NE(status.message().find(word), std::string::npos) << status.message();
    EXPECT_EQ(status.message().find('\n'), std::string::npos);
    EXPECT_EQ(Bytes(), before);
  }

  VirtualClock clock_;
  std::string directory_;
  std::string path_;
  std::unique_ptr<Database> database_;
  std::unique_ptr<Driver> writer_;
  std::unique_ptr<Driver> reader_;
};

// -- The file -------------------------------------------------------------------------------------

TEST_F(Sqlite, CreatesTheFileForItsUserAloneAndFindsItAgain) {
  OpenOrFail();
  const DatabaseIdentity identity = database_->identity();
  EXPECT_EQ(identity.uuid.size(), 32u);
  EXPECT_EQ(identity.generation, 1u);
  EXPECT_EQ(WriteOne(Value(10, 10, 0, "v")), ChangeOutcome::kDone);
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777, 0600u);
  Close();
  OpenOrFail();
  EXPECT_EQ(database_->identity().uuid, identity.uuid);
  EXPECT_EQ(LoadRow().data, "v");
}

TEST_F(Sqlite, SurvivesDeathWithoutClosing) {
  const pid_t child = fork();
  if (child == 0) {
    OpenOrFail();
    WriteOne(Value(10, 10, 0, "v"));
    _exit(0);
  }
  int status;
  waitpid(child, &status, 0);
  ASSERT_EQ(status, 0);
  OpenOrFail();
  EXPECT_EQ(LoadRow().data, "v");
}

TEST_F(Sqlite, OnlyOneServerMayUseTheFile) {
  OpenOrFail();
  const base::Status status = OpenStatus();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.kind(), ErrorKind::kRefused);
  EXPECT_NE(status.message().find("in use by another server"), std::string::npos);
  EXPECT_EQ(WriteOne(Value(10, 10, 0, "v")), ChangeOutcome::kDone) << "the first one is not disturbed";
  Close();
  OpenOrFail();
}

TEST_F(Sqlite, TheSqliteProgramMayReadMeanwhile) {
  OpenOrFail();
  WriteOne(Value(static_cast<uint64_t>(VirtualClock::kStartWallMicros) << 10, 10, 0, "data", kNeverMicros));
  sqlite3* connection = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &connection), SQLITE_OK);
  std::string line;
  sqlite3_exec(
      connection, "SELECT id, id_hex, state, bytes, expires_utc, updated_utc FROM sessions_readable",
      [](void* out, int columns, char** values, char**) {
        for (int i = 0; i < columns; ++i) *static_cast<std::string*>(out) += std::string(values[i]) + "|";
        return 0;
      },
      &line, nullptr);
  sqlite3_close(connection);
  EXPECT_EQ(line, "k|6B|live|4|never|2027-01-15 08:00:00|");
}

TEST_F(Sqlite, WhatIsNoDatabaseIsLeftAsFound) {
  WriteFile("These are my notes, not a database. Do not touch them.");
  ExpectRefusedAsFound(ErrorKind::kCorrupt, "not an SQLite database");
  WriteFile("x");
  ExpectRefusedAsFound(ErrorKind::kCorrupt, "not an SQLite database");
}

TEST_F(Sqlite, ADamagedFileIsLeftAsFound) {
  OpenOrFail();
  for (int i = 0; i < 200; ++i) {
    Change change = Value(10, 10, 0, std::string(1000, 'v'));
    change.row.key = "k" + std::to_string(i);
    WriteOne(change);
  }
  Close();
  const std::string whole = Bytes();
  ASSERT_GT(whole.size(), 100'000u);

  WriteFile(whole.substr(0, whole.size() / 2));
  ExpectRefusedAsFound(ErrorKind::kCorrupt, "it was left as found");

  std::string scribbled = whole;
  std::fill(scribbled.begin() + 4096 * 2, scribbled.begin() + 4096 * 6, '\xa5');
  WriteFile(scribbled);
  ExpectRefusedAsFound(ErrorKind::kCorrupt, "it was left as found");

  WriteFile(whole);
  OpenOrFail();
  EXPECT_EQ(LoadRow("k199").data.size(), 1000u);
}

TEST_F(Sqlite, AnotherProgramsDatabaseIsLeftAsFound) {
  Sql("CREATE TABLE invoices(number INTEGER); INSERT INTO invoices VALUES (1)");
  ExpectRefusedAsFound(ErrorKind::kRefused, "another program");
}

TEST_F(Sqlite, ANewerSchemaIsLeftAsFound) {
  OpenOrFail();
  Close();
  Sql("PRAGMA user_version = 99");
  ExpectRefusedAsFound(ErrorKind::kRefused, "schema 99");
}

TEST_F(Sqlite, AnEmptyDatabaseIsTakenAsNew) {
  Sql("PRAGMA journal_mode = WAL; CREATE TABLE t(x); DROP TABLE t");
  OpenOrFail();
  EXPECT_EQ(WriteOne(Value(10, 10, 0, "v")), ChangeOutcome::kDone);
}

TEST_F(Sqlite, WhatCannotBeOpenedIsNamedWithCauseAndRemedy) {
  path_ = directory_ + "/none/sessions.db";
  EXPECT_NE(OpenStatus().message().find("No such file"), std::string::npos);
  EXPECT_NE(OpenStatus().message().find("create the directory"), std::string::npos);
  path_ = directory_;
  EXPECT_EQ(OpenStatus().kind(), ErrorKind::kSystem);
}

TEST_F(Sqlite, UrlsThatWeDoNotKnowAreRefused) {
  for (const char* url :
       {"sqlite:", "sqlite::memory:", "mysql://u:secret@h/db", "postgres://h/db", "sessions.db", ""}) {
    const Result<std::unique_ptr<Database>> opened = Database::Open(url, clock_);
    ASSERT_FALSE(opened.ok()) << url;
    EXPECT_EQ(opened.status().kind(), ErrorKind::kUsage);
    EXPECT_EQ(opened.status().message().find("secret"), std::string::npos);
  }
}

TEST_F(Sqlite, PathsMayHoldOddCharacters) {
  path_ = directory_ + "/a b?c#d%20.db";
  OpenOrFail();
  WriteOne(Value(10, 10, 0, "v"));
  Close();
  OpenOrFail();
  EXPECT_EQ(LoadRow().data, "v");
}

TEST_F(Sqlite, AFileThatWasRemovedIsNotWrittenTo) {
  OpenOrFail();
  std::filesystem::remove(path_);
  const Change change = Value(10, 10, 0, "v");
  std::vector<ChangeOutcome> outcomes;
  const Failure failure = writer_->Write({&change, 1}, &outcomes);
  EXPECT_EQ(failure.kind, FailureClass::kConfiguration);
  EXPECT_NE(failure.detail.find("removed or replaced"), std::string::npos);
}

TEST_F(Sqlite, ALockedFileIsWorthARetry) {
  OpenOrFail();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const Change change = Value(10, 10, 0, "v");
  std::vector<ChangeOutcome> outcomes;
  EXPECT_EQ(writer_->Write({&change, 1}, &outcomes).kind, FailureClass::kRetry);
  EXPECT_EQ(LoadRow().version, 0u) << "readers are not held up";
  sqlite3_close(other);
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kDone);
}

// -- Rows -----------------------------------------------------------------------------------------

TEST_F(Sqlite, ARowComesBackAsItWent) {
  OpenOrFail();
  Change change = Value(20, 12, 7, std::string("a\0b\xff", 4));
  change.row.key = std::string("k\0 \xff ", 5);
  change.row.touched = 25;
  change.row.client_flags = 4294967295u;
  change.row.owner = 3;
  ASSERT_EQ(WriteOne(change), ChangeOutcome::kDone);
  clock_.AdvanceSeconds(10);
  const Row row = LoadRow(change.row.key);
  EXPECT_EQ(row.key, change.row.key);
  EXPECT_EQ(row.version, 20u);
  EXPECT_EQ(row.born, 12u);
  EXPECT_EQ(row.floor, 7u);
  EXPECT_EQ(row.touched, 25u);
  EXPECT_EQ(row.expires_us - clock_.SteadyMicros(), 990 * kSecond);
  EXPECT_EQ(clock_.SteadyMicros() - row.changed_us, 10 * kSecond);
  EXPECT_EQ(row.client_flags, 4294967295u);
  EXPECT_EQ(row.owner, 3u);
  EXPECT_EQ(row.data, change.row.data);
  EXPECT_EQ(LoadRow("other").version, 0u);
}

TEST_F(Sqlite, AChangeThatIsHeldUpExpiresWhenItShould) {
  OpenOrFail();
  const Change change = Value(10, 10, 0, "v", 100 * kSecond);
  clock_.AdvanceSeconds(60);
  WriteOne(change);
  EXPECT_EQ(LoadRow().expires_us - clock_.SteadyMicros(), 40 * kSecond);
}

TEST_F(Sqlite, NeverExpiresStaysSo) {
  OpenOrFail();
  WriteOne(Value(10, 10, 0, "", kNeverMicros));
  EXPECT_EQ(LoadRow().expires_us, kNeverMicros);
}

TEST_F(Sqlite, TheLaterVersionWinsWhateverTheOrder) {
  OpenOrFail();
  EXPECT_EQ(WriteOne(Value(20, 10, 0, "later")), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Value(15, 10, 0, "earlier")), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow().data, "later");
  EXPECT_EQ(WriteOne(Value(30, 10, 0, "latest")), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow().data, "latest");
}

TEST_F(Sqlite, TheSameChangeTwiceIsDoneOnce) {
  OpenOrFail();
  EXPECT_EQ(WriteOne(Value(20, 10, 0, "v")), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Value(20, 10, 0, "v")), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Expiry(20, 10, 25, kSecond)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Expiry(20, 10, 25, kSecond)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Delete(30)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Delete(30)), ChangeOutcome::kDone);
}

TEST_F(Sqlite, ATouchMovesTheExpiryAndNothingElse) {
  OpenOrFail();
  WriteOne(Value(20, 10, 0, "v"));
  EXPECT_EQ(WriteOne(Expiry(20, 10, 25, 5000 * kSecond)), ChangeOutcome::kDone);
  const Row row = LoadRow();
  EXPECT_EQ(row.data, "v");
  EXPECT_EQ(row.version, 20u);
  EXPECT_EQ(row.touched, 25u);
  EXPECT_EQ(row.expires_us - clock_.SteadyMicros(), 5000 * kSecond);
}

TEST_F(Sqlite, AnOlderTouchChangesNothing) {
  OpenOrFail();
  WriteOne(Value(20, 10, 0, "v"));
  WriteOne(Expiry(20, 10, 25, 5000 * kSecond));
  WriteOne(Expiry(20, 10, 22, 10 * kSecond));
  EXPECT_EQ(LoadRow().expires_us - clock_.SteadyMicros(), 5000 * kSecond);
}

TEST_F(Sqlite, ATouchOfARowThatIsGoneOrAnotherAsksForTheWhole) {
  OpenOrFail();
  EXPECT_EQ(WriteOne(Expiry(20, 10, 25, kSecond)), ChangeOutcome::kNeedsRow);
  EXPECT_EQ(LoadRow().version, 0u);
  WriteOne(Value(30, 10, 0, "v"));
  EXPECT_EQ(WriteOne(Expiry(20, 10, 35, kSecond)), ChangeOutcome::kNeedsRow);
  WriteOne(Delete(40));
  EXPECT_EQ(WriteOne(Expiry(30, 10, 45, kSecond)), ChangeOutcome::kNeedsRow);
}

TEST_F(Sqlite, ALaterTouchSurvivesAnEarlierValue) {
  OpenOrFail();
  WriteOne(Value(20, 10, 0, "v"));
  WriteOne(Expiry(20, 10, 40, 5000 * kSecond));
  Change change = Value(30, 10, 0, "w", 100 * kSecond);
  EXPECT_EQ(WriteOne(change), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow().data, "w");
  EXPECT_EQ(LoadRow().expires_us - clock_.SteadyMicros(), 5000 * kSecond);
}

TEST_F(Sqlite, NothingBornBeforeADeleteComesBack) {
  OpenOrFail();
  WriteOne(Value(20, 10, 0, "v"));
  EXPECT_EQ(WriteOne(Delete(30)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Value(40, 10, 0, "slow writer")), ChangeOutcome::kOvertaken);
  const Row row = LoadRow();
  EXPECT_EQ(row.state, RowState::kTombstone);
  EXPECT_EQ(row.floor, 30u);
  EXPECT_EQ(row.data, "");
}

TEST_F(Sqlite, ADeleteBeforeTheRowIsKnownHoldsToo) {
  OpenOrFail();
  EXPECT_EQ(WriteOne(Delete(30)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(Value(20, 20, 0, "late")), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow().state, RowState::kTombstone);
}

TEST_F(Sqlite, ANewLoginAfterADeleteLivesAndKeepsTheFloor) {
  OpenOrFail();
  WriteOne(Value(20, 10, 0, "v"));
  WriteOne(Delete(30));
  EXPECT_EQ(WriteOne(Value(40, 40, 30, "login")), ChangeOutcome::kDone);
  const Row row = LoadRow();
  EXPECT_EQ(row.state, RowState::kLive);
  EXPECT_EQ(row.data, "login");
  EXPECT_EQ(row.floor, 30u);
  EXPECT_EQ(row.expires_us - clock_.SteadyMicros(), 1000 * kSecond) << "not the tombstone's life";
  EXPECT_EQ(WriteOne(Value(50, 10, 0, "slow writer")), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow().data, "login");
}

TEST_F(Sqlite, ALateDeleteSparesTheLoginAfterIt) {
  OpenOrFail();
  WriteOne(Value(40, 40, 30, "login"));
  EXPECT_EQ(WriteOne(Delete(30)), ChangeOutcome::kOvertaken) << "its floor came with the login";
  EXPECT_EQ(LoadRow().data, "login");
  EXPECT_EQ(WriteOne(Delete(35)), ChangeOutcome::kOvertaken);
  EXPECT_EQ(LoadRow().data, "login");
  EXPECT_EQ(LoadRow().floor, 35u);
}

// A login, the delete before it, and writes of the deleted incarnation arrive in every order, some of them twice: the
// row is the same in the end.
TEST_F(Sqlite, TheOrderOfArrivalDoesNotMatter) {
  OpenOrFail();
  std::vector<Change> changes = {Value(20, 10, 0, "old"), Value(60, 10, 0, "old, under a fast clock"), Delete(30),
                                 Value(40, 40, 30, "login"), Value(50, 40, 30, "click")};
  std::vector<size_t> order = {0, 1, 2, 3, 4};
  std::minstd_rand random(1);
  do {
    for (size_t i = 0; i < changes.size(); ++i) changes[i].row.key = "k" + std::to_string(random());
    const std::string key = changes[0].row.key;
    for (Change& change : changes) change.row.key = key;
    for (const size_t i : order) {
      WriteOne(changes[i]);
      if (random() % 3 == 0) WriteOne(changes[random() % changes.size()]);
    }
    for (const size_t i : order) WriteOne(changes[i]);
    const Row row = LoadRow(key);
    EXPECT_EQ(row.data, "click");
    EXPECT_EQ(row.floor, 30u);
    EXPECT_EQ(row.version, 50u);
  } while (std::next_permutation(order.begin(), order.end()));
}

TEST_F(Sqlite, ABadRowIsLeftOutAndTheOthersAreWritten) {
  OpenOrFail();
  std::vector<Change> changes(3, Value(10, 10, 0, "v"));
  changes[0].row.key = "a";
  changes[1].row.key = std::string(251, 'x');
  changes[2].row.key = "c";
  std::vector<ChangeOutcome> outcomes;
  ASSERT_TRUE(writer_->Write(changes, &outcomes).ok());
  EXPECT_EQ(outcomes, (std::vector{ChangeOutcome::kDone, ChangeOutcome::kBad, ChangeOutcome::kDone}));
  EXPECT_EQ(LoadRow("a").data, "v");
  EXPECT_EQ(LoadRow("c").data, "v");
  EXPECT_EQ(LoadRow(changes[1].row.key).version, 0u);
}

TEST_F(Sqlite, ManyKeysAreLoadedAtOnce) {
  OpenOrFail();
  std::vector<std::string> names;
  for (int i = 0; i < 150; ++i) {
    Change change = Value(10, 10, 0, std::to_string(i));
    change.row.key = names.emplace_back("k" + std::to_string(i));
    if (i % 2 == 0) WriteOne(change);
  }
  const std::vector<std::string_view> keys(names.begin(), names.end());
  std::vector<Row> rows;
  ASSERT_TRUE(reader_->Load(keys, &rows).ok());
  EXPECT_EQ(rows.size(), 75u);
}

TEST_F(Sqlite, TheSweepTakesWhatExpiredLongAgoAndNoMoreThanAsked) {
  OpenOrFail();
  for (int i = 0; i < 10; ++i) {
    Change change = Value(10, 10, 0, "v", i < 6 ? 10 * kSecond : 1000 * kSecond);
    change.row.key = "k" + std::to_string(i);
    WriteOne(change);
  }
  Change forever = Value(10, 10, 0, "v", kNeverMicros);
  WriteOne(forever);
  uint64_t deleted = 0;
  clock_.AdvanceSeconds(100);
  ASSERT_TRUE(writer_->Sweep(95 * kSecond, 4, &deleted).ok());
  EXPECT_EQ(deleted, 0u) << "within the grace";
  ASSERT_TRUE(writer_->Sweep(80 * kSecond, 4, &deleted).ok());
  EXPECT_EQ(deleted, 4u);
  ASSERT_TRUE(writer_->Sweep(80 * kSecond, 4, &deleted).ok());
  EXPECT_EQ(deleted, 2u);
  clock_.AdvanceSeconds(100'000);
  ASSERT_TRUE(writer_->Sweep(0, 100, &deleted).ok());
  EXPECT_EQ(deleted, 4u);
  EXPECT_EQ(LoadRow("k").data, "v") << "never expires";
}

TEST_F(Sqlite, TheLogIsFoldedInWhenIdle) {
  OpenOrFail();
  WriteOne(Value(10, 10, 0, std::string(100'000, 'v')));
  EXPECT_GT(std::filesystem::file_size(path_ + "-wal"), 100'000u);
  writer_->Idle();
  EXPECT_EQ(std::filesystem::file_size(path_ + "-wal"), 0u);
}

// -- Several servers ------------------------------------------------------------------------------

TEST_F(Sqlite, stamps_are_read_without_the_value) {
  OpenOrFail();
  EXPECT_EQ(WriteOne(Value(2000, 1000, 900, "one")), ChangeOutcome::kDone);
  const std::string_view keys[] = {"absent", "k"};
  std::vector<RowStamps> rows;
  ASSERT_TRUE(reader_->LoadStamps(keys, &rows).ok());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].key, "k");
  EXPECT_EQ(rows[0].version, 2000u);
  EXPECT_EQ(rows[0].born, 1000u);
  EXPECT_EQ(rows[0].floor, 900u);
  EXPECT_EQ(rows[0].expires_us, clock_.SteadyMicros() + 1000 * kSecond);
}

TEST_F(Sqlite, changes_of_others_come_in_order_and_in_pages) {
  OpenOrFail();
  for (int i = 0; i < 5; ++i) {
    Change change = Value(2000 + static_cast<uint64_t>(i), 1000, 0, "x");
    change.row.key = "k" + std::to_string(i);
    change.row.owner = i == 2 ? 7 : 3;
    WriteOne(change);
    if (i % 2 == 1) clock_.AdvanceMillis(10);
  }
  ChangeCursor place;
  std::string seen;
  for (;;) {
    std::vector<RowStamps> rows;
    ASSERT_TRUE(reader_->ReadChanges(7, place, 2, &rows, &place).ok());
    if (rows.empty()) break;
    for (const RowStamps& row : rows) seen += row.key + " ";
  }
  EXPECT_EQ(seen, "k0 k1 k3 k4 ");
  EXPECT_EQ(place.changed_us, clock_.WallMicros());
}

TEST_F(Sqlite, a_claim_needs_the_expected_owner_and_shows_as_a_change) {
  OpenOrFail();
  Change change = Value(2000, 1000, 0, "x");
  change.row.owner = 3;
  WriteOne(change);
  clock_.AdvanceSeconds(1);
  const OwnerChange wrong{"k", 4, 5};
  ASSERT_TRUE(writer_->Claim({&wrong, 1}).ok());
  EXPECT_EQ(LoadRow().owner, 3u);
  const OwnerChange right{"k", 3, 5};
  ASSERT_TRUE(writer_->Claim({&right, 1}).ok());
  EXPECT_EQ(LoadRow().owner, 5u);
  EXPECT_EQ(LoadRow().version, 2000u);
  std::vector<RowStamps> rows;
  ChangeCursor place{clock_.WallMicros() - 1, ""};
  ASSERT_TRUE(reader_->ReadChanges(3, place, 10, &rows, &place).ok());
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].owner, 5u);
}

TEST_F(Sqlite, a_node_row_is_put_only_over_what_was_expected) {
  OpenOrFail();
  NodeLease lease{7, "web1", "10.0.0.1:11211", 100, 200};
  bool done = false;
  ASSERT_TRUE(writer_->PutNode(lease, nullptr, &done).ok());
  EXPECT_TRUE(done);
  NodeLease other{7, "web2", "10.0.0.2:11211", 150, 300};
  ASSERT_TRUE(writer_->PutNode(other, nullptr, &done).ok());
  EXPECT_FALSE(done);
  NodeLease longer = lease;
  longer.until_us = 400;
  ASSERT_TRUE(writer_->PutNode(longer, &other, &done).ok());
  EXPECT_FALSE(done);
  ASSERT_TRUE(writer_->PutNode(longer, &lease, &done).ok());
  EXPECT_TRUE(done);
  std::vector<NodeLease> nodes;
  int64_t now_us = 0;
  ASSERT_TRUE(reader_->ReadNodes(&nodes, &now_us).ok());
  ASSERT_EQ(nodes.size(), 1u);
  EXPECT_EQ(nodes[0].name, "web1");
  EXPECT_EQ(nodes[0].address, "10.0.0.1:11211");
  EXPECT_EQ(nodes[0].until_us, 400);
  EXPECT_EQ(now_us, clock_.WallMicros());
}

TEST_F(Sqlite, a_lease_is_held_by_one_until_it_ends) {
  OpenOrFail();
  bool held = false;
  ASSERT_TRUE(writer_->TakeLease("reaper", 1, 10 * kSecond, &held).ok());
  EXPECT_TRUE(held);
  ASSERT_TRUE(writer_->TakeLease("reaper", 2, 10 * kSecond, &held).ok());
  EXPECT_FALSE(held);
  clock_.AdvanceSeconds(9);
  ASSERT_TRUE(writer_->TakeLease("reaper", 1, 10 * kSecond, &held).ok());
  EXPECT_TRUE(held);
  clock_.AdvanceSeconds(9);
  ASSERT_TRUE(writer_->TakeLease("reaper", 2, 10 * kSecond, &held).ok());
  EXPECT_FALSE(held);
  clock_.AdvanceSeconds(2);
  ASSERT_TRUE(writer_->TakeLease("reaper", 2, 10 * kSecond, &held).ok());
  EXPECT_TRUE(held);
}

TEST_F(Sqlite, a_compared_write_needs_the_version_it_was_made_from) {
  OpenOrFail();
  const auto compared = [this](uint64_t version, uint64_t born, uint64_t base) {
    Change change = Value(version, born, 0, "v" + std::to_string(version));
    change.kind = ChangeKind::kCompared;
    change.base_version = base;
    return change;
  };
  EXPECT_EQ(WriteOne(compared(2000, 2000, 1)), ChangeOutcome::kOvertaken);  // there is none
  EXPECT_EQ(LoadRow().version, 0u);
  EXPECT_EQ(WriteOne(compared(2000, 2000, 0)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(compared(2000, 2000, 0)), ChangeOutcome::kDone);  // the reply was lost: held already
  EXPECT_EQ(WriteOne(compared(2500, 2500, 0)), ChangeOutcome::kOvertaken);
  EXPECT_EQ(WriteOne(compared(3000, 2000, 1999)), ChangeOutcome::kOvertaken);
  EXPECT_EQ(WriteOne(compared(3000, 2000, 2000)), ChangeOutcome::kDone);
  EXPECT_EQ(LoadRow().data, "v3000");
  EXPECT_EQ(WriteOne(Delete(4000)), ChangeOutcome::kDone);
  EXPECT_EQ(WriteOne(compared(5000, 2000, 0)), ChangeOutcome::kOvertaken);  // born before the delete
  EXPECT_EQ(WriteOne(compared(5000, 5000, 0)), ChangeOutcome::kDone);
  clock_.AdvanceSeconds(1001);
  EXPECT_EQ(WriteOne(compared(6000, 6000, 5000)), ChangeOutcome::kOvertaken);  // it has expired
  EXPECT_EQ(WriteOne(compared(6000, 6000, 0)), ChangeOutcome::kDone);
}

// As a process that takes over does while the one before writes.
TEST_F(Sqlite, is_opened_while_somebody_writes_all_the_time) {
  OpenOrFail();
  WriteOne(Value(1000, 1000, 0, "v"));
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const int lock = fcntl(database_->lock(), F_DUPFD_CLOEXEC, 0);
  Result<std::unique_ptr<Database>> opened = Database::Open("sqlite:" + path_, clock_, lock);
  ASSERT_TRUE(opened.ok()) << opened.status().message();
  const auto driver = opened.value()->NewDriver();
  const Failure failure = driver->Open();
  EXPECT_TRUE(failure.ok()) << failure.detail;
  EXPECT_EQ(LoadRow().data, "v");
  EXPECT_EQ(sqlite3_exec(other, "COMMIT", nullptr, nullptr, nullptr), SQLITE_OK);
  sqlite3_close(other);
}

TEST_F(Sqlite, a_new_file_gives_back_room_step_by_step) {
  OpenOrFail();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open(path_.c_str(), &other), SQLITE_OK);
  sqlite3_stmt* statement = nullptr;
  ASSERT_EQ(sqlite3_prepare_v2(other, "PRAGMA auto_vacuum", -1, &statement, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_step(statement), SQLITE_ROW);
  EXPECT_EQ(sqlite3_column_int(statement, 0), 2);
  sqlite3_finalize(statement);
  sqlite3_close(other);
}

TEST_F(Sqlite, the_identity_is_read_as_it_is_now) {
  OpenOrFail();
  DatabaseIdentity identity;
  ASSERT_TRUE(reader_->ReadIdentity(&identity).ok());
  EXPECT_EQ(identity, database_->identity());
  Sql("UPDATE meta SET value = '2' WHERE name = 'generation'");
  ASSERT_TRUE(reader_->ReadIdentity(&identity).ok());
  EXPECT_EQ(identity.generation, 2u);
  EXPECT_EQ(database_->identity().generation, 1u);
}

}  // namespace
}  // namespace holdfast::session
