// How it works: the first server that takes us is asked which schema there is, and given the statements unless all is
// there, in one transaction.

#include <cstdlib>
#include <optional>

#include "session/driver.h"
#include "session/postgres_connection.h"
#include "session/schema.h"
#include "session/server_databases.h"

namespace holdfast::session {

using base::ErrorKind;
using base::Result;
using base::Status;

namespace {

constexpr const char* kNoSuchTable = "42P01";

Status StatusOf(const DatabaseUrl& url, const PostgresError& error) {
  const bool later = PostgresClassOf(error) != FailureClass::kConfiguration;
  return Status(later ? ErrorKind::kUnavailable : ErrorKind::kRefused,
                url.Describe() + ": " + error.text + " (" + error.state + ")" + PostgresRemedy(error));
}

PostgresError ConnectToAny(const DatabaseUrl& url, const std::string& password, PostgresConnection* connection) {
  PostgresError error;
  for (const DatabaseHost& host : url.hosts) {
    error = connection->Connect(url, host, password);
    if (error.ok()) break;
  }
  return error;
}

}  // namespace

Result<std::string> CreatePostgresSchema(const DatabaseUrl& url, const std::string& password) {
  PostgresConnection connection;
  PostgresError error = ConnectToAny(url, password, &connection);
  if (!error.ok()) return StatusOf(url, error);

  PostgresRows rows;
  error = connection.Query("SELECT value FROM meta WHERE name = 'schema_version'", &rows);
  if (!error.ok() && error.state != kNoSuchTable) return StatusOf(url, error);
  std::optional<int> found;
  if (error.ok() && rows.count() == 1) found = std::atoi(std::string(rows.Bytes(0, 0)).c_str());
  if (found.has_value() && *found != kSchemaVersion) {
    return Status(ErrorKind::kRefused, url.Describe() + ": has schema " + std::to_string(*found) +
                                           ", this server knows " + std::to_string(kSchemaVersion) +
                                           "; it was left as found: use the version of the server that made it");
  }
  if (!found.has_value()) {
    std::string all = "BEGIN;";
    for (const std::string& statement : PostgresSchemaStatements()) all += statement + ";";
    error = connection.Execute(all + "COMMIT;");
    if (!error.ok()) return StatusOf(url, error);
  }
  return url.Describe() + ": schema " + std::to_string(kSchemaVersion) +
         (found.has_value() ? " is there already" : " was created");
}

}  // namespace holdfast::session
