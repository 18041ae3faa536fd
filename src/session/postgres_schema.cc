// How it works: the first server that takes us is asked which schema there is, and given the statements unless all is
// there, in one transaction.

#include <cstdlib>
#include <optional>

#include "session/driver.h"
#include "session/postgres_connection.h"
#include "session/schema.h"
#include "session/server_databases.h"
#include "session/server_driver.h"

namespace holdfast::session {

using base::Result;
using base::Status;

namespace {

constexpr const char* kNoSuchTable = "42P01";

Status StatusOf(const DatabaseUrl& url, const PostgresError& error) {
  Failure failure = FailureOf(error);
  failure.detail = url.Describe() + ": " + failure.detail;
  return StatusOf(failure);
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
  if (error.ok() && rows.Next()) found = std::atoi(std::string(rows.Text(0)).c_str());
  if (found.has_value() && *found != kSchemaVersion) return OtherSchemaFound(url, *found);
  if (!found.has_value()) {
    std::string all = "BEGIN;";
    for (const std::string& statement : PostgresSchemaStatements()) all += statement + ";";
    error = connection.Execute(all + "COMMIT;");
    if (!error.ok()) return StatusOf(url, error);
  }
  return SchemaDone(url, found.has_value());
}

}  // namespace holdfast::session
