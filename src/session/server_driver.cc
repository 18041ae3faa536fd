// How it works: Open walks the hosts once, in the walker's order. Whether the tables take what will be sent is found
// out by statements that need the same grants and touch no row.
//
// A clock that is ahead of the database's would let our writes win over later ones of others.

#include "session/server_driver.h"

#include <algorithm>
#include <charconv>

namespace holdfast::session {

namespace {

constexpr int64_t kClockAheadMicrosMax = 1'000'000;

constexpr const char* kProbes[] = {
    "INSERT INTO sessions SELECT * FROM sessions WHERE 1 = 0",
    "UPDATE sessions SET owner = owner WHERE 1 = 0",
    "DELETE FROM sessions WHERE 1 = 0",
    "INSERT INTO nodes SELECT * FROM nodes WHERE 1 = 0",
    "UPDATE nodes SET lease = lease WHERE 1 = 0",
    "INSERT INTO lease SELECT * FROM lease WHERE 1 = 0",
    "UPDATE lease SET holder = holder WHERE 1 = 0",
};

template <class T>
T NumberOf(const std::string& text) {
  T value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

// -- Connecting -----------------------------------------------------------------------------------

Failure ServerDriver::ConnectTo(size_t host) {
  Failure failure = Connect(url_.hosts[host]);
  const int64_t now_us = clock_.SteadyMicros();
  if (failure.ok()) {
    walker_.NoteConnected(host, now_us);
    return failure;
  }
  walker_.NoteFailed(host, now_us);
  failure.detail = url_.hosts[host].Text() + ": " + failure.detail;
  return failure;
}

Failure ServerDriver::Open() {
  Disconnect();
  // There is no connection on which anything could be tried again.
  Failure all{FailureClass::kConfiguration, ""};
  for (const size_t host : walker_.Order(clock_.SteadyMicros())) {
    const Failure failure = ConnectTo(host);
    if (failure.ok()) return {};
    if (!all.detail.empty()) all.detail += "; ";
    all.detail += failure.detail;
    if (failure.kind != FailureClass::kConfiguration) all.kind = FailureClass::kNextNode;
  }
  return all;
}

void ServerDriver::LookBack() {
  if (!walker_.ShouldLookBack(clock_.SteadyMicros())) return;
  const size_t current = walker_.current();
  for (size_t host = 0; host < current; ++host) {
    if (ConnectTo(host).ok()) return;
  }
}

Failure ServerDriver::AtHost(Failure failure) {
  if (failure.ok()) return failure;
  const size_t host = walker_.current();
  if (failure.kind == FailureClass::kNextNode) walker_.NoteFailed(host, clock_.SteadyMicros());
  failure.detail = url_.hosts[host].Text() + ": " + failure.detail;
  return failure;
}

// -- Before it is used ----------------------------------------------------------------------------

Failure ServerDriver::CheckGrants() {
  for (const char* const probe : kProbes) {
    if (Failure failure = Execute(probe); !failure.ok()) return failure;
  }
  return {};
}

Failure ServerDriver::CheckClock() {
  const int64_t wall_us = clock_.WallMicros();
  std::vector<NodeLease> nodes;
  int64_t database_us = wall_us;
  if (Failure failure = ReadNodes(&nodes, &database_us); !failure.ok()) return failure;
  const int64_t ahead_us = wall_us - database_us;
  if (ahead_us <= kClockAheadMicrosMax) return {};
  return {FailureClass::kConfiguration,
          "the clock of this machine is " + std::to_string(ahead_us / 1000) +
              " ms ahead of the database's, and its writes would win over later ones; let both machines keep their "
              "clocks by NTP"};
}

base::Status ServerDriver::OpenAndCheck(DatabaseIdentity* identity) {
  Failure failure = Open();
  if (failure.ok()) failure = ReadIdentity(identity);
  if (failure.ok()) failure = Check();
  return StatusOf(failure);
}

Failure ServerDriver::Check() {
  Failure failure = CheckGrants();
  return failure.ok() ? CheckClock() : failure;
}

Failure ServerDriver::ReadIdentity(DatabaseIdentity* identity) {
  Meta meta;
  if (Failure failure = ReadMeta(&meta); !failure.ok()) return failure;
  for (auto& [name, value] : meta) {
    if (name == "schema_version") identity->schema_version = NumberOf<int>(value);
    if (name == "database_uuid") identity->uuid = std::move(value);
    if (name == "generation") identity->generation = NumberOf<uint64_t>(value);
  }
  if (!identity->uuid.empty()) return {};
  return {FailureClass::kConfiguration, "the table meta holds no database_uuid; run holdfast --init-schema"};
}

// -- The same in any SQL --------------------------------------------------------------------------

// The answer to an earlier try may have been lost, and a row that stays as it was need not count as changed.
Failure ServerDriver::PutNode(const NodeLease& lease, const NodeLease* expected, bool* done) {
  *done = false;
  if (Failure failure = TryPutNode(lease, expected, done); !failure.ok() || *done) return failure;
  std::vector<NodeLease> nodes;
  int64_t now_us = 0;
  Failure failure = ReadNodes(&nodes, &now_us);
  *done = std::find(nodes.begin(), nodes.end(), lease) != nodes.end();
  return failure;
}

// -- For all --------------------------------------------------------------------------------------

base::Status OtherSchemaFound(const DatabaseUrl& url, int64_t version) {
  return base::Status(base::ErrorKind::kRefused,
                      url.Describe() + ": has schema " + std::to_string(version) + ", this server knows " +
                          std::to_string(kSchemaVersion) +
                          "; it was left as found: use the version of the server that made it");
}

std::string SchemaDone(const DatabaseUrl& url, bool was_there) {
  return url.Describe() + ": schema " + std::to_string(kSchemaVersion) +
         (was_there ? " is there already" : " was created");
}

}  // namespace holdfast::session
