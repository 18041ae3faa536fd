// session_service.h - the session module as the server runs it: database, rules, state machine and its threads, in one.
//
// Threads: all from the main thread but sessions(), which the workers use.
// Owns:    everything of it.
// Errors:  Open: the URL, the rules or the database are not right: one line with cause and remedy.
// Blocks:  Open, for the replay of the journal; Stop, up to the drain timeout.

#ifndef HOLDFAST_SERVER_SESSION_SERVICE_H_
#define HOLDFAST_SERVER_SESSION_SERVICE_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/log.h"
#include "base/status.h"
#include "network/channel.h"
#include "server/peer_line.h"
#include "server/settings.h"
#include "session/driver.h"
#include "session/file_journal.h"
#include "session/inquiry.h"
#include "session/loss_record.h"
#include "session/session.h"
#include "session/session_threads.h"

namespace holdfast::server {

// Where the journal lies; empty when there is none.
std::string JournalDirectory(const session::SessionSettings& settings);

// Where a server keeps what must outlive it: $STATE_DIRECTORY (systemd sets it), else /var/lib/holdfast where that may
// be written, else holdfast in $XDG_STATE_HOME or in $HOME/.local/state, which is made. Empty: there is none of these.
std::string StateDirectory();

class SessionService {
 public:
  // What another process that hands over has locked.
  struct Inherited {
    network::Descriptor database_lock;
    network::Descriptor journal_directory, journal_ring;
  };
  using Wake = std::function<void(const session::Waiter&, session::LoadOutcome)>;

  // All borrowed but wake, which is called from the module's threads. address: where other servers reach this one,
  // unless --node-address says it. is_asked_to_end: asked while the database is waited for; true gives up.
  static base::Result<std::unique_ptr<SessionService>> Open(const Settings& settings,
                                                            const std::string& database_password,
                                                            const base::Clock& clock, store::Store& store,
                                                            base::Log& log, Wake wake, const std::string& address,
                                                            Inherited inherited,
                                                            const std::function<bool()>& is_asked_to_end);
  ~SessionService();

  base::Status Start();
  // Writes what is dirty, says how it goes, and ends. What is left stays in the journal. hurried: asked meanwhile; true
  // ends the writing at once. False: threads may still hang in the database, and the process must end.
  bool Stop(const std::function<bool()>& hurried = {});

  // -- Hand-over, the process that takes over. Open, then, while the other one still serves:
  base::Status CatchUp();
  // The other one is sealed: the rest. Start may follow.
  base::Status CatchUpToEnd(std::string_view state);

  // -- Hand-over, the process that gives away.
  // Another process prepares: it reads the journal, of which nothing is removed then, and may write to the database
  // between our transactions.
  void MakeWay(bool makes_way);
  // Until Unseal no change of a strict session is sent to the database, and, where there is a journal and no other
  // server, nothing else is written to it either. Blocks for what is under way.
  void HoldWriter();
  // When nobody writes sessions any more: the journal is as another process may read it. Unseal: go on.
  void Seal();
  void Unseal();
  // False: not everything is in the database after that time.
  bool DrainFor(uint32_t timeout_ms);
  // Another process has database and journal: ends, and changes neither.
  void Leave();
  std::optional<session::FileJournal::Locks> journal_locks() const;
  const session::Database& database() const { return *database_; }

  session::Sessions& sessions() { return *sessions_; }
  session::Inquiry& inquiry() { return *inquiry_; }
  std::string Describe() const { return database_->Describe(); }

 private:
  SessionService(const Settings& settings, base::Log& log) : settings_(settings), log_(log) {}

  const Settings& settings_;
  base::Log& log_;
  base::Status OpenLosses(bool takes_over);
  base::Status OpenJournal(const base::Clock& clock, Inherited* inherited);
  base::Status Replay();
  // Of a start without the database: once it answers.
  session::Failure JoinLate(session::Driver& driver);
  void Remember() const;
  void SetPace(session::SessionThreads::Pace pace);
  uint64_t Unsynced() const;
  void NoteStopped(uint64_t left);
  const char* WhatBecomesOfThem() const;

  std::string known_path_;  // what is remembered of the database; empty: nothing
  bool is_away_ = false;    // the database could not be asked at the start
  std::atomic<bool> is_stopping_{false};
  std::unique_ptr<session::LossRecord> losses_;
  session::NullJournal no_journal_;
  std::unique_ptr<session::Database> database_;
  std::unique_ptr<session::FileJournal> journal_;  // null: --journal=none
  std::unique_ptr<session::Sessions> sessions_;
  std::unique_ptr<session::Inquiry> inquiry_;
  PeerLine peers_;
  std::unique_ptr<session::SessionThreads> threads_;
  std::unique_ptr<session::Driver> replaying_;  // null but from Open to Start
  bool catches_up_ = false;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SESSION_SERVICE_H_
