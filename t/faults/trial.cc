// The parts of a trial that do not depend on what the harm is.

#include "faults/trial.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>

namespace holdfast::faults {
namespace {

constexpr int kWriters = 16;
constexpr int kFailuresShown = 5;

std::vector<std::string> Command(const TrialOptions& options, int port, const std::vector<std::string>& more) {
  std::vector<std::string> words = {options.server,
                                    "-p",
                                    std::to_string(port),
                                    "-l",
                                    "127.0.0.1",
                                    "-t",
                                    "2",
                                    "-m",
                                    "64",
                                    "-u",
                                    "root",
                                    "--session-rule=php prefix=php:",
                                    "--session-rule=prefix=web: connections=pooled action=error",
                                    "--session-rule=prefix=dj: connections=request",
                                    "--session-rule=prefix=cart: policy=strict connections=request action=error",
                                    "--drain-timeout=60s"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

// Dice of neighbouring seeds throw the same, one throw apart. Those of their first throws have nothing in common.
uint64_t Apart(uint64_t seed) { return sim::Dice(seed).Next(); }

}  // namespace

bool TrialOptions::Take(const std::string& name, const std::string& value) {
  if (name == "--server") {
    server = value;
  } else if (name == "--sessions") {
    sessions = value;
  } else if (name == "--directory") {
    directory = value;
  } else if (name == "--cycles") {
    cycles = std::atoi(value.c_str());
  } else if (name == "--seconds") {
    seconds = std::atoi(value.c_str());
  } else if (name == "--seed") {
    seed = std::strtoull(value.c_str(), nullptr, 10);
  } else {
    return false;
  }
  return true;
}

Trial::Trial(const TrialOptions& options, int port, const Words& more, ServerProcess::Environment environment)
    : trial_(options),
      dice_(Apart(options.seed)),
      server_(*servers_.emplace_back(std::make_unique<ServerProcess>(
          Command(options, port, more), options.directory + "/server.log", port, std::move(environment)))),
      checker_(site_, Apart(options.seed * 100)) {
  site_.ports = {port};
}

void Trial::AddServer(int port, const Words& more) {
  const std::string log = trial_.directory + "/server" + std::to_string(servers_.size() + 1) + ".log";
  servers_.push_back(std::make_unique<ServerProcess>(Command(trial_, port, more), log, port));
  site_.ports.push_back(port);
}

Trial::~Trial() {
  CloseSite();
  stop_ = true;
  for (std::thread& thread : threads_) thread.join();
}

bool Trial::Begin() {
  for (const auto& server : servers_) {
    if (server->Start()) continue;
    Fail("a server does not start; see its log");
    return false;
  }
  for (int i = 0; i < kWriters; ++i) {
    writers_.push_back(std::make_unique<Writer>(site_, Apart(trial_.seed * 100 + static_cast<uint64_t>(i) + 1)));
  }
  for (const auto& writer : writers_) threads_.emplace_back([this, &writer] { writer->Run(stop_); });
  return true;
}

bool Trial::TimeIsUp() const {
  return trial_.seconds > 0 && NowMicros() - begun_us_ > int64_t{trial_.seconds} * 1'000'000;
}

void Trial::Fail(const std::string& what) {
  ++failures_;
  std::printf("FAILED: %s\n", what.c_str());
  std::fflush(stdout);
}

void Trial::SetCycle(int number, uint32_t keys) {
  site_.keys_first = static_cast<uint32_t>(number) * keys;
  site_.keys_end = site_.keys_first + 2 * keys;
}

void Trial::CloseSite() {
  site_.open = false;
  // A writer counts itself while it looks whether the site is open, too.
  for (int quiet = 0; quiet < 2; ::usleep(500)) quiet = site_.writing.load() > 0 ? 0 : quiet + 1;
}

void Trial::JudgeLate(const Trouble& late, int64_t stopped_us) {
  if (late.ended_us - late.begun_us <= kAnswerMicrosMax + stopped_us + late.lateness_us) return;
  Fail("an answer took " + std::to_string(late.ended_us - late.begun_us) + " us, threads woke up to " +
       std::to_string(late.lateness_us) + " us late: " + Describe(late));
}

void Trial::Collect(std::vector<test::Operation>* from) {
  operations_ += from->size();
  history_.insert(history_.end(), from->begin(), from->end());
  from->clear();
}

void Trial::Look(bool is_final) {
  const int64_t pause_us = std::exchange(site_.pause_us, 0);
  for (uint32_t node = 0; node < site_.ports.size(); ++node) {
    for (uint32_t key = site_.keys_first; key < site_.keys_end; ++key) checker_.Look(key, node, is_final);
    looks_ += site_.keys_end - site_.keys_first;
  }
  site_.pause_us = pause_us;
  checker_.acknowledged_at_us.clear();
}

void Trial::JudgeKeysBelow(uint32_t key) {
  const auto kept =
      std::partition(history_.begin(), history_.end(), [key](const test::Operation& op) { return op.key < key; });
  std::vector<test::Operation> done(history_.begin(), kept);
  history_.erase(history_.begin(), kept);
  Prepare(&done);
  for (const test::Finding& finding : test::Judge(done, Rules())) {
    ++faults_[static_cast<size_t>(finding.fault)];
    Fail(Describe(finding, done));
    if (failures_ > kFailuresShown) continue;
    for (const test::Operation& op : done) {
      if (op.key == done[finding.operation].key) std::printf("    %s\n", Describe(op).c_str());
    }
  }
}

std::map<std::string, uint64_t> Trial::CountersOf(int port) {
  std::map<std::string, uint64_t> counters;
  Connection connection;
  if (!connection.Open(port)) return counters;
  std::string line = connection.Ask("stats sessions\r\n", false).line;
  for (; line.starts_with("STAT "); line = connection.NextLine()) {
    const size_t space = line.find(' ', 5);
    if (space == std::string::npos) continue;
    counters[line.substr(5, space - 5)] = std::strtoull(line.c_str() + space, nullptr, 10);
  }
  return counters;
}

uint64_t Trial::SetsDroppedByServers() const {
  uint64_t sum = 0;
  for (const int port : site_.ports) {
    for (const auto& [name, count] : CountersOf(port)) {
      const bool counts =
          name == "resurrections_refused" || name == "superseded" || name.starts_with("provisional_lost_");
      if (counts) sum += count;
    }
  }
  return sum;
}

void Trial::JudgeDroppedSets(int64_t since_us, uint64_t counted) {
  const std::vector<size_t> dropped = test::DroppedSets(history_, since_us, Rules());
  dropped_ += dropped.size();
  dropped_by_servers_ += counted;
  if (dropped.size() <= counted) return;
  Fail(std::to_string(dropped.size()) + " sets were answered STORED and dropped, the servers have counted " +
       std::to_string(counted));
  for (const size_t set : dropped) std::printf("    %s\n", Describe(history_[set]).c_str());
}

test::JudgeRules Trial::Rules() const {
  test::JudgeRules rules;
  rules.grain_us = 2'100'000;  // each process counts whole seconds from its own beginning
  return rules;
}

void Trial::StopServers() {
  for (const auto& server : servers_) {
    server->Signal(SIGTERM);
    const int status = server->Wait();
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
      Fail("the last stop ended with status " + std::to_string(status));
    }
  }
}

int Trial::Verdict() const {
  std::printf("%s\n", failures_ == 0 ? "passed" : "failed");
  return failures_ == 0 ? 0 : 1;
}

}  // namespace holdfast::faults
