// How it works: what several servers that share the database need of it. Each is a statement that may be repeated: what
// it found done already it counts as done.

#include "session/driver_postgres.h"
#include "session/postgres_statements.h"
#include "session/server_rows.h"

namespace holdfast::session {

// -- Rows -----------------------------------------------------------------------------------------

Failure PostgresDriver::LoadStamps(std::span<const std::string_view> keys, std::vector<RowStamps>* rows) {
  if (keys.empty()) return {};
  const int64_t asked_us = place_->clock.SteadyMicros();
  PostgresParameters parameters;
  parameters.BytesArray(keys);
  PostgresRows found;
  const PostgresError error = connection_.Run(kPostgresStamps.name, parameters, &found);
  if (error.ok()) AppendStamps(found, asked_us, rows);
  return Fail(error);
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
  AppendStamps(found, asked_us, rows, &place);
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
  if (error.ok() && rows.Next()) *database_now_us = rows.Integer(0);
  if (error.ok()) error = connection_.Run(kPostgresNodes.name, {}, &rows);
  if (!error.ok()) return Fail(error);
  AppendNodes(rows, nodes);
  return {};
}

Failure PostgresDriver::TryPutNode(const NodeLease& lease, const NodeLease* expected, bool* done) {
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
  return {};
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

Failure PostgresDriver::ReadMeta(Meta* meta) {
  PostgresRows rows;
  const PostgresError error = connection_.Run(kPostgresIdentity.name, {}, &rows);
  while (error.ok() && rows.Next()) meta->emplace_back(rows.Text(0), rows.Text(1));
  return Fail(error);
}

}  // namespace holdfast::session
