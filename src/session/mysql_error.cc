// How it works: tables of numbers. What is in none of them is taken for a connection that is no good any more: another
// one, elsewhere if there is an elsewhere, is the answer that does no harm, since every statement may be repeated.

#include "session/mysql_error.h"

namespace holdfast::session {

namespace {
constexpr unsigned kTlsFailed = 2026;
}  // namespace

FailureClass MysqlClassOf(unsigned code, MysqlPhase phase) {
  switch (code) {
    case 0:
      return FailureClass::kNone;
    case kTlsFailed:
      return phase == MysqlPhase::kConnecting ? FailureClass::kConfiguration : FailureClass::kNextNode;
    // Undone by the server; the same again may well succeed.
    case 1213:  // deadlock, or a conflict with a write on another node
    case 1205:  // lock wait, or the wait for causality, was too long
    case 1969:  // max_statement_time
    case 3024:  // max_execution_time
    case 1317:  // interrupted
    case 3101:  // group replication: rolled back
    case 9007:  // TiDB: write conflict
    case 8002:
    case 8022:
    case 8028:
    case 1297:  // NDB: temporary
    case 1021:  // disk full
    case 1114:  // table full
      return FailureClass::kRetry;
    // Nothing helps until a person does something.
    case 1044:  // access to the database denied
    case 1045:  // wrong password
    case 1698:  // access denied, without password
    case 1049:  // no such database
    case 1146:  // no such table
    case 1054:  // no such column
    case 1142:  // no grant for the table
    case 1143:  // no grant for a column
    case 1227:  // no privilege
    case 1370:
    case 1064:  // syntax: not a server that we know
    case 1235:  // not supported by this server
    case 2059:  // authentication plugin
    case 2061:
    case 1251:
    case kMysqlNotEncrypted:
    case kMysqlTooOld:
      return FailureClass::kConfiguration;
    default:
      return FailureClass::kNextNode;
  }
}

bool IsMysqlRowsFault(unsigned code) {
  switch (code) {
    case 1406:  // too long for its column
    case 1366:  // wrong value
    case 1264:  // out of range
    case 1048:  // may not be null
    case 1153:  // larger than max_allowed_packet
    case 1690:  // out of range in an expression
    case 1292:  // truncated
    case 4025:  // a CHECK of MariaDB
    case 3819:  // a CHECK of MySQL
    case 8025:  // TiDB: entry too large
      return true;
    default:
      return false;
  }
}

const char* MysqlRemedy(unsigned code, MysqlPhase phase) {
  const bool connecting = phase == MysqlPhase::kConnecting;
  switch (code) {
    case 1045:
    case 1698:
      return "; check the user in --sessions, the password in --database-password-file, and from which hosts the user "
             "may come";
    case 1044:
    case 1142:
    case 1143:
    case 1227:
    case 1370:
      return "; give the user the grants that holdfast --print-schema lists";
    case 1049:
      return "; create the database, or correct its name in --sessions";
    case 1146:
    case 1054:
      return "; create the tables: holdfast --init-schema, or apply what holdfast --print-schema prints";
    case 2005:
      return "; correct the host in --sessions";
    case 2002:
    case 2003:
      return "; is the database running, and may this machine connect to it?";
    case 2013:
      return connecting ? "; is the database running, or does it hang?" : "";
    case kTlsFailed:
      return connecting
                 ? "; check the file in tls-ca=, that the server has TLS switched on, and that its certificate is "
                   "for this host"
                 : "";
    case kMysqlNotEncrypted:
      return "; switch TLS on in the server, or take tls-ca= out of --sessions";
    case kMysqlTooOld:
      return "; MariaDB 10.3, MySQL 5.7 or newer is needed";
    case kMysqlReadOnly:
      return "; name the node that takes writes in --sessions";
    case 1040:
    case 1203:
      return "; raise max_connections in the server (each holdfast needs three)";
    case 1129:
      return "; run mariadb-admin flush-hosts on the server";
    case 1047:
    case kMysqlNotReady:
      return "; this node has no majority of the cluster, or is not in sync with it";
    case 1021:
    case 1114:
      return "; make room on the server's disk";
    default:
      return "";
  }
}

Failure FailureOf(const MysqlError& error, MysqlPhase phase) {
  if (error.ok()) return {};
  const std::string number = error.code < kMysqlNotEncrypted ? " (" + std::to_string(error.code) + ")" : "";
  return {MysqlClassOf(error.code, phase), error.text + number + MysqlRemedy(error.code, phase)};
}

}  // namespace holdfast::session
