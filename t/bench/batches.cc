// batches - how fast changed sessions reach a database: the module's writer beside a bare loop over the same driver and
// the same statement, in turns, in the same run.
//
//   t/bench/batches URL [ROWS [ROUNDS]]        the password in HOLDFAST_DATABASE_PASSWORD
//
// How it works: ROWS sessions of 1 KiB are set, each for the first time, while the writer does not run yet; then it is
// started, and the time counted until nothing is unwritten. The bare loop writes as many rows, made beforehand, in
// batches of the same size. Both begin with rows that are not there, and the keys of each run come behind those of all
// runs before it, so that none has an easier place in the index; who goes first changes from round to round.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "base/check.h"
#include "session/session.h"
#include "session/session_threads.h"

namespace holdfast::bench {
namespace {

constexpr size_t kBatchRows = 100;
constexpr size_t kValueBytes = 1024;
constexpr int kTtlSeconds = 3600;

std::string KeyOf(int64_t run, size_t row) {
  char name[64];
  std::snprintf(name, sizeof name, "s:%016llx:%08zx", static_cast<unsigned long long>(run), row);
  return name;
}

double SecondsSince(const base::Clock& clock, int64_t begun_us) {
  return static_cast<double>(clock.SteadyMicros() - begun_us) / 1e6;
}

// Rows a second.
double BareLoop(session::Database& database, const base::Clock& clock, int64_t run, size_t rows) {
  std::vector<std::vector<session::Change>> batches;
  for (size_t row = 0; row < rows; ++row) {
    if (row % kBatchRows == 0) batches.emplace_back();
    session::Change& change = batches.back().emplace_back();
    change.row.key = KeyOf(run, row);
    change.row.version = change.row.born = change.row.touched = static_cast<uint64_t>(clock.WallMicros()) << 10;
    change.row.expires_us = clock.SteadyMicros() + int64_t{kTtlSeconds} * 1'000'000;
    change.row.data.assign(kValueBytes, 'x');
  }
  const std::unique_ptr<session::Driver> driver = database.NewDriver();
  CHECK(driver->Open().ok());
  std::vector<session::ChangeOutcome> outcomes;
  const int64_t begun_us = clock.SteadyMicros();
  for (const std::vector<session::Change>& batch : batches) {
    const session::Failure failure = driver->Write(batch, &outcomes);
    if (!failure.ok()) std::fprintf(stderr, "%s\n", failure.detail.c_str());
    CHECK(failure.ok());
  }
  return static_cast<double>(rows) / SecondsSince(clock, begun_us);
}

// A set of a session that is not there, as an add: nobody has to look first.
void Set(session::Sessions& sessions, store::Access& access, const base::Clock& clock, const std::string& name) {
  const store::Key key = store::Key::Of(name);
  const session::Rule& rule = *sessions.Match(name);
  store::DraftShape shape{.key = key, .value_size = kValueBytes, .expiry = clock.Now() + kTtlSeconds};
  shape.session = true;
  store::Draft draft;
  CHECK(access.NewDraft(shape, &draft) == store::Reserve::kOk);
  draft.Append(std::string(kValueBytes, 'x'));
  store::Slot slot = access.Lock(key, clock.Now());
  const session::WriteOutcome outcome =
      sessions.Write(slot, std::move(draft), {rule, key, session::WriteKind::kSet, 1, clock.Now(), {}});
  CHECK(outcome == session::WriteOutcome::kStored);
}

double Module(session::Database& database, const base::Clock& clock, const base::Log& log, int64_t run, size_t rows) {
  store::StoreSettings store_settings;
  store_settings.memory_limit_bytes = std::max<uint64_t>(64 << 20, rows * kValueBytes * 4);
  auto store = store::Store::Create(store_settings, clock);
  auto rules = session::Rules::Parse("prefix=s:");
  CHECK(store.ok() && rules.ok());
  session::SessionSettings settings;
  settings.batch_rows_max = kBatchRows;
  session::NullJournal journal;
  session::Sessions sessions(settings, std::move(rules.value()),
                             {clock, *store.value(), journal, [](const session::Waiter&, session::LoadOutcome) {}});
  {
    store::Access access(*store.value());
    for (size_t row = 0; row < rows; ++row) {
      Set(sessions, access, clock, KeyOf(run, row));
      if (row % 64 == 0) access.Quiesce();
    }
  }
  session::SessionThreads threads(sessions, database, log);
  CHECK(threads.Open().ok());
  const int64_t begun_us = clock.SteadyMicros();
  CHECK(threads.Start().ok());
  while (sessions.write_behind().dirty_items() > 0) std::this_thread::sleep_for(std::chrono::microseconds(200));
  const double rate = static_cast<double>(rows) / SecondsSince(clock, begun_us);
  threads.Stop();
  return rate;
}

double Median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

int Run(const char* url, size_t rows, int rounds) {
  const base::SystemClock clock;
  const base::Log log{base::LogLevel::kError, base::LogFormat::kTimed, clock};
  const char* const password = std::getenv("HOLDFAST_DATABASE_PASSWORD");
  auto database = session::Database::Open(url, clock, -1, password == nullptr ? "" : password);
  if (!database.ok()) {
    std::fprintf(stderr, "%s\n", std::string(database.status().message()).c_str());
    return 1;
  }
  std::vector<double> bare, module, ratios;
  for (int round = 0; round < rounds; ++round) {
    const auto run_bare = [&] { bare.push_back(BareLoop(*database.value(), clock, clock.WallMicros(), rows)); };
    const auto run_module = [&] { module.push_back(Module(*database.value(), clock, log, clock.WallMicros(), rows)); };
    if (round % 2 == 0) run_bare();
    run_module();
    if (round % 2 != 0) run_bare();
    ratios.push_back(module.back() / bare.back());
    std::printf("round %d: bare loop %.0f rows/s, module %.0f rows/s, %.2f\n", round + 1, bare.back(), module.back(),
                ratios.back());
  }
  std::printf("median: bare loop %.0f rows/s, module %.0f rows/s, %.2f\n", Median(bare), Median(module),
              Median(ratios));
  return 0;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  if (argc < 2 || argc > 4) {
    std::fputs("usage: batches URL [ROWS [ROUNDS]]\n", stderr);
    return 64;
  }
  const size_t rows = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 20'000;
  const int rounds = argc > 3 ? std::atoi(argv[3]) : 5;
  return holdfast::bench::Run(argv[1], rows, rounds);
}
