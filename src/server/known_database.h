// known_database.h - what a server writes down of its database on a server while it can ask it, so that the next start
// can do without it: which database it is, what it takes, and which number this server has there.
//
// A file of a few lines for people, beside what else is kept of this server alone.
//
// Threads: any, not two on the same file.
// Owns:    nothing.
// Errors:  Recall: nothing, also when it is of another database or no such file. Remember: it could not be written.

#ifndef HOLDFAST_SERVER_KNOWN_DATABASE_H_
#define HOLDFAST_SERVER_KNOWN_DATABASE_H_

#include <optional>
#include <string>

#include "base/status.h"
#include "session/driver.h"

namespace holdfast::server {

struct Remembered {
  session::KnownDatabase database;
  session::NodeLease lease;  // number and start
};

// place: the database as Database::Describe says it.
std::optional<Remembered> RecallDatabase(const std::string& path, const std::string& place);
base::Status RememberDatabase(const std::string& path, const std::string& place, const Remembered& remembered);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_KNOWN_DATABASE_H_
