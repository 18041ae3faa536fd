// postgres_connection.h - one connection to PostgreSQL, prepared statements with binary parameters, and a time limit
// for every call.
//
// Threads: one at a time.
// Owns:    the handle of the client library.
// Blocks:  every call, up to the time limits of the URL.
// Errors:  PostgresError. After one of the class kNextNode the connection is dead.

#ifndef HOLDFAST_SESSION_POSTGRES_CONNECTION_H_
#define HOLDFAST_SESSION_POSTGRES_CONNECTION_H_

#include <libpq-fe.h>

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "session/database_url.h"
#include "session/postgres_error.h"

namespace holdfast::session {

// Parameters of a statement, $1 and so on.
class PostgresParameters {
 public:
  void Bigint(int64_t value);
  void Bytes(std::string_view bytes);  // bytea, and text as well
  void Bigints(std::span<const int64_t> values);
  void BytesArray(std::span<const std::string_view> values);

 private:
  friend class PostgresConnection;
  std::vector<std::string> values_;  // in the server's binary format
};

// The rows of a query in binary format, all in our memory.
class PostgresRows {
 public:
  int count() const { return result_ == nullptr ? 0 : PQntuples(result_.get()); }
  // The next row; false after the last.
  bool Next() { return ++row_ < count(); }
  std::string_view Text(int column) const;
  int64_t Integer(int column) const;  // any width
  uint64_t Unsigned(int column) const { return static_cast<uint64_t>(Integer(column)); }

 private:
  friend class PostgresConnection;
  struct Free {
    void operator()(PGresult* result) const { PQclear(result); }
  };
  std::unique_ptr<PGresult, Free> result_;  // null: no result
  int row_ = -1;                            // before the first Next
};

class PostgresConnection {
 public:
  PostgresError Connect(const DatabaseUrl& url, const DatabaseHost& host, const std::string& password);
  void Close() { handle_.reset(); }

  PostgresError Prepare(const char* name, const char* sql);
  // A prepared statement.
  PostgresError Run(const char* name, const PostgresParameters& parameters, PostgresRows* rows);
  // A statement as text, without parameters; or several, without rows.
  PostgresError Query(const std::string& sql, PostgresRows* rows);
  PostgresError Execute(const std::string& sql);

 private:
  struct Finish {
    void operator()(PGconn* handle) const { PQfinish(handle); }
  };
  PostgresError SetUp();
  // Waits for what was sent, at most the time limit.
  PostgresError Await(PostgresRows* rows);
  PostgresError Lost(std::string text);

  std::unique_ptr<PGconn, Finish> handle_;  // null: not connected
  int timeout_ms_ = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_POSTGRES_CONNECTION_H_
