// How it works: a row for each option that SIGHUP can change in a running server, with the part that takes it.

#include <algorithm>

#include "base/check.h"
#include "security/privileges.h"
#include "server/server.h"

namespace holdfast::server {

base::Status Server::Change(std::string_view name, const Settings& wanted) {
  struct Row {
    const char* name;
    base::Status (Server::*change)(const Settings&);
  };
  static constexpr Row kRows[] = {
      {"busy-poll", &Server::ChangeBusyPoll},
      {"conn-limit", &Server::ChangeConnections},
      {"connection-memory", &Server::ChangeConnectionMemory},
      {"disable-dumping", &Server::ChangeLive},
      {"disable-flush-all", &Server::ChangeLive},
      {"disable-watch", &Server::ChangeLive},
      {"drain-timeout", &Server::ChangeDrainTimeout},
      {"enable-shutdown", &Server::ChangeLive},
      {"idle_timeout", &Server::ChangeIdleTimeout},
      {"max-reqs-per-event", &Server::ChangeLive},
      {"maxconns_fast", &Server::ChangeRejection},
      {"memory-limit", &Server::ChangeMemoryLimit},
      {"verbose", &Server::ChangeVerbosity},
  };
  const auto* const row =
      std::find_if(std::begin(kRows), std::end(kRows), [&](const Row& r) { return r.name == name; });
  CHECK(row != std::end(kRows));
  return (this->*row->change)(wanted);
}

// The stop reads it, from the running settings, which take it over.
base::Status Server::ChangeDrainTimeout(const Settings&) { return {}; }

base::Status Server::ChangeLive(const Settings& wanted) {
  live_.Set(wanted.server);
  return {};
}

base::Status Server::ChangeVerbosity(const Settings& wanted) {
  log_.set_level(LogLevelOf(static_cast<uint32_t>(wanted.server.verbosity)));
  return {};
}

base::Status Server::ChangeConnections(const Settings& wanted) {
  const uint32_t connections = wanted.server.connections;
  if (base::Status status = security::RaiseOpenFiles(DescriptorsFor(connections)); !status.ok()) return status;
  limit_.SetMax(connections);
  return {};
}

base::Status Server::ChangeRejection(const Settings& wanted) {
  listener_->RejectWhenFull(wanted.server.reject_when_full);
  return {};
}

base::Status Server::ChangeConnectionMemory(const Settings& wanted) {
  budget_.SetLimit(wanted.server.connection_memory_bytes);
  return {};
}

base::Status Server::ChangeMemoryLimit(const Settings& wanted) {
  if (store_->SetMemoryLimit(wanted.store.memory_limit_bytes)) return {};
  return base::Status(
      base::ErrorKind::kConfig,
      "it cannot be had in the running server: it is less than the index takes, or more than the address "
      "space that was reserved at the start");
}

base::Status Server::ChangeBusyPoll(const Settings& wanted) {
  for (const auto& worker : workers_) worker->SetBusyPoll(wanted.server.busy_poll_us);
  return {};
}

base::Status Server::ChangeIdleTimeout(const Settings& wanted) {
  live_.Set(wanted.server);
  for (const auto& worker : workers_) worker->SetIdleTimeout(wanted.server.idle_timeout_seconds);
  return {};
}

}  // namespace holdfast::server
