// database_faults - the real server under real traffic while its database is harmed; judged by what its clients saw and
// by what the database holds in the end. t/faults/faults_on_databases.py arranges the databases. See usage below.
//
// How it works: whoever started this does what it asks for in a line of standard output, and answers with a line
// "done" on standard input:
//
//   harm NAME         the database is to be harmed in this way, and
//   mend NAME         whole again
//   rows FIRST END    a line "NODE KEY FLAGS HEX" for each live row on each node whose key has a number in this range
//
// All other lines are for people. A cycle has keys of its own; writers work on those of this cycle and of the one
// before, before the harm, during it, and after. In some cycles the server is killed meanwhile. Then all must be
// written within a minute, and every session and every row of the two cycles is looked at and judged.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "faults/server_process.h"
#include "faults/site_client.h"

namespace holdfast::faults {
namespace {

using test::Operation;

constexpr const char* kUsage =
    "usage: database_faults --server PATH --sessions URL --password-file FILE --directory PATH --harms NAME,NAME\n"
    "                       [--cycles N] [--seconds N] [--seed N]\n"
    "\n"
    "Asks for the harms on standard output; t/faults/faults_on_databases.py is who answers.\n";

constexpr int kWriters = 16;
constexpr uint32_t kKeysACycle = 60;
// The promise is 4.5 s, the longest budget of a rule and half a second; a busy machine is given more, a hang is not.
constexpr int64_t kAnswerMicrosMax = 10'000'000;
constexpr int64_t kWrittenMicrosMax = 60'000'000;
constexpr int64_t kSettledMicros = 3'000'000;  // after the mending, until the server has surely noticed

struct Options {
  std::string server, sessions, password_file, directory, harms;
  int cycles = 100;
  int seconds = 0;
  uint64_t seed = 1;
};

// When the database could not be relied on.
struct Outage {
  int64_t begun_us = 0;
  int64_t ended_us = test::kForever;
};

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) words.push_back(word);
  return words;
}

uint32_t NumberOf(const std::string& name) {
  return static_cast<uint32_t>(std::strtoul(name.c_str() + name.find(':') + 1, nullptr, 10));
}

std::string FromHex(const std::string& hex) {
  std::string bytes;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    bytes += static_cast<char>(std::strtoul(hex.substr(i, 2).c_str(), nullptr, 16));
  }
  return bytes;
}

class Torment {
 public:
  explicit Torment(const Options& options);
  ~Torment();
  int Run();

 private:
  std::vector<std::string> Command() const;
  bool Ask(const std::string& question, std::vector<std::string>* lines);
  bool Harm(const std::string& harm);
  bool Cycle(int number);
  void Traffic(int64_t micros);
  void KillServer();
  void CloseSite();
  bool WaitUntilWritten();
  void Collect(std::vector<Operation>* from);
  void LookAtSessions();
  bool LookAtRows();
  void MarkUncertain(std::vector<Operation>* operations) const;
  void JudgeKeysBelow(uint32_t key);
  void Fail(const std::string& what);
  void Report() const;

  const Options options_;
  const std::vector<std::string> harms_;
  sim::Dice dice_;
  const int port_;
  ServerProcess server_;
  Site site_;
  std::atomic<bool> stop_{false};
  std::vector<std::unique_ptr<Writer>> writers_;
  std::vector<std::thread> threads_;
  Writer checker_;
  std::vector<Operation> history_;
  std::vector<Outage> outages_;
  const int64_t begun_us_ = NowMicros();

  std::map<std::string, int> done_;
  std::array<uint64_t, test::kFaults> faults_{};
  uint64_t operations_ = 0, acknowledged_ = 0, acknowledged_away_ = 0, looks_ = 0, rows_ = 0;
  int64_t longest_answer_us_ = 0, longest_written_us_ = 0;
  int kills_ = 0, failures_ = 0;
};

Torment::Torment(const Options& options)
    : options_(options),
      harms_(Split(options.harms)),
      dice_(options.seed),
      port_(FreePort()),
      server_(Command(), options.directory + "/server.log", port_),
      checker_(site_, options.seed) {
  site_.port = port_;
  for (int i = 0; i < kWriters; ++i) writers_.push_back(std::make_unique<Writer>(site_, options.seed * 100 + i + 1));
}

Torment::~Torment() {
  CloseSite();
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

std::vector<std::string> Torment::Command() const {
  return {options_.server,
          "-p",
          std::to_string(port_),
          "-l",
          "127.0.0.1",
          "-t",
          "2",
          "-m",
          "64",
          "-u",
          "root",
          "--sessions=" + options_.sessions,
          "--database-password-file=" + options_.password_file,
          "--journal=" + options_.directory + "/journal",
          "--session-rule=php prefix=php:",
          "--session-rule=prefix=web: connections=pooled action=error",
          "--session-rule=prefix=dj: connections=request",
          "--sync-interval=1s",
          "--drain-timeout=60s"};
}

void Torment::Fail(const std::string& what) {
  ++failures_;
  std::printf("FAILED: %s\n", what.c_str());
  std::fflush(stdout);
}

bool Torment::Ask(const std::string& question, std::vector<std::string>* lines) {
  std::printf("%s\n", question.c_str());
  std::fflush(stdout);
  for (std::string line; std::getline(std::cin, line);) {
    if (line == "done") return true;
    if (lines != nullptr) lines->push_back(line);
  }
  Fail("nobody answers: " + question);
  return false;
}

// -- A cycle --------------------------------------------------------------------------------------

void Torment::Traffic(int64_t micros) {
  site_.open = true;
  ::usleep(static_cast<useconds_t>(micros));
}

void Torment::CloseSite() {
  site_.open = false;
  // A writer counts itself while it looks whether the site is open, too.
  int quiet = 0;
  while (quiet < 2) {
    quiet = site_.writing.load() > 0 ? 0 : quiet + 1;
    ::usleep(2000);
  }
}

void Torment::KillServer() {
  server_.Signal(SIGKILL);
  server_.Wait();
  CloseSite();
  ++kills_;
}

// With the database away a server does not start, so one that is killed meanwhile comes back when all is mended.
bool Torment::Harm(const std::string& harm) {
  const bool kills = dice_.OneIn(3);
  outages_.push_back({NowMicros()});
  if (!Ask("harm " + harm, nullptr)) return false;
  const uint64_t before = site_.acknowledged.load();
  Traffic(dice_.Between(300'000, 2'500'000));
  acknowledged_away_ += site_.acknowledged.load() - before;
  if (kills) KillServer();
  if (!Ask("mend " + harm, nullptr)) return false;
  if (kills && !server_.Start()) {
    Fail("the server does not start again; see its log");
    return false;
  }
  outages_.back().ended_us = NowMicros() + kSettledMicros;
  ++done_[harm];
  Traffic(dice_.Between(200'000, 600'000));
  return true;
}

bool Torment::Cycle(int number) {
  const auto first = static_cast<uint32_t>(number) * kKeysACycle;
  site_.keys_first = first;
  site_.keys_end = first + 2 * kKeysACycle;
  Traffic(dice_.Between(200'000, 600'000));
  const bool mended = Harm(harms_[dice_.Below(static_cast<uint32_t>(harms_.size()))]);
  CloseSite();
  for (const auto& writer : writers_) {
    longest_answer_us_ = std::max(longest_answer_us_, writer->longest_us);
    if (writer->longest_us > kAnswerMicrosMax) {
      Fail("an answer took " + std::to_string(writer->longest_us) + " us");
    }
    writer->longest_us = 0;
    acknowledged_ += writer->acknowledged_at_us.size();
    writer->acknowledged_at_us.clear();
    Collect(&writer->history);
  }
  if (!mended || !WaitUntilWritten()) return false;
  LookAtSessions();
  if (!LookAtRows()) return false;
  JudgeKeysBelow(first + kKeysACycle);
  return failures_ < 10;
}

bool Torment::WaitUntilWritten() {
  const int64_t begun_us = NowMicros();
  while (NowMicros() - begun_us < kWrittenMicrosMax) {
    Connection connection;
    std::string line;
    if (connection.Open(port_)) line = connection.Ask("stats sessions\r\n", false).line;
    while (line.starts_with("STAT ") && !line.starts_with("STAT dirty_items ")) line = connection.NextLine();
    if (line == "STAT dirty_items 0") {
      longest_written_us_ = std::max(longest_written_us_, NowMicros() - begun_us);
      return true;
    }
    ::usleep(20'000);
  }
  Fail("not all is written a minute after the database was mended");
  return false;
}

// -- Looking and judging --------------------------------------------------------------------------

void Torment::Collect(std::vector<Operation>* from) {
  operations_ += from->size();
  history_.insert(history_.end(), from->begin(), from->end());
  from->clear();
}

void Torment::LookAtSessions() {
  const int64_t pause_us = std::exchange(site_.pause_us, 0);
  for (uint32_t key = site_.keys_first; key < site_.keys_end; ++key) checker_.Look(key, true);
  site_.pause_us = pause_us;
  looks_ += site_.keys_end - site_.keys_first;
  checker_.acknowledged_at_us.clear();
  for (const Operation& op : checker_.history) {
    if (op.said == test::Said::kNothing) Fail("no answer although all is mended: " + Describe(op));
  }
  Collect(&checker_.history);
}

// All is written, so that every session is a row, on every node.
bool Torment::LookAtRows() {
  const uint32_t first = site_.keys_first, end = site_.keys_end;
  const int64_t asked_us = NowMicros();
  std::vector<std::string> lines;
  if (!Ask("rows " + std::to_string(first) + " " + std::to_string(end), &lines)) return false;
  std::set<std::string> nodes;
  std::map<std::pair<std::string, uint32_t>, Operation> found;
  for (const std::string& line : lines) {
    std::istringstream words(line);
    std::string node, name, flags, hex;
    words >> node >> name >> flags >> hex;
    nodes.insert(node);
    if (name.empty()) continue;  // a node, and no row
    const uint32_t key = NumberOf(name);
    Operation& op = found[{node, key}];
    op.said = test::Said::kHit;
    op.value = static_cast<uint32_t>(std::strtoul(flags.c_str(), nullptr, 10));
    const std::string data = FromHex(hex);
    op.foreign = name != NameOf(key) || (!data.empty() && data != ValueOf(key, op.value));
  }
  if (nodes.empty()) Fail("no node tells its rows");
  for (const std::string& node : nodes) {
    for (uint32_t key = first; key < end; ++key) {
      Operation op = found[{node, key}];
      if (op.said != test::Said::kHit) op.said = test::Said::kMiss;
      op.act = test::Act::kRow;
      op.key = key;
      op.node = test::kDatabaseNode;
      op.begun_us = asked_us;
      op.ended_us = NowMicros();
      op.is_final = true;
      history_.push_back(op);
      ++rows_;
    }
  }
  return true;
}

// A set without a read before it may have been provisional when the database was away, and so may be what was built
// upon it, until the database has settled it.
void Torment::MarkUncertain(std::vector<Operation>* operations) const {
  const auto during_outage = [this](const Operation& op) {
    return std::any_of(outages_.begin(), outages_.end(), [&op](const Outage& outage) {
      return op.ended_us >= outage.begun_us && op.begun_us <= outage.ended_us;
    });
  };
  std::set<uint32_t> keys;
  for (const Operation& op : *operations) {
    if (op.act == test::Act::kSet && op.based_on == 0 && during_outage(op)) keys.insert(op.key);
  }
  for (Operation& op : *operations) {
    if (op.act == test::Act::kSet && keys.contains(op.key) && during_outage(op)) op.uncertain = true;
  }
}

void Torment::JudgeKeysBelow(uint32_t key) {
  const auto kept =
      std::partition(history_.begin(), history_.end(), [key](const Operation& op) { return op.key < key; });
  std::vector<Operation> done(history_.begin(), kept);
  history_.erase(history_.begin(), kept);
  MarkUncertain(&done);
  test::JudgeRules rules;
  rules.grain_us = 2'100'000;  // each process counts whole seconds from its own beginning
  for (const test::Finding& finding : test::Judge(done, rules)) {
    // A row does not say here how long it lives: only presence and value are judged.
    if (finding.fault == test::Fault::kLostTouch) continue;
    ++faults_[static_cast<size_t>(finding.fault)];
    Fail(Describe(finding, done));
    if (failures_ > 5) continue;
    for (const Operation& op : done) {
      if (op.key == done[finding.operation].key) std::printf("    %s\n", Describe(op).c_str());
    }
  }
}

void Torment::Report() const {
  int cycles = 0;
  for (const auto& [harm, count] : done_) cycles += count;
  const auto big = [](uint64_t number) { return static_cast<unsigned long long>(number); };
  std::printf("%d cycles in %.0f s, seed %llu\n", cycles, static_cast<double>(NowMicros() - begun_us_) / 1e6,
              big(options_.seed));
  for (const auto& [harm, count] : done_) std::printf("  %-20s %d\n", harm.c_str(), count);
  std::printf("  and kill -9 of the server meanwhile: %d\n", kills_);
  std::printf(
      "  operations %llu, acknowledged %llu, of these while harmed %llu; looks at sessions %llu, at rows %llu\n",
      big(operations_), big(acknowledged_), big(acknowledged_away_), big(looks_), big(rows_));
  std::printf("  longest answer %.3f s, longest until all was written %.3f s\n",
              static_cast<double>(longest_answer_us_) / 1e6, static_cast<double>(longest_written_us_) / 1e6);
  for (size_t i = 0; i < test::kFaults; ++i) {
    if (faults_[i] > 0) std::printf("  %-14s %llu\n", NameOf(static_cast<test::Fault>(i)), big(faults_[i]));
  }
}

int Torment::Run() {
  if (!server_.Start()) {
    Fail("the server does not start; see its log");
    return 1;
  }
  for (const auto& writer : writers_) threads_.emplace_back([this, &writer] { writer->Run(stop_); });
  bool goes_on = true;
  for (int cycle = 0; cycle < options_.cycles && goes_on; ++cycle) {
    if (options_.seconds > 0 && NowMicros() - begun_us_ > int64_t{options_.seconds} * 1'000'000) break;
    goes_on = Cycle(cycle);
  }
  if (goes_on) {
    JudgeKeysBelow(std::numeric_limits<uint32_t>::max());
    server_.Signal(SIGTERM);
    const int status = server_.Wait();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      Fail("the last stop ended with status " + std::to_string(status));
    }
  }
  Report();
  std::printf("%s\n", failures_ == 0 ? "passed" : "failed");
  return failures_ == 0 ? 0 : 1;
}

bool Parse(int argc, char** argv, Options* options) {
  const std::map<std::string, std::string*> texts = {{"--server", &options->server},
                                                     {"--sessions", &options->sessions},
                                                     {"--password-file", &options->password_file},
                                                     {"--directory", &options->directory},
                                                     {"--harms", &options->harms}};
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (const auto text = texts.find(name); text != texts.end()) {
      *text->second = value;
    } else if (name == "--cycles") {
      options->cycles = std::atoi(value.c_str());
    } else if (name == "--seconds") {
      options->seconds = std::atoi(value.c_str());
    } else if (name == "--seed") {
      options->seed = std::strtoull(value.c_str(), nullptr, 10);
    } else {
      return false;
    }
  }
  const bool all = std::all_of(texts.begin(), texts.end(), [](const auto& text) { return !text.second->empty(); });
  return argc % 2 == 1 && all;
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
  return Torment(options).Run();
}
