// faults - the real server under real traffic, killed, stopped, paused and out of disk again and again; judged by what
// its clients saw. See usage below.
//
// How it works: each cycle has keys of its own; writers work on those of this cycle and of the one before. In the
// middle of their work the fault comes. Then the server is started again, if it is gone, and a checker reads all keys
// of the two cycles. When a cycle's keys have been through two faults, their history is judged and forgotten. After a
// SIGTERM, which writes everything down, the rows in the database are looked at too. Clocks and disk are those of a
// machine.h.

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <limits>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "faults/machine.h"
#include "faults/power_loss.h"
#include "faults/trial.h"

namespace holdfast::faults {
namespace {

using test::Operation;

constexpr const char* kUsage =
    "usage: faults --server PATH [--cycles N] [--seed N] [--seconds N] [--sessions URL] [--directory PATH]\n"
    "\n"
    "  --server PATH     the holdfast to torment\n"
    "  --cycles N        how many faults; 100\n"
    "  --seconds N       ends after so long even if there were fewer; 0: never\n"
    "  --seed N          what happens and when; drawn and printed if not given, or 0\n"
    "  --only N          the Nth kind of fault alone, counted from 0 as the report lists them\n"
    "  --sessions URL    the database; an SQLite file of its own if not given\n"
    "  --directory PATH  where its files go; a new one in /tmp if not given\n";

constexpr uint32_t kKeysACycle = 90;
constexpr uint64_t kAcknowledgedBeforeKill = 200;
constexpr int64_t kBeforeKillMicros = 100'000;
constexpr int64_t kBudgetMicrosMin = 750'000;  // the shortest of a rule, less what a signal takes

enum class Hit : uint8_t {
  kKill,
  kTerminate,
  kPause,
  kPauseAndKill,
  kFullDisk,
  kFullDiskAndKill,
  kFlush,
  kHandOver,
  kFailedHandOver,
  kClockStep,
  kClockStepAndKill,
  kSlowDisk,
  kSyncFails,
  kPowerLoss,
  kOlderDatabase,
};

struct HitKind {
  const char* name;
  uint32_t weight;
  bool ends_server;
  bool may_refuse;  // writes for which there is no room
};
constexpr HitKind kHitKinds[] = {
    {"kill -9", 48, true, false},
    {"SIGTERM", 5, true, false},
    {"SIGSTOP, SIGCONT", 5, false, false},
    {"SIGSTOP, kill -9", 3, true, false},
    {"full disk, mended", 4, false, true},
    {"full disk, kill -9", 4, true, true},
    {"flush_all", 2, false, false},
    {"hand-over", 5, false, false},
    {"failed hand-over", 5, false, false},
    {"clock step", 6, false, false},
    {"clock step, kill -9", 6, true, false},
    {"slow disk", 3, false, false},
    {"failing syncs", 3, false, false},
    {"power loss", 4, true, false},
    {"older database", 2, true, false},
};
constexpr size_t kHits = std::size(kHitKinds);
constexpr int64_t kClockStepMicros = int64_t{3600} * 1'000'000;

struct Options : TrialOptions {
  int only = -1;  // this kind of fault alone
};

class Torment final : Trial {
 public:
  // data, machine: the server's, which they outlive.
  Torment(const Options& options, DataDirectory& data, Machine& machine);
  int Run();

 private:
  Hit Choose();
  bool Cycle(int number);
  void WaitForTraffic();
  void Strike(Hit hit);
  void KeepCopyOfDatabase();
  void RestoreDatabase();
  bool ComesBack(Hit hit);
  void TakeFromWriters(Hit hit, int64_t struck_us);
  void LookIntoDatabase();
  void ForgetLostTime(std::vector<Operation>* done) const;
  void Prepare(std::vector<Operation>* done) override;
  void Report() const;

  const int only_;
  DataDirectory& data_;
  Machine& machine_;
  PowerLosses losses_;
  struct Restored {
    int64_t copying_us;  // from when on
    int64_t copied_us;
    int64_t restored_us;
  };
  std::vector<Restored> restored_;
  std::array<int, kHits> hits_{};
  std::vector<uint64_t> before_kill_;  // acknowledged in the last 100 ms, by kill
  int64_t stopped_us_ = 0;             // how long the latest SIGSTOP was
  int64_t longest_start_us_ = 0;
  uint64_t errors_ = 0;
};

ServerProcess::Environment EnvironmentOf(const Machine& machine) {
  if (!machine.exists()) return {};
  return {{"LD_PRELOAD", machine.library()}, {kMachineVariable, machine.control_path()}};
}

Torment::Torment(const Options& options, DataDirectory& data, Machine& machine)
    : Trial(options, FreePort(),
            {"--sessions=" + (options.sessions.empty() ? "sqlite:" + data.path() + "/s.db" : options.sessions),
             "--journal=" + data.path() + "/journal", "--sync-interval=5s", "--node-lease=2s"},
            EnvironmentOf(machine)),
      only_(options.only),
      data_(data),
      machine_(machine) {}

Hit Torment::Choose() {
  const auto weight = [this](size_t i) {
    const Hit hit = static_cast<Hit>(i);
    if (only_ >= 0 && static_cast<int>(i) != only_) return 0u;
    if ((hit == Hit::kFullDisk || hit == Hit::kFullDiskAndKill) && !data_.can_be_full()) return 0u;
    if (hit >= Hit::kClockStep && hit <= Hit::kPowerLoss && !machine_.exists()) return 0u;
    if (hit == Hit::kOlderDatabase && !trial_.sessions.empty()) return 0u;
    return kHitKinds[i].weight;
  };
  uint32_t sum = 0;
  for (size_t i = 0; i < kHits; ++i) sum += weight(i);
  uint32_t drawn = dice_.Below(sum);
  size_t i = 0;
  while (drawn >= weight(i)) drawn -= weight(i++);
  return static_cast<Hit>(i);
}

// -- A cycle --------------------------------------------------------------------------------------

// Until so many were acknowledged within the last 100 ms; a busy machine gets more writers' haste.
void Torment::WaitForTraffic() {
  const int64_t least_us = dice_.Between(120'000, 500'000);
  const int64_t begun_us = NowMicros();
  uint64_t rate = 0;
  for (int rounds = 0; rounds < 60; ++rounds) {
    const uint64_t before = site_.acknowledged.load();
    ::usleep(kBeforeKillMicros);
    rate = site_.acknowledged.load() - before;
    const bool enough = rate >= kAcknowledgedBeforeKill;
    if (enough && NowMicros() - begun_us >= least_us) break;
    if (rate < kAcknowledgedBeforeKill * 2 && site_.pause_us > 0)
      site_.pause_us -= std::min<int64_t>(site_.pause_us, 500);
    if (rate > kAcknowledgedBeforeKill * 4) site_.pause_us += 500;
  }
  ::usleep(static_cast<useconds_t>(dice_.Between(0, 3'000)));
}

void Torment::Strike(Hit hit) {
  const auto pass = [this](int64_t least_us, int64_t most_us) {
    ::usleep(static_cast<useconds_t>(dice_.Between(least_us, most_us)));
  };
  switch (hit) {
    case Hit::kKill:
    case Hit::kPowerLoss:
    case Hit::kOlderDatabase:
      return server_.Signal(SIGKILL);
    case Hit::kTerminate:
      return server_.Signal(SIGTERM);
    case Hit::kPause:
    case Hit::kPauseAndKill:
      server_.Signal(SIGSTOP);
      stopped_us_ = dice_.Between(50'000, dice_.OneIn(4) ? 3'500'000 : 1'500'000);
      ::usleep(static_cast<useconds_t>(stopped_us_));
      return server_.Signal(hit == Hit::kPause ? SIGCONT : SIGKILL);
    case Hit::kFullDisk:
    case Hit::kFullDiskAndKill:
      data_.Fill();
      pass(50'000, 800'000);
      if (hit == Hit::kFullDiskAndKill) server_.Signal(SIGKILL);
      return;
    case Hit::kFlush: {
      Connection connection;
      if (connection.Open(site_.ports[0])) connection.Ask("flush_all\r\n", false);
      return;
    }
    case Hit::kHandOver:
      if (!server_.HandOver(-1)) Fail("the hand-over did not come about; see the log");
      return;
    case Hit::kFailedHandOver:
      server_.HandOver(dice_.Between(0, 150'000));
      return;
    case Hit::kClockStep:
    case Hit::kClockStepAndKill:
      // There and back, so that the clock stays near the true time.
      machine_.StepWall(machine_.wall_step_us() != 0 ? -machine_.wall_step_us()
                        : dice_.OneIn(2)             ? kClockStepMicros
                                                     : -kClockStepMicros);
      pass(0, 400'000);
      if (hit == Hit::kClockStepAndKill) server_.Signal(SIGKILL);
      return;
    case Hit::kSlowDisk:
    case Hit::kSyncFails:
      machine_.SetSync(hit == Hit::kSlowDisk ? 3000 : 0, hit == Hit::kSyncFails);
      pass(200'000, 2'000'000);
      return machine_.SetSync(0, false);
  }
}

bool Torment::ComesBack(Hit hit) {
  const bool ends = kHitKinds[static_cast<size_t>(hit)].ends_server;
  if (!ends && server_.running()) {
    ::usleep(100'000);
    CloseSite();
    data_.Empty();
    return true;
  }
  const int status = server_.running() ? server_.Wait() : SIGKILL;  // a successor that had taken over was killed
  CloseSite();
  data_.Empty();
  if (hit == Hit::kTerminate) {
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      Fail("SIGTERM: the server ended with status " + std::to_string(status));
    LookIntoDatabase();
  } else if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    Fail("the server ended by itself, with status " + std::to_string(status));
  }
  if (hit == Hit::kPowerLoss) machine_.LosePower();
  if (hit == Hit::kOlderDatabase) RestoreDatabase();
  if (!server_.Start()) {
    Fail("the server does not start again; see its log");
    return false;
  }
  longest_start_us_ = std::max(longest_start_us_, server_.start_us());
  return true;
}

// As an administrator makes it, from the running server's file.
void Torment::KeepCopyOfDatabase() {
  sqlite3 *from = nullptr, *to = nullptr;
  const std::string path = data_.path() + "/s.db", copy = trial_.directory + "/copy.db";
  restored_.push_back({NowMicros(), test::kForever, test::kForever});
  std::filesystem::remove(copy);
  sqlite3_open_v2(path.c_str(), &from, SQLITE_OPEN_READONLY, nullptr);
  sqlite3_open(copy.c_str(), &to);
  sqlite3_busy_timeout(from, 10'000);
  sqlite3_backup* const backup = sqlite3_backup_init(to, "main", from, "main");
  if (backup == nullptr || sqlite3_backup_step(backup, -1) != SQLITE_DONE) Fail("the database cannot be copied");
  sqlite3_backup_finish(backup);
  sqlite3_close(to);
  sqlite3_close(from);
  restored_.back().copied_us = NowMicros();
}

void Torment::RestoreDatabase() {
  const std::string path = data_.path() + "/s.db";
  for (const char* suffix : {"", "-wal", "-shm"}) std::filesystem::remove(path + suffix);
  std::filesystem::copy_file(trial_.directory + "/copy.db", path);
  restored_.back().restored_us = NowMicros();
}

bool Torment::Cycle(int number) {
  SetCycle(number, kKeysACycle);
  site_.open = true;
  const Hit hit = Choose();
  if (hit == Hit::kOlderDatabase) KeepCopyOfDatabase();
  const int64_t begun_us = NowMicros();
  const uint64_t counted_before = SetsDroppedByServers();
  WaitForTraffic();
  ++hits_[static_cast<size_t>(hit)];
  const int64_t struck_us = NowMicros();
  Strike(hit);
  if (hit == Hit::kPowerLoss) losses_.Add(NowMicros());
  const bool back = ComesBack(hit);
  TakeFromWriters(hit, struck_us);
  if (!back) return false;
  Look(false);
  Collect(&checker_.history);
  const bool is_same_process =
      !kHitKinds[static_cast<size_t>(hit)].ends_server && hit != Hit::kHandOver && hit != Hit::kFailedHandOver;
  if (is_same_process) JudgeDroppedSets(begun_us, SetsDroppedByServers() - counted_before);
  JudgeKeysBelow(site_.keys_first + kKeysACycle);
  return failures_ < 10;
}

void Torment::TakeFromWriters(Hit hit, int64_t struck_us) {
  const HitKind& kind = kHitKinds[static_cast<size_t>(hit)];
  const bool is_pause = hit == Hit::kPause || hit == Hit::kPauseAndKill;
  std::vector<int64_t> acknowledged_at_us;
  for (const auto& writer : writers_) {
    const int64_t longest_us = std::exchange(writer->longest_us, 0);
    if (!is_pause) longest_answer_us_ = std::max(longest_answer_us_, longest_us);
    for (const Trouble& late : std::exchange(writer->late, {})) JudgeLate(late, is_pause ? stopped_us_ : 0);
    writer->broken.clear();
    const std::vector<Trouble> errors = std::exchange(writer->errors, {});
    // What waited for the database when the server was stopped gets its rule's action once its budget has passed.
    const bool outlasts_budget = hit == Hit::kPause && stopped_us_ > kBudgetMicrosMin;
    if (!errors.empty() && !kind.may_refuse && !outlasts_budget) {
      Fail(std::to_string(errors.size()) + " errors during " + kind.name + ": " + Describe(errors.back()));
    }
    errors_ += errors.size();
    acknowledged_at_us.insert(acknowledged_at_us.end(), writer->acknowledged_at_us.begin(),
                              writer->acknowledged_at_us.end());
    writer->acknowledged_at_us.clear();
    Collect(&writer->history);
  }
  acknowledged_ += acknowledged_at_us.size();
  if (hit != Hit::kKill) return;
  before_kill_.push_back(
      static_cast<uint64_t>(std::count_if(acknowledged_at_us.begin(), acknowledged_at_us.end(), [&](int64_t at_us) {
        return at_us > struck_us - kBeforeKillMicros && at_us <= struck_us;
      })));
}

// -- Looking and judging --------------------------------------------------------------------------

// After a drained stop every session is a row. What stands in the file must make UTC of its expiry, as its readers do.
void Torment::LookIntoDatabase() {
  if (!trial_.sessions.empty()) return;
  sqlite3* database = nullptr;
  sqlite3_stmt* statement = nullptr;
  const std::string path = data_.path() + "/s.db";
  if (sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(database,
                         "SELECT flags, data, left_us FROM (SELECT flags, data, expires_at + "
                         "(SELECT value FROM meta WHERE name = 'clock_shift_us') - ?2 - "
                         "CAST((julianday('now') - 2440587.5) * 86400000000 AS INTEGER) AS left_us "
                         "FROM sessions WHERE sid = ?1 AND state = 0) WHERE left_us > 0",
                         -1, &statement, nullptr) != SQLITE_OK) {
    Fail("the database cannot be read");
  }
  for (uint32_t key = site_.keys_first; statement != nullptr && key < site_.keys_end; ++key) {
    const std::string name = NameOf(key);
    sqlite3_bind_blob(statement, 1, name.data(), static_cast<int>(name.size()), SQLITE_STATIC);
    sqlite3_bind_int64(statement, 2, machine_.wall_step_us());
    Operation op;
    op.act = test::Act::kRow;
    op.said = test::Said::kMiss;
    op.key = key;
    op.strict = IsStrict(key);
    op.node = test::kDatabaseNode;
    op.begun_us = op.ended_us = NowMicros();
    op.is_final = true;
    if (sqlite3_step(statement) == SQLITE_ROW) {
      op.said = test::Said::kHit;
      op.value = static_cast<uint32_t>(sqlite3_column_int64(statement, 0));
      op.ttl_us = sqlite3_column_int64(statement, 2);
      const std::string data(static_cast<const char*>(sqlite3_column_blob(statement, 1)),
                             static_cast<size_t>(sqlite3_column_bytes(statement, 1)));
      op.foreign = !data.empty() && data != ValueOf(key, op.value);
    }
    op.ended_us = NowMicros();
    sqlite3_reset(statement);
    history_.push_back(op);
    ++rows_;
  }
  sqlite3_finalize(statement);
  sqlite3_close(database);
}

// What was done to strict sessions between copy and restoration is nowhere but in the database that is gone. Of what
// went on while it was copied nobody knows.
void Torment::ForgetLostTime(std::vector<Operation>* done) const {
  for (const Restored& lost : restored_) {
    std::erase_if(*done, [&lost](const Operation& op) {
      const bool during_copy = op.begun_us <= lost.copied_us && op.ended_us >= lost.copying_us;
      const bool after_copy = op.begun_us > lost.copied_us && op.begun_us <= lost.restored_us;
      return op.strict && (after_copy || (during_copy && op.act == test::Act::kGet));
    });
    for (Operation& op : *done) {
      if (!op.strict || op.begun_us > lost.copied_us || op.ended_us < lost.copying_us) continue;
      op.said = test::Said::kNothing;
      op.ended_us = lost.restored_us;  // if it took place, then before
    }
  }
}

void Torment::Prepare(std::vector<Operation>* done) {
  ForgetLostTime(done);
  if (!losses_.Concern(*done)) return;
  losses_.Measure(*done,
                  [this](const std::vector<Operation>& doubted) { return !test::Judge(doubted, Rules()).empty(); });
  *done = losses_.Doubted(std::move(*done), PowerLosses::kMicrosMax);
}

void Torment::Report() const {
  const double seconds = static_cast<double>(NowMicros() - begun_us_) / 1e6;
  std::vector<uint64_t> before = before_kill_;
  std::sort(before.begin(), before.end());
  std::printf("%d cycles in %.0f s, seed %llu\n", std::accumulate(hits_.begin(), hits_.end(), 0), seconds,
              static_cast<unsigned long long>(trial_.seed));
  for (size_t i = 0; i < kHits; ++i) std::printf("  %-20s %d\n", kHitKinds[i].name, hits_[i]);
  std::printf("  operations %llu, acknowledged %llu, looks at sessions %llu, at rows %llu\n",
              static_cast<unsigned long long>(operations_), static_cast<unsigned long long>(acknowledged_),
              static_cast<unsigned long long>(looks_), static_cast<unsigned long long>(rows_));
  if (!before.empty()) {
    const auto enough =
        std::count_if(before.begin(), before.end(), [](uint64_t n) { return n >= kAcknowledgedBeforeKill; });
    std::printf(
        "  acknowledged in the 100 ms before a kill: least %llu, median %llu; %zd of %zu kills had 200 and more\n",
        static_cast<unsigned long long>(before.front()), static_cast<unsigned long long>(before[before.size() / 2]),
        static_cast<ssize_t>(enough), before.size());
  }
  std::printf("  errors answered %llu, syncs of the journal that failed %llu\n",
              static_cast<unsigned long long>(errors_), static_cast<unsigned long long>(machine_.failures()));
  std::printf("  sets answered STORED and dropped %llu or more, by the server's own counters %llu\n",
              static_cast<unsigned long long>(dropped_), static_cast<unsigned long long>(dropped_by_servers_));
  losses_.Report();
  std::printf("  longest start %.3f s, longest answer %.3f s\n", static_cast<double>(longest_start_us_) / 1e6,
              static_cast<double>(longest_answer_us_) / 1e6);
  for (size_t i = 0; i < test::kFaults; ++i) {
    std::printf("  %-14s %llu\n", NameOf(static_cast<test::Fault>(i)), static_cast<unsigned long long>(faults_[i]));
  }
  if (!data_.can_be_full()) std::printf("  no full disk: mounting a small file system needs root\n");
}

int Torment::Run() {
  if (!Begin()) return 1;
  for (int cycle = 0; cycle < trial_.cycles && !TimeIsUp(); ++cycle) {
    if (!Cycle(cycle)) break;
  }
  if (server_.running()) {
    site_.keys_first = site_.keys_first + kKeysACycle;  // the others have been judged
    Look(true);
    Collect(&checker_.history);
    StopServers();
    LookIntoDatabase();
    JudgeKeysBelow(std::numeric_limits<uint32_t>::max());
  }
  Report();
  return Verdict();
}

bool Parse(int argc, char** argv, Options* options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (argv[i] == std::string("--only")) {
      options->only = std::atoi(argv[i + 1]);
    } else if (!options->Take(argv[i], argv[i + 1])) {
      return false;
    }
  }
  return argc % 2 == 1 && !options->server.empty();
}

// The directory may be a file system of its own, which is unmounted when the server has ended.
int RunIn(const std::string& directory, const Options& options) {
  DataDirectory data(directory);
  Machine machine(options.directory, data.path());
  return Torment(options, data, machine).Run();
}

}  // namespace
}  // namespace holdfast::faults

int main(int argc, char** argv) {
  using namespace holdfast::faults;
  Options options;
  if (!Parse(argc, argv, &options)) {
    std::fputs(kUsage, stderr);
    return 64;
  }
  ::signal(SIGPIPE, SIG_IGN);
  if (options.seed == 0) options.seed = static_cast<uint64_t>(NowMicros()) % 1'000'000 + 1;
  std::printf("seed %llu\n", static_cast<unsigned long long>(options.seed));
  std::fflush(stdout);
  const bool own_directory = options.directory.empty();
  if (own_directory) {
    char name[] = "/tmp/holdfast-faults-XXXXXX";
    if (mkdtemp(name) == nullptr) return 1;
    options.directory = name;
  }
  const int result = RunIn(options.directory + "/data", options);
  if (own_directory && result == 0) {
    std::error_code ignored;
    std::filesystem::remove_all(options.directory, ignored);
  } else if (result != 0) {
    std::printf("the server's log: %s/server.log\n", options.directory.c_str());
  }
  return result;
}
