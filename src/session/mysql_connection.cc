// How it works: the library connects to one node (its own lists of hosts do not fail over, nor does its reconnect,
// which stays off); the session is then set up:
//
//   strict mode, so that what does not fit is an error and not cut to fit;
//   UTC, so that the database's clock has no hour twice;
//   short waits for locks and, where there is such a thing, a limit for statements: the client giving up does not
//   stop a statement;
//   causal reads on Galera: a node may have received a commit and not applied it yet.
//
// SSL_ENFORCE and a CA alone do not keep the library from a plain connection when the server offers no TLS. So the
// certificate is always verified, and the cipher looked at afterwards.
//
// A Galera node without a majority accepts connections and answers SELECT 1: it is asked for its state.

#include "session/mysql_connection.h"

#include <charconv>
#include <cstdio>
#include <cstring>

namespace holdfast::session {

namespace {

constexpr unsigned kOutOfMemory = 2008;
constexpr unsigned kUnknownVariable = 1193;

// The libraries' texts hold line ends now and then.
std::string OneLine(std::string text) {
  for (char& byte : text) {
    if (byte == '\n' || byte == '\r') byte = ' ';
  }
  return text;
}

template <class T>
T NumberOf(std::string_view text) {
  T value = 0;
  std::from_chars(text.data(), text.data() + text.size(), value);
  return value;
}

}  // namespace

// -- Rows -----------------------------------------------------------------------------------------

bool MysqlRows::Next() {
  row_ = result_ == nullptr ? nullptr : mysql_fetch_row(result_.get());
  if (row_ == nullptr) return false;
  lengths_ = mysql_fetch_lengths(result_.get());
  return true;
}

std::string_view MysqlRows::Text(unsigned column) const {
  if (row_[column] == nullptr) return {};
  return {row_[column], lengths_[column]};
}

int64_t MysqlRows::Integer(unsigned column) const { return NumberOf<int64_t>(Text(column)); }
uint64_t MysqlRows::Unsigned(unsigned column) const { return NumberOf<uint64_t>(Text(column)); }

// -- Connecting -----------------------------------------------------------------------------------

MysqlError MysqlConnection::LastError() const {
  return MysqlError{mysql_errno(handle_.get()), OneLine(mysql_error(handle_.get()))};
}

void MysqlConnection::SetOptions(const DatabaseUrl& url) {
  MYSQL* const handle = handle_.get();
  const my_bool no = 0;
  const my_bool yes = 1;
  const unsigned infile = 0;
  mysql_options(handle, MYSQL_OPT_CONNECT_TIMEOUT, &url.connect_timeout_s);
  mysql_options(handle, MYSQL_OPT_READ_TIMEOUT, &url.timeout_s);
  mysql_options(handle, MYSQL_OPT_WRITE_TIMEOUT, &url.timeout_s);
  mysql_options(handle, MYSQL_OPT_RECONNECT, &no);
  mysql_options(handle, MYSQL_OPT_LOCAL_INFILE, &infile);
  mysql_options(handle, MYSQL_SET_CHARSET_NAME, "binary");
  if (url.tls_ca.empty()) return;
  mysql_options(handle, MYSQL_OPT_SSL_CA, url.tls_ca.c_str());
  mysql_options(handle, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &yes);
  if (url.tls_cert.empty()) return;
  mysql_options(handle, MYSQL_OPT_SSL_CERT, url.tls_cert.c_str());
  mysql_options(handle, MYSQL_OPT_SSL_KEY, url.tls_key.c_str());
}

MysqlError MysqlConnection::Connect(const DatabaseUrl& url, const DatabaseHost& host, const std::string& password) {
  handle_.reset(mysql_init(nullptr));
  if (handle_ == nullptr) return MysqlError{kOutOfMemory, "out of memory"};
  SetOptions(url);
  // "localhost" would mean a unix socket to the library, whatever the port.
  const char* const name = host.is_socket() ? nullptr : host.name == "localhost" ? "127.0.0.1" : host.name.c_str();
  const char* const socket = host.is_socket() ? host.name.c_str() : nullptr;
  MysqlError error;
  if (mysql_real_connect(handle_.get(), name, url.user.c_str(), password.c_str(), url.database.c_str(), host.port,
                         socket, 0) == nullptr) {
    error = LastError();
  } else if (!url.tls_ca.empty() && mysql_get_ssl_cipher(handle_.get()) == nullptr) {
    error = MysqlError{kMysqlNotEncrypted, "the server does not offer TLS, and tls-ca= asks for it"};
  } else {
    error = SetUp(url);
  }
  if (!error.ok()) handle_.reset();
  return error;
}

MysqlError MysqlConnection::SetUp(const DatabaseUrl& url) {
  MysqlError error = Execute(
      "SET SESSION sql_mode = 'STRICT_ALL_TABLES', SESSION time_zone = '+00:00', SESSION autocommit = 1, "
      "SESSION innodb_lock_wait_timeout = 2");
  if (!error.ok()) return error;

  MysqlRows rows;
  error = Query("SELECT VERSION(), @@max_allowed_packet, @@global.read_only", &rows);
  if (!error.ok()) return error;
  if (!rows.Next()) return MysqlError{kMysqlNotReady, "the server does not say what it is"};
  version_ = rows.Text(0);
  packet_bytes_ = rows.Unsigned(1);
  is_tidb_ = version_.find("TiDB") != std::string::npos;
  if (!IsNewEnough(version_)) return MysqlError{kMysqlTooOld, "the server is " + version_};
  const std::string_view read_only = rows.Text(2);
  if (read_only != "0" && read_only != "OFF") return MysqlError{kMysqlReadOnly, "the server is read-only"};

  // Not every server knows these.
  char sql[96];
  std::snprintf(sql, sizeof sql, "SET SESSION max_statement_time = %u", url.timeout_s);
  for (const char* const optional : {static_cast<const char*>(sql), "SET SESSION wsrep_sync_wait = 1"}) {
    error = Execute(optional);
    if (!error.ok() && error.code != kUnknownVariable) return error;
  }
  return CheckCluster();
}

MysqlError MysqlConnection::CheckCluster() {
  MysqlRows rows;
  MysqlError error = Query("SHOW SESSION VARIABLES LIKE 'wsrep_on'", &rows);
  if (!error.ok()) return error;
  if (!rows.Next() || rows.Text(1) != "ON") return {};
  error = Query("SHOW GLOBAL STATUS WHERE Variable_name IN ('wsrep_ready', 'wsrep_local_state')", &rows);
  if (!error.ok()) return error;
  while (rows.Next()) {
    const bool ready = rows.Text(0) == "wsrep_ready" ? rows.Text(1) == "ON"
                                                     : rows.Text(1) == "4" || rows.Text(1) == "2";  // synced, donor
    if (!ready) return MysqlError{kMysqlNotReady, "the node is not ready"};
  }
  return {};
}

bool MysqlConnection::IsNewEnough(std::string_view version) {
  // A MariaDB may call itself "5.5.5-10.6.12-MariaDB", for the sake of old replicas.
  const bool mariadb = version.find("MariaDB") != std::string_view::npos;
  constexpr std::string_view kForReplicas = "5.5.5-";
  if (mariadb && version.starts_with(kForReplicas)) version.remove_prefix(kForReplicas.size());
  const unsigned major = NumberOf<unsigned>(version);
  const size_t dot = version.find('.');
  const unsigned minor = dot == std::string_view::npos ? 0 : NumberOf<unsigned>(version.substr(dot + 1));
  return mariadb ? major > 10 || (major == 10 && minor >= 3) : major > 5 || (major == 5 && minor >= 7);
}

// -- Statements -----------------------------------------------------------------------------------

MysqlError MysqlConnection::Execute(std::string_view sql, uint64_t* affected, std::optional<uint64_t>* refused) {
  MYSQL* const handle = handle_.get();
  if (mysql_real_query(handle, sql.data(), sql.size()) != 0) return LastError();
  const uint64_t changed = mysql_affected_rows(handle);
  if (affected != nullptr) *affected = changed;
  if (refused == nullptr) return {};
  // An inserted row counts one, a changed one two; "Duplicates" are those that were changed.
  unsigned long long records = 0;
  unsigned long long duplicates = 0;
  const char* const summary = mysql_info(handle);
  if (summary != nullptr && std::sscanf(summary, "Records: %llu  Duplicates: %llu", &records, &duplicates) == 2) {
    *refused = records + duplicates - changed;
  } else {
    *refused = std::nullopt;
  }
  return {};
}

MysqlError MysqlConnection::Query(std::string_view sql, MysqlRows* rows) {
  MYSQL* const handle = handle_.get();
  *rows = MysqlRows();
  if (mysql_real_query(handle, sql.data(), sql.size()) != 0) return LastError();
  rows->result_.reset(mysql_store_result(handle));
  if (rows->result_ == nullptr && mysql_errno(handle) != 0) return LastError();
  return {};
}

void MysqlConnection::AppendQuoted(std::string_view bytes, std::string* sql) const {
  const size_t start = sql->size();
  sql->resize(start + bytes.size() * 2 + 3);
  char* const to = sql->data() + start;
  to[0] = '\'';
  const size_t length = mysql_real_escape_string(handle_.get(), to + 1, bytes.data(), bytes.size());
  to[length + 1] = '\'';
  sql->resize(start + length + 2);
}

}  // namespace holdfast::session
