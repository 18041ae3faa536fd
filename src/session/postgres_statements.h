// postgres_statements.h - the SQL that PostgreSQL is sent: prepared once a connection, with arrays for parameters, so
// that a batch of any size is the same statement.
//
// An update sees the old row in all its expressions, so the guard can be written down as it is thought.

#ifndef HOLDFAST_SESSION_POSTGRES_STATEMENTS_H_
#define HOLDFAST_SESSION_POSTGRES_STATEMENTS_H_

namespace holdfast::session {

struct PostgresStatement {
  const char* name;
  const char* sql;
};

// Microseconds since 1970 by the database's clock, the same all through a statement.
#define HOLDFAST_POSTGRES_NOW "(extract(epoch FROM statement_timestamp()) * 1000000)::bigint"
#define HOLDFAST_POSTGRES_NEVER "9223372036854775807"

inline constexpr const char* kPostgresNow = HOLDFAST_POSTGRES_NOW;

#define HOLDFAST_ROWS                                                                                            \
  "FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[]," \
  " $8::bigint[], $9::bytea[]) AS n(sid, version, born, floor, touched, ttl, flags, owner, data),"               \
  " (SELECT " HOLDFAST_POSTGRES_NOW " AS now) t "
#define HOLDFAST_EXPIRES "CASE n.ttl WHEN " HOLDFAST_POSTGRES_NEVER " THEN n.ttl ELSE t.now + n.ttl END"
#define HOLDFAST_INSERT \
  "INSERT INTO sessions AS s (sid, version, born, floor, touched, expires_at, state, flags, owner, updated_at, data) "
#define HOLDFAST_VALUE "(excluded.version > s.version OR s.born <= excluded.floor)"
#define HOLDFAST_EXPIRY "(excluded.touched > s.touched OR s.born <= excluded.floor)"
#define HOLDFAST_KILLS "(s.born <= excluded.floor)"
#define HOLDFAST_NEW_EXPIRY "$10 = 0 OR excluded.touched > s.touched"

inline constexpr PostgresStatement kPostgresUpsert = {
    "upsert",
    HOLDFAST_INSERT "SELECT n.sid, n.version, n.born, n.floor, n.touched, " HOLDFAST_EXPIRES
                    ", 0, n.flags, n.owner, t.now, n.data " HOLDFAST_ROWS
                    "ON CONFLICT (sid) DO UPDATE SET"
                    " data = CASE WHEN " HOLDFAST_VALUE
                    " THEN excluded.data ELSE s.data END,"
                    " flags = CASE WHEN " HOLDFAST_VALUE
                    " THEN excluded.flags ELSE s.flags END,"
                    " born = CASE WHEN " HOLDFAST_VALUE
                    " THEN excluded.born ELSE s.born END,"
                    " state = CASE WHEN " HOLDFAST_VALUE
                    " THEN 0 ELSE s.state END,"
                    " version = CASE WHEN " HOLDFAST_VALUE
                    " THEN excluded.version ELSE s.version END,"
                    " expires_at = CASE WHEN " HOLDFAST_EXPIRY
                    " THEN excluded.expires_at ELSE s.expires_at END,"
                    " touched = CASE WHEN " HOLDFAST_EXPIRY
                    " THEN excluded.touched ELSE s.touched END,"
                    " floor = greatest(s.floor, excluded.floor), owner = excluded.owner,"
                    " updated_at = excluded.updated_at "
                    "WHERE excluded.born > s.floor AND (excluded.version > s.version OR excluded.touched > s.touched"
                    " OR excluded.floor > s.floor) "
                    "RETURNING s.sid, s.version"};

// born of the row stays: it is what a later delete is compared with.
inline constexpr PostgresStatement kPostgresDelete = {
    "delete", HOLDFAST_INSERT "SELECT n.sid, n.version, 0, n.version, n.version, " HOLDFAST_EXPIRES
                              ", 1, 0, n.owner, t.now, ''::bytea " HOLDFAST_ROWS
                              "ON CONFLICT (sid) DO UPDATE SET"
                              " data = CASE WHEN " HOLDFAST_KILLS
                              " THEN excluded.data ELSE s.data END,"
                              " flags = CASE WHEN " HOLDFAST_KILLS
                              " THEN 0 ELSE s.flags END,"
                              " state = CASE WHEN " HOLDFAST_KILLS
                              " THEN 1 ELSE s.state END,"
                              " version = CASE WHEN " HOLDFAST_KILLS
                              " THEN excluded.floor ELSE s.version END,"
                              " touched = CASE WHEN " HOLDFAST_KILLS
                              " THEN excluded.floor ELSE s.touched END,"
                              " expires_at = CASE WHEN " HOLDFAST_KILLS
                              " THEN excluded.expires_at ELSE s.expires_at END,"
                              " floor = excluded.floor, owner = excluded.owner, updated_at = excluded.updated_at "
                              "WHERE excluded.floor > s.floor "
                              "RETURNING s.sid, CASE s.state WHEN 1 THEN s.version ELSE -1 END"};

inline constexpr PostgresStatement kPostgresExpiry = {
    "expiry",
    "UPDATE sessions s SET touched = n.touched, expires_at = " HOLDFAST_EXPIRES
    ", owner = n.owner, updated_at = t.now " HOLDFAST_ROWS
    "WHERE s.sid = n.sid AND s.version = n.version AND s.state = 0 AND n.touched > s.touched AND n.born > s.floor "
    "RETURNING s.sid, s.version"};

// $10: the version expected. An expired row and a tombstone count as none, but their floor does not.
inline constexpr PostgresStatement kPostgresCompared = {
    "compared",
    HOLDFAST_INSERT "SELECT n.sid, n.version, n.born, n.floor, n.touched, " HOLDFAST_EXPIRES
                    ", 0, n.flags, n.owner, t.now, n.data " HOLDFAST_ROWS
                    "WHERE $10::bigint = 0 OR EXISTS (SELECT 1 FROM sessions o WHERE o.sid = n.sid) "
                    "ON CONFLICT (sid) DO UPDATE SET version = excluded.version, born = excluded.born,"
                    " floor = greatest(s.floor, excluded.floor), touched = CASE WHEN " HOLDFAST_NEW_EXPIRY
                    " THEN excluded.touched ELSE s.touched END, expires_at = CASE WHEN " HOLDFAST_NEW_EXPIRY
                    " THEN excluded.expires_at ELSE s.expires_at END,"
                    " state = 0, flags = excluded.flags, owner = excluded.owner,"
                    " updated_at = excluded.updated_at, data = excluded.data "
                    "WHERE excluded.born > s.floor AND excluded.version > s.version AND"
                    " CASE WHEN s.state = 0 AND s.expires_at > excluded.updated_at THEN s.version ELSE 0 END = $10 "
                    "RETURNING s.sid, s.version"};

inline constexpr PostgresStatement kPostgresComparedDelete = {
    "compared_delete",
    "UPDATE sessions s SET data = ''::bytea, flags = 0, state = 1, version = n.version, touched = n.version,"
    " floor = n.version, expires_at = " HOLDFAST_EXPIRES ", owner = n.owner, updated_at = t.now " HOLDFAST_ROWS
    "WHERE s.sid = n.sid AND s.state = 0 AND s.version = $10::bigint AND s.version < n.version AND"
    " s.floor < n.version AND s.expires_at > t.now "
    "RETURNING s.sid, s.version"};

inline constexpr PostgresStatement kPostgresLoad = {"load",
                                                    "SELECT sid, version, born, floor, touched, expires_at, state, "
                                                    "flags, owner, updated_at, data, " HOLDFAST_POSTGRES_NOW
                                                    " FROM sessions WHERE sid = ANY($1::bytea[])"};

#define HOLDFAST_STAMPS                                                                                     \
  "SELECT sid, version, born, floor, touched, expires_at, state, owner, updated_at, " HOLDFAST_POSTGRES_NOW \
  " FROM sessions "

inline constexpr PostgresStatement kPostgresStamps = {"stamps", HOLDFAST_STAMPS "WHERE sid = ANY($1::bytea[])"};

inline constexpr PostgresStatement kPostgresChanges = {"changes", HOLDFAST_STAMPS
                                                       "WHERE (updated_at, sid) > ($1::bigint, $2::bytea) AND owner <> "
                                                       "$3::bigint ORDER BY updated_at, sid LIMIT $4::bigint"};

inline constexpr PostgresStatement kPostgresClaim = {
    "claim", "UPDATE sessions s SET owner = n.now_of, updated_at = " HOLDFAST_POSTGRES_NOW
             " FROM unnest($1::bytea[], $2::bigint[], $3::bigint[]) AS n(sid, was_of, now_of)"
             " WHERE s.sid = n.sid AND s.owner = n.was_of"};

inline constexpr PostgresStatement kPostgresSweep = {
    "sweep", "DELETE FROM sessions WHERE expires_at < " HOLDFAST_POSTGRES_NOW
             " - $1::bigint AND sid = ANY(ARRAY(SELECT sid FROM sessions WHERE expires_at < " HOLDFAST_POSTGRES_NOW
             " - $1::bigint ORDER BY expires_at LIMIT $2::bigint)) RETURNING 1"};

inline constexpr PostgresStatement kPostgresNodes = {
    "nodes", "SELECT number, name, address, started_at, lease FROM nodes ORDER BY number"};

inline constexpr PostgresStatement kPostgresNewNode = {
    "new_node",
    "INSERT INTO nodes (number, name, address, started_at, lease) VALUES ($1::bigint, $2::text, $3::text, $4::bigint,"
    " $5::bigint) ON CONFLICT DO NOTHING RETURNING 1"};

inline constexpr PostgresStatement kPostgresPutNode = {
    "put_node",
    "UPDATE nodes SET name = $2::text, address = $3::text, started_at = $4::bigint, lease = $5::bigint "
    "WHERE number = $1::bigint AND started_at = $6::bigint AND lease = $7::bigint RETURNING 1"};

inline constexpr PostgresStatement kPostgresLease = {
    "lease", "INSERT INTO lease AS l (name, holder, until) VALUES ($1::text, $2::bigint, " HOLDFAST_POSTGRES_NOW
             " + $3::bigint) ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until "
             "WHERE l.holder = excluded.holder OR l.until < " HOLDFAST_POSTGRES_NOW " RETURNING 1"};

inline constexpr PostgresStatement kPostgresIdentity = {"identity", "SELECT name, value FROM meta"};
inline constexpr PostgresStatement kPostgresClock = {"clock", "SELECT " HOLDFAST_POSTGRES_NOW};

#undef HOLDFAST_ROWS
#undef HOLDFAST_EXPIRES
#undef HOLDFAST_INSERT
#undef HOLDFAST_VALUE
#undef HOLDFAST_EXPIRY
#undef HOLDFAST_KILLS
#undef HOLDFAST_NEW_EXPIRY
#undef HOLDFAST_STAMPS
#undef HOLDFAST_POSTGRES_NOW
#undef HOLDFAST_POSTGRES_NEVER

inline constexpr const PostgresStatement* kPostgresStatementsAll[] = {
    &kPostgresComparedDelete, &kPostgresUpsert, &kPostgresDelete,   &kPostgresExpiry,
    &kPostgresCompared,       &kPostgresLoad,   &kPostgresStamps,   &kPostgresChanges,
    &kPostgresClaim,          &kPostgresSweep,  &kPostgresNodes,    &kPostgresNewNode,
    &kPostgresPutNode,        &kPostgresLease,  &kPostgresIdentity, &kPostgresClock};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_POSTGRES_STATEMENTS_H_
