// How it works: the first node that takes us is asked which schema there is, and given the statements unless all is
// there. They are IF NOT EXISTS or IGNORE each, and the version is written last, so a set-up that broke off, or ran
// beside another, is mended by the next.

#include <optional>

#include "session/driver.h"
#include "session/mysql_connection.h"
#include "session/schema.h"
#include "session/server_databases.h"
#include "session/server_driver.h"

namespace holdfast::session {

using base::Result;
using base::Status;

namespace {

constexpr unsigned kNoSuchTable = 1146;

Status StatusOf(const DatabaseUrl& url, const MysqlError& error) {
  Failure failure = FailureOf(error, MysqlPhase::kConnecting);
  failure.detail = url.Describe() + ": " + failure.detail;
  return StatusOf(failure);
}

}  // namespace

Result<std::string> CreateMysqlSchema(const DatabaseUrl& url, const std::string& password) {
  mysql_library_init(0, nullptr, nullptr);
  MysqlConnection connection;
  MysqlError error = ConnectToAny(url, password, &connection);
  if (error.ok()) error = connection.Execute("SET NAMES utf8mb4");
  if (!error.ok()) return StatusOf(url, error);

  MysqlRows rows;
  error = connection.Query("SELECT value FROM meta WHERE name = 'schema_version'", &rows);
  if (!error.ok() && error.code != kNoSuchTable) return StatusOf(url, error);
  const std::optional<int64_t> found = error.ok() && rows.Next() ? std::optional(rows.Integer(0)) : std::nullopt;
  if (found.has_value() && *found != kSchemaVersion) return OtherSchemaFound(url, *found);
  for (const std::string& statement : MysqlSchemaStatements()) {
    if (found.has_value()) break;
    error = connection.Execute(statement);
    if (!error.ok()) return StatusOf(url, error);
  }
  return SchemaDone(url, found.has_value());
}

}  // namespace holdfast::session
