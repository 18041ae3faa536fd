// How it works: opened in the order database, rules, state machine, threads; taken down in reverse. The drain at the
// end tells the operator how much is left.

#include "server/session_service.h"

#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/crc32c.h"
#include "session/database_url.h"

namespace holdfast::server {

namespace {
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

// Beside a file; of a server's, where systemd lets us keep state. Empty: nobody knows.
std::string JournalPathOf(const session::Database& database) {
  if (!database.local_path().empty()) return database.local_path() + ".journal";
  const char* const state = std::getenv("STATE_DIRECTORY");
  return state == nullptr ? "" : std::string(state) + "/" + database.identity().uuid + ".journal";
}

}  // namespace

base::Result<std::unique_ptr<SessionService>> SessionService::Open(const Settings& settings, const base::Clock& clock,
                                                                   store::Store& store, base::Log& log, Wake wake) {
  std::unique_ptr<SessionService> service(new SessionService(settings, log));
  auto rules = session::Rules::Parse(settings.session.rules);
  if (!rules.ok()) return rules.status().In("--session-rule");
  auto password = session::ReadDatabasePassword(settings.session.database_password_file);
  if (!password.ok()) return password.status().In("--database-password-file");
  auto database = session::Database::Open(settings.session.database, clock, -1, password.value());
  if (!database.ok()) return database.status().In("--sessions");
  service->database_ = std::move(database.value());
  if (base::Status status = service->OpenJournal(clock); !status.ok()) return status.In("--journal");
  session::Journal& journal =
      service->journal_ == nullptr ? static_cast<session::Journal&>(service->no_journal_) : *service->journal_;
  service->sessions_ = std::make_unique<session::Sessions>(
      settings.session, std::move(rules.value()), session::Sessions::Doors{clock, store, journal, std::move(wake)});
  if (service->journal_ != nullptr) {
    const auto driver = service->database_->NewDriver();
    if (const session::Failure failure = driver->Open(); !failure.ok()) {
      return base::Status(base::ErrorKind::kUnavailable, failure.detail).In("--sessions");
    }
    if (base::Status status = service->journal_->Replay(*service->sessions_, *driver); !status.ok()) return status;
  }
  service->threads_ = std::make_unique<session::SessionThreads>(*service->sessions_, *service->database_, log);
  return service;
}

SessionService::~SessionService() = default;

base::Status SessionService::OpenJournal(const base::Clock& clock) {
  const session::SessionSettings& session = settings_.session;
  if (session.journal == "none") return {};
  session::FileJournalSettings journal;
  const std::string& uuid = database_->identity().uuid;
  journal.directory = session.journal.empty() ? JournalPathOf(*database_) : session.journal;
  if (journal.directory.empty()) {
    return base::Status(base::ErrorKind::kUsage,
                        "with a database server it must be said where the journal lies: give a directory on a disk of "
                        "this machine, or none");
  }
  journal.ring_path = RingPathOf(journal.directory, *database_);
  journal.ring_bytes = session.journal_memory_bytes / 4096 * 4096;
  journal.fsync_ms = session.journal_sync_ms;
  journal.keep_s = session.sync_interval_s + kKeepBeyondSyncSeconds;
  auto opened = session::FileJournal::Open(journal, uuid, clock, log_);
  if (!opened.ok()) return opened.status();
  journal_ = std::move(opened.value());
  return {};
}

base::Status SessionService::Start() {
  if (journal_ != nullptr) journal_->Start(*sessions_);
  return threads_->Start();
}

void SessionService::Stop() {
  const session::SessionSettings& session = settings_.session;
  threads_->Drain(session.drain_timeout_s * 1000, [this](uint64_t now_left) {
    log_.Format(base::LogLevel::kNotice, "writing sessions to the database: %llu left",
                static_cast<unsigned long long>(now_left));
  });
  threads_->Stop();
  const uint64_t left = sessions_->write_behind().dirty_items();
  if (journal_ != nullptr) journal_->Stop(left == 0);
  if (left == 0) return;
  log_.Format(base::LogLevel::kError, "%llu sessions could not be written within %u s (--drain-timeout): %s",
              static_cast<unsigned long long>(left), session.drain_timeout_s,
              journal_ != nullptr ? "they stay in the journal and are written after the next start"
                                  : "there is no journal (--journal), so they are lost");
}

}  // namespace holdfast::server
