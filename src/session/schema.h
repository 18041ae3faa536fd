// schema.h - the tables of a database server: as SQL for a person to read and apply, and as a set-up step.
//
// SQLite needs neither: its file is set up when it is opened first.
//
// Threads: any.
// Blocks:  CreateSchema, for as long as the database takes. On Galera DDL stops the whole cluster for a moment, which
// is
//          why no server does it by itself when it starts.
// Errors:  one line with cause and remedy.

#ifndef HOLDFAST_SESSION_SCHEMA_H_
#define HOLDFAST_SESSION_SCHEMA_H_

#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "session/database_url.h"

namespace holdfast::session {

// Each without the semicolon; all of them may be run again where they have been run before.
std::vector<std::string> MysqlSchemaStatements();
std::vector<std::string> PostgresSchemaStatements();

// For --print-schema: the statements, and the grants that the user of the URL needs.
base::Result<std::string> SchemaText(std::string_view url);

// For --init-schema. What comes back says what was done.
base::Result<std::string> CreateSchema(std::string_view url, const std::string& password);

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SCHEMA_H_
