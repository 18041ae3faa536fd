// mysql_error.h - what an error of a MySQL-protocol server means for us: MariaDB, Galera, MySQL, TiDB, NDB.
//
// Threads: pure functions.

#ifndef HOLDFAST_SESSION_MYSQL_ERROR_H_
#define HOLDFAST_SESSION_MYSQL_ERROR_H_

#include <cstdint>
#include <string>

#include "session/driver.h"

namespace holdfast::session {

// A failed call: the server's or the client library's number and text. code 0: none.
struct MysqlError {
  unsigned code = 0;
  std::string text;
  bool ok() const { return code == 0; }
};

// The same number may mean something else on a connection that has been made: 2026 is a certificate that does not hold
// when connecting, and a connection that was cut later.
enum class MysqlPhase : uint8_t { kConnecting, kConnected };

FailureClass MysqlClassOf(unsigned code, MysqlPhase phase);

// One row of the statement cannot be stored as it is, and the statement did nothing: 1406 and its like.
bool IsMysqlRowsFault(unsigned code);

// What to do about it, with "; " before it; empty where waiting is all there is to do.
const char* MysqlRemedy(unsigned code, MysqlPhase phase);

// The text, the number, and the remedy.
Failure FailureOf(const MysqlError& error, MysqlPhase phase);

// Of our own making, beyond all numbers of servers and libraries.
inline constexpr unsigned kMysqlNotEncrypted = 90001;
inline constexpr unsigned kMysqlNotReady = 90002;
inline constexpr unsigned kMysqlTooOld = 90003;
inline constexpr unsigned kMysqlReadOnly = 90004;

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_MYSQL_ERROR_H_
