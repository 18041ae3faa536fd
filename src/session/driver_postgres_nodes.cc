// How it works: what several servers that share the database need of it. Each is a statement that may be repeated: what
// it found done already it counts as done.

#include <algorithm>

#include "session/driver_postgres.h"
#include "session/postgres_statements.h"

namespace holdfast::session {

namespace {

constexpr int kChangedColumn = 8;
constexpr int kNowColumn = 9;

void AppendStamps(const PostgresRows& found, int place, int64_t asked_steady_us, std::vector<RowStamps>* rows) {
  const DatabaseMoment now{found.Integer(place, kNowColumn), asked_steady_us};
  RowStamps& row = rows->emplace_back();
  row.key = found.Bytes(place, 0);
  row.version = found.Unsigned(place, 1);
  row.born = found.Unsigned(place, 2);
  row.floor = found.Unsigned(place, 3);
  row.touched = found.Unsigned(place, 4);
  row.expires_us = now.FromDatabase(found.Integer(place, 5));
  row.state = found.Integer(place, 6) == 0 ? RowState::kLive : RowState::kTombstone;
  row.owner = static_cast<uint32_t>(found.Integer(place, 7));
}

bool IsSame(const NodeLease& a, const NodeLease& b) {
  return a.number == b.number && a.name == b.name && a.address == b.address && a.started_us == b.started_us &&
         a.until_us == b.until_us;
}

}  // namespace

// -- Rows -----------------------------------------------------------------------------------------

Failure PostgresDriver::LoadStamps(std::span<const std::string_view> keys, std::vector<RowStamps>* rows) {
  if (keys.empty()) return {};
  const int64_t asked_us = place_->clock.SteadyMicros();
  PostgresParameters parameters;
  parameters.BytesArray(keys);
  PostgresRows found;
  if (const PostgresError error = connection_.Run(kPostgresStamps.name, parameters, &found); !error.ok()) {
    return Fail(error);
  }
  for (int i = 0; i < found.count(); ++i) AppendStamps(found, i, asked_us, rows);
  return {};
}

Failure PostgresDriver::ReadChanges(uint32_t node, const ChangeCursor& after, uint32_t limit,
                                    std::vector<RowStamps>* rows, ChangeCursor* next) {
  ChangeCursor place = after;
  PostgresParameters parameters;
  parameters.Bigint(after.changed_us);
  parameters.Bytes(after.key);
  parameters.Bigint(node);
  parameters.Bigint(limit);
  const int64_t asked_us = place_->clock.SteadyMicros();
  PostgresRows found;
  if (const PostgresError error = connection_.Run(kPostgresChanges.name, parameters, &found); !error.ok()) {
    return Fail(error);
  }
  for (int i = 0; i < found.count(); ++i) {
    AppendStamps(found, i, asked_us, rows);
    place = ChangeCursor{found.Integer(i, kChangedColumn), rows->back().key};
  }
  *next = std::move(place);
  return {};
}

Failure PostgresDriver::Claim(std::span<const OwnerChange> changes) {
  if (changes.empty()) return {};
  std::vector<std::string_view> keys;
  std::vector<int64_t> from;
  std::vector<int64_t> to;
  for (const OwnerChange& change : changes) {
    keys.push_back(change.key);
    from.push_back(change.from);
    to.push_back(change.to);
  }
  PostgresParameters parameters;
  parameters.BytesArray(keys);
  parameters.Bigints(from);
  parameters.Bigints(to);
  return Fail(Run(kPostgresClaim.name, parameters, nullptr));
}

// -- Servers and leases ---------------------------------------------------------------------------

Failure PostgresDriver::ReadNodes(std::vector<NodeLease>* nodes, int64_t* database_now_us) {
  PostgresRows rows;
  PostgresError error = connection_.Run(kPostgresClock.name, {}, &rows);
  if (error.ok() && rows.count() == 1) *database_now_us = rows.Integer(0, 0);
  if (error.ok()) error = connection_.Run(kPostgresNodes.name, {}, &rows);
  if (!error.ok()) return Fail(error);
  for (int i = 0; i < rows.count(); ++i) {
    NodeLease& node = nodes->emplace_back();
    node.number = static_cast<uint32_t>(rows.Integer(i, 0));
    node.name = rows.Bytes(i, 1);
    node.address = rows.Bytes(i, 2);
    node.started_us = rows.Integer(i, 3);
    node.until_us = rows.Integer(i, 4);
  }
  return {};
}

Failure PostgresDriver::PutNode(const NodeLease& lease, const NodeLease* expected, bool* done) {
  PostgresParameters parameters;
  parameters.Bigint(lease.number);
  parameters.Bytes(lease.name);
  parameters.Bytes(lease.address);
  parameters.Bigint(lease.started_us);
  parameters.Bigint(lease.until_us);
  if (expected != nullptr) {
    parameters.Bigint(expected->started_us);
    parameters.Bigint(expected->until_us);
  }
  PostgresRows rows;
  const char* const name = expected == nullptr ? kPostgresNewNode.name : kPostgresPutNode.name;
  if (const PostgresError error = Run(name, parameters, &rows); !error.ok()) return Fail(error);
  *done = rows.count() == 1;
  if (*done) return {};
  // The answer to an earlier try may have been lost.
  std::vector<NodeLease> nodes;
  int64_t now_us = 0;
  Failure failure = ReadNodes(&nodes, &now_us);
  *done = std::any_of(nodes.begin(), nodes.end(), [&lease](const NodeLease& node) { return IsSame(node, lease); });
  return failure;
}

Failure PostgresDriver::TakeLease(std::string_view name, uint32_t holder, int64_t life_us, bool* held) {
  PostgresParameters parameters;
  parameters.Bytes(name);
  parameters.Bigint(holder);
  parameters.Bigint(life_us);
  PostgresRows rows;
  const PostgresError error = Run(kPostgresLease.name, parameters, &rows);
  *held = error.ok() && rows.count() == 1;
  return Fail(error);
}

Failure PostgresDriver::ReadIdentity(DatabaseIdentity* identity) {
  PostgresRows rows;
  const PostgresError error = connection_.Run(kPostgresIdentity.name, {}, &rows);
  if (!error.ok()) return Fail(error);
  for (int i = 0; i < rows.count(); ++i) {
    const std::string value(rows.Bytes(i, 1));
    if (rows.Bytes(i, 0) == "schema_version") identity->schema_version = std::atoi(value.c_str());
    if (rows.Bytes(i, 0) == "database_uuid") identity->uuid = value;
    if (rows.Bytes(i, 0) == "generation") identity->generation = std::strtoull(value.c_str(), nullptr, 10);
  }
  if (!identity->uuid.empty()) return {};
  return Failure{FailureClass::kConfiguration, "the table meta holds no database_uuid; run holdfast --init-schema"};
}

}  // namespace holdfast::session
