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
#include <string>

#include "base/log.h"
#include "base/status.h"
#include "server/settings.h"
#include "session/driver.h"
#include "session/file_journal.h"
#include "session/session.h"
#include "session/session_threads.h"

namespace holdfast::server {

class SessionService {
 public:
  using Wake = std::function<void(const session::Waiter&, session::LoadOutcome)>;

  // All borrowed but wake, which is called from the module's threads.
  static base::Result<std::unique_ptr<SessionService>> Open(const Settings& settings, const base::Clock& clock,
                                                            store::Store& store, base::Log& log, Wake wake);
  ~SessionService();

  base::Status Start();
  // Writes what is dirty, says how it goes, and ends. What is left stays in the journal.
  void Stop();

  session::Sessions& sessions() { return *sessions_; }
  std::string Describe() const { return database_->Describe(); }

 private:
  SessionService(const Settings& settings, base::Log& log) : settings_(settings), log_(log) {}

  const Settings& settings_;
  base::Log& log_;
  base::Status OpenJournal(const base::Clock& clock);

  session::NullJournal no_journal_;
  std::unique_ptr<session::Database> database_;
  std::unique_ptr<session::FileJournal> journal_;  // null: --journal=none
  std::unique_ptr<session::Sessions> sessions_;
  std::unique_ptr<session::SessionThreads> threads_;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SESSION_SERVICE_H_
