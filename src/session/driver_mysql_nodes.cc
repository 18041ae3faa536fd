// How it works: what several servers that share the database need of it. Each is a statement that may be repeated: what
// it found done already it counts as done.
//
// Changes are read along the index on updated_at, which ends in the key, so a place in it is a time and a key.

#include <algorithm>

#include "session/driver_mysql.h"

namespace holdfast::session {

namespace {

constexpr unsigned kDuplicateKey = 1062;

constexpr char kStampColumns[] =
    "sid, version, born, floor, touched, expires_at, state, owner, updated_at, "
    "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";
constexpr unsigned kChangedColumn = 8;
constexpr unsigned kNowColumn = 9;

void AppendStamps(const MysqlRows& found, int64_t asked_steady_us, std::vector<RowStamps>* rows) {
  const DatabaseMoment now{found.Integer(kNowColumn), asked_steady_us};
  RowStamps& row = rows->emplace_back();
  row.key = found.Text(0);
  row.version = found.Unsigned(1);
  row.born = found.Unsigned(2);
  row.floor = found.Unsigned(3);
  row.touched = found.Unsigned(4);
  row.expires_us = now.FromDatabase(found.Integer(5));
  row.state = found.Integer(6) == 0 ? RowState::kLive : RowState::kTombstone;
  row.owner = static_cast<uint32_t>(found.Unsigned(7));
}

bool IsSame(const NodeLease& a, const NodeLease& b) {
  return a.number == b.number && a.name == b.name && a.address == b.address && a.started_us == b.started_us &&
         a.until_us == b.until_us;
}

}  // namespace

// -- Rows -----------------------------------------------------------------------------------------

Failure MysqlDriver::LoadStamps(std::span<const std::string_view> keys, std::vector<RowStamps>* rows) {
  if (keys.empty()) return {};
  const int64_t asked_us = place_->clock.SteadyMicros();
  MysqlRows found;
  if (const MysqlError error = connection_.Query(statements_.Select(kStampColumns, keys), &found); !error.ok()) {
    return Fail(error);
  }
  while (found.Next()) AppendStamps(found, asked_us, rows);
  return {};
}

Failure MysqlDriver::ReadChanges(uint32_t node, const ChangeCursor& after, uint32_t limit, std::vector<RowStamps>* rows,
                                 ChangeCursor* next) {
  ChangeCursor place = after;
  const std::string time = std::to_string(after.changed_us);
  const std::string sql = std::string("SELECT ") + kStampColumns + " FROM sessions WHERE updated_at >= " + time +
                          " AND (updated_at > " + time + " OR sid > " + statements_.Quoted(after.key) +
                          ") AND owner <> " + std::to_string(node) + " ORDER BY updated_at, sid LIMIT " +
                          std::to_string(limit);
  const int64_t asked_us = place_->clock.SteadyMicros();
  MysqlRows found;
  if (const MysqlError error = connection_.Query(sql, &found); !error.ok()) return Fail(error);
  while (found.Next()) {
    AppendStamps(found, asked_us, rows);
    place = ChangeCursor{found.Integer(kChangedColumn), rows->back().key};
  }
  *next = std::move(place);
  return {};
}

Failure MysqlDriver::Claim(std::span<const OwnerChange> changes) {
  if (changes.empty()) return {};
  std::string sql = "UPDATE (";
  for (size_t i = 0; i < changes.size(); ++i) {
    sql += (i == 0 ? "SELECT " : " UNION ALL SELECT ") + statements_.Quoted(changes[i].key) +
           (i == 0 ? " AS sid, " : ", ") + std::to_string(changes[i].from) + (i == 0 ? " AS before_this, " : ", ") +
           std::to_string(changes[i].to) + (i == 0 ? " AS from_now" : "");
  }
  sql += std::string(") n STRAIGHT_JOIN sessions s ON s.sid = n.sid SET s.owner = n.from_now, s.updated_at = ") +
         kMysqlNow + " WHERE s.owner = n.before_this";
  return Fail(Run(sql, nullptr));
}

// -- Servers and leases ---------------------------------------------------------------------------

Failure MysqlDriver::ReadNodes(std::vector<NodeLease>* nodes, int64_t* database_now_us) {
  MysqlRows rows;
  MysqlError error = connection_.Query(std::string("SELECT ") + kMysqlNow, &rows);
  if (error.ok() && rows.Next()) *database_now_us = rows.Integer(0);
  if (error.ok()) {
    error = connection_.Query("SELECT number, name, address, started_at, lease FROM nodes ORDER BY number", &rows);
  }
  if (!error.ok()) return Fail(error);
  while (rows.Next()) {
    NodeLease& node = nodes->emplace_back();
    node.number = static_cast<uint32_t>(rows.Unsigned(0));
    node.name = rows.Text(1);
    node.address = rows.Text(2);
    node.started_us = rows.Integer(3);
    node.until_us = rows.Integer(4);
  }
  return {};
}

Failure MysqlDriver::PutNode(const NodeLease& lease, const NodeLease* expected, bool* done) {
  const std::string number = std::to_string(lease.number);
  const std::string name = statements_.Quoted(lease.name);
  const std::string address = statements_.Quoted(lease.address);
  const std::string started = std::to_string(lease.started_us);
  const std::string until = std::to_string(lease.until_us);
  std::string sql;
  if (expected == nullptr) {
    sql = "INSERT INTO nodes (number, name, address, started_at, lease) VALUES (" + number + ", " + name + ", " +
          address + ", " + started + ", " + until + ")";
  } else {
    sql = "UPDATE nodes SET name = " + name + ", address = " + address + ", started_at = " + started +
          ", lease = " + until + " WHERE number = " + number +
          " AND started_at = " + std::to_string(expected->started_us) +
          " AND lease = " + std::to_string(expected->until_us);
  }
  uint64_t affected = 0;
  const MysqlError error = Run(sql, &affected);
  if (!error.ok() && error.code != kDuplicateKey) return Fail(error);
  *done = error.ok() && affected > 0;
  if (*done) return {};
  // The answer to an earlier try may have been lost, and a row that stays as it was is not counted as changed.
  std::vector<NodeLease> nodes;
  int64_t now_us = 0;
  Failure failure = ReadNodes(&nodes, &now_us);
  *done = std::any_of(nodes.begin(), nodes.end(), [&lease](const NodeLease& node) { return IsSame(node, lease); });
  return failure;
}

Failure MysqlDriver::TakeLease(std::string_view name, uint32_t holder, int64_t life_us, bool* held) {
  const std::string until = std::string(kMysqlNow) + " + " + std::to_string(life_us);
  const std::string me = std::to_string(holder);
  uint64_t affected = 0;
  MysqlError error =
      Run("UPDATE lease SET until = " + until + ", holder = " + me + " WHERE name = " + statements_.Quoted(name) +
              " AND (holder = " + me + " OR until < " + kMysqlNow + ")",
          &affected);
  if (error.ok() && affected == 0) {
    error = Run(
        "INSERT INTO lease (name, holder, until) VALUES (" + statements_.Quoted(name) + ", " + me + ", " + until + ")",
        &affected);
    if (error.code == kDuplicateKey) error = MysqlError();
  }
  *held = error.ok() && affected > 0;
  return Fail(error);
}

Failure MysqlDriver::ReadIdentity(DatabaseIdentity* identity) {
  MysqlRows rows;
  const MysqlError error = connection_.Query("SELECT name, value FROM meta", &rows);
  if (!error.ok()) return Fail(error);
  while (rows.Next()) {
    if (rows.Text(0) == "schema_version") identity->schema_version = static_cast<int>(rows.Integer(1));
    if (rows.Text(0) == "database_uuid") identity->uuid = rows.Text(1);
    if (rows.Text(0) == "generation") identity->generation = rows.Unsigned(1);
  }
  if (!identity->uuid.empty()) return {};
  return Failure{FailureClass::kConfiguration, "the table meta holds no database_uuid; run holdfast --init-schema"};
}

Failure MysqlDriver::ReadClockAhead(int64_t* ahead_us) {
  const int64_t wall_us = place_->clock.WallMicros();
  MysqlRows rows;
  const MysqlError error = connection_.Query(std::string("SELECT ") + kMysqlNow, &rows);
  if (!error.ok()) return Fail(error);
  *ahead_us = rows.Next() ? wall_us - rows.Integer(0) : 0;
  return {};
}

}  // namespace holdfast::session
