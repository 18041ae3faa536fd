// How it works: stands for the MySQL driver where the library was missing when this program was built.

#include "session/server_databases.h"

namespace holdfast::session {

namespace {

base::Status WithoutDriver() {
  return base::Status(base::ErrorKind::kUsage,
                      "this holdfast was built without the MySQL driver; build it again with MariaDB Connector/C "
                      "installed (Debian: libmariadb-dev)");
}

}  // namespace

base::Result<std::unique_ptr<Database>> OpenMysql(const DatabaseUrl&, const base::Clock&, const std::string&,
                                                  const KnownDatabase*) {
  return WithoutDriver();
}

base::Result<std::string> CreateMysqlSchema(const DatabaseUrl&, const std::string&) { return WithoutDriver(); }

}  // namespace holdfast::session
