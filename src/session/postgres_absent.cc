// How it works: stands for the PostgreSQL driver where the library was missing when this program was built.

#include "session/server_databases.h"

namespace holdfast::session {

namespace {

base::Status WithoutDriver() {
  return base::Status(base::ErrorKind::kUsage,
                      "this holdfast was built without the PostgreSQL driver; build it again with libpq "
                      "installed (Debian: libpq-dev)");
}

}  // namespace

base::Result<std::unique_ptr<Database>> OpenPostgres(const DatabaseUrl&, const base::Clock&, const std::string&,
                                                     const KnownDatabase*) {
  return WithoutDriver();
}

base::Result<std::string> CreatePostgresSchema(const DatabaseUrl&, const std::string&) { return WithoutDriver(); }

}  // namespace holdfast::session
