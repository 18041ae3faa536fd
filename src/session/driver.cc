// How it works: the scheme of the URL picks the driver. Only SQLite has one.

#include "session/driver.h"

#include "session/driver_sqlite.h"

namespace holdfast::session {

base::Result<std::unique_ptr<Database>> Database::Open(std::string_view url, const base::Clock& clock,
                                                       int inherited_lock) {
  static constexpr std::string_view kSqlite = "sqlite:";
  if (url.starts_with(kSqlite)) {
    std::string_view path = url.substr(kSqlite.size());
    if (path.starts_with("//")) path.remove_prefix(2);
    return SqliteDatabase::Open(path, clock, inherited_lock);
  }
  for (const std::string_view scheme : {"mysql:", "mariadb:", "postgres:", "postgresql:"}) {
    if (url.starts_with(scheme)) {
      return base::Status(base::ErrorKind::kUsage,
                          std::string(scheme.substr(0, scheme.size() - 1)) + " is not there yet; use sqlite:PATH");
    }
  }
  // The URL may hold a password, so it is not repeated.
  return base::Status(base::ErrorKind::kUsage,
                      "the database must be given as sqlite:PATH, as sqlite:/var/lib/holdfast/sessions.db");
}

}  // namespace holdfast::session
