// How it works: a batch is one statement for its values, one for its expiries, one for its deletes, each one
// transaction. They return what the rows became; a row that is not returned was refused by the guard and is looked at.
// A row that cannot be stored fails its whole statement, without effect; the statement is halved until that row stands
// alone, and is bad. One statement may not name a key twice, so the second of a kind waits for the next round.

#include "session/driver_postgres.h"

#include <algorithm>
#include <chrono>
#include <thread>
#include <unordered_map>
#include <unordered_set>

#include "session/postgres_statements.h"
#include "session/server_databases.h"
#include "session/server_rows.h"

namespace holdfast::session {

namespace {

constexpr int kTriesMax = 4;

const PostgresStatement& StatementOf(ChangeKind kind) {
  if (kind == ChangeKind::kExpiry) return kPostgresExpiry;
  return kind == ChangeKind::kDelete ? kPostgresDelete : kPostgresUpsert;
}

}  // namespace

PostgresDriver::PostgresDriver(std::shared_ptr<const PostgresPlace> place)
    : ServerDriver(place->url, place->clock), place_(std::move(place)) {}

// -- Connecting -----------------------------------------------------------------------------------

Failure PostgresDriver::Connect(const DatabaseHost& host) {
  PostgresConnection connection;
  PostgresError error = connection.Connect(place_->url, host, place_->password);
  PostgresRows rows;
  if (error.ok()) error = connection.Query("SELECT value FROM meta WHERE name = 'schema_version'", &rows);
  if (error.ok() && !(rows.Next() && rows.Text(0) == std::to_string(kSchemaVersion))) {
    error = PostgresError{"42P01", "the tables are not of schema " + std::to_string(kSchemaVersion)};
  }
  for (const PostgresStatement* const statement : kPostgresStatementsAll) {
    if (error.ok()) error = connection.Prepare(statement->name, statement->sql);
  }
  if (error.ok()) connection_ = std::move(connection);
  return FailureOf(error);
}

Failure PostgresDriver::Execute(const std::string& sql) { return Fail(connection_.Execute(sql)); }

PostgresError PostgresDriver::Run(const char* name, const PostgresParameters& parameters, PostgresRows* rows) {
  PostgresError error;
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(attempt * attempt));
    error = connection_.Run(name, parameters, rows);
    if (error.state != "40001" && error.state != "40P01") break;
  }
  return error;
}

// -- Reading --------------------------------------------------------------------------------------

Failure PostgresDriver::Load(std::span<const std::string_view> keys, std::vector<Row>* rows) {
  LookBack();
  if (keys.empty()) return {};
  const int64_t asked_us = place_->clock.SteadyMicros();
  PostgresParameters parameters;
  parameters.BytesArray(keys);
  PostgresRows found;
  const PostgresError error = connection_.Run(kPostgresLoad.name, parameters, &found);
  if (error.ok()) AppendRows(found, asked_us, rows);
  return Fail(error);
}

// -- Writing --------------------------------------------------------------------------------------

Failure PostgresDriver::Write(std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) {
  LookBack();
  outcomes->assign(changes.size(), ChangeOutcome::kDone);
  for (const ChangeKind kind : {ChangeKind::kValue, ChangeKind::kExpiry, ChangeKind::kDelete}) {
    Indices left;
    for (size_t i = 0; i < changes.size(); ++i) {
      if (changes[i].kind == kind) left.push_back(i);
    }
    while (!left.empty()) {
      std::unordered_set<std::string_view> named;
      Indices round;
      Indices later;
      for (const size_t i : left) (named.insert(changes[i].row.key).second ? round : later).push_back(i);
      if (const PostgresError error = WriteRows(kind, changes, round, outcomes); !error.ok()) return Fail(error);
      left = std::move(later);
    }
  }
  for (size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].kind != ChangeKind::kCompared && changes[i].kind != ChangeKind::kComparedDelete) continue;
    if (const PostgresError error = WriteCompared(changes[i], &(*outcomes)[i]); !error.ok()) return Fail(error);
  }
  return {};
}

int64_t PostgresDriver::TimeToLive(int64_t steady_us) const {
  return steady_us == kNeverMicros ? kNeverMicros : steady_us - place_->clock.SteadyMicros();
}

PostgresParameters PostgresDriver::ParametersOf(ChangeKind kind, std::span<const Change> changes,
                                                const Indices& indices) const {
  std::vector<std::string_view> keys;
  std::vector<std::string_view> values;
  std::vector<int64_t> columns[7];
  for (const size_t index : indices) {
    const Change& change = changes[index];
    const Row& row = change.row;
    keys.emplace_back(row.key);
    values.emplace_back(row.data);
    const uint64_t version = kind == ChangeKind::kExpiry ? change.base_version : row.version;
    int column = 0;
    for (const uint64_t stamp : {version, row.born, row.floor, row.touched}) {
      columns[column++].push_back(static_cast<int64_t>(stamp));
    }
    columns[column++].push_back(TimeToLive(row.expires_us));
    columns[column++].push_back(int64_t{row.client_flags});
    columns[column++].push_back(int64_t{row.owner});
  }
  PostgresParameters parameters;
  parameters.BytesArray(keys);
  for (const std::vector<int64_t>& column : columns) parameters.Bigints(column);
  parameters.BytesArray(values);
  return parameters;
}

PostgresError PostgresDriver::WriteRows(ChangeKind kind, std::span<const Change> changes, const Indices& indices,
                                        std::vector<ChangeOutcome>* outcomes) {
  if (indices.empty()) return {};
  const bool single = indices.size() == 1;
  uint64_t bytes = 0;
  for (const size_t index : indices) bytes += changes[index].row.data.size();
  if (bytes > kPostgresValueBytesMax) {
    if (!single) return WriteHalves(kind, changes, indices, outcomes);
    (*outcomes)[indices[0]] = ChangeOutcome::kBad;
    return {};
  }
  PostgresRows rows;
  const PostgresError error = Run(StatementOf(kind).name, ParametersOf(kind, changes, indices), &rows);
  if (IsPostgresRowsFault(error)) {
    if (!single) return WriteHalves(kind, changes, indices, outcomes);
    (*outcomes)[indices[0]] = ChangeOutcome::kBad;
    return {};
  }
  if (!error.ok()) return error;
  std::unordered_map<std::string_view, uint64_t> became;
  while (rows.Next()) became.emplace(rows.Text(0), rows.Unsigned(1));
  Indices refused;
  for (const size_t index : indices) {
    const auto row = became.find(changes[index].row.key);
    if (row == became.end()) {
      refused.push_back(index);
    } else if (kind != ChangeKind::kExpiry && row->second != changes[index].row.version) {
      (*outcomes)[index] = ChangeOutcome::kOvertaken;
    }
  }
  return refused.empty() ? PostgresError() : SettleRefused(kind, changes, refused, outcomes);
}

PostgresError PostgresDriver::WriteHalves(ChangeKind kind, std::span<const Change> changes, const Indices& indices,
                                          std::vector<ChangeOutcome>* outcomes) {
  const auto middle = indices.begin() + static_cast<std::ptrdiff_t>(indices.size() / 2);
  const PostgresError error = WriteRows(kind, changes, Indices(indices.begin(), middle), outcomes);
  return error.ok() ? WriteRows(kind, changes, Indices(middle, indices.end()), outcomes) : error;
}

// Nothing was changed: because the row holds this already?
PostgresError PostgresDriver::SettleRefused(ChangeKind kind, std::span<const Change> changes, const Indices& indices,
                                            std::vector<ChangeOutcome>* outcomes) {
  std::vector<std::string_view> keys;
  for (const size_t index : indices) keys.emplace_back(changes[index].row.key);
  PostgresParameters parameters;
  parameters.BytesArray(keys);
  PostgresRows rows;
  const PostgresError error = connection_.Run(kPostgresStamps.name, parameters, &rows);
  if (!error.ok()) return error;
  std::vector<RowStamps> there;
  AppendStamps(rows, place_->clock.SteadyMicros(), &there);
  std::unordered_map<std::string_view, const RowStamps*> by_key;
  for (const RowStamps& row : there) by_key.emplace(row.key, &row);
  for (const size_t index : indices) {
    const Change& change = changes[index];
    const auto found = by_key.find(change.row.key);
    const RowStamps* const row = found == by_key.end() ? nullptr : found->second;  // null: there is none
    const bool live = row != nullptr && row->state == RowState::kLive;
    ChangeOutcome& outcome = (*outcomes)[index];
    if (kind == ChangeKind::kDelete) {
      outcome = live ? ChangeOutcome::kOvertaken : ChangeOutcome::kDone;
    } else if (kind == ChangeKind::kExpiry) {
      const bool held = live && row->version == change.base_version && row->touched >= change.row.touched;
      outcome = held ? ChangeOutcome::kDone : ChangeOutcome::kNeedsRow;
    } else {
      const bool held = row != nullptr && row->version == change.row.version;
      outcome = held ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
    }
  }
  return {};
}

PostgresError PostgresDriver::WriteCompared(const Change& change, ChangeOutcome* outcome) {
  PostgresParameters parameters = ParametersOf(ChangeKind::kValue, {&change, 1}, {0});
  parameters.Bigint(static_cast<int64_t>(change.base_version));
  PostgresRows rows;
  const bool deletes = change.kind == ChangeKind::kComparedDelete;
  const PostgresError error = Run((deletes ? kPostgresComparedDelete : kPostgresCompared).name, parameters, &rows);
  if (IsPostgresRowsFault(error) || change.row.data.size() > kPostgresValueBytesMax) {
    *outcome = ChangeOutcome::kBad;
    return {};
  }
  if (!error.ok() || rows.count() == 1) return error;
  std::vector<ChangeOutcome> outcomes(1);
  const PostgresError looked = SettleRefused(ChangeKind::kValue, {&change, 1}, {0}, &outcomes);
  *outcome = outcomes[0];
  return looked;
}

Failure PostgresDriver::Sweep(int64_t grace_us, uint32_t limit, uint64_t* deleted) {
  PostgresParameters parameters;
  parameters.Bigint(grace_us);
  parameters.Bigint(limit);
  PostgresRows rows;
  if (const PostgresError error = Run(kPostgresSweep.name, parameters, &rows); !error.ok()) return Fail(error);
  *deleted = static_cast<uint64_t>(rows.count());
  return {};
}

// -- The database ---------------------------------------------------------------------------------

base::Result<std::unique_ptr<Database>> OpenPostgres(const DatabaseUrl& url, const base::Clock& clock,
                                                     const std::string& password, const KnownDatabase* known) {
  const auto place = std::make_shared<const PostgresPlace>(PostgresPlace{url, password, clock});
  DatabaseIdentity identity;
  if (known != nullptr) {
    identity = known->identity;
  } else if (base::Status status = PostgresDriver(place).OpenAndCheck(&identity); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Database>(new PostgresDatabase(place, std::move(identity)));
}

}  // namespace holdfast::session
