// sim_database_test.cc - the simulated database does what the real one does.
//
// How it works: the same random statements go to the simulated database and to an SQLite file. What each answers, and
// all rows after each, are put into words, and the words must be the same. Stamps are small and keys few, so that they
// meet and tie. Expiries lie on whole seconds plus the number of their key, and the moments that statements are carried
// out in next to them: a row expires in the very moment of a statement, but no two rows in the same, as SQL does not
// say which of those a sweep takes first.
//
// A sequence is its seed's alone; HOLDFAST_SEEDS=A-B runs others than the usual ones.

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <set>

#include "base/check.h"
#include "lib/virtual_clock.h"
#include "session/driver.h"
#include "sim/dice.h"
#include "sim/sim_database.h"

namespace holdfast::sim {
namespace {

using session::Change;
using session::ChangeCursor;
using session::ChangeKind;
using session::ChangeOutcome;
using session::Driver;
using session::kNeverMicros;
using session::NodeLease;
using session::Row;
using session::RowStamps;

constexpr int64_t kSecond = 1'000'000;
constexpr int kSteps = 24;
constexpr uint32_t kStampMax = 12;

// SQLite compares keys as bytes: so must the simulation, also those that a signed char would put first.
const std::array<std::string, 3> kKeys = {"a", std::string("a\0", 2), "\xfe"};
// Neither can be a row's.
const std::array<std::string, 2> kBadKeys = {"", std::string(251, 'x')};
const std::array<std::string_view, 5> kAllKeys = {kKeys[0], kKeys[1], kKeys[2], kBadKeys[0], kBadKeys[1]};

// -- Answers in words -----------------------------------------------------------------------------

void Say(std::string* words, std::initializer_list<int64_t> numbers) {
  for (const int64_t number : numbers) *words += ' ' + (number == kNeverMicros ? "never" : std::to_string(number));
}

template <class AnyRow>
void SayStamps(std::string* words, const AnyRow& row) {
  *words += "\n  " + testing::PrintToString(row.key);
  Say(words, {static_cast<int64_t>(row.version), static_cast<int64_t>(row.born), static_cast<int64_t>(row.floor),
              static_cast<int64_t>(row.touched), row.expires_us, static_cast<int>(row.state), row.owner});
}

std::string Words(const session::Failure& failure, const std::vector<Row>& rows) {
  std::string words = failure.detail;
  for (const Row& row : rows) {
    SayStamps(&words, row);
    Say(&words, {row.client_flags, row.changed_us});
    words += ' ' + testing::PrintToString(row.data);
  }
  return words;
}

std::string Words(const session::Failure& failure, const std::vector<RowStamps>& rows) {
  std::string words = failure.detail;
  for (const RowStamps& row : rows) SayStamps(&words, row);
  return words;
}

std::string Words(const session::Failure& failure, int64_t number) {
  return failure.detail + " " + std::to_string(number);
}

// -- Statements -----------------------------------------------------------------------------------

struct Step {
  std::string name;
  std::function<std::string(Driver&)> carry_out;  // gives the answer in words
};

// What has happened in any sequence: a pair of kind and outcome that never comes proves nothing.
using Seen = std::set<std::pair<ChangeKind, ChangeOutcome>>;

class Steps {
 public:
  Steps(uint64_t seed, const WorldTime& time, const SimDatabase& simulated, Seen* seen)
      : dice_(seed), time_(time), simulated_(simulated), seen_(seen) {}

  Step Next();
  // To the next statement: often none, else to a whole second or a few microseconds behind it.
  int64_t NextMoment() {
    if (dice_.OneIn(3)) return time_.steady_us;
    const int64_t second_us = time_.steady_us - time_.steady_us % kSecond;
    return std::max(time_.steady_us, second_us + dice_.Below(3) * kSecond + dice_.Below(4));
  }

 private:
  uint64_t Stamp() { return 1 + dice_.Below(kStampMax); }
  uint32_t Node() { return 1 + dice_.Below(3); }
  uint32_t Limit() { return dice_.Below(5); }
  std::string Key();
  int64_t Expiry(const std::string& key);
  uint64_t Base(const std::string& key);
  Change AnyChange();
  std::vector<std::string> SomeKeys();
  Step Write();
  Step Load();
  Step LoadStamps();
  Step Sweep();
  Step ReadChanges();
  Step Claim();
  Step PutNode();
  Step TakeLease();

  Dice dice_;
  const WorldTime& time_;
  const SimDatabase& simulated_;
  Seen* const seen_;
  std::array<NodeLease, 3> leases_;  // what was put last, by number
  ChangeCursor place_;
  uint32_t values_ = 0;
};

std::string Steps::Key() {
  return dice_.OneIn(16) ? kBadKeys[dice_.Below(kBadKeys.size())] : kKeys[dice_.Below(kKeys.size())];
}

int64_t Steps::Expiry(const std::string& key) {
  if (dice_.OneIn(6)) return kNeverMicros;
  const auto number = std::find(kKeys.begin(), kKeys.end(), key) - kKeys.begin();
  return time_.steady_us - time_.steady_us % kSecond + dice_.Between(-4, 8) * kSecond + number;
}

// Mostly what stands there, or that nothing does.
uint64_t Steps::Base(const std::string& key) {
  if (dice_.OneIn(4)) return 0;
  const Row* const row = simulated_.Find(key);
  return row == nullptr || dice_.OneIn(4) ? dice_.Below(kStampMax + 1) : row->version;
}

Change Steps::AnyChange() {
  Change change;
  change.kind = static_cast<ChangeKind>(dice_.Below(5));
  Row& row = change.row;
  row.key = Key();
  row.version = Stamp();
  row.born = dice_.OneIn(2) ? row.version : dice_.Below(kStampMax + 1);
  row.floor = dice_.OneIn(2) ? 0 : dice_.Below(kStampMax + 1);
  row.touched = Stamp();
  row.expires_us = Expiry(row.key);
  row.state = dice_.OneIn(4) ? session::RowState::kTombstone : session::RowState::kLive;
  row.client_flags = static_cast<uint32_t>(dice_.Next());
  row.owner = Node();
  row.changed_us = dice_.Between(0, kSecond);
  if (!dice_.OneIn(8)) row.data = std::to_string(++values_) + std::string(1, '\0');
  change.base_version = Base(row.key);
  return change;
}

Step Steps::Write() {
  std::vector<Change> changes(dice_.Below(4));
  std::string name = "write";
  for (Change& change : changes) {
    change = AnyChange();
    name += "\n  kind " + std::to_string(static_cast<int>(change.kind)) + " base " +
            std::to_string(change.base_version) + " of";
    SayStamps(&name, change.row);
  }
  return {name, [changes, seen = seen_](Driver& driver) {
            std::vector<ChangeOutcome> outcomes;
            std::string words = driver.Write(changes, &outcomes).detail;
            for (size_t i = 0; i < outcomes.size(); ++i) {
              words += " " + std::to_string(static_cast<int>(outcomes[i]));
              seen->emplace(changes[i].kind, outcomes[i]);
            }
            return words;
          }};
}

std::vector<std::string> Steps::SomeKeys() {
  std::vector<std::string> keys(dice_.Below(4));
  for (std::string& key : keys) key = Key();
  return keys;
}

Step Steps::Load() {
  return {"load", [keys = SomeKeys()](Driver& driver) {
            std::vector<Row> rows;
            const session::Failure failure =
                driver.Load(std::vector<std::string_view>(keys.begin(), keys.end()), &rows);
            return Words(failure, rows);
          }};
}

Step Steps::LoadStamps() {
  return {"load stamps", [keys = SomeKeys()](Driver& driver) {
            std::vector<RowStamps> rows;
            const std::vector<std::string_view> views(keys.begin(), keys.end());
            const session::Failure failure = driver.LoadStamps(views, &rows);
            return Words(failure, rows);
          }};
}

Step Steps::Sweep() {
  const int64_t grace_us = dice_.Between(-1, 3) * kSecond;
  return {"sweep with a grace of " + std::to_string(grace_us), [grace_us, limit = Limit()](Driver& driver) {
            uint64_t deleted = 0;
            const session::Failure failure = driver.Sweep(grace_us, limit, &deleted);
            return Words(failure, static_cast<int64_t>(deleted));
          }};
}

// From where the last one ended, or from anew.
Step Steps::ReadChanges() {
  if (dice_.OneIn(3)) place_ = {time_.wall_us() - dice_.Below(3) * kSecond, Key()};
  if (dice_.OneIn(6)) place_ = ChangeCursor();
  return {"read changes", [node = Node(), limit = Limit(), after = place_, place = &place_](Driver& driver) {
            std::vector<RowStamps> rows;
            const session::Failure failure = driver.ReadChanges(node, after, limit, &rows, place);
            return Words(failure, rows) + "\n  behind " + std::to_string(place->changed_us) + " " +
                   testing::PrintToString(place->key);
          }};
}

Step Steps::Claim() {
  return {"claim", [keys = SomeKeys(), from = Node(), to = Node()](Driver& driver) {
            std::vector<session::OwnerChange> claims;
            for (const std::string& key : keys) claims.push_back({key, from, to});
            return driver.Claim(claims).detail;
          }};
}

Step Steps::PutNode() {
  const NodeLease lease{Node(), "node's " + std::to_string(dice_.Below(3)), "[::1]:" + std::to_string(dice_.Below(3)),
                        dice_.Between(0, 2), dice_.Between(0, 2)};
  const bool is_new = dice_.OneIn(3);
  NodeLease expected = leases_[lease.number - 1];
  if (dice_.OneIn(4)) expected.started_us = dice_.Between(0, 2);
  if (dice_.OneIn(4)) expected.until_us = dice_.Between(0, 2);
  return {"put node", [lease, is_new, expected, last = &leases_[lease.number - 1]](Driver& driver) {
            bool done = false;
            std::string words = driver.PutNode(lease, is_new ? nullptr : &expected, &done).detail;
            if (done) *last = lease;
            std::vector<NodeLease> nodes;
            int64_t now_us = 0;
            words += driver.ReadNodes(&nodes, &now_us).detail;
            Say(&words, {done, now_us});
            for (const NodeLease& node : nodes) {
              words += "\n  " + node.name + " " + node.address;
              Say(&words, {node.number, node.started_us, node.until_us});
            }
            return words;
          }};
}

Step Steps::TakeLease() {
  const int64_t life_us = dice_.Between(-2, 3) * kSecond;
  const char* const name = dice_.OneIn(2) ? "reaper" : "other";
  return {"take lease", [name, holder = Node(), life_us](Driver& driver) {
            bool held = false;
            const session::Failure failure = driver.TakeLease(name, holder, life_us, &held);
            return Words(failure, held);
          }};
}

Step Steps::Next() {
  switch (dice_.Below(16)) {
    case 0:
      return Load();
    case 1:
      return LoadStamps();
    case 2:
      return Sweep();
    case 3:
    case 4:
      return ReadChanges();
    case 5:
      return Claim();
    case 6:
      return PutNode();
    case 7:
      return TakeLease();
    default:
      return Write();
  }
}

// -- Both -----------------------------------------------------------------------------------------

class SimDatabaseTest : public testing::Test {
 protected:
  SimDatabaseTest() {
    directory_ = (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/holdfast-sim-XXXXXX");
    CHECK(mkdtemp(directory_.data()) != nullptr);
    auto opened = session::Database::Open("sqlite:" + directory_ + "/sessions.db", clock_);
    CHECK(opened.ok());
    database_ = std::move(opened.value());
    real_ = database_->NewDriver();
    CHECK(real_->Open().ok());
    CHECK(sqlite3_open((directory_ + "/sessions.db").c_str(), &administrator_) == SQLITE_OK);
  }
  ~SimDatabaseTest() override {
    sqlite3_close(administrator_);
    real_.reset();
    database_.reset();
    std::filesystem::remove_all(directory_);
  }

  void Empty() {
    const char* const sql =
        "BEGIN; DELETE FROM sessions; DELETE FROM nodes; UPDATE lease SET holder = 0, until = 0; COMMIT;";
    CHECK(sqlite3_exec(administrator_, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
  }
  void MoveTo(int64_t steady_us) {
    clock_.AdvanceMicros(steady_us - time_.steady_us);
    time_.steady_us = steady_us;
  }
  bool AreAlike(uint64_t seed);

  test::VirtualClock clock_;
  WorldTime time_;
  std::string directory_;
  std::unique_ptr<session::Database> database_;
  std::unique_ptr<Driver> real_;
  sqlite3* administrator_ = nullptr;
  Seen seen_;
};

std::string AllRows(Driver& driver) {
  std::vector<Row> rows;
  const session::Failure failure = driver.Load(kAllKeys, &rows);
  return Words(failure, rows);
}

bool SimDatabaseTest::AreAlike(uint64_t seed) {
  Empty();
  MoveTo(time_.steady_us - time_.steady_us % kSecond + kSecond);
  SimDatabase database(time_, Bug::kNone);
  const bool link_up = true;
  SimDriver simulated(database, link_up);
  Steps steps(seed, time_, database, &seen_);
  std::string story;
  for (int i = 0; i < kSteps; ++i) {
    MoveTo(steps.NextMoment());
    const Step step = steps.Next();
    story += "at " + std::to_string(time_.steady_us) + ": " + step.name + "\n";
    const std::string real_answer = step.carry_out(*real_);
    const std::string rows = AllRows(*real_);
    EXPECT_EQ(real_answer, step.carry_out(simulated)) << "seed " << seed << ", SQLite and the simulation:\n" << story;
    EXPECT_EQ(rows, AllRows(simulated)) << "seed " << seed << ", SQLite and the simulation:\n" << story;
    if (HasFailure()) return false;
    story += "  answered" + real_answer + "\n  rows" + rows + "\n";
  }
  return true;
}

std::pair<uint64_t, uint64_t> Seeds() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  std::pair<uint64_t, uint64_t> seeds{1, 300};
#else
  std::pair<uint64_t, uint64_t> seeds{1, 2000};
#endif
  if (const char* const text = std::getenv("HOLDFAST_SEEDS"); text != nullptr) {
    unsigned long long first = 0, last = 0;
    CHECK(std::sscanf(text, "%llu-%llu", &first, &last) == 2);
    seeds = {first, last};
  }
  return seeds;
}

TEST_F(SimDatabaseTest, the_simulation_has_an_identity_as_sqlite_makes_it) {
  session::DatabaseIdentity simulated = SimDatabase(time_, Bug::kNone).identity();
  EXPECT_EQ(simulated.uuid.size(), database_->identity().uuid.size());
  simulated.uuid = database_->identity().uuid;
  EXPECT_EQ(simulated, database_->identity());
}

TEST_F(SimDatabaseTest, the_simulation_answers_what_sqlite_answers) {
  const auto [first, last] = Seeds();
  for (uint64_t seed = first; seed <= last; ++seed) {
    if (!AreAlike(seed)) return;
  }
  if (last - first < 100) return;
  using enum ChangeKind;
  using enum ChangeOutcome;
  const Seen all = {{kValue, kDone},
                    {kValue, kOvertaken},
                    {kValue, kBad},
                    {kExpiry, kDone},
                    {kExpiry, kNeedsRow},
                    {kDelete, kDone},
                    {kDelete, kOvertaken},
                    {kDelete, kBad},
                    {kCompared, kDone},
                    {kCompared, kOvertaken},
                    {kCompared, kBad},
                    {kComparedDelete, kDone},
                    {kComparedDelete, kOvertaken}};
  EXPECT_EQ(seen_, all);
}

}  // namespace
}  // namespace holdfast::sim
