// How it works: opened in the order database, rules, state machine, threads; taken down in reverse. The drain at the
// end tells the operator how much is left.

#include "server/session_service.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/crc32c.h"
#include "server/database_wait.h"
#include "server/known_database.h"
#include "session/database_url.h"

namespace holdfast::server {

namespace {
constexpr uint64_t kFewRecords = 1000;
constexpr int kCatchUpRounds = 20;
constexpr int64_t kLastWriteMicros = 2'000'000;  // less than Handover::kCutMillis
constexpr int kTryAgainMillis = 10;
constexpr uint32_t kEndMillis = 3000;            // the threads, when there is nothing to do any more
constexpr uint32_t kHeldMillis = 5000;           // less than Takeover::kAnswerMillis
constexpr uint32_t kKeepBeyondSyncSeconds = 30;  // segments live so much longer than a session may stay unsynced

// Shared memory has no disk behind it; where there is none, or was none at the last start, the ring lies beside the
// segments.
//
// A file has one server, and so its name is the ring's. Servers that share a database may well be on one machine.
std::string RingPathOf(const std::string& directory, const session::Database& database) {
  std::string name = database.identity().uuid;
  if (database.is_shared()) {
    char place[16];
    std::snprintf(place, sizeof place, "-%08x", base::Crc32c(std::filesystem::absolute(directory).string()));
    name += place;
  }
  const std::string beside = directory + "/ring";
  struct stat status {};
  const bool lies_beside = ::lstat(beside.c_str(), &status) == 0 && S_ISREG(status.st_mode);
  return lies_beside || ::access("/dev/shm", W_OK) != 0 ? beside : "/dev/shm/holdfast-" + name;
}

std::string RandomToken() {
  std::array<unsigned char, 16> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return "";  // nobody may ask
  std::string token;
  for (const unsigned char byte : bytes) {
    token += "0123456789abcdef"[byte >> 4];
    token += "0123456789abcdef"[byte & 15];
  }
  return token;
}

session::SessionSettings NodeSettings(session::SessionSettings settings, const session::Database& database,
                                      const std::string& address) {
  settings.shared = database.is_shared();
  settings.node_token = RandomToken();
  if (settings.node_address.empty()) settings.node_address = address;
  if (!settings.node_name.empty()) return settings;
  char name[256] = {};
  settings.node_name = ::gethostname(name, sizeof name - 1) == 0 ? name : "unknown";
  return settings;
}

std::string FromEnvironment(const char* name) {
  const char* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

// Ours, for nobody else to read.
void MakeStateDirectory(const std::string& path) {
  std::error_code ignored;  // who uses it says what is wrong
  std::filesystem::create_directories(std::filesystem::path(path).parent_path(), ignored);
  ::mkdir(path.c_str(), 0700);
}

// Beside a file; of a server's, where systemd lets us keep state, else with the journal, for a state directory that
// nobody gave us may be that of other servers of this database too. Empty: nowhere.
std::string LossPathOf(const session::SessionSettings& settings, const session::Database& database) {
  if (!database.local_path().empty()) return database.local_path() + ".losses";
  if (settings.journal.empty() || !FromEnvironment("STATE_DIRECTORY").empty()) {
    const std::string state = StateDirectory();
    return state.empty() ? "" : state + "/" + database.identity().uuid + ".losses";
  }
  if (settings.journal == "none") return "";
  ::mkdir(settings.journal.c_str(), 0700);  // if it cannot be made, the next step says so
  return settings.journal + "/losses";
}

// Beside a file; of a server's, where state is kept on this machine. Empty: nobody knows.
std::string JournalPathOf(const session::Database& database) {
  if (!database.local_path().empty()) return database.local_path() + ".journal";
  const std::string state = StateDirectory();
  return state.empty() ? "" : state + "/" + database.identity().uuid + ".journal";
}

// What is remembered of a database server belongs to one server, as the journal does; without a journal there is no
// place that is surely its own. Empty: nowhere.
std::string KnownPathOf(const session::SessionSettings& settings, const std::string& place) {
  if (settings.journal == "none") return "";
  if (!settings.journal.empty()) return settings.journal + "/database";
  const std::string state = StateDirectory();
  char name[32];
  std::snprintf(name, sizeof name, "/database-%08x", base::Crc32c(place));
  return state.empty() ? "" : state + name;
}

// The database as it is described, if it is on a server.
std::string PlaceOf(const std::string& url) {
  const auto scheme = session::DatabaseSchemeOf(url);
  if (!scheme.ok() || scheme.value() == session::DatabaseScheme::kSqlite) return "";
  const auto parsed = session::DatabaseUrl::Parse(url);
  return parsed.ok() ? parsed.value().Describe() : "";
}

}  // namespace

std::string StateDirectory() {
  if (const std::string given = FromEnvironment("STATE_DIRECTORY"); !given.empty()) {
    return given.substr(0, given.find(':'));
  }
  constexpr const char* kSystem = "/var/lib/holdfast";
  if (::access(kSystem, W_OK | X_OK) == 0) return kSystem;
  std::string path = FromEnvironment("XDG_STATE_HOME");
  if (path.empty()) {
    path = FromEnvironment("HOME");
    if (path.empty()) return "";
    path += "/.local/state";
  }
  path += "/holdfast";
  MakeStateDirectory(path);
  return path;
}

std::string JournalDirectory(const session::SessionSettings& settings) {
  if (settings.database.empty() || settings.journal == "none") return "";
  if (!settings.journal.empty()) return settings.journal;
  constexpr std::string_view kSqlite = "sqlite:";
  std::string_view path = settings.database;
  if (!path.starts_with(kSqlite)) return "";
  path.remove_prefix(kSqlite.size());
  if (path.starts_with("//")) path.remove_prefix(2);
  return std::string(path) + ".journal";
}

base::Result<std::unique_ptr<SessionService>> SessionService::Open(const Settings& settings,
                                                                   const std::string& database_password,
                                                                   const base::Clock& clock, store::Store& store,
                                                                   base::Log& log, Wake wake,
                                                                   const std::string& address, Inherited inherited,
                                                                   const std::function<bool()>& is_asked_to_end) {
  std::unique_ptr<SessionService> service(new SessionService(settings, log));
  auto rules = session::Rules::Parse(settings.session.rules);
  if (!rules.ok()) return rules.status().In("--session-rule");
  const bool takes_over = settings.server.takeover;
  const std::string& url = settings.session.database;
  const std::string place = PlaceOf(url);  // empty: a file, or a URL that is refused below
  std::optional<Remembered> known;
  if (!place.empty()) {
    service->known_path_ = KnownPathOf(settings.session, place);
    if (!takes_over) known = RecallDatabase(service->known_path_, place);
  }
  // Who would take over does not keep the other waiting, and who knows the database can begin without it.
  const bool waits = !takes_over && !place.empty() && !known;
  DatabaseWait wait(waits ? settings.session.database_wait_s : 0, is_asked_to_end, log);
  const auto take = [&service](auto database) {
    if (!database.ok()) return database.status().In("--sessions");
    service->database_ = std::move(database.value());
    return base::Status();
  };
  const auto open = [&, lock = inherited.database_lock.Release()] {
    return take(session::Database::Open(url, clock, lock, database_password));
  };
  base::Status asked = wait.For(open);
  if (asked.ok() && known && service->database_->identity().uuid != known->database.identity.uuid) known.reset();
  const auto can_begin_without = [&] { return known && asked.kind() == base::ErrorKind::kUnavailable; };
  if (!asked.ok()) {
    if (!can_begin_without()) return asked;
    base::Status status = take(session::Database::OpenAway(url, clock, database_password, known->database));
    if (!status.ok()) return status;
  }
  if (base::Status status = service->OpenLosses(takes_over); !status.ok()) return status.In("--sessions");
  if (base::Status status = service->OpenJournal(clock, &inherited); !status.ok()) return status.In("--journal");
  if (!takes_over) service->losses_->SetPhase(session::LossRecord::Phase::kEnded);  // what it left is accounted for
  session::Journal& journal =
      service->journal_ == nullptr ? static_cast<session::Journal&>(service->no_journal_) : *service->journal_;
  service->sessions_ = std::make_unique<session::Sessions>(
      NodeSettings(settings.session, *service->database_, address), std::move(rules.value()),
      session::Sessions::Doors{clock, store, journal, std::move(wake), service->database_.get(),
                               service->losses_.get()});
  service->inquiry_ = std::make_unique<session::Inquiry>(*service->sessions_, *service->database_);
  service->sessions_->SetSay([&log](const std::string& line) { log.Error(line); });
  const auto driver = service->database_->NewDriver();
  if (service->journal_ != nullptr) service->replaying_ = service->database_->NewDriver();
  const auto join = [&service, &driver] {
    session::Failure failure = driver->Open();
    if (failure.ok() && service->replaying_ != nullptr) failure = service->replaying_->Open();
    if (!failure.ok()) return StatusOf(failure).In("--sessions");
    session::Nodes& nodes = service->sessions_->nodes();
    return StatusOf(service->database_->is_shared() ? nodes.Join(*driver) : nodes.CheckIdentity(*driver))
        .In("--sessions");
  };
  if (asked.ok()) asked = wait.For(join);
  if (!asked.ok()) {
    if (!can_begin_without()) return asked;
    log.Warning(asked.message() +
                "; begun without it: sessions are answered as while it is away, everything else as "
                "always; it is tried again");
    service->is_away_ = true;
    service->sessions_->nodes().Resume(known->database.identity, known->lease);
  } else {
    wait.Answered();
    service->Remember();
  }
  if (base::Status status = service->Replay(); !status.ok()) return status;
  service->threads_ =
      std::make_unique<session::SessionThreads>(*service->sessions_, *service->database_, log, &service->peers_);
  if (service->is_away_) {
    service->threads_->JoinLater([&late = *service](session::Driver& joining) { return late.JoinLate(joining); });
  }
  return service;
}

SessionService::~SessionService() = default;

base::Status SessionService::Replay() {
  if (journal_ == nullptr || catches_up_) return {};
  return journal_->Replay(*sessions_, is_away_ ? nullptr : replaying_.get());
}

session::Failure SessionService::JoinLate(session::Driver& driver) {
  const std::string& known_uuid = database_->identity().uuid;
  session::DatabaseIdentity identity;
  session::Failure failure = driver.ReadIdentity(&identity);
  if (failure.ok() && identity.uuid != known_uuid) {
    return {session::FailureClass::kConfiguration,
            "this is another database (uuid " + identity.uuid + ") than at the last start (" + known_uuid +
                "), whose sessions are in the journal: put that one back, or restart the server to use this one"};
  }
  if (failure.ok()) failure = driver.Check();
  if (failure.ok()) failure = sessions_->nodes().RenewNow(driver);
  if (failure.ok() && journal_ != nullptr) {
    failure = journal_->WriteRest(*sessions_, driver, [this] { return is_stopping_.load(); });
  }
  if (failure.ok()) Remember();
  return failure;
}

void SessionService::Remember() const {
  if (known_path_.empty()) return;
  const session::Nodes& nodes = sessions_->nodes();
  const Remembered known{{nodes.identity(), database_->value_bytes_max()}, nodes.lease()};
  const base::Status status = RememberDatabase(known_path_, database_->Describe(), known);
  if (!status.ok()) {
    log_.Warning(status.message() + ": while the database is away this server cannot be started again");
  }
}

// Round after round, until what has come meanwhile is little.
base::Status SessionService::CatchUp() {
  session::FileJournal::Progress last{.records = kFewRecords};
  for (int round = 0; catches_up_ && round < kCatchUpRounds; ++round) {
    if (last.records < kFewRecords && last.unwritten == 0) break;
    if (base::Status status = journal_->CatchUp(*sessions_, *replaying_, &last); !status.ok()) return status;
  }
  return threads_->Open();
}

base::Status SessionService::CatchUpToEnd(std::string_view state) {
  if (catches_up_) {
    const int64_t until_us = base::MonotonicMicros() + kLastWriteMicros;
    base::Status status = journal_->CatchUpToEnd(*sessions_, *replaying_);
    // The other process may be in the middle of a last transaction.
    while (!status.ok() && status.kind() == base::ErrorKind::kUnavailable && base::MonotonicMicros() < until_us) {
      std::this_thread::sleep_for(std::chrono::milliseconds(kTryAgainMillis));
      status = journal_->CatchUpToEnd(*sessions_, *replaying_);
    }
    if (!status.ok()) return status;
  }
  sessions_->RestoreState(state);
  return {};
}

void SessionService::MakeWay(bool makes_way) {
  if (journal_ == nullptr) return;
  journal_->Hold(makes_way);
  SetPace(makes_way ? session::SessionThreads::Pace::kGivesWay : session::SessionThreads::Pace::kFull);
}

void SessionService::HoldWriter() {
  // Whoever waits for a commit is answered by this process, or begins anew in the next.
  const bool is_committing = sessions_->strict_writes().Hold(true);
  const bool holds_file = journal_ != nullptr && !database_->is_shared();
  if (journal_ != nullptr) SetPace(session::SessionThreads::Pace::kHeld);
  if ((!is_committing && !holds_file) || threads_->AwaitHeld(kHeldMillis)) return;
  log_.Warning("hand-over: a write to the database takes long; the new process may have to wait for it");
}

// Servers that many write to lock rows, not the whole.
void SessionService::SetPace(session::SessionThreads::Pace pace) {
  if (!database_->is_shared()) threads_->SetPace(pace);
}

void SessionService::Seal() {
  if (journal_ != nullptr) journal_->Seal();
}

void SessionService::Unseal() {
  sessions_->strict_writes().Hold(false);
  SetPace(session::SessionThreads::Pace::kFull);
  sessions_->write_behind().SetDraining(false);
  if (journal_ != nullptr && journal_->sealed()) journal_->Start(*sessions_);
}

bool SessionService::DrainFor(uint32_t timeout_ms) {
  return threads_->Drain(timeout_ms, [](uint64_t) {}) == 0;
}

void SessionService::Leave() {
  threads_->Stop();
  if (journal_ != nullptr) journal_->Leave();
}

std::optional<session::FileJournal::Locks> SessionService::journal_locks() const {
  if (journal_ == nullptr) return std::nullopt;
  return journal_->locks();
}

// Also judges how the process before ended: without a journal, what it had not written is lost.
base::Status SessionService::OpenLosses(bool takes_over) {
  const std::string path = LossPathOf(settings_.session, *database_);
  if (path.empty()) {
    losses_ = std::make_unique<session::LossRecord>();
    log_.Notice(
        "the counts of lost sessions (lost_... in stats sessions) begin at zero with each start: set "
        "$STATE_DIRECTORY to keep them");
    return {};
  }
  auto opened = session::LossRecord::Open(path);
  if (!opened.ok()) return opened.status();
  losses_ = std::move(opened.value());
  if (takes_over || losses_->phase() != session::LossRecord::Phase::kRunning) return {};
  losses_->Add(session::Loss::kKilled, losses_->unsynced());
  losses_->SetUnsynced(0);
  return {};
}

base::Status SessionService::OpenJournal(const base::Clock& clock, Inherited* inherited) {
  const session::SessionSettings& session = settings_.session;
  if (session.journal == "none") return {};
  session::FileJournalSettings journal;
  const std::string& uuid = database_->identity().uuid;
  journal.directory = session.journal.empty() ? JournalPathOf(*database_) : session.journal;
  if (journal.directory.empty()) {
    return base::Status(
        base::ErrorKind::kUsage,
        "nobody knows where to keep the journal ($STATE_DIRECTORY, $XDG_STATE_HOME and $HOME are not set): give a "
        "directory on a disk of this machine, or none");
  }
  journal.ring_path = RingPathOf(journal.directory, *database_);
  journal.ring_bytes = session.journal_memory_bytes / 4096 * 4096;
  journal.fsync_ms = session.journal_sync_ms;
  journal.keep_s = session.sync_interval_s + kKeepBeyondSyncSeconds;
  catches_up_ = inherited->journal_ring.get() >= 0;
  const bool was_cut_off = !catches_up_ && losses_->phase() == session::LossRecord::Phase::kRunningWithJournal;
  if (was_cut_off && ::access(journal.ring_path.c_str(), F_OK) != 0) {
    losses_->Add(session::Loss::kMemoryGone);
  }
  session::FileJournal::Locks locks;
  if (catches_up_) locks = {inherited->journal_directory.Release(), inherited->journal_ring.Release()};
  const base::Clock& step_free = database_->StepFree(clock);
  auto opened = catches_up_ ? session::FileJournal::Inherit(journal, locks, uuid, step_free, log_)
                            : session::FileJournal::Open(journal, uuid, step_free, log_);
  if (!opened.ok()) return opened.status();
  journal_ = std::move(opened.value());
  return {};
}

base::Status SessionService::Start() {
  replaying_.reset();
  using Phase = session::LossRecord::Phase;
  losses_->SetPhase(journal_ != nullptr ? Phase::kRunningWithJournal : Phase::kRunning);
  if (journal_ != nullptr) journal_->Start(*sessions_);
  return threads_->Start();
}

bool SessionService::Stop(const std::function<bool()>& hurried) {
  const session::SessionSettings& session = settings_.session;
  threads_->Drain(
      session.drain_timeout_s * 1000,
      [this](uint64_t now_left) {
        log_.Format(base::LogLevel::kNotice, "writing sessions to the database: %llu left",
                    static_cast<unsigned long long>(now_left));
      },
      hurried);
  if (hurried && hurried()) {
    const uint64_t unsynced = Unsynced();
    if (journal_ != nullptr) journal_->Stop(false);
    NoteStopped(unsynced);
    log_.Format(base::LogLevel::kWarning, "stopped at once: %llu sessions were not written to the database: %s",
                static_cast<unsigned long long>(unsynced), WhatBecomesOfThem());
    return false;
  }
  is_stopping_.store(true);
  const bool ended = threads_->StopWithin(kEndMillis);
  if (!ended) log_.Warning("stopped while the database does not answer: it is not waited for");
  const uint64_t left = Unsynced();
  if (journal_ != nullptr) journal_->Stop(left == 0);
  NoteStopped(left);
  if (left == 0) return ended;
  log_.Format(base::LogLevel::kError, "%llu sessions could not be written within %u s (--drain-timeout): %s",
              static_cast<unsigned long long>(left), session.drain_timeout_s, WhatBecomesOfThem());
  return ended;
}

uint64_t SessionService::Unsynced() const {
  return sessions_->write_behind().dirty_items() + (journal_ == nullptr ? 0 : journal_->rest());
}

void SessionService::NoteStopped(uint64_t left) {
  if (journal_ == nullptr) losses_->Add(session::Loss::kUnwritten, left);
  losses_->SetUnsynced(0);
  losses_->SetPhase(session::LossRecord::Phase::kEnded);
}

const char* SessionService::WhatBecomesOfThem() const {
  return journal_ != nullptr ? "they stay in the journal and are written after the next start"
                             : "there is no journal (--journal), so they are lost";
}

}  // namespace holdfast::server
