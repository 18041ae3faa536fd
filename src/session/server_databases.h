// server_databases.h - what driver.cc knows of the databases that are servers; a file for each that configure picked,
// or one that says that it was left out.

#ifndef HOLDFAST_SESSION_SERVER_DATABASES_H_
#define HOLDFAST_SESSION_SERVER_DATABASES_H_

#include <memory>
#include <string>

#include "base/clock.h"
#include "base/status.h"
#include "session/database_url.h"
#include "session/driver.h"

namespace holdfast::session {

// clock is borrowed by what comes back. known: what it is, so that it is not asked; null: it is.
base::Result<std::unique_ptr<Database>> OpenMysql(const DatabaseUrl& url, const base::Clock& clock,
                                                  const std::string& password, const KnownDatabase* known);
base::Result<std::unique_ptr<Database>> OpenPostgres(const DatabaseUrl& url, const base::Clock& clock,
                                                     const std::string& password, const KnownDatabase* known);

// Creates what is missing of the schema. The text that comes back says what was found or done.
base::Result<std::string> CreateMysqlSchema(const DatabaseUrl& url, const std::string& password);
base::Result<std::string> CreatePostgresSchema(const DatabaseUrl& url, const std::string& password);

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SERVER_DATABASES_H_
