// mysql_connection.h - one connection to a MySQL-protocol server, with our settings, and statements as text.
//
// Threads: one at a time.
// Owns:    the handle of the client library.
// Blocks:  every call, up to the time limits of the URL.
// Errors:  MysqlError; what it means, mysql_error.h says. After one of the class kNextNode the connection is dead.
// Limits:  packet_bytes() a statement, as the server said when this was connected.

#ifndef HOLDFAST_SESSION_MYSQL_CONNECTION_H_
#define HOLDFAST_SESSION_MYSQL_CONNECTION_H_

#include <mysql.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "session/database_url.h"
#include "session/mysql_error.h"

namespace holdfast::session {

// The rows of a query, all in our memory.
class MysqlRows {
 public:
  // The next row; false after the last.
  bool Next();
  std::string_view Text(unsigned column) const;  // empty for NULL, too
  int64_t Integer(unsigned column) const;
  uint64_t Unsigned(unsigned column) const;

 private:
  friend class MysqlConnection;
  struct Free {
    void operator()(MYSQL_RES* result) const { mysql_free_result(result); }
  };
  std::unique_ptr<MYSQL_RES, Free> result_;  // null: no rows
  MYSQL_ROW row_ = nullptr;                  // null before the first Next
  unsigned long* lengths_ = nullptr;
};

class MysqlConnection {
 public:
  // Connects, sets the session up and looks whether this node can be used. *this is unusable unless that succeeded.
  MysqlError Connect(const DatabaseUrl& url, const DatabaseHost& host, const std::string& password);
  void Close() { handle_.reset(); }
  bool open() const { return handle_ != nullptr; }

  // A statement without rows; *affected gets their number, *refused how many of an INSERT ... ON DUPLICATE KEY UPDATE
  // were left as they were (nullopt when the server does not say).
  MysqlError Execute(std::string_view sql, uint64_t* affected = nullptr, std::optional<uint64_t>* refused = nullptr);
  MysqlError Query(std::string_view sql, MysqlRows* rows);

  // Appends 'bytes' with quotes, every byte safe.
  void AppendQuoted(std::string_view bytes, std::string* sql) const;

  uint64_t packet_bytes() const { return packet_bytes_; }
  bool is_tidb() const { return is_tidb_; }
  const std::string& version() const { return version_; }

  // "10.11.19-MariaDB" is new enough, "5.5.68-MariaDB" and "5.6.51" are not.
  static bool IsNewEnough(std::string_view version);

 private:
  struct CloseHandle {
    void operator()(MYSQL* handle) const { mysql_close(handle); }
  };
  MysqlError LastError() const;
  void SetOptions(const DatabaseUrl& url);
  MysqlError SetUp(const DatabaseUrl& url);
  MysqlError CheckCluster();

  std::unique_ptr<MYSQL, CloseHandle> handle_;  // null: not connected
  uint64_t packet_bytes_ = 0;
  bool is_tidb_ = false;
  std::string version_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_MYSQL_CONNECTION_H_
