// How it works: the scheme of the URL picks the driver.

#include "session/driver.h"

#include "session/database_url.h"
#include "session/driver_sqlite.h"
#include "session/server_databases.h"

namespace holdfast::session {

base::Result<std::unique_ptr<Database>> Database::Open(std::string_view url, const base::Clock& clock,
                                                       int inherited_lock, const std::string& password) {
  const base::Result<DatabaseScheme> scheme = DatabaseSchemeOf(url);
  if (!scheme.ok()) return scheme.status();
  if (scheme.value() == DatabaseScheme::kSqlite) {
    std::string_view path = url.substr(std::string_view("sqlite:").size());
    if (path.starts_with("//")) path.remove_prefix(2);
    return SqliteDatabase::Open(path, clock, inherited_lock);
  }
  const base::Result<DatabaseUrl> parsed = DatabaseUrl::Parse(url);
  if (!parsed.ok()) return parsed.status();
  if (scheme.value() == DatabaseScheme::kPostgres) return OpenPostgres(parsed.value(), clock, password, nullptr);
  return OpenMysql(parsed.value(), clock, password, nullptr);
}

base::Result<std::unique_ptr<Database>> Database::OpenAway(std::string_view url, const base::Clock& clock,
                                                           const std::string& password, const KnownDatabase& known) {
  const base::Result<DatabaseUrl> parsed = DatabaseUrl::Parse(url);
  if (!parsed.ok()) return parsed.status();
  const bool is_postgres = DatabaseSchemeOf(url).value() == DatabaseScheme::kPostgres;
  return (is_postgres ? OpenPostgres : OpenMysql)(parsed.value(), clock, password, &known);
}

base::Status StatusOf(const Failure& failure) {
  if (failure.ok()) return {};
  const bool later = failure.kind != FailureClass::kConfiguration;
  return base::Status(later ? base::ErrorKind::kUnavailable : base::ErrorKind::kRefused, failure.detail);
}

}  // namespace holdfast::session
