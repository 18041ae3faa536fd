// How it works: what several servers that share the database need of it. Each is a statement that may be repeated: what
// it found done already it counts as done.
//
// Changes are read along the index on updated_at, which ends in the key, so a place in it is a time and a key.

#include "session/driver_mysql.h"
#include "session/server_rows.h"

namespace holdfast::session {

namespace {

constexpr unsigned kDuplicateKey = 1062;

constexpr char kStampColumns[] =
    "sid, version, born, floor, touched, expires_at, state, owner, updated_at, "
    "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

}  // namespace

// -- Rows -----------------------------------------------------------------------------------------

Failure MysqlDriver::LoadStamps(std::span<const std::string_view> keys, std::vector<RowStamps>* rows) {
  if (keys.empty()) return {};
  const int64_t asked_us = place_->clock.SteadyMicros();
  MysqlRows found;
  const MysqlError error = connection_.Query(statements_.Select(kStampColumns, keys), &found);
  if (error.ok()) AppendStamps(found, asked_us, rows);
  return Fail(error);
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
  AppendStamps(found, asked_us, rows, &place);
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
  AppendNodes(rows, nodes);
  return {};
}

Failure MysqlDriver::TryPutNode(const NodeLease& lease, const NodeLease* expected, bool* done) {
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
  return {};
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

Failure MysqlDriver::ReadMeta(Meta* meta) {
  MysqlRows rows;
  const MysqlError error = connection_.Query("SELECT name, value FROM meta", &rows);
  while (error.ok() && rows.Next()) meta->emplace_back(rows.Text(0), rows.Text(1));
  return Fail(error);
}

}  // namespace holdfast::session
