// postgres_error.h - what an error of PostgreSQL means for us.
//
// Threads: pure functions.

#ifndef HOLDFAST_SESSION_POSTGRES_ERROR_H_
#define HOLDFAST_SESSION_POSTGRES_ERROR_H_

#include <string>
#include <string_view>

#include "session/driver.h"

namespace holdfast::session {

// A failed call. state is the server's SQLSTATE, or one of ours, which are longer; empty: no error.
struct PostgresError {
  std::string state;
  std::string text;
  bool ok() const { return state.empty(); }
};

// There is no SQLSTATE when it was the connection that failed.
inline constexpr const char* kPostgresLost = "connection";       // not made, or broken
inline constexpr const char* kPostgresRefused = "not admitted";  // password, user, database, TLS
inline constexpr const char* kPostgresTooOld = "too old";
inline constexpr const char* kPostgresStandby = "standby";

FailureClass PostgresClassOf(const PostgresError& error);

// One row of the statement cannot be stored as it is, and the statement did nothing.
bool IsPostgresRowsFault(const PostgresError& error);

// What to do about it, with "; " before it; empty where waiting is all there is to do.
const char* PostgresRemedy(const PostgresError& error);

// The text, the state, and the remedy.
Failure FailureOf(const PostgresError& error);

// Which of ours a text of the library stands for, when a connection could not be made.
const char* PostgresStateOfRefusal(std::string_view text);

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_POSTGRES_ERROR_H_
