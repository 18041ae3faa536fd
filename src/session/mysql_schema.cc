// How it works: the first node that takes us is asked which schema there is, and given the statements unless all is
// there. They are IF NOT EXISTS or IGNORE each, and the version is written last, so a set-up that broke off, or ran
// beside another, is mended by the next.

#include <optional>

#include "session/driver.h"
#include "session/mysql_connection.h"
#include "session/schema.h"
#include "session/server_databases.h"

namespace holdfast::session {

using base::ErrorKind;
using base::Result;
using base::Status;

namespace {

constexpr unsigned kNoSuchTable = 1146;

Status StatusOf(const DatabaseUrl& url, const MysqlError& error) {
  const bool later = MysqlClassOf(error.code) != FailureClass::kConfiguration;
  return Status(later ? ErrorKind::kUnavailable : ErrorKind::kRefused,
                url.Describe() + ": " + error.text + " (" + std::to_string(error.code) + ")" + MysqlRemedy(error.code));
}

MysqlError ConnectToAny(const DatabaseUrl& url, const std::string& password, MysqlConnection* connection) {
  MysqlError error;
  for (const DatabaseHost& host : url.hosts) {
    error = connection->Connect(url, host, password);
    if (error.ok()) break;
  }
  return error;
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
  if (found.has_value() && *found != kSchemaVersion) {
    return Status(ErrorKind::kRefused, url.Describe() + ": has schema " + std::to_string(*found) +
                                           ", this server knows " + std::to_string(kSchemaVersion) +
                                           "; it was left as found: use the version of the server that made it");
  }
  for (const std::string& statement : MysqlSchemaStatements()) {
    if (found.has_value()) break;
    error = connection.Execute(statement);
    if (!error.ok()) return StatusOf(url, error);
  }
  return url.Describe() + ": schema " + std::to_string(kSchemaVersion) +
         (found.has_value() ? " is there already" : " was created");
}

}  // namespace holdfast::session
