// How it works: the library's blocking calls know no time limit, and a server that hangs would hang us. So statements
// are sent without waiting, and the socket polled until the answer is whole or the limit has passed.
//
// With tls-ca= the library verifies certificate and name and connects in no other way (verify-full). Hosts are given to
// it one at a time.

#include "session/postgres_connection.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>

namespace holdfast::session {

namespace {

constexpr uint32_t kBytesOid = 17;
constexpr uint32_t kBigintOid = 20;
constexpr int kOldestVersion = 130000;
constexpr int kConnectSecondsMin = 2;  // the library rounds up to that

void AppendBigEndian(uint64_t value, int bytes, std::string* to) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) *to += static_cast<char>(value >> shift);
}

void AppendArrayHead(uint32_t element_oid, size_t count, std::string* to) {
  AppendBigEndian(count == 0 ? 0 : 1, 4, to);  // dimensions
  AppendBigEndian(0, 4, to);                   // no nulls
  AppendBigEndian(element_oid, 4, to);
  if (count == 0) return;
  AppendBigEndian(count, 4, to);
  AppendBigEndian(1, 4, to);  // counted from
}

std::string OneLine(std::string_view text) {
  std::string line(text);
  while (!line.empty() && (line.back() == '\n' || line.back() == ' ')) line.pop_back();
  std::replace(line.begin(), line.end(), '\n', ' ');
  return line;
}

int64_t SteadyMillis() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

// -- Parameters and rows --------------------------------------------------------------------------

void PostgresParameters::Bigint(int64_t value) {
  AppendBigEndian(static_cast<uint64_t>(value), 8, &values_.emplace_back());
}

void PostgresParameters::Bytes(std::string_view bytes) { values_.emplace_back(bytes); }

void PostgresParameters::Bigints(std::span<const int64_t> values) {
  std::string& array = values_.emplace_back();
  array.reserve(20 + values.size() * 12);
  AppendArrayHead(kBigintOid, values.size(), &array);
  for (const int64_t value : values) {
    AppendBigEndian(8, 4, &array);
    AppendBigEndian(static_cast<uint64_t>(value), 8, &array);
  }
}

void PostgresParameters::BytesArray(std::span<const std::string_view> values) {
  size_t size = 20;
  for (const std::string_view value : values) size += 4 + value.size();
  std::string& array = values_.emplace_back();
  array.reserve(size);
  AppendArrayHead(kBytesOid, values.size(), &array);
  for (const std::string_view value : values) {
    AppendBigEndian(value.size(), 4, &array);
    array += value;
  }
}

std::string_view PostgresRows::Text(int column) const {
  return {PQgetvalue(result_.get(), row_, column), static_cast<size_t>(PQgetlength(result_.get(), row_, column))};
}

int64_t PostgresRows::Integer(int column) const {
  const std::string_view bytes = Text(column);
  uint64_t value = !bytes.empty() && (bytes[0] & 0x80) != 0 ? ~uint64_t{0} : 0;
  for (const char byte : bytes) value = value << 8 | static_cast<unsigned char>(byte);
  return static_cast<int64_t>(value);
}

// -- Connecting -----------------------------------------------------------------------------------

PostgresError PostgresConnection::Connect(const DatabaseUrl& url, const DatabaseHost& host,
                                          const std::string& password) {
  timeout_ms_ = static_cast<int>(url.timeout_s * 1000);
  const std::string port = std::to_string(host.port);
  const std::string seconds = std::to_string(std::max(static_cast<int>(url.connect_timeout_s), kConnectSecondsMin));
  std::vector<const char*> names;
  std::vector<const char*> values;
  const auto set = [&](const char* name, const std::string& value) {
    if (value.empty()) return;
    names.push_back(name);
    values.push_back(value.c_str());
  };
  const std::string tls = url.tls_ca.empty() ? "prefer" : "verify-full";
  const std::string off = "disable";
  const std::string encoding = "UTF8";
  const std::string application = "holdfast";
  set("host", host.name);
  set("port", port);
  set("user", url.user);
  set("password", password);
  set("dbname", url.database);
  set("connect_timeout", seconds);
  set("sslmode", tls);
  set("sslrootcert", url.tls_ca);
  set("sslcert", url.tls_cert);
  set("sslkey", url.tls_key);
  set("gssencmode", off);
  set("client_encoding", encoding);
  set("application_name", application);
  names.push_back(nullptr);
  values.push_back(nullptr);
  handle_.reset(PQconnectdbParams(names.data(), values.data(), 0));
  if (handle_ == nullptr) return PostgresError{kPostgresLost, "out of memory"};
  PostgresError error;
  if (PQstatus(handle_.get()) != CONNECTION_OK) {
    const std::string text = OneLine(PQerrorMessage(handle_.get()));
    error = PostgresError{PostgresStateOfRefusal(text), text};
  } else {
    error = SetUp();
  }
  if (!error.ok()) handle_.reset();
  return error;
}

PostgresError PostgresConnection::SetUp() {
  const int version = PQserverVersion(handle_.get());
  if (version < kOldestVersion) {
    return PostgresError{kPostgresTooOld, "the server is PostgreSQL " + std::to_string(version / 10000)};
  }
  PQsetnonblocking(handle_.get(), 1);
  PostgresError error = Execute("SET statement_timeout = " + std::to_string(timeout_ms_) +
                                "; SET lock_timeout = 2000; SET client_min_messages = error");
  if (!error.ok()) return error;
  PostgresRows rows;
  error = Query(
      "SELECT pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on', "
      "current_setting('synchronous_commit') = 'off'",
      &rows);
  if (!error.ok()) return error;
  if (!rows.Next()) return Lost("the server does not say what it is");
  if (rows.Integer(0) != 0) return PostgresError{kPostgresStandby, "the server is read-only"};
  // A row called synced has to survive a crash.
  return rows.Integer(1) != 0 ? Execute("SET synchronous_commit = on") : PostgresError();
}

// -- Statements -----------------------------------------------------------------------------------

PostgresError PostgresConnection::Lost(std::string text) {
  handle_.reset();
  return PostgresError{kPostgresLost, OneLine(text)};
}

PostgresError PostgresConnection::Await(PostgresRows* rows) {
  PGconn* const handle = handle_.get();
  const int64_t end_ms = SteadyMillis() + timeout_ms_;
  PostgresError error;
  while (true) {
    const int unsent = PQflush(handle);
    if (unsent < 0) return Lost(PQerrorMessage(handle));
    while (unsent == 0 && PQisBusy(handle) == 0) {
      std::unique_ptr<PGresult, PostgresRows::Free> result(PQgetResult(handle));
      if (result == nullptr) return error;
      const ExecStatusType status = PQresultStatus(result.get());
      if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        const char* const state = PQresultErrorField(result.get(), PG_DIAG_SQLSTATE);
        const char* const text = PQresultErrorField(result.get(), PG_DIAG_MESSAGE_PRIMARY);
        if (state == nullptr || PQstatus(handle) != CONNECTION_OK) return Lost(PQresultErrorMessage(result.get()));
        error = PostgresError{state, OneLine(text == nullptr ? "" : text)};
      }
      if (rows == nullptr) continue;
      rows->result_ = std::move(result);
      rows->row_ = -1;
    }
    const int64_t left_ms = end_ms - SteadyMillis();
    pollfd waiting{PQsocket(handle), static_cast<short>(unsent > 0 ? POLLIN | POLLOUT : POLLIN), 0};
    const int ready = left_ms <= 0 ? 0 : poll(&waiting, 1, static_cast<int>(left_ms));
    if (ready == 0) return Lost("no answer within " + std::to_string(timeout_ms_ / 1000) + " s");
    if (ready < 0 && errno != EINTR) return Lost("poll failed");
    if ((waiting.revents & (POLLIN | POLLHUP | POLLERR)) != 0 && PQconsumeInput(handle) == 0) {
      return Lost(PQerrorMessage(handle));
    }
  }
}

PostgresError PostgresConnection::Prepare(const char* name, const char* sql) {
  if (PQsendPrepare(handle_.get(), name, sql, 0, nullptr) == 0) return Lost(PQerrorMessage(handle_.get()));
  return Await(nullptr);
}

PostgresError PostgresConnection::Run(const char* name, const PostgresParameters& parameters, PostgresRows* rows) {
  if (handle_ == nullptr) return PostgresError{kPostgresLost, "the connection is lost"};
  std::vector<const char*> values;
  std::vector<int> lengths;
  for (const std::string& value : parameters.values_) {
    values.push_back(value.data());
    lengths.push_back(static_cast<int>(value.size()));
  }
  const std::vector<int> formats(values.size(), 1);
  if (PQsendQueryPrepared(handle_.get(), name, static_cast<int>(values.size()), values.data(), lengths.data(),
                          formats.data(), 1) == 0) {
    return Lost(PQerrorMessage(handle_.get()));
  }
  return Await(rows);
}

PostgresError PostgresConnection::Query(const std::string& sql, PostgresRows* rows) {
  if (PQsendQueryParams(handle_.get(), sql.c_str(), 0, nullptr, nullptr, nullptr, nullptr, 1) == 0) {
    return Lost(PQerrorMessage(handle_.get()));
  }
  return Await(rows);
}

PostgresError PostgresConnection::Execute(const std::string& sql) {
  if (PQsendQuery(handle_.get(), sql.c_str()) == 0) return Lost(PQerrorMessage(handle_.get()));
  return Await(nullptr);
}

}  // namespace holdfast::session
