// faults - the real server under real traffic, killed, stopped, paused and out of disk again and again; judged by what
// its clients saw. See usage below.
//
// How it works: each cycle has keys of its own; writers work on those of this cycle and of the one before. In the
// middle of their work the fault comes. Then the server is started again, if it is gone, and a checker reads all keys
// of the two cycles. When a cycle's keys have been through two faults, their history is judged and forgotten. After a
// SIGTERM, which writes everything down, the rows in the database are looked at too.

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

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
    "  --sessions URL    the database; an SQLite file of its own if not given\n"
    "  --directory PATH  where its files go; a new one in /tmp if not given\n";

constexpr uint32_t kKeysACycle = 90;
constexpr uint64_t kAcknowledgedBeforeKill = 200;
constexpr int64_t kBeforeKillMicros = 100'000;
constexpr int64_t kBudgetMicrosMax = 4'500'000;  // the longest budget of a rule, and half a second

enum class Hit : uint8_t { kKill, kTerminate, kPause, kPauseAndKill, kFullDisk, kFullDiskAndKill, kFlush };
constexpr size_t kHits = 7;
const char* const kHitNames[kHits] = {"kill -9",          "SIGTERM",           "SIGSTOP, SIGCONT",
                                      "SIGSTOP, kill -9", "full disk, mended", "full disk, kill -9",
                                      "flush_all"};

class Torment final : Trial {
 public:
  // data: of server and journal, which it outlives.
  Torment(const TrialOptions& options, DataDirectory& data);
  int Run();

 private:
  Hit Choose();
  bool Cycle(int number);
  void WaitForTraffic();
  void Strike(Hit hit);
  bool ComesBack(Hit hit);
  void LookIntoDatabase();
  void Report() const;

  DataDirectory& data_;
  std::array<int, kHits> hits_{};
  std::vector<uint64_t> before_kill_;  // acknowledged in the last 100 ms, by kill
  int64_t longest_start_us_ = 0;
};

Torment::Torment(const TrialOptions& options, DataDirectory& data)
    : Trial(options, FreePort(),
            {"--sessions=" + (options.sessions.empty() ? "sqlite:" + data.path() + "/s.db" : options.sessions),
             "--journal=" + data.path() + "/journal", "--sync-interval=5s"}),
      data_(data) {}

Hit Torment::Choose() {
  const uint32_t drawn = dice_.Below(20);
  if (drawn < 12) return Hit::kKill;
  if (drawn < 14) return Hit::kTerminate;
  if (drawn < 15) return Hit::kPause;
  if (drawn < 16) return Hit::kPauseAndKill;
  if (drawn < 17) return Hit::kFlush;
  if (!data_.can_be_full()) return Hit::kKill;
  return drawn < 18 ? Hit::kFullDisk : Hit::kFullDiskAndKill;
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
  switch (hit) {
    case Hit::kKill:
      return server_.Signal(SIGKILL);
    case Hit::kTerminate:
      return server_.Signal(SIGTERM);
    case Hit::kPause:
    case Hit::kPauseAndKill:
      server_.Signal(SIGSTOP);
      ::usleep(static_cast<useconds_t>(dice_.Between(50'000, 1'500'000)));
      return server_.Signal(hit == Hit::kPause ? SIGCONT : SIGKILL);
    case Hit::kFullDisk:
    case Hit::kFullDiskAndKill:
      data_.Fill();
      ::usleep(static_cast<useconds_t>(dice_.Between(50'000, 800'000)));
      if (hit == Hit::kFullDiskAndKill) server_.Signal(SIGKILL);
      return;
    case Hit::kFlush: {
      Connection connection;
      if (connection.Open(port_)) connection.Ask("flush_all\r\n", false);
      return;
    }
  }
}

bool Torment::ComesBack(Hit hit) {
  if (hit == Hit::kPause || hit == Hit::kFlush || hit == Hit::kFullDisk) {
    ::usleep(100'000);
    CloseSite();
    data_.Empty();
    return true;
  }
  const int status = server_.Wait();
  CloseSite();
  data_.Empty();
  if (hit == Hit::kTerminate) {
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
      Fail("SIGTERM: the server ended with status " + std::to_string(status));
    LookIntoDatabase();
  } else if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
    Fail("the server ended by itself, with status " + std::to_string(status));
  }
  if (!server_.Start()) {
    Fail("the server does not start again; see its log");
    return false;
  }
  longest_start_us_ = std::max(longest_start_us_, server_.start_us());
  return true;
}

bool Torment::Cycle(int number) {
  SetCycle(number, kKeysACycle);
  site_.open = true;
  WaitForTraffic();
  const Hit hit = Choose();
  ++hits_[static_cast<size_t>(hit)];
  const int64_t struck_us = NowMicros();
  Strike(hit);
  const bool back = ComesBack(hit);
  std::vector<int64_t> acknowledged_at_us;
  for (const auto& writer : writers_) {
    longest_answer_us_ =
        std::max(longest_answer_us_, hit == Hit::kPause || hit == Hit::kPauseAndKill ? 0 : writer->longest_us);
    if (hit != Hit::kPause && hit != Hit::kPauseAndKill && writer->longest_us > kBudgetMicrosMax) {
      Fail("an answer took " + std::to_string(writer->longest_us) + " us");
    }
    writer->longest_us = 0;
    acknowledged_at_us.insert(acknowledged_at_us.end(), writer->acknowledged_at_us.begin(),
                              writer->acknowledged_at_us.end());
    writer->acknowledged_at_us.clear();
    Collect(&writer->history);
  }
  acknowledged_ += acknowledged_at_us.size();
  if (hit == Hit::kKill) {
    before_kill_.push_back(
        static_cast<uint64_t>(std::count_if(acknowledged_at_us.begin(), acknowledged_at_us.end(), [&](int64_t at_us) {
          return at_us > struck_us - kBeforeKillMicros && at_us <= struck_us;
        })));
  }
  if (!back) return false;
  Look(false);
  Collect(&checker_.history);
  JudgeKeysBelow(site_.keys_first + kKeysACycle);
  return failures_ < 10;
}

// -- Looking and judging --------------------------------------------------------------------------

// After a drained stop every session is a row.
void Torment::LookIntoDatabase() {
  if (!trial_.sessions.empty()) return;
  sqlite3* database = nullptr;
  sqlite3_stmt* statement = nullptr;
  const std::string path = data_.path() + "/s.db";
  if (sqlite3_open_v2(path.c_str(), &database, SQLITE_OPEN_READONLY, nullptr) != SQLITE_OK ||
      sqlite3_prepare_v2(database,
                         "SELECT flags, data FROM sessions WHERE sid = ?1 AND state = 0 AND expires_at > "
                         "(julianday('now') - 2440587.5) * 86400000000",
                         -1, &statement, nullptr) != SQLITE_OK) {
    Fail("the database cannot be read");
  }
  for (uint32_t key = site_.keys_first; statement != nullptr && key < site_.keys_end; ++key) {
    const std::string name = NameOf(key);
    sqlite3_bind_blob(statement, 1, name.data(), static_cast<int>(name.size()), SQLITE_STATIC);
    Operation op;
    op.act = test::Act::kRow;
    op.said = test::Said::kMiss;
    op.key = key;
    op.node = test::kDatabaseNode;
    op.begun_us = op.ended_us = NowMicros();
    op.is_final = true;
    if (sqlite3_step(statement) == SQLITE_ROW) {
      op.said = test::Said::kHit;
      op.value = static_cast<uint32_t>(sqlite3_column_int64(statement, 0));
      const std::string data(static_cast<const char*>(sqlite3_column_blob(statement, 1)),
                             static_cast<size_t>(sqlite3_column_bytes(statement, 1)));
      op.foreign = !data.empty() && data != ValueOf(key, op.value);
    }
    sqlite3_reset(statement);
    history_.push_back(op);
    ++rows_;
  }
  sqlite3_finalize(statement);
  sqlite3_close(database);
}

void Torment::Report() const {
  const double seconds = static_cast<double>(NowMicros() - begun_us_) / 1e6;
  std::vector<uint64_t> before = before_kill_;
  std::sort(before.begin(), before.end());
  std::printf("%d cycles in %.0f s, seed %llu\n", std::accumulate(hits_.begin(), hits_.end(), 0), seconds,
              static_cast<unsigned long long>(trial_.seed));
  for (size_t i = 0; i < kHits; ++i) std::printf("  %-20s %d\n", kHitNames[i], hits_[i]);
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
    StopServer();
    LookIntoDatabase();
    JudgeKeysBelow(std::numeric_limits<uint32_t>::max());
  }
  Report();
  return Verdict();
}

bool Parse(int argc, char** argv, TrialOptions* options) {
  for (int i = 1; i + 1 < argc; i += 2) {
    if (!options->Take(argv[i], argv[i + 1])) return false;
  }
  return argc % 2 == 1 && !options->server.empty();
}

// The directory may be a file system of its own, which is unmounted when the server has ended.
int RunIn(const std::string& directory, const TrialOptions& options) {
  DataDirectory data(directory);
  return Torment(options, data).Run();
}

}  // namespace
}  // namespace holdfast::faults

int main(int argc, char** argv) {
  using namespace holdfast::faults;
  TrialOptions options;
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
