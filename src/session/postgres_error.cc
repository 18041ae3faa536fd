// How it works: SQLSTATEs by their class, the first two characters, where the whole class means one thing. A connection
// that is refused comes with a text alone.

#include "session/postgres_error.h"

namespace holdfast::session {

FailureClass PostgresClassOf(const PostgresError& error) {
  if (error.ok()) return FailureClass::kNone;
  const std::string& state = error.state;
  const std::string_view kind = std::string_view(state).substr(0, 2);
  for (const char* const retry : {"40001", "40P01", "55P03", "57014", "53100"}) {
    if (state == retry) return FailureClass::kRetry;  // conflict, deadlock, locked, too long, disk full
  }
  if (state == kPostgresRefused || state == kPostgresTooOld) return FailureClass::kConfiguration;
  // Names that are not there, grants, a login, a database; and statements that this server does not understand.
  if (kind == "42" || kind == "28" || kind == "3D" || kind == "3F" || kind == "0A" || kind == "26") {
    return FailureClass::kConfiguration;
  }
  return FailureClass::kNextNode;
}

bool IsPostgresRowsFault(const PostgresError& error) {
  const std::string_view kind = std::string_view(error.state).substr(0, 2);
  return error.state.size() == 5 && (kind == "22" || kind == "23" || kind == "54");
}

const char* PostgresRemedy(const PostgresError& error) {
  const std::string& state = error.state;
  if (state == "42501") return "; give the user the grants that holdfast --print-schema lists";
  if (state == "42P01" || state == "42703") {
    return "; create the tables: holdfast --init-schema, or apply what holdfast --print-schema prints";
  }
  if (state == kPostgresTooOld) return "; PostgreSQL 13 or newer is needed";
  if (state == kPostgresStandby || state == "25006") return "; name the server that takes writes in --sessions";
  if (state == "53300") return "; raise max_connections in the server (each holdfast needs three)";
  if (state == "53100") return "; make room on the server's disk";
  if (state == kPostgresRefused) {
    if (error.text.find("SSL") != std::string::npos || error.text.find("certificate") != std::string::npos) {
      return "; check the file in tls-ca=, that the server has TLS switched on, and that its certificate is for this "
             "host";
    }
    if (error.text.find("database") != std::string::npos && error.text.find("exist") != std::string::npos) {
      return "; create the database, or correct its name in --sessions";
    }
    return "; check the user in --sessions, the password in --database-password-file, and the server's pg_hba.conf";
  }
  if (state == kPostgresLost) {
    if (error.text.find("translate host name") != std::string::npos) return "; correct the host in --sessions";
    if (error.text.find("refused") != std::string::npos || error.text.find("timeout") != std::string::npos) {
      return "; is the database running, and may this machine connect to it?";
    }
  }
  return "";
}

Failure FailureOf(const PostgresError& error) {
  if (error.ok()) return {};
  return {PostgresClassOf(error), error.text + " (" + error.state + ")" + PostgresRemedy(error)};
}

const char* PostgresStateOfRefusal(std::string_view text) {
  for (const char* const words : {"SSL", "certificate", "authentication", "password", "pg_hba.conf", "does not exist",
                                  "not permitted to log in", "permission denied"}) {
    if (text.find(words) != std::string_view::npos) return kPostgresRefused;
  }
  return kPostgresLost;
}

}  // namespace holdfast::session
