// database_url.h - where a database server is: mysql://user@host:port,host:port/database?tls-ca=/etc/ssl/db.pem
//
// Several hosts are nodes of one cluster, in the order of preference; every cache node should be given the same order.
// A host that begins with / is a unix socket (of PostgreSQL: its directory). What is not a plain character is written
// as %xx. A password is never part of it: URLs end up in process lists and logs.
//
// Threads: values; copy freely.
// Errors:  kUsage, one line that says what is wrong and how it should be. The URL itself is not repeated: it may hold
//          a password after all.

#ifndef HOLDFAST_SESSION_DATABASE_URL_H_
#define HOLDFAST_SESSION_DATABASE_URL_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"
#include "session/session_settings.h"

namespace holdfast::session {

enum class DatabaseScheme { kSqlite, kMysql, kPostgres };

inline constexpr size_t kDatabaseHostsMax = 32;

struct DatabaseHost {
  std::string name;  // without the brackets of an IPv6 address
  uint16_t port = 0;

  bool is_socket() const { return name.starts_with('/'); }
  std::string Text() const;  // as in the URL
};

// Of a server, not of SQLite.
struct DatabaseUrl {
  DatabaseScheme scheme = DatabaseScheme::kMysql;
  std::string user;
  std::vector<DatabaseHost> hosts;  // at least one
  std::string database;
  std::string tls_ca;    // a file; empty: TLS is not asked for
  std::string tls_cert;  // ours, where the server wants one; with tls_key
  std::string tls_key;
  uint32_t connect_timeout_s = 2;  // a node that hangs costs this, each time that the list is walked
  uint32_t timeout_s = 10;         // of a call; a cluster that expels a node stands still for 6 s

  static base::Result<DatabaseUrl> Parse(std::string_view url);
  // "MySQL database sessions at a:3306,b:3306".
  std::string Describe() const;
};

// What the URL begins with.
base::Result<DatabaseScheme> DatabaseSchemeOf(std::string_view url);

// The first line of --database-password-file, without its end, or else --database-password; empty: none.
base::Result<std::string> ReadDatabasePassword(const SessionSettings& settings);

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_DATABASE_URL_H_
