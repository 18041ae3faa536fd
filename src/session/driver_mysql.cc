// How it works: values, deletes and expiries of a batch are a statement each, with as many rows as fit, in autocommit:
// a statement is one transaction, on Galera one write set, which the server itself repeats once on a conflict. The
// library's array binding would be a little faster and is not used: on Galera it answers OK for batches that were
// rolled back.
//
// The server counts the rows that the guard refused. None, the usual case: all are done. Else the rows are looked at,
// and each is settled by itself (mysql_statements.h). A row that the server cannot store fails its whole statement,
// without effect; the statement is halved until that row stands alone, and is bad.

#include "session/driver_mysql.h"

#include <algorithm>
#include <thread>
#include <unordered_map>

#include "session/server_databases.h"
#include "session/server_rows.h"

namespace holdfast::session {

namespace {

constexpr int kTriesMax = 4;
constexpr uint64_t kColumnBytesMax = (1u << 24) - 1;              // MEDIUMBLOB
constexpr uint64_t kTidbValueBytesMax = (6u << 20) - (64 << 10);  // its limit of an entry
constexpr unsigned kDuplicateKey = 1062;
constexpr unsigned kConflict = 1213;

constexpr char kRowColumns[] =
    "sid, version, born, floor, touched, expires_at, state, flags, owner, updated_at, data, "
    "CAST(UNIX_TIMESTAMP(NOW(6)) * 1000000 AS SIGNED)";

}  // namespace

MysqlDriver::MysqlDriver(std::shared_ptr<MysqlPlace> place)
    : ServerDriver(place->url, place->clock), place_(std::move(place)), statements_(connection_, place_->clock) {}

// -- Connecting -----------------------------------------------------------------------------------

Failure MysqlDriver::Connect(const DatabaseHost& host) {
  MysqlConnection connection;
  MysqlError error = connection.Connect(place_->url, host, place_->password);
  // A node without a majority answers much, but not for a table.
  MysqlRows rows;
  if (error.ok()) error = connection.Query("SELECT value FROM meta WHERE name = 'schema_version'", &rows);
  if (error.ok() && !(rows.Next() && rows.Integer(0) == kSchemaVersion)) {
    error = MysqlError{1146, "the tables are not of schema " + std::to_string(kSchemaVersion)};
  }
  if (!error.ok()) return FailureOf(error, MysqlPhase::kConnecting);
  connection_ = std::move(connection);
  const uint64_t packet_bytes = connection_.packet_bytes() / 2;
  uint64_t value_bytes = std::min(packet_bytes - std::min(packet_bytes, kMysqlStatementSlackBytes), kColumnBytesMax);
  if (connection_.is_tidb()) value_bytes = std::min(value_bytes, kTidbValueBytesMax);
  place_->value_bytes_max.store(value_bytes, std::memory_order_relaxed);
  return {};
}

Failure MysqlDriver::Execute(const std::string& sql) { return Fail(connection_.Execute(sql)); }

MysqlError MysqlDriver::Run(std::string_view sql, uint64_t* affected, std::optional<uint64_t>* refused) {
  MysqlError error;
  for (int attempt = 0; attempt < kTriesMax; ++attempt) {
    if (attempt > 0) std::this_thread::sleep_for(std::chrono::milliseconds(attempt * attempt));
    error = connection_.Execute(sql, affected, refused);
    if (error.code != kConflict) return error;
  }
  return error;
}

// -- Reading --------------------------------------------------------------------------------------

Failure MysqlDriver::Load(std::span<const std::string_view> keys, std::vector<Row>* rows) {
  LookBack();
  if (keys.empty()) return {};
  const int64_t asked_us = place_->clock.SteadyMicros();
  MysqlRows found;
  const MysqlError error = connection_.Query(statements_.Select(kRowColumns, keys), &found);
  if (error.ok()) AppendRows(found, asked_us, rows);
  return Fail(error);
}

// -- Writing --------------------------------------------------------------------------------------

Failure MysqlDriver::Write(std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) {
  LookBack();
  outcomes->assign(changes.size(), ChangeOutcome::kDone);
  const uint64_t value_bytes_max = place_->value_bytes_max.load(std::memory_order_relaxed);
  for (const ChangeKind kind : {ChangeKind::kValue, ChangeKind::kExpiry, ChangeKind::kDelete}) {
    std::vector<size_t> indices;
    for (size_t i = 0; i < changes.size(); ++i) {
      if (changes[i].kind != kind) continue;
      if (changes[i].row.data.size() > value_bytes_max) {
        (*outcomes)[i] = ChangeOutcome::kBad;
      } else {
        indices.push_back(i);
      }
    }
    if (const MysqlError error = WriteRows(kind, changes, indices, outcomes); !error.ok()) return Fail(error);
  }
  for (size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].kind != ChangeKind::kCompared && changes[i].kind != ChangeKind::kComparedDelete) continue;
    if (const MysqlError error = WriteCompared(changes[i], &(*outcomes)[i]); !error.ok()) return Fail(error);
  }
  return {};
}

// Where nothing may be assumed, two statements are clearer than one: over the row that is there, else as a new one.
MysqlError MysqlDriver::WriteCompared(const Change& change, ChangeOutcome* outcome) {
  if (change.row.data.size() > place_->value_bytes_max.load(std::memory_order_relaxed)) {
    *outcome = ChangeOutcome::kBad;
    return {};
  }
  const bool deletes = change.kind == ChangeKind::kComparedDelete;
  uint64_t affected = 0;
  MysqlError error = Run(deletes ? statements_.CompareDelete(change) : statements_.CompareUpdate(change), &affected);
  if (error.ok() && affected == 0 && change.base_version == 0 && !deletes) {
    error = Run(statements_.CompareInsert(change), &affected);
    if (error.code == kDuplicateKey) error = MysqlError();
  }
  if (IsMysqlRowsFault(error.code)) {
    *outcome = ChangeOutcome::kBad;
    return {};
  }
  if (!error.ok() || affected > 0) return error;
  const size_t index = 0;
  std::vector<Look> looks;
  error = LookAt({&change, 1}, {&index, 1}, &looks);
  if (!error.ok()) return error;
  const bool held = looks[0].found && looks[0].live != deletes && looks[0].version == change.row.version;
  *outcome = held ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
  return {};
}

std::string MysqlDriver::StatementOf(ChangeKind kind, std::span<const Change> changes, Indices indices) const {
  std::string sql = kind == ChangeKind::kExpiry ? MysqlStatements::ExpiryBegin() : MysqlStatements::UpsertBegin();
  bool first = true;
  for (const size_t index : indices) {
    if (kind == ChangeKind::kExpiry) {
      statements_.AppendExpiry(changes[index], first, &sql);
    } else {
      if (!first) sql += ',';
      statements_.AppendRow(changes[index], &sql);
    }
    first = false;
  }
  sql += kind == ChangeKind::kExpiry   ? MysqlStatements::ExpiryEnd()
         : kind == ChangeKind::kDelete ? MysqlStatements::DeleteEnd()
                                       : MysqlStatements::UpsertEnd();
  return sql;
}

MysqlError MysqlDriver::WriteRows(ChangeKind kind, std::span<const Change> changes, Indices indices,
                                  std::vector<ChangeOutcome>* outcomes) {
  if (indices.empty()) return {};
  const bool single = indices.size() == 1;
  const std::string sql = StatementOf(kind, changes, indices);
  if (!single && sql.size() > std::min(kMysqlStatementBytesMax, connection_.packet_bytes() / 2)) {
    return WriteHalves(kind, changes, indices, outcomes);
  }
  uint64_t affected = 0;
  std::optional<uint64_t> refused;
  const MysqlError error = Run(sql, &affected, kind == ChangeKind::kExpiry ? nullptr : &refused);
  if (IsMysqlRowsFault(error.code)) {
    if (!single) return WriteHalves(kind, changes, indices, outcomes);
    (*outcomes)[indices[0]] = ChangeOutcome::kBad;
    return {};
  }
  if (!error.ok()) return error;
  // Of a single row, and of an update, the server says no more than how many were changed.
  const bool all = refused.has_value() ? *refused == 0 : affected >= indices.size();
  return all ? MysqlError() : SettleRefused(kind, changes, indices, outcomes);
}

MysqlError MysqlDriver::WriteHalves(ChangeKind kind, std::span<const Change> changes, Indices indices,
                                    std::vector<ChangeOutcome>* outcomes) {
  const size_t half = indices.size() / 2;
  const MysqlError error = WriteRows(kind, changes, indices.first(half), outcomes);
  return error.ok() ? WriteRows(kind, changes, indices.subspan(half), outcomes) : error;
}

MysqlError MysqlDriver::LookAt(std::span<const Change> changes, Indices indices, std::vector<Look>* looks) {
  std::vector<std::string_view> keys;
  std::unordered_map<std::string_view, size_t> places;  // of a key that stands twice, one
  for (const size_t index : indices) keys.emplace_back(changes[index].row.key);
  MysqlRows rows;
  const MysqlError error =
      connection_.Query(statements_.Select("sid, version, born, floor, touched, state", keys), &rows);
  if (!error.ok()) return error;
  std::vector<Look> found;
  while (rows.Next()) {
    found.push_back(
        {true, rows.Unsigned(1), rows.Unsigned(2), rows.Unsigned(3), rows.Unsigned(4), rows.Integer(5) == 0});
    places.emplace(rows.Text(0), found.size() - 1);
  }
  for (const std::string_view key : keys) {
    const auto place = places.find(key);
    looks->push_back(place == places.end() ? Look() : found[place->second]);
  }
  return {};
}

MysqlError MysqlDriver::SettleRefused(ChangeKind kind, std::span<const Change> changes, Indices indices,
                                      std::vector<ChangeOutcome>* outcomes) {
  std::vector<Look> looks;
  MysqlError error = LookAt(changes, indices, &looks);
  for (size_t i = 0; i < indices.size() && error.ok(); ++i) {
    const Change& change = changes[indices[i]];
    const Look& look = looks[i];
    ChangeOutcome* const outcome = &(*outcomes)[indices[i]];
    switch (kind) {
      case ChangeKind::kExpiry: {
        const bool held =
            look.found && look.live && look.version == change.base_version && look.touched >= change.row.touched;
        *outcome = held ? ChangeOutcome::kDone : ChangeOutcome::kNeedsRow;
        break;
      }
      case ChangeKind::kDelete:
        error = SettleDelete(change, look, outcome);
        break;
      default:
        error = SettleValue(change, look, outcome);
        break;
    }
  }
  return error;
}

MysqlError MysqlDriver::SettleValue(const Change& change, const Look& look, ChangeOutcome* outcome) {
  const Row& row = change.row;
  uint64_t affected = 0;
  *outcome = look.found && look.version == row.version ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
  if (!look.found || row.born <= look.floor) return {};
  if (look.born <= row.floor && *outcome != ChangeOutcome::kDone) {
    const MysqlError error = Run(statements_.ReplaceDead(row), &affected);
    if (error.ok() && affected > 0) *outcome = ChangeOutcome::kDone;
    return error;
  }
  if (look.touched < row.touched) {
    if (const MysqlError error = Run(statements_.MergeExpiry(row), &affected); !error.ok()) return error;
  }
  return look.floor < row.floor ? Run(statements_.RaiseFloor(row, row.floor), &affected) : MysqlError();
}

MysqlError MysqlDriver::SettleDelete(const Change& change, const Look& look, ChangeOutcome* outcome) {
  const uint64_t floor = change.row.version;
  *outcome = look.found && look.live ? ChangeOutcome::kOvertaken : ChangeOutcome::kDone;
  if (!look.found || look.floor >= floor) return {};
  // Another row than the one that refused: once more.
  if (look.born <= floor) return MysqlError{kConflict, "a row changed in the middle"};
  uint64_t affected = 0;
  return Run(statements_.RaiseFloor(change.row, floor), &affected);
}

// A statement of its own for an upper bound on locks; what was extended meanwhile is spared by the condition.
Failure MysqlDriver::Sweep(int64_t grace_us, uint32_t limit, uint64_t* deleted) {
  const std::string sql = std::string("DELETE FROM sessions WHERE expires_at < ") + kMysqlNow + " - " +
                          std::to_string(grace_us) + " ORDER BY expires_at LIMIT " + std::to_string(limit);
  return Fail(Run(sql, deleted));
}

// -- The database ---------------------------------------------------------------------------------

base::Result<std::unique_ptr<Database>> OpenMysql(const DatabaseUrl& url, const base::Clock& clock,
                                                  const std::string& password, const KnownDatabase* known) {
  mysql_library_init(0, nullptr, nullptr);
  auto place = std::make_shared<MysqlPlace>(url, password, clock);
  DatabaseIdentity identity;
  if (known != nullptr) {
    identity = known->identity;
    place->value_bytes_max.store(known->value_bytes_max, std::memory_order_relaxed);
  } else if (base::Status status = MysqlDriver(place).OpenAndCheck(&identity); !status.ok()) {
    return status;
  }
  return std::unique_ptr<Database>(new MysqlDatabase(std::move(place), std::move(identity)));
}

}  // namespace holdfast::session
