// How it works: all keepers speak to a cache over one connection each (text protocol), to the database over one driver
// each. The hybrid writes before each value when the database last got it, as applications do that build this by hand,
// so that whichever process handles the next view knows when it is time again.
//
// An SQLite file that the site opens itself has no server: the processor time of the calls is taken in its place.
#include "bench/keeper.h"

#include <chrono>
#include <cstdio>
#include <fstream>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "bench/session_server.h"
#include "faults/site_client.h"
#include "lib/thread_cpu.h"
#include "session/driver.h"

namespace holdfast::bench {
namespace {

constexpr auto kBusyPause = std::chrono::milliseconds(2);
constexpr int kOpenTries = 1'000;
constexpr auto kSettlePause = std::chrono::milliseconds(20);
constexpr auto kSettlePatience = std::chrono::minutes(5);
constexpr int64_t kMicros = 1'000'000;

uint32_t LifeS(const SessionOptions& options) { return kRealLifeS / options.scale; }
uint32_t SyncIntervalS(const SessionOptions& options) { return kRealSyncIntervalS / options.scale; }

uint64_t CpuNsOfAll(const std::vector<pid_t>& processes) {
  uint64_t sum_ns = 0;
  for (const pid_t process : processes) sum_ns += CpuNsOf(process);
  return sum_ns;
}

std::string PasswordIn(const std::string& path) {
  std::string password;
  if (!path.empty() && !std::getline(std::ifstream(path), password)) throw BenchError("cannot read " + path);
  return password;
}

// -- The cache -------------------------------------------------------------------------------------

class CacheConnection {
 public:
  CacheConnection(uint16_t port, uint32_t life_s) : life_(std::to_string(life_s)) {
    if (!connection_.Open(port)) throw BenchError("cannot connect to the cache");
  }

  std::optional<std::string> Get(const std::string& id) {
    auto answer = connection_.Ask("get " + id + "\r\n", true);
    if (answer.line.starts_with("VALUE ")) return std::move(answer.value);
    if (answer.line != "END") throw BenchError("get: " + answer.line);
    return std::nullopt;
  }
  void Set(const std::string& id, const std::string& value) {
    (void)Expect("set " + id + " 0 " + life_ + " " + std::to_string(value.size()) + "\r\n" + value + "\r\n", "STORED");
  }
  bool Touch(const std::string& id) { return Expect("touch " + id + " " + life_ + "\r\n", "TOUCHED"); }
  bool Delete(const std::string& id) { return Expect("delete " + id + "\r\n", "DELETED"); }

 private:
  // False: NOT_FOUND.
  bool Expect(const std::string& request, const char* expected) {
    const auto answer = connection_.Ask(request, false);
    if (answer.line == expected) return true;
    if (answer.line == "NOT_FOUND") return false;
    throw BenchError(request.substr(0, request.find('\r')) + ": \"" + answer.line + '"');
  }

  const std::string life_;
  faults::Connection connection_;
};

// -- The database ----------------------------------------------------------------------------------

// What all keepers of a storage share of it.
class DatabasePlace {
 public:
  DatabasePlace(const SessionOptions& options, const BenchDirectory& directory)
      : life_us(int64_t{LifeS(options)} * kMicros), processes_(options.database_processes) {
    auto opened = session::Database::Open(directory.DatabaseUrl(options), clock, -1, PasswordIn(options.password_file));
    if (!opened.ok()) throw BenchError(std::string(opened.status().message()));
    database = std::move(opened.value());
    cpu_before_ns_ = CpuNsOfAll(processes_);
  }

  DatabaseFigures Figures() const {
    const uint64_t server_ns = CpuNsOfAll(processes_) - cpu_before_ns_;
    return {reads, reads_found, rows_written, processes_.empty() ? calls_cpu_ns.load() : server_ns};
  }

  const base::SystemClock clock;
  const int64_t life_us;
  std::unique_ptr<session::Database> database;
  std::atomic<uint64_t> reads{0}, reads_found{0}, rows_written{0}, calls_cpu_ns{0};

 private:
  const std::vector<pid_t> processes_;
  uint64_t cpu_before_ns_ = 0;
};

class DatabaseConnection {
 public:
  explicit DatabaseConnection(DatabasePlace& place) : place_(place), driver_(place.database->NewDriver()) { Open(); }

  std::optional<std::string> Load(const std::string& id) {
    std::vector<session::Row> rows;
    const std::string_view key = id;
    Insist([&] {
      rows.clear();
      return driver_->Load({&key, 1}, &rows);
    });
    row_ = rows.empty() ? session::Row{} : std::move(rows.front());
    place_.reads.fetch_add(1);
    if (row_.state != session::RowState::kLive || row_.version == 0 || row_.expires_us <= place_.clock.SteadyMicros()) {
      return std::nullopt;
    }
    place_.reads_found.fetch_add(1);
    return row_.data;
  }

  void Save(const std::string& id, const std::string& value) {
    row_.data = value;
    row_.version = NewVersion();
    if (row_.born == 0) row_.born = row_.version;
    Write(session::ChangeKind::kValue, id);
  }
  bool Touch(const std::string& id) {
    Write(session::ChangeKind::kExpiry, id);
    return true;
  }
  bool Delete(const std::string& id) {
    row_.floor = NewVersion();
    row_.version = row_.floor;
    row_.data.clear();
    row_.state = session::RowState::kTombstone;
    Write(session::ChangeKind::kDelete, id);
    return true;
  }

  // For who knows the session without having loaded its row.
  void Assume(uint64_t born) {
    row_ = session::Row{};
    row_.born = born;
  }
  uint64_t born() const { return row_.born; }

 private:
  uint64_t NewVersion() const { return static_cast<uint64_t>(place_.clock.WallMicros()) << 10; }

  void Write(session::ChangeKind kind, const std::string& id) {
    session::Change change{.kind = kind, .base_version = row_.version, .row = row_};
    change.row.key = id;
    change.row.touched = NewVersion();
    change.row.expires_us = place_.clock.SteadyMicros() + place_.life_us;
    std::vector<session::ChangeOutcome> outcomes;
    Insist([&] {
      outcomes.clear();
      return driver_->Write({&change, 1}, &outcomes);
    });
    if (outcomes.front() != session::ChangeOutcome::kDone) throw BenchError("the database refused a row of " + id);
    place_.rows_written.fetch_add(1);
  }

  // Many open it at once, and it may be locked meanwhile.
  void Open() {
    session::Failure failure = driver_->Open();
    for (int i = 0; !failure.ok() && i < kOpenTries; ++i) {
      std::this_thread::sleep_for(kBusyPause);
      failure = driver_->Open();
    }
    if (!failure.ok()) throw BenchError(failure.detail);
  }

  template <typename Call>
  void Insist(const Call& call) {
    const int64_t before_ns = test::ThreadCpuNanos();
    for (session::Failure failure = call(); !failure.ok(); failure = call()) {
      if (failure.kind == session::FailureClass::kConfiguration) throw BenchError(failure.detail);
      if (failure.kind == session::FailureClass::kNextNode) Open();
      std::this_thread::sleep_for(kBusyPause);
    }
    place_.calls_cpu_ns.fetch_add(static_cast<uint64_t>(test::ThreadCpuNanos() - before_ns));
  }

  DatabasePlace& place_;
  const std::unique_ptr<session::Driver> driver_;
  session::Row row_;  // of the latest Load
};

// -- The three -------------------------------------------------------------------------------------

class HoldfastKeeper final : public Keeper {
 public:
  HoldfastKeeper(uint16_t port, uint32_t life_s) : cache_(port, life_s) {}
  std::optional<std::string> Load(const std::string& id) override { return cache_.Get(id); }
  void Save(const std::string& id, const std::string& value) override { cache_.Set(id, value); }
  bool Touch(const std::string& id) override { return cache_.Touch(id); }
  bool Delete(const std::string& id) override { return cache_.Delete(id); }

 private:
  CacheConnection cache_;
};

class DatabaseKeeper final : public Keeper {
 public:
  explicit DatabaseKeeper(DatabasePlace& place) : database_(place) {}
  std::optional<std::string> Load(const std::string& id) override { return database_.Load(id); }
  void Save(const std::string& id, const std::string& value) override { database_.Save(id, value); }
  bool Touch(const std::string& id) override { return database_.Touch(id); }
  bool Delete(const std::string& id) override { return database_.Delete(id); }

 private:
  DatabaseConnection database_;
};

class HybridKeeper final : public Keeper {
 public:
  HybridKeeper(uint16_t port, DatabasePlace& place, const SessionOptions& options)
      : place_(place),
        cache_(port, LifeS(options)),
        database_(place),
        interval_us_(int64_t{SyncIntervalS(options)} * kMicros) {}

  std::optional<std::string> Load(const std::string& id) override {
    written_us_ = 0;
    if (const std::optional<std::string> cached = cache_.Get(id)) {
      long long written_us = 0;
      unsigned long long born = 0;
      int head = 0;
      std::sscanf(cached->c_str(), "%lld %llu|%n", &written_us, &born, &head);
      written_us_ = written_us;
      database_.Assume(born);
      value_ = cached->substr(static_cast<size_t>(head));
      return value_;
    }
    std::optional<std::string> loaded = database_.Load(id);
    if (loaded) {
      written_us_ = place_.clock.SteadyMicros();
      value_ = *loaded;
      Cache(id);
    }
    return loaded;
  }

  void Save(const std::string& id, const std::string& value) override {
    value_ = value;
    const int64_t now_us = place_.clock.SteadyMicros();
    if (now_us - written_us_ >= interval_us_) {
      database_.Save(id, value);
      written_us_ = now_us;
    }
    Cache(id);
  }
  bool Touch(const std::string& id) override {
    Save(id, value_);
    return true;
  }
  bool Delete(const std::string& id) override {
    (void)cache_.Delete(id);  // it may have been evicted
    return database_.Delete(id);
  }

 private:
  void Cache(const std::string& id) {
    cache_.Set(id, std::to_string(written_us_) + " " + std::to_string(database_.born()) + "|" + value_);
  }

  DatabasePlace& place_;
  CacheConnection cache_;
  DatabaseConnection database_;
  const int64_t interval_us_;
  int64_t written_us_ = 0;
  std::string value_;
};

std::vector<std::string> CacheArguments(const SessionOptions& options) {
  return {"-t", "1", "-m", std::to_string(options.memory_mib), "-c", std::to_string(options.workers + 100)};
}

class HoldfastStorage final : public Storage {
 public:
  explicit HoldfastStorage(const SessionOptions& options) : options_(options) {
    const std::string n = std::to_string(SyncIntervalS(options)) + "s";
    std::vector<std::string> arguments = CacheArguments(options);
    arguments.insert(arguments.end(),
                     {"--sync-interval=" + n, "--session-rule=prefix=s: budget=30s connections=pooled"});
    server_ = directory_.StartWithSessions(options, std::move(arguments), std::nullopt);
    cpu_before_ns_ = Cpu();
  }

  std::unique_ptr<Keeper> Connect() override {
    return std::make_unique<HoldfastKeeper>(server_->port(), LifeS(options_));
  }

  void Settle() override {
    const auto deadline = std::chrono::steady_clock::now() + kSettlePatience;
    while (server_->Statistic("dirty_items", "sessions") > 0) {
      if (std::chrono::steady_clock::now() > deadline) throw BenchError("sessions stay unwritten");
      std::this_thread::sleep_for(kSettlePause);
    }
  }

  DatabaseFigures Figures() override {
    const auto count = [this](const char* name) { return server_->Statistic(name, "sessions"); };
    const uint64_t found = count("loads_found");
    return {found + count("loads_deleted") + count("loads_absent"), found, count("synced_rows"),
            Cpu() - cpu_before_ns_};
  }

 private:
  uint64_t Cpu() const { return server_->CpuNs() + CpuNsOfAll(options_.database_processes); }

  const SessionOptions& options_;
  const BenchDirectory directory_;
  std::unique_ptr<ServerProcess> server_;
  uint64_t cpu_before_ns_ = 0;
};

class DatabaseStorage final : public Storage {
 public:
  explicit DatabaseStorage(const SessionOptions& options) : place_(options, directory_) {}
  std::unique_ptr<Keeper> Connect() override { return std::make_unique<DatabaseKeeper>(place_); }
  DatabaseFigures Figures() override { return place_.Figures(); }

 private:
  const BenchDirectory directory_;
  DatabasePlace place_;
};

class HybridStorage final : public Storage {
 public:
  explicit HybridStorage(const SessionOptions& options)
      : options_(options),
        place_(options, directory_),
        cache_(directory_.StartCache(options, CacheArguments(options), std::nullopt)),
        cpu_before_ns_(cache_->CpuNs()) {}

  std::unique_ptr<Keeper> Connect() override {
    return std::make_unique<HybridKeeper>(cache_->port(), place_, options_);
  }
  DatabaseFigures Figures() override {
    DatabaseFigures figures = place_.Figures();
    figures.server_cpu_ns += cache_->CpuNs() - cpu_before_ns_;
    return figures;
  }

 private:
  const SessionOptions& options_;
  const BenchDirectory directory_;
  DatabasePlace place_;
  const std::unique_ptr<ServerProcess> cache_;
  const uint64_t cpu_before_ns_;
};

}  // namespace

const char* NameOf(StorageKind kind) {
  switch (kind) {
    case StorageKind::kHoldfast:
      return "Holdfast";
    case StorageKind::kDatabase:
      return "database alone";
    case StorageKind::kHybrid:
      break;
  }
  return "hybrid by hand";
}

std::unique_ptr<Storage> MakeStorage(StorageKind kind, const SessionOptions& options) {
  switch (kind) {
    case StorageKind::kHoldfast:
      return std::make_unique<HoldfastStorage>(options);
    case StorageKind::kDatabase:
      return std::make_unique<DatabaseStorage>(options);
    case StorageKind::kHybrid:
      break;
  }
  return std::make_unique<HybridStorage>(options);
}

}  // namespace holdfast::bench
