// How it works: opened in the order database, rules, state machine, threads; taken down in reverse. The drain at the
// end tells the operator how much is left.

#include "server/session_service.h"

#include <utility>

namespace holdfast::server {

base::Result<std::unique_ptr<SessionService>> SessionService::Open(const Settings& settings, const base::Clock& clock,
                                                                   store::Store& store, base::Log& log, Wake wake) {
  std::unique_ptr<SessionService> service(new SessionService(settings, log));
  auto rules = session::Rules::Parse(settings.session.rules);
  if (!rules.ok()) return rules.status().In("--session-rule");
  auto database = session::Database::Open(settings.session.database, clock);
  if (!database.ok()) return database.status().In("--sessions");
  service->database_ = std::move(database.value());
  service->sessions_ =
      std::make_unique<session::Sessions>(settings.session, std::move(rules.value()),
                                          session::Sessions::Doors{clock, store, service->journal_, std::move(wake)});
  service->threads_ = std::make_unique<session::SessionThreads>(*service->sessions_, *service->database_, log);
  return service;
}

SessionService::~SessionService() = default;

void SessionService::Drain() {
  const uint64_t left = threads_->Drain(settings_.session.drain_timeout_s * 1000, [this](uint64_t now_left) {
    log_.Format(base::LogLevel::kNotice, "writing sessions to the database: %llu left",
                static_cast<unsigned long long>(now_left));
  });
  if (left == 0) return;
  log_.Format(
      base::LogLevel::kError,
      "%llu sessions could not be written within %u s (--drain-timeout) and are lost: is the database reachable?",
      static_cast<unsigned long long>(left), settings_.session.drain_timeout_s);
}

}  // namespace holdfast::server
