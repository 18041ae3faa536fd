// How it works: two lists of statements, which are printed or carried out. What differs between the two kinds of server
// is no more than names of types, and how a time is made readable.

#include "session/schema.h"

#include "base/clock.h"
#include "session/driver.h"
#include "session/server_databases.h"

namespace holdfast::session {

using base::ErrorKind;
using base::Result;
using base::Status;

namespace {

constexpr const char* kMysqlStatements[] = {
    R"sql(CREATE TABLE IF NOT EXISTS sessions (
  sid        VARBINARY(250)  NOT NULL PRIMARY KEY,  -- the whole key, byte for byte
  version    BIGINT UNSIGNED NOT NULL,              -- stamps: microseconds since 1970 << 10 | number of the server
  born       BIGINT UNSIGNED NOT NULL,
  floor      BIGINT UNSIGNED NOT NULL,
  touched    BIGINT UNSIGNED NOT NULL,
  expires_at BIGINT          NOT NULL,              -- microseconds since 1970, UTC; 9223372036854775807: never
  state      TINYINT         NOT NULL,              -- 0 live, 1 deleted
  flags      INT UNSIGNED    NOT NULL,              -- the client's
  owner      INT UNSIGNED    NOT NULL,              -- number of the server that wrote it last
  updated_at BIGINT          NOT NULL,
  data       MEDIUMBLOB      NOT NULL,
  KEY sessions_by_expiry (expires_at),
  KEY sessions_by_change (updated_at)
) ENGINE = InnoDB)sql",
    R"sql(CREATE TABLE IF NOT EXISTS nodes (
  number     INT UNSIGNED    NOT NULL PRIMARY KEY,
  name       VARCHAR(255)    NOT NULL,
  address    VARCHAR(255)    NOT NULL,
  lease      BIGINT          NOT NULL,
  started_at BIGINT          NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4)sql",
    R"sql(CREATE TABLE IF NOT EXISTS lease (
  name       VARCHAR(64)     NOT NULL PRIMARY KEY,
  holder     BIGINT          NOT NULL,
  until      BIGINT          NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4)sql",
    R"sql(CREATE TABLE IF NOT EXISTS meta (
  name       VARCHAR(64)     NOT NULL PRIMARY KEY,
  value      VARCHAR(255)    NOT NULL
) ENGINE = InnoDB DEFAULT CHARACTER SET utf8mb4)sql",
    R"sql(CREATE OR REPLACE SQL SECURITY INVOKER VIEW sessions_readable AS
SELECT CONVERT(sid USING utf8mb4)                                                    AS id,
       HEX(sid)                                                                      AS id_hex,
       IF(state = 0, 'live', 'deleted')                                              AS state,
       LENGTH(data)                                                                  AS bytes,
       flags,
       IF(expires_at = 9223372036854775807, 'never',
          DATE_FORMAT('1970-01-01' + INTERVAL expires_at DIV 1000000 SECOND, '%Y-%m-%d %H:%i:%s')) AS expires_utc,
       DATE_FORMAT('1970-01-01' + INTERVAL updated_at DIV 1000000 SECOND, '%Y-%m-%d %H:%i:%s') AS updated_utc,
       DATE_FORMAT('1970-01-01' + INTERVAL (born >> 10) DIV 1000000 SECOND, '%Y-%m-%d %H:%i:%s') AS born_utc,
       owner,
       version
FROM sessions)sql",
    R"sql(INSERT IGNORE INTO lease (name, holder, until) VALUES ('reaper', 0, 0))sql",
    R"sql(INSERT IGNORE INTO meta (name, value) VALUES ('database_uuid', REPLACE(UUID(), '-', '')))sql",
    R"sql(INSERT IGNORE INTO meta (name, value) VALUES ('generation', '1'))sql",
    R"sql(INSERT IGNORE INTO meta (name, value) VALUES ('schema_version', '1'))sql",  // last: all is there
};

constexpr const char* kPostgresStatements[] = {
    R"sql(CREATE TABLE IF NOT EXISTS sessions (
  sid        bytea    NOT NULL PRIMARY KEY CHECK (octet_length(sid) BETWEEN 1 AND 250),  -- the whole key, byte for byte
  version    bigint   NOT NULL,  -- stamps: microseconds since 1970 << 10 | number of the server
  born       bigint   NOT NULL,
  floor      bigint   NOT NULL,
  touched    bigint   NOT NULL,
  expires_at bigint   NOT NULL,  -- microseconds since 1970, UTC; 9223372036854775807: never
  state      smallint NOT NULL CHECK (state IN (0, 1)),  -- 0 live, 1 deleted
  flags      bigint   NOT NULL CHECK (flags BETWEEN 0 AND 4294967295),  -- the client's
  owner      bigint   NOT NULL,  -- number of the server that wrote it last
  updated_at bigint   NOT NULL,
  data       bytea    NOT NULL
) WITH (fillfactor = 80))sql",
    R"sql(CREATE INDEX IF NOT EXISTS sessions_by_expiry ON sessions (expires_at))sql",
    R"sql(CREATE INDEX IF NOT EXISTS sessions_by_change ON sessions (updated_at, sid))sql",
    R"sql(CREATE TABLE IF NOT EXISTS nodes (
  number     bigint   NOT NULL PRIMARY KEY,
  name       text     NOT NULL,
  address    text     NOT NULL,
  lease      bigint   NOT NULL,
  started_at bigint   NOT NULL
))sql",
    R"sql(CREATE TABLE IF NOT EXISTS lease (
  name       text     NOT NULL PRIMARY KEY,
  holder     bigint   NOT NULL,
  until      bigint   NOT NULL
))sql",
    R"sql(CREATE TABLE IF NOT EXISTS meta (
  name       text     NOT NULL PRIMARY KEY,
  value      text     NOT NULL
))sql",
    R"sql(CREATE OR REPLACE VIEW sessions_readable AS
SELECT encode(sid, 'escape')                                                         AS id,
       encode(sid, 'hex')                                                            AS id_hex,
       CASE state WHEN 0 THEN 'live' ELSE 'deleted' END                              AS state,
       octet_length(data)                                                            AS bytes,
       flags,
       CASE expires_at WHEN 9223372036854775807 THEN 'never'
            ELSE to_char(to_timestamp(expires_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') END AS expires_utc,
       to_char(to_timestamp(updated_at / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS updated_utc,
       to_char(to_timestamp((born >> 10) / 1000000) AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS') AS born_utc,
       owner,
       version
FROM sessions)sql",
    R"sql(INSERT INTO lease (name, holder, until) VALUES ('reaper', 0, 0) ON CONFLICT DO NOTHING)sql",
    R"sql(INSERT INTO meta (name, value) VALUES ('database_uuid', replace(gen_random_uuid()::text, '-', ''))
ON CONFLICT DO NOTHING)sql",
    R"sql(INSERT INTO meta (name, value) VALUES ('generation', '1') ON CONFLICT DO NOTHING)sql",
    R"sql(INSERT INTO meta (name, value) VALUES ('schema_version', '1') ON CONFLICT DO NOTHING)sql",  // last: all is
                                                                                                      // there
};
static_assert(kSchemaVersion == 1, "the statements above write another number");

// A name in quotes of SQL; the quote itself is doubled.
std::string Quoted(const std::string& name, char quote) {
  std::string quoted(1, quote);
  for (const char c : name) {
    if (c == quote) quoted += c;
    quoted += c;
  }
  return quoted + quote;
}

std::string MysqlGrants(const DatabaseUrl& url) {
  const std::string to = " TO " + Quoted(url.user, '\'') + "@'%';\n";
  const std::string in = " ON " + Quoted(url.database, '`') + ".";
  std::string text = "-- The user of the servers needs these and no others; narrow '%' to where they come from.\n";
  text += "-- CREATE USER " + Quoted(url.user, '\'') + "@'%' IDENTIFIED BY '...';\n";
  for (const char* const table : {"sessions", "nodes", "lease"}) {
    text += "GRANT SELECT, INSERT, UPDATE, DELETE" + in + table + to;
  }
  return text + "GRANT SELECT" + in + "meta" + to;
}

std::string PostgresGrants(const DatabaseUrl& url) {
  const std::string to = " TO " + Quoted(url.user, '"') + ";\n";
  std::string text = "-- The user of the servers needs these and no others.\n";
  text += "-- CREATE USER " + Quoted(url.user, '"') + " PASSWORD '...';\n";
  return text + "GRANT SELECT, INSERT, UPDATE, DELETE ON sessions, nodes, lease" + to + "GRANT SELECT ON meta" + to;
}

template <size_t count>
std::vector<std::string> ListOf(const char* const (&statements)[count]) {
  return {statements, statements + count};
}

}  // namespace

std::vector<std::string> MysqlSchemaStatements() { return ListOf(kMysqlStatements); }
std::vector<std::string> PostgresSchemaStatements() { return ListOf(kPostgresStatements); }

Result<std::string> SchemaText(std::string_view text) {
  const Result<DatabaseScheme> scheme = DatabaseSchemeOf(text);
  if (!scheme.ok()) return scheme.status();
  if (scheme.value() == DatabaseScheme::kSqlite) {
    return Status(ErrorKind::kUsage, "an SQLite file is set up by itself when the server starts");
  }
  const Result<DatabaseUrl> url = DatabaseUrl::Parse(text);
  if (!url.ok()) return url.status();
  const bool postgres = scheme.value() == DatabaseScheme::kPostgres;
  std::string printed = "-- Sessions of Holdfast, schema " + std::to_string(kSchemaVersion) + ", for the database " +
                        url.value().database + ". May be applied again.\n\n";
  for (const std::string& statement : postgres ? PostgresSchemaStatements() : MysqlSchemaStatements()) {
    printed += statement + ";\n\n";
  }
  return printed + (postgres ? PostgresGrants(url.value()) : MysqlGrants(url.value()));
}

Result<std::string> CreateSchema(std::string_view text, const std::string& password) {
  const Result<DatabaseScheme> scheme = DatabaseSchemeOf(text);
  if (!scheme.ok()) return scheme.status();
  if (scheme.value() == DatabaseScheme::kSqlite) {
    const base::SystemClock clock;
    const auto opened = Database::Open(text, clock);
    if (!opened.ok()) return opened.status();
    return opened.value()->Describe() + ": schema " + std::to_string(opened.value()->identity().schema_version) +
           " is there";
  }
  const Result<DatabaseUrl> url = DatabaseUrl::Parse(text);
  if (!url.ok()) return url.status();
  if (scheme.value() == DatabaseScheme::kPostgres) return CreatePostgresSchema(url.value(), password);
  return CreateMysqlSchema(url.value(), password);
}

}  // namespace holdfast::session
