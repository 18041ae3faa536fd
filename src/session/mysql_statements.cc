// How it works: see the header. In the upsert the condition `taken` needs floor and version: floor is only ever raised
// to below the row's born, which does not change the outcome, and version comes last. The expiry also needs born, which
// therefore comes after it. In the delete the condition needs floor, which comes last, and born, which stays.

#include "session/mysql_statements.h"

namespace holdfast::session {

namespace {

#define TAKEN "VALUES(born) > GREATEST(floor, VALUES(floor)) AND VALUES(version) > version"
#define LATER TAKEN " AND (VALUES(touched) > touched OR born <= VALUES(floor))"
#define KILLS "VALUES(floor) > floor AND born <= VALUES(floor)"

constexpr char kInsert[] =
    "INSERT INTO sessions (sid, version, born, floor, touched, expires_at, state, flags, owner, updated_at, data) "
    "VALUES ";

constexpr char kUpsertEnd[] =
    " ON DUPLICATE KEY UPDATE"
    " data = IF(" TAKEN
    ", VALUES(data), data),"
    " flags = IF(" TAKEN
    ", VALUES(flags), flags),"
    " state = IF(" TAKEN
    ", VALUES(state), state),"
    " owner = IF(" TAKEN
    ", VALUES(owner), owner),"
    " updated_at = IF(" TAKEN
    ", VALUES(updated_at), updated_at),"
    " expires_at = IF(" LATER
    ", VALUES(expires_at), expires_at),"
    " touched = IF(" LATER
    ", VALUES(touched), touched),"
    " born = IF(" TAKEN
    ", VALUES(born), born),"
    " floor = IF(" TAKEN
    ", GREATEST(floor, VALUES(floor)), floor),"
    " version = IF(" TAKEN ", VALUES(version), version)";

constexpr char kDeleteEnd[] =
    " ON DUPLICATE KEY UPDATE"
    " data = IF(" KILLS
    ", '', data),"
    " flags = IF(" KILLS
    ", 0, flags),"
    " state = IF(" KILLS
    ", 1, state),"
    " owner = IF(" KILLS
    ", VALUES(owner), owner),"
    " updated_at = IF(" KILLS
    ", VALUES(updated_at), updated_at),"
    " expires_at = IF(" KILLS
    ", VALUES(expires_at), expires_at),"
    " touched = IF(" KILLS
    ", VALUES(floor), touched),"
    " version = IF(" KILLS
    ", VALUES(floor), version),"
    " floor = IF(" KILLS ", VALUES(floor), floor)";

#undef TAKEN
#undef LATER
#undef KILLS

constexpr char kExpiryBegin[] = "UPDATE (";
constexpr char kExpiryEnd[] =
    ") n STRAIGHT_JOIN sessions s ON s.sid = n.sid "
    "SET s.touched = n.touched, s.expires_at = n.expires_at, s.owner = n.owner, s.updated_at = n.updated_at "
    "WHERE s.version = n.version AND s.state = 0 AND n.touched > s.touched AND n.born > s.floor";

std::string Number(uint64_t value) { return std::to_string(value); }

}  // namespace

const char* MysqlStatements::UpsertBegin() { return kInsert; }
const char* MysqlStatements::UpsertEnd() { return kUpsertEnd; }
const char* MysqlStatements::DeleteEnd() { return kDeleteEnd; }
const char* MysqlStatements::ExpiryBegin() { return kExpiryBegin; }
const char* MysqlStatements::ExpiryEnd() { return kExpiryEnd; }

std::string MysqlStatements::Quoted(std::string_view bytes) const {
  std::string sql;
  connection_.AppendQuoted(bytes, &sql);
  return sql;
}

std::string MysqlStatements::Time(int64_t steady_us) const {
  if (steady_us == kNeverMicros) return std::to_string(kNeverMicros);
  return std::string(kMysqlNow) + " + (" + std::to_string(steady_us - clock_.SteadyMicros()) + ")";
}

// -- Multi-row statements -------------------------------------------------------------------------

void MysqlStatements::AppendValues(const Row& row, RowState state, std::string* sql) const {
  const bool dead = state == RowState::kTombstone;
  *sql += '(';
  connection_.AppendQuoted(row.key, sql);
  *sql += ',' + Number(row.version) + ',' + Number(dead ? 0 : row.born) + ',' + Number(dead ? row.version : row.floor) +
          ',' + Number(dead ? row.version : row.touched) + ',' + Time(row.expires_us) + (dead ? ",1," : ",0,") +
          Number(dead ? 0 : row.client_flags) + ',' + Number(row.owner) + ',' + kMysqlNow + ',';
  connection_.AppendQuoted(dead ? std::string_view() : std::string_view(row.data), sql);
  *sql += ')';
}

void MysqlStatements::AppendRow(const Change& change, std::string* sql) const {
  AppendValues(change.row, change.kind == ChangeKind::kDelete ? RowState::kTombstone : RowState::kLive, sql);
}

void MysqlStatements::AppendExpiry(const Change& change, bool first, std::string* sql) const {
  const Row& row = change.row;
  const char* const kNames[] = {" AS sid,",        " AS version,", " AS born,",     " AS touched,",
                                " AS expires_at,", " AS owner,",   " AS updated_at"};
  const char* const kCommas[] = {",", ",", ",", ",", ",", ",", ""};
  const char* const* const after = first ? kNames : kCommas;
  *sql += first ? "SELECT " : " UNION ALL SELECT ";
  connection_.AppendQuoted(row.key, sql);
  *sql += after[0] + Number(change.base_version) + after[1] + Number(row.born) + after[2] + Number(row.touched) +
          after[3] + Time(row.expires_us) + after[4] + Number(row.owner) + after[5] + kMysqlNow + after[6];
}

// -- One row --------------------------------------------------------------------------------------

// All of it new, but for the floor, which only rises.
std::string MysqlStatements::Assignments(const Row& row, bool keeps_later_expiry) const {
  const std::string expiry = Time(row.expires_us);
  const std::string touched = Number(row.touched);
  return "data = " + Quoted(row.data) + ", flags = " + Number(row.client_flags) +
         ", state = 0, owner = " + Number(row.owner) + ", updated_at = " + kMysqlNow + ", expires_at = " +
         (keeps_later_expiry ? "IF(touched < " + touched + ", " + expiry + ", expires_at)" : expiry) +
         ", touched = " + (keeps_later_expiry ? "GREATEST(touched, " + touched + ")" : touched) +
         ", born = " + Number(row.born) + ", version = " + Number(row.version) + ", floor = GREATEST(floor, " +
         Number(row.floor) + ")";
}

std::string MysqlStatements::ReplaceDead(const Row& row) const {
  return "UPDATE sessions SET " + Assignments(row) + " WHERE sid = " + Quoted(row.key) +
         " AND born <= " + Number(row.floor) + " AND floor < " + Number(row.born);
}

std::string MysqlStatements::MergeExpiry(const Row& row) const {
  return "UPDATE sessions SET expires_at = " + Time(row.expires_us) + ", owner = " + Number(row.owner) +
         ", updated_at = " + kMysqlNow + ", touched = " + Number(row.touched) + " WHERE sid = " + Quoted(row.key) +
         " AND touched < " + Number(row.touched) + " AND floor < " + Number(row.born) + " AND state = 0";
}

std::string MysqlStatements::RaiseFloor(const Row& row, uint64_t floor) const {
  return "UPDATE sessions SET owner = " + Number(row.owner) + ", updated_at = " + kMysqlNow +
         ", floor = " + Number(floor) + " WHERE sid = " + Quoted(row.key) + " AND floor < " + Number(floor) +
         " AND born > " + Number(floor);
}

std::string MysqlStatements::CompareUpdate(const Change& change) const {
  const Row& row = change.row;
  const std::string expected = change.base_version == 0 ? std::string("(state = 1 OR expires_at <= ") + kMysqlNow + ")"
                                                        : "state = 0 AND expires_at > " + std::string(kMysqlNow) +
                                                              " AND version = " + Number(change.base_version);
  return "UPDATE sessions SET " + Assignments(row, change.base_version != 0) + " WHERE sid = " + Quoted(row.key) +
         " AND floor < " + Number(row.born) + " AND version < " + Number(row.version) + " AND " + expected;
}

std::string MysqlStatements::CompareDelete(const Change& change) const {
  const Row& row = change.row;
  const std::string floor = Number(row.version);
  return "UPDATE sessions SET data = '', flags = 0, state = 1, owner = " + Number(row.owner) +
         ", updated_at = " + kMysqlNow + ", expires_at = " + Time(row.expires_us) + ", touched = " + floor +
         ", version = " + floor + ", floor = " + floor + " WHERE sid = " + Quoted(row.key) +
         " AND state = 0 AND expires_at > " + kMysqlNow + " AND version = " + Number(change.base_version) +
         " AND version < " + floor + " AND floor < " + floor;
}

std::string MysqlStatements::CompareInsert(const Change& change) const {
  std::string sql = kInsert;
  AppendValues(change.row, RowState::kLive, &sql);
  return sql;
}

std::string MysqlStatements::Select(const char* columns, std::span<const std::string_view> keys) const {
  std::string sql = std::string("SELECT ") + columns + " FROM sessions WHERE sid IN (";
  for (size_t i = 0; i < keys.size(); ++i) {
    if (i > 0) sql += ',';
    connection_.AppendQuoted(keys[i], &sql);
  }
  sql += ')';
  return sql;
}

}  // namespace holdfast::session
