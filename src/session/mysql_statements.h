// mysql_statements.h - the SQL that a MySQL-protocol server is sent, as text.
//
// Every statement that changes a session carries the guard, so any of them may be sent twice, late or after a later
// one. Multi-row statements count what the guard refused (an inserted row is counted once, a changed one twice); only
// then the rows are looked at and, one by one, brought to where they must be by statements whose condition stands in a
// WHERE.
//
// MariaDB and MySQL assign from left to right and see what was assigned before, TiDB sees the old row all the time. The
// order of the columns makes all of them right: what a condition needs is assigned after its last use.
//
// Threads: values.
// Limits:  the caller's: a statement is as long as its rows.

#ifndef HOLDFAST_SESSION_MYSQL_STATEMENTS_H_
#define HOLDFAST_SESSION_MYSQL_STATEMENTS_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "session/driver.h"
#include "session/mysql_connection.h"

namespace holdfast::session {

// Microseconds since 1970 by the database's clock, the same all through a statement.
inline constexpr const char* kMysqlNow = "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

class MysqlStatements {
 public:
  // Both borrowed.
  MysqlStatements(const MysqlConnection& connection, const base::Clock& clock)
      : connection_(connection), clock_(clock) {}

  // Multi-row statements are made of a beginning, rows with commas between, and an end.
  static const char* UpsertBegin();
  static const char* UpsertEnd();
  static const char* DeleteEnd();  // begins like an upsert
  void AppendRow(const Change& change, std::string* sql) const;
  static const char* ExpiryBegin();
  static const char* ExpiryEnd();
  void AppendExpiry(const Change& change, bool first, std::string* sql) const;

  // The row as it must be, if the one that is there was deleted by the delete whose floor this one carries.
  std::string ReplaceDead(const Row& row) const;
  // The later expiry and the higher floor alone.
  std::string MergeExpiry(const Row& row) const;
  std::string RaiseFloor(const Row& row, uint64_t floor) const;

  // kCompared: over the row that is there, or as a new one.
  std::string CompareUpdate(const Change& change) const;
  std::string CompareInsert(const Change& change) const;
  std::string CompareDelete(const Change& change) const;

  // columns FROM sessions WHERE sid IN (keys)
  std::string Select(const char* columns, std::span<const std::string_view> keys) const;
  std::string Quoted(std::string_view bytes) const;

 private:
  // An expression for a time of our steady clock.
  std::string Time(int64_t steady_us) const;
  void AppendValues(const Row& row, RowState state, std::string* sql) const;
  std::string Assignments(const Row& row, bool keeps_later_expiry = false) const;

  const MysqlConnection& connection_;
  const base::Clock& clock_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_MYSQL_STATEMENTS_H_
