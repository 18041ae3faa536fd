// database_faults - the real server under real traffic while its database is harmed; judged by what its clients saw and
// by what the database holds in the end. t/faults/faults_on_databases.py arranges the databases. See usage below.
//
// How it works: whoever started this does what it asks for in a line of standard output, and answers with a line
// "done" on standard input:
//
//   harm NAME         the database is to be harmed in this way, and
//   mend NAME         whole again
//   rows FIRST END    a line "NODE KEY FLAGS LEFT HEX" for each live row on each node whose key has a number in this
//                     range; LEFT is how long it lives, in microseconds
//
// With --servers there are so many on the same database, among which the clients choose by the key. Harms whose name
// begins with "server" are done here, to one of them: killed, stopped with SIGTERM, hanging (SIGSTOP) for longer than
// its lease, followed by another process; "server flip" lets the clients choose anew, again and again.
// A harm that makes servers wait, or ends one without a word, is a window: what others must know, and by when, is
// judged by the bound outside of windows. So that there is something to judge, several servers have some seconds of
// traffic without harm now and then, in which the clients choose anew, too.
//
// All the time a prober asks each server that we have not stopped or ended for a cache key and for a session that is in
// memory: 999 of 1000 must be answered as if nothing were wrong, in each harm and between them.
//
// All other lines are for people. A cycle has keys of its own; writers work on those of this cycle and of the one
// before, before the harm, during it, and after. In some cycles the server is killed meanwhile. Then all must be
// written within a minute, and every session and every row of the two cycles is looked at and judged.

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <iterator>
#include <limits>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "faults/database_delay.h"
#include "faults/prober.h"
#include "faults/trial.h"
#include "session/database_url.h"
#include "session/session_settings.h"

namespace holdfast::faults {
namespace {

using test::Operation;

constexpr const char* kUsage =
    "usage: database_faults --server PATH --sessions URL --password-file FILE --directory PATH --harms NAME,NAME\n"
    "                       [--servers N] [--cycles N] [--seconds N] [--seed N] [--flag FLAG] [--heard-ms N]\n"
    "\n"
    "FLAG is one more for each server. --heard-ms: how long after all was written every server has heard of it.\n"
    "\n"
    "Asks for the harms on standard output; t/faults/faults_on_databases.py is who answers.\n";

constexpr uint32_t kKeysACycle = 60;
constexpr int64_t kWrittenMicrosMax = 60'000'000;
constexpr int64_t kBudgetMicrosMin = 750'000;  // the shortest of a rule
// A request may need several look-ups and commits one after the other: where another client's look-up and commit take
// so long together, it may need its whole budget.
constexpr int64_t kSlowMicros = 150'000;
constexpr int64_t kAroundMicros = 1'000'000;   // of the session's history, shown beside an error
constexpr int64_t kSettledMicros = 3'000'000;  // after the mending, until the server has surely noticed
// Several servers: how old what they answer may be. The promise is 0.5 s and a commit, of strict sessions 2 s; a busy
// machine is given more. Where servers die or hang no time is promised: then the bound runs from kSettledMicros after
// the mending, by when leases are over and what a journal brought is written.
constexpr int64_t kCalmBoundMicros = 3'000'000;
constexpr int64_t kStrictBoundMicros = 4'000'000;
// Without harm before one and after one: long enough for the bound and, after one, for settling.
constexpr uint32_t kCalmMicrosMin = 4'000'000;
constexpr uint32_t kCalmMicrosMax = 6'000'000;
constexpr const char* kCalmHarms[] = {"server stop", "server hand-over", "server flip"};

struct Options : TrialOptions {
  std::string password_file, harms;
  std::string flag;              // one more for each server; empty: none
  int64_t heard_us = 2'000'000;  // how long after all was written everybody has heard of it
  int servers = 1;
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

// A server that did not run, by our doing: from the signal until it runs again.
struct Harmed {
  size_t server;
  bool is_stopped;  // SIGSTOP; else it has ended
  test::Span span;
};

std::string PasswordIn(const std::string& file) {
  session::SessionSettings settings;
  settings.database_password_file = file;
  const auto password = session::ReadDatabasePassword(settings);
  return password.ok() ? password.value() : "";
}

class Torment final : Trial {
 public:
  explicit Torment(const Options& options);
  int Run();

 private:
  bool Ask(const std::string& question, std::vector<std::string>* lines);
  bool Harm(const std::string& harm);
  bool HarmDatabase(const std::string& harm);
  bool StartAgain(size_t chosen);
  bool HarmServer(const std::string& harm);
  bool Cycle(int number);
  void Traffic(int64_t micros);
  void CalmTraffic(int64_t further_us);
  void TakeProbes(const std::string& when);
  void TakeFromWriters();
  size_t ServersEnded() const;
  int64_t StoppedDuring(const Trouble& trouble) const;
  void JudgeError(const Trouble& trouble);
  int64_t SlownessDuring(const Trouble& trouble);
  bool HasWritten(int port) const;
  bool WaitUntilWritten();
  void LookAtSessions();
  bool LookAtRows();
  void Prepare(std::vector<Operation>* operations) override;
  test::JudgeRules Rules() const override;
  void Report() const;
  size_t AnyServer() { return dice_.Below(static_cast<uint32_t>(servers_.size())); }

  const std::vector<std::string> harms_;
  const int64_t heard_us_;
  std::vector<test::Span> windows_;  // of all harms but the calm ones, until all has settled
  std::vector<test::Span> outages_;  // of these, when the database could not be relied on
  std::vector<Harmed> harmed_;
  std::vector<int64_t> settled_us_;  // when all was written, and all servers had heard of it

  Prober prober_{site_};
  DatabaseDelay database_delay_;
  std::map<std::string, int> done_;
  uint64_t acknowledged_away_ = 0, errors_ = 0, errors_of_database_ = 0;
  uint64_t probes_ = 0, probes_answered_ = 0;
  int64_t longest_probe_us_ = 0;
  int64_t longest_written_us_ = 0;
  int kills_ = 0, starts_without_ = 0;
};

// number: from 1 on.
std::vector<std::string> FlagsOf(const Options& options, int number) {
  std::vector<std::string> flags = {
      "--sessions=" + options.sessions, "--database-password-file=" + options.password_file,
      "--journal=" + options.directory + "/journal" + std::to_string(number), "--sync-interval=1s", "--node-lease=2s"};
  if (!options.flag.empty()) flags.push_back(options.flag);
  return flags;
}

bool IsCalm(const std::string& harm) {
  return std::find(std::begin(kCalmHarms), std::end(kCalmHarms), harm) != std::end(kCalmHarms);
}

Torment::Torment(const Options& options)
    : Trial(options, FreePort(), FlagsOf(options, 1)),
      harms_(Split(options.harms)),
      heard_us_(options.heard_us),
      database_delay_(options.sessions, PasswordIn(options.password_file)) {
  for (int number = 2; number <= options.servers; ++number) AddServer(FreePort(), FlagsOf(options, number));
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

// Traffic without harm: for so long that the bound is put to the test, in one case of three.
void Torment::CalmTraffic(int64_t further_us) {
  if (servers_.size() == 1 || !dice_.OneIn(3)) return Traffic(dice_.Between(200'000, 600'000));
  const int64_t until_us = NowMicros() + further_us + dice_.Between(kCalmMicrosMin, kCalmMicrosMax);
  while (NowMicros() < until_us) {
    if (dice_.OneIn(2)) site_.ring.fetch_add(1);
    Traffic(dice_.Between(200'000, 800'000));
  }
}

void Torment::TakeProbes(const std::string& when) {
  const Prober::Count count = prober_.Take();
  probes_ += count.probes;
  probes_answered_ += count.answered;
  longest_probe_us_ = std::max(longest_probe_us_, count.longest_us);
  if (count.IsEnough()) return;
  Fail("of " + std::to_string(count.probes) + " probes " + when + " only " + std::to_string(count.answered) +
       " were answered; the latest that was not: " + count.unanswered);
}

bool Torment::Harm(const std::string& harm) {
  const bool is_servers = harm.starts_with("server ");
  TakeProbes("before " + harm);
  test::Span span{NowMicros()};
  if (!(is_servers ? HarmServer(harm) : HarmDatabase(harm))) return false;
  span.ended_us = NowMicros() + kSettledMicros;
  if (!IsCalm(harm)) windows_.push_back(span);
  if (!is_servers) outages_.push_back(span);
  ++done_[harm];
  TakeProbes("during " + harm);
  CalmTraffic(kSettledMicros);
  return true;
}

// A server that is killed meanwhile comes back when all is mended, in the very moment, in which a cluster need not be
// ready yet; or before, without the database.
bool Torment::HarmDatabase(const std::string& harm) {
  const bool kills = dice_.OneIn(3);
  const size_t chosen = AnyServer();
  ServerProcess& server = *servers_[chosen];
  if (!Ask("harm " + harm, nullptr)) return false;
  const uint64_t before = site_.acknowledged.load();
  Traffic(dice_.Between(300'000, 2'500'000));
  acknowledged_away_ += site_.acknowledged.load() - before;
  if (kills) {
    prober_.Leave(chosen);
    harmed_.push_back({chosen, false, {NowMicros()}});
    server.Signal(SIGKILL);
    server.Wait();
    if (servers_.size() == 1) CloseSite();
    ++kills_;
  }
  const bool starts_before = kills && dice_.OneIn(2);
  if (starts_before) {
    if (!StartAgain(chosen)) return false;
    ++starts_without_;
    Traffic(dice_.Between(300'000, 2'500'000));
  }
  if (!Ask("mend " + harm, nullptr)) return false;
  if (kills && !starts_before && !StartAgain(chosen)) return false;
  if (kills) prober_.Return(chosen);
  return true;
}

bool Torment::StartAgain(size_t chosen) {
  if (!servers_[chosen]->Start()) {
    Fail("the server does not start again; see its log");
    return false;
  }
  harmed_.back().span.ended_us = NowMicros();
  return true;
}

bool Torment::HarmServer(const std::string& harm) {
  const size_t chosen = AnyServer();
  ServerProcess& server = *servers_[chosen];
  const auto flip = [this] { site_.ring.fetch_add(1); };
  const bool dies = harm == "server kill" || harm == "server stop", hangs = harm == "server hang";
  if (dies || hangs) {
    prober_.Leave(chosen);
    harmed_.push_back({chosen, hangs, {NowMicros()}});
  }
  if (harm == "server flip") {
    for (uint32_t flips = dice_.Between(3, 30); flips > 0; --flips) {
      flip();
      Traffic(dice_.Between(0, 150'000));
    }
  } else if (harm == "server hand-over") {
    if (!server.HandOver(-1)) Fail("the hand-over did not come about; see the log");
  } else if (hangs) {
    server.Signal(SIGSTOP);
    Traffic(dice_.Between(200'000, 2'000'000));
    flip();  // the clients may have given it up
    Traffic(dice_.Between(200'000, 2'500'000));
    server.Signal(SIGCONT);
  } else if (dies) {
    server.Signal(harm == "server kill" ? SIGKILL : SIGTERM);
    const int status = server.Wait();
    if (harm == "server stop" && (!WIFEXITED(status) || WEXITSTATUS(status) != 0)) {
      Fail("SIGTERM: a server ended with status " + std::to_string(status));
    }
    if (dice_.OneIn(2)) flip();
    Traffic(dice_.Between(0, 2'500'000));
  } else {
    Fail("there is no harm of the name " + harm);
    return false;
  }
  if (dies && !StartAgain(chosen)) return false;
  if (hangs) harmed_.back().span.ended_us = NowMicros();
  if (dies || hangs) prober_.Return(chosen);
  return true;
}

bool Torment::Cycle(int number) {
  SetCycle(number, kKeysACycle);
  const size_t ended_before = ServersEnded();
  const int64_t begun_us = NowMicros();
  const uint64_t counted_before = SetsDroppedByServers();
  CalmTraffic(0);
  const bool mended = Harm(harms_[dice_.Below(static_cast<uint32_t>(harms_.size()))]);
  CloseSite();
  TakeFromWriters();
  if (!mended || !WaitUntilWritten()) return false;
  LookAtSessions();
  if (!LookAtRows()) return false;
  if (ServersEnded() == ended_before) JudgeDroppedSets(begun_us, SetsDroppedByServers() - counted_before);
  JudgeKeysBelow(site_.keys_first + kKeysACycle);
  return failures_ < 10;
}

void Torment::TakeFromWriters() {
  std::vector<Trouble> errors;
  for (const auto& writer : writers_) {
    longest_answer_us_ = std::max(longest_answer_us_, std::exchange(writer->longest_us, 0));
    for (const Trouble& late : std::exchange(writer->late, {})) JudgeLate(late, StoppedDuring(late));
    for (auto* from : {&writer->errors, &writer->broken}) {
      for (const Trouble& error : std::exchange(*from, {})) errors.push_back(error);
    }
    acknowledged_ += writer->acknowledged_at_us.size();
    writer->acknowledged_at_us.clear();
    Collect(&writer->history);
  }
  for (const Trouble& error : errors) JudgeError(error);
}

// Those whose counters began at zero again.
size_t Torment::ServersEnded() const {
  const auto ended = std::count_if(harmed_.begin(), harmed_.end(), [](const Harmed& h) { return !h.is_stopped; });
  const auto followed = done_.find("server hand-over");
  return static_cast<size_t>(ended) + static_cast<size_t>(followed != done_.end() ? followed->second : 0);
}

int64_t Torment::StoppedDuring(const Trouble& trouble) const {
  int64_t sum_us = 0;
  for (const Harmed& harmed : harmed_) {
    if (!harmed.is_stopped || harmed.server != trouble.node) continue;
    sum_us += std::max<int64_t>(
        0, std::min(harmed.span.ended_us, trouble.ended_us) - std::max(harmed.span.begun_us, trouble.begun_us));
  }
  return sum_us;
}

// An error, and a connection that is closed, is what a rule may have instead of an answer while the database is away. A
// server that we stopped for longer than a budget gives it to those who had waited, and one that has ended breaks the
// connections that were open to it. Nothing else is a reason but a database that another client finds slow, too.
void Torment::JudgeError(const Trouble& trouble) {
  ++errors_;
  for (const test::Span& outage : outages_) {
    if (outage.Meets(trouble.begun_us, trouble.ended_us)) return;
  }
  for (const Harmed& harmed : harmed_) {
    if (harmed.server != trouble.node) continue;
    const int64_t since_us = harmed.is_stopped ? trouble.begun_us : trouble.opened_us;
    if ((harmed.is_stopped || trouble.line.empty()) && harmed.span.Meets(since_us, trouble.ended_us)) return;
  }
  const int64_t slow_us = SlownessDuring(trouble);
  if (trouble.ended_us - trouble.begun_us > kBudgetMicrosMin && slow_us > kSlowMicros) {
    ++errors_of_database_;
    return;
  }
  Fail("an error although nothing was harmed, another client's look-up and commit and waking took up to " +
       std::to_string(slow_us) + " us: " + Describe(trouble));
  for (const auto& [counter, count] : CountersOf(site_.ports[trouble.node])) {
    if (counter.starts_with("database_") && counter.ends_with("_us_max")) {
      std::printf("    since its start %s %llu\n", counter.c_str(), static_cast<unsigned long long>(count));
    }
  }
  const std::string name = trouble.request.substr(trouble.request.find(' ') + 1);
  std::vector<Operation> around;
  for (const Operation& op : history_) {
    const bool is_near =
        op.ended_us > trouble.begun_us - kAroundMicros && op.begun_us - kAroundMicros < trouble.ended_us;
    if (is_near && op.key == NumberOf(name)) around.push_back(op);
  }
  std::sort(around.begin(), around.end(), [](const auto& a, const auto& b) { return a.begun_us < b.begun_us; });
  for (const Operation& op : around) std::printf("    %s\n", Describe(op).c_str());
}

// How long another client's look-up and commit, and a thread that was to wake, took meanwhile, at worst.
int64_t Torment::SlownessDuring(const Trouble& trouble) {
  using Clock = test::Lateness::Clock;
  const Clock::time_point begun{std::chrono::microseconds(trouble.begun_us)};
  const Clock::time_point ended{std::chrono::microseconds(trouble.ended_us)};
  const std::chrono::microseconds late = site_.lateness.WorstDuring(begun, ended);
  return database_delay_.WorstDuring(trouble.begun_us, trouble.ended_us) + late.count();
}

bool Torment::HasWritten(int port) const {
  const std::map<std::string, uint64_t> counters = CountersOf(port);
  const auto dirty = counters.find("dirty_items");
  return dirty != counters.end() && dirty->second == 0;
}

bool Torment::WaitUntilWritten() {
  const int64_t begun_us = NowMicros();
  while (NowMicros() - begun_us < kWrittenMicrosMax) {
    if (std::all_of(site_.ports.begin(), site_.ports.end(), [this](int port) { return HasWritten(port); })) {
      longest_written_us_ = std::max(longest_written_us_, NowMicros() - begun_us);
      if (servers_.size() > 1) ::usleep(static_cast<useconds_t>(heard_us_));
      settled_us_.push_back(NowMicros());
      return true;
    }
    ::usleep(20'000);
  }
  Fail("not all is written a minute after everything was mended");
  return false;
}

// -- Looking and judging --------------------------------------------------------------------------

void Torment::LookAtSessions() {
  Look(true);
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
    std::string node, name, flags, left_us, hex;
    words >> node >> name >> flags >> left_us >> hex;
    nodes.insert(node);
    if (name.empty()) continue;  // a node, and no row
    const uint32_t key = NumberOf(name);
    Operation& op = found[{node, key}];
    op.said = test::Said::kHit;
    op.value = static_cast<uint32_t>(std::strtoul(flags.c_str(), nullptr, 10));
    op.ttl_us = std::strtoll(left_us.c_str(), nullptr, 10);
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
      op.strict = IsStrict(key);
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
// upon it, touches included, until the database has settled it. Nothing is stored provisionally of a strict session.
void Torment::Prepare(std::vector<Operation>* operations) {
  const auto during_outage = [this](const Operation& op) {
    return std::any_of(outages_.begin(), outages_.end(),
                       [&op](const test::Span& outage) { return outage.Meets(op.begun_us, op.ended_us); });
  };
  std::set<uint32_t> keys;
  for (const Operation& op : *operations) {
    if (op.act == test::Act::kSet && !op.strict && op.based_on == 0 && during_outage(op)) keys.insert(op.key);
  }
  for (Operation& op : *operations) {
    const bool may_build = op.act == test::Act::kSet || op.act == test::Act::kTouch;
    if (may_build && keys.contains(op.key) && during_outage(op)) op.uncertain = true;
  }
}

test::JudgeRules Torment::Rules() const {
  test::JudgeRules rules = Trial::Rules();
  if (servers_.size() == 1) return rules;
  rules.bound_us = kCalmBoundMicros;
  rules.harmed_bound_us = kWrittenMicrosMax;
  rules.harms = windows_;
  rules.settled_us = settled_us_;
  rules.strict_bound_us = kStrictBoundMicros;
  rules.skew_us = 1'000;
  return rules;
}

void Torment::Report() const {
  int cycles = 0;
  for (const auto& [harm, count] : done_) cycles += count;
  const auto big = [](uint64_t number) { return static_cast<unsigned long long>(number); };
  std::printf("%d cycles in %.0f s, seed %llu\n", cycles, static_cast<double>(NowMicros() - begun_us_) / 1e6,
              big(trial_.seed));
  for (const auto& [harm, count] : done_) std::printf("  %-20s %d\n", harm.c_str(), count);
  std::printf("  and kill -9 of the server meanwhile: %d, started again before the database was back: %d\n", kills_,
              starts_without_);
  std::printf(
      "  operations %llu, acknowledged %llu, of these while harmed %llu; looks at sessions %llu, at rows %llu\n",
      big(operations_), big(acknowledged_), big(acknowledged_away_), big(looks_), big(rows_));
  std::printf("  sets answered STORED and dropped %llu or more, by the servers' own counters %llu\n", big(dropped_),
              big(dropped_by_servers_));
  std::printf("  errors answered and connections broken %llu, of these because the database was slow %llu\n",
              big(errors_), big(errors_of_database_));
  std::printf("  look-ups and commits of another client %llu, longest %.3f s\n", big(database_delay_.calls()),
              static_cast<double>(database_delay_.longest_us()) / 1e6);
  std::printf("  longest answer %.3f s, longest until all was written %.3f s\n",
              static_cast<double>(longest_answer_us_) / 1e6, static_cast<double>(longest_written_us_) / 1e6);
  std::printf("  probes of a cache key and of a session in memory %llu, answered %llu, longest %.3f s\n", big(probes_),
              big(probes_answered_), static_cast<double>(longest_probe_us_) / 1e6);
  for (size_t i = 0; i < test::kFaults; ++i) {
    if (faults_[i] > 0) std::printf("  %-14s %llu\n", NameOf(static_cast<test::Fault>(i)), big(faults_[i]));
  }
}

int Torment::Run() {
  if (!Begin()) return 1;
  prober_.Start();
  database_delay_.Start();
  bool goes_on = true;
  for (int cycle = 0; cycle < trial_.cycles && goes_on && !TimeIsUp(); ++cycle) goes_on = Cycle(cycle);
  TakeProbes("in the end");
  for (size_t server = 0; server < servers_.size(); ++server) prober_.Leave(server);
  if (goes_on) {
    JudgeKeysBelow(std::numeric_limits<uint32_t>::max());
    StopServers();
  }
  Report();
  return Verdict();
}

bool Parse(int argc, char** argv, Options* options) {
  options->seed = 1;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string name = argv[i], value = argv[i + 1];
    if (name == "--password-file") {
      options->password_file = value;
    } else if (name == "--harms") {
      options->harms = value;
    } else if (name == "--servers") {
      options->servers = std::atoi(value.c_str());
    } else if (name == "--flag") {
      options->flag = value;
    } else if (name == "--heard-ms") {
      options->heard_us = std::atoll(value.c_str()) * 1000;
    } else if (!options->Take(name, value)) {
      return false;
    }
  }
  const auto texts = {options->server, options->sessions, options->password_file, options->directory, options->harms};
  const bool all = std::none_of(texts.begin(), texts.end(), [](const std::string& text) { return text.empty(); });
  return argc % 2 == 1 && all && options->servers >= 1;
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
