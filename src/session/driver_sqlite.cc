// How it works: single-row prepared statements in one transaction a batch, which SQLite runs at some 25,000 rows a
// second with FULL synchronisation. The statements carry the guard and return what the row became (RETURNING); when the
// guard refused and nothing is returned, the row is looked at to tell "held it already" from "overtaken".
//
// An incarnation that lies under the floor that comes with a row is dead, whatever its version: a row is replaced as if
// the delete had come first. So it does not matter in which order a delete and the login after it arrive.
//
// The clock of this database is the file's own (row_clock.h), which no step of the wall clock moves. Who writes leaves
// a note of it in the file, in a transaction of its own, when one is due. That a note could not be written ends
// nothing: it is due again with the next write.

#include "session/driver_sqlite.h"

#include <optional>
#include <utility>

#include "session/sqlite_statement.h"

namespace holdfast::session {
namespace {

const char* const kLoadSql =
    "SELECT version, born, floor, touched, expires_at, state, flags, owner, updated_at, data FROM sessions "
    "WHERE sid = ?1";

const char* const kUpsertSql =
    "INSERT INTO sessions (sid, version, born, floor, touched, expires_at, state, flags, owner, updated_at, data) "
    "VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10) "
    "ON CONFLICT (sid) DO UPDATE SET "
    "  data       = iif(excluded.version > version OR born <= excluded.floor, excluded.data, data),"
    "  flags      = iif(excluded.version > version OR born <= excluded.floor, excluded.flags, flags),"
    "  born       = iif(excluded.version > version OR born <= excluded.floor, excluded.born, born),"
    "  state      = iif(excluded.version > version OR born <= excluded.floor, 0, state),"
    "  version    = iif(excluded.version > version OR born <= excluded.floor, excluded.version, version),"
    "  expires_at = iif(excluded.touched > touched OR born <= excluded.floor, excluded.expires_at, expires_at),"
    "  touched    = iif(excluded.touched > touched OR born <= excluded.floor, excluded.touched, touched),"
    "  floor      = max(floor, excluded.floor),"
    "  owner      = excluded.owner,"
    "  updated_at = excluded.updated_at "
    "WHERE excluded.born > floor "
    "  AND (excluded.version > version OR excluded.touched > touched OR excluded.floor > floor) "
    "RETURNING version";

const char* const kExpirySql =
    "UPDATE sessions SET touched = ?2, expires_at = ?3, owner = ?4, updated_at = ?5 "
    "WHERE sid = ?1 AND version = ?6 AND state = 0 AND ?2 > touched AND ?7 > floor "
    "RETURNING version";

// born of the row stays: it is what a later delete is compared with.
const char* const kDeleteSql =
    "INSERT INTO sessions (sid, version, born, floor, touched, expires_at, state, flags, owner, updated_at, data) "
    "VALUES (?1, ?2, 0, ?2, ?2, ?3, 1, 0, ?4, ?5, x'') "
    "ON CONFLICT (sid) DO UPDATE SET "
    "  data       = iif(born <= excluded.floor, x'', data),"
    "  flags      = iif(born <= excluded.floor, 0, flags),"
    "  state      = iif(born <= excluded.floor, 1, state),"
    "  version    = iif(born <= excluded.floor, excluded.floor, version),"
    "  touched    = iif(born <= excluded.floor, excluded.floor, touched),"
    "  expires_at = iif(born <= excluded.floor, excluded.expires_at, expires_at),"
    "  floor      = excluded.floor,"
    "  owner      = excluded.owner,"
    "  updated_at = excluded.updated_at "
    "WHERE excluded.floor > floor "
    "RETURNING state";

// The guard compares; an expired row and a tombstone count as none, but their floor does not.
const char* const kComparedSql =
    "INSERT INTO sessions (sid, version, born, floor, touched, expires_at, state, flags, owner, updated_at, data) "
    "SELECT ?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, ?8, ?9, ?10 WHERE ?11 = 0 OR EXISTS (SELECT 1 FROM sessions WHERE sid = ?1) "
    "ON CONFLICT (sid) DO UPDATE SET version = excluded.version, born = excluded.born, "
    "  floor = max(floor, excluded.floor), state = 0, "
    "  expires_at = iif(?11 = 0 OR excluded.touched > touched, excluded.expires_at, expires_at), "
    "  touched = iif(?11 = 0 OR excluded.touched > touched, excluded.touched, touched), "
    "  flags = excluded.flags, owner = excluded.owner, updated_at = excluded.updated_at, data = excluded.data "
    "WHERE excluded.born > floor AND excluded.version > version "
    "  AND iif(state = 0 AND expires_at > excluded.updated_at, version, 0) = ?11 "
    "RETURNING version";

const char* const kComparedDeleteSql =
    "UPDATE sessions SET data = x'', flags = 0, state = 1, version = ?2, touched = ?2, floor = ?2, expires_at = ?3, "
    "  owner = ?4, updated_at = ?5 "
    "WHERE sid = ?1 AND state = 0 AND version = ?6 AND version < ?2 AND floor < ?2 AND expires_at > ?5 "
    "RETURNING version";

const char* const kLookSql = "SELECT version, touched, state FROM sessions WHERE sid = ?1";

const char* const kSweepSql =
    "DELETE FROM sessions WHERE rowid IN "
    "(SELECT rowid FROM sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)";

const char* const kLoadStampsSql =
    "SELECT version, born, floor, touched, expires_at, state, owner FROM sessions WHERE sid = ?1";

const char* const kChangesSql =
    "SELECT version, born, floor, touched, expires_at, state, owner, updated_at, sid FROM sessions "
    "WHERE (updated_at, sid) > (?1, ?2) AND owner <> ?3 ORDER BY updated_at, sid LIMIT ?4";

const char* const kClaimSql = "UPDATE sessions SET owner = ?3, updated_at = ?4 WHERE sid = ?1 AND owner = ?2";

const char* const kNodesSql = "SELECT number, name, address, started_at, lease FROM nodes ORDER BY number";

const char* const kNewNodeSql =
    "INSERT INTO nodes (number, name, address, started_at, lease) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING";

const char* const kPutNodeSql =
    "UPDATE nodes SET name = ?2, address = ?3, started_at = ?4, lease = ?5 "
    "WHERE number = ?1 AND started_at = ?6 AND lease = ?7";

const char* const kLeaseSql =
    "INSERT INTO lease (name, holder, until) VALUES (?1, ?2, ?4) "
    "ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until "
    "WHERE holder = excluded.holder OR until < ?3";

// The moment of a statement by both clocks.
struct Moment {
  int64_t wall_us;    // the database's: the row clock
  int64_t steady_us;  // ours

  int64_t ToDatabase(int64_t steady) const {
    int64_t wall;
    return steady == kNeverMicros || __builtin_add_overflow(steady, wall_us - steady_us, &wall) ? kNeverMicros : wall;
  }
  int64_t FromDatabase(int64_t wall) const { return wall == kNeverMicros ? kNeverMicros : wall - wall_us + steady_us; }
};

FailureClass ClassOf(int code) {
  switch (code & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT:
    case SQLITE_NOMEM:
    case SQLITE_IOERR:
    case SQLITE_FULL:
    case SQLITE_PROTOCOL:
      return FailureClass::kRetry;
    case SQLITE_CANTOPEN:
      return FailureClass::kNextNode;
    default:
      return FailureClass::kConfiguration;
  }
}

bool IsRowsFault(int code) {
  const int primary = code & 0xff;
  return primary == SQLITE_CONSTRAINT || primary == SQLITE_TOOBIG || primary == SQLITE_MISMATCH;
}

class SqliteDriver final : public Driver {
 public:
  SqliteDriver(std::shared_ptr<SqliteFile> file, std::shared_ptr<RowClock> clock)
      : file_(std::move(file)), clock_(std::move(clock)) {}
  ~SqliteDriver() override { Close(); }

  Failure Open() override;
  Failure Load(std::span<const std::string_view> keys, std::vector<Row>* rows) override;
  Failure Write(std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) override;
  Failure Sweep(int64_t grace_us, uint32_t limit, uint64_t* deleted) override;
  Failure LoadStamps(std::span<const std::string_view> keys, std::vector<RowStamps>* rows) override;
  Failure ReadChanges(uint32_t node, const ChangeCursor& after, uint32_t limit, std::vector<RowStamps>* rows,
                      ChangeCursor* next) override;
  Failure Claim(std::span<const OwnerChange> changes) override;
  Failure ReadNodes(std::vector<NodeLease>* nodes, int64_t* database_now_us) override;
  Failure PutNode(const NodeLease& lease, const NodeLease* expected, bool* done) override;
  Failure TakeLease(std::string_view name, uint32_t holder, int64_t life_us, bool* held) override;
  Failure ReadIdentity(DatabaseIdentity* identity) override;
  void Idle() override;

 private:
  // A transaction that is rolled back unless it was committed.
  class Transaction {
   public:
    Transaction(SqliteDriver& driver, const char* begin) : driver_(driver), code_(driver.Execute(begin)) {}
    ~Transaction() {
      if (open()) driver_.Execute("ROLLBACK");
    }
    Transaction(const Transaction&) = delete;
    Transaction& operator=(const Transaction&) = delete;
    int code() const { return code_; }
    int Commit() { return driver_.Execute("COMMIT"); }

   private:
    bool open() const { return sqlite3_get_autocommit(driver_.connection_.get()) == 0; }
    SqliteDriver& driver_;
    const int code_;
  };

  void Close();
  Moment Now() const {
    const int64_t steady_us = clock_->SteadyMicros();
    return {clock_->At(steady_us), steady_us};
  }
  void NoteClock();
  int Execute(const char* sql) { return sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr); }
  Failure Fail(int code) const;
  int LoadRow(std::string_view key, const Moment& now, std::vector<Row>* rows);
  int Apply(const Change& change, const Moment& now, ChangeOutcome* outcome);
  int Upsert(const Row& row, const Moment& now, ChangeOutcome* outcome);
  int Compare(const Change& change, const Moment& now, ChangeOutcome* outcome);
  static void BindRow(Statement::Run& run, const Row& row, const Moment& now);
  static int RunChange(Statement::Run& run, bool* is_changed);
  int LookWhoHolds(const Row& row, ChangeOutcome* outcome);
  static void ReadStamps(Statement::Run& run, const Moment& now, RowStamps* row);
  int Extend(const Change& change, const Moment& now, ChangeOutcome* outcome);
  int Bury(const Row& row, const Moment& now, ChangeOutcome* outcome);
  int BuryCompared(const Change& change, const Moment& now, ChangeOutcome* outcome);

  const std::shared_ptr<SqliteFile> file_;
  const std::shared_ptr<RowClock> clock_;
  SqliteConnection connection_;  // null until Open has succeeded
  Statement load_, upsert_, compared_, expiry_, delete_, compared_delete_, look_, sweep_;
  Statement load_stamps_, changes_, claim_, nodes_, new_node_, put_node_, lease_;
};

void SqliteDriver::Close() {
  for (Statement* statement : {&load_, &upsert_, &compared_, &expiry_, &delete_, &compared_delete_, &look_, &sweep_,
                               &load_stamps_, &changes_, &claim_, &nodes_, &new_node_, &put_node_, &lease_}) {
    *statement = Statement();
  }
  connection_.reset();
}

Failure SqliteDriver::Open() {
  Close();
  std::string detail;
  if (const int code = file_->Connect(&connection_, &detail); code != SQLITE_OK) return Failure{ClassOf(code), detail};
  const std::pair<Statement*, const char*> statements[] = {
      {&load_, kLoadSql},        {&upsert_, kUpsertSql},    {&compared_, kComparedSql},
      {&expiry_, kExpirySql},    {&delete_, kDeleteSql},    {&compared_delete_, kComparedDeleteSql},
      {&look_, kLookSql},        {&sweep_, kSweepSql},      {&load_stamps_, kLoadStampsSql},
      {&changes_, kChangesSql},  {&claim_, kClaimSql},      {&nodes_, kNodesSql},
      {&new_node_, kNewNodeSql}, {&put_node_, kPutNodeSql}, {&lease_, kLeaseSql}};
  for (const auto& [statement, sql] : statements) {
    if (const int code = statement->Prepare(connection_.get(), sql); code != SQLITE_OK) return Fail(code);
  }
  return {};
}

Failure SqliteDriver::Fail(int code) const {
  return Failure{ClassOf(code), "session file " + file_->path() + ": " + sqlite3_errmsg(connection_.get())};
}

void SqliteDriver::NoteClock() {
  const std::optional<RowClockNote> note = clock_->Due();
  if (note && file_->KeepClockNote(connection_.get(), *note) == SQLITE_OK) clock_->Keep(*note);
}

Failure SqliteDriver::Load(std::span<const std::string_view> keys, std::vector<Row>* rows) {
  const Transaction transaction(*this, "BEGIN");  // one snapshot, one lock, for all keys
  if (transaction.code() != SQLITE_OK) return Fail(transaction.code());
  const Moment now = Now();
  for (const std::string_view key : keys) {
    if (const int code = LoadRow(key, now, rows); code != SQLITE_OK) return Fail(code);
  }
  return {};
}

int SqliteDriver::LoadRow(std::string_view key, const Moment& now, std::vector<Row>* rows) {
  Statement::Run run(load_);
  run.Blob(1, key);
  const int code = run.Step();
  if (code == SQLITE_DONE) return SQLITE_OK;
  if (code != SQLITE_ROW) return code;
  Row& row = rows->emplace_back();
  row.key = key;
  row.version = run.StampAt(0);
  row.born = run.StampAt(1);
  row.floor = run.StampAt(2);
  row.touched = run.StampAt(3);
  row.expires_us = now.FromDatabase(run.IntegerAt(4));
  row.state = run.IntegerAt(5) == 0 ? RowState::kLive : RowState::kTombstone;
  row.client_flags = static_cast<uint32_t>(run.IntegerAt(6));
  row.owner = static_cast<uint32_t>(run.IntegerAt(7));
  row.changed_us = now.FromDatabase(run.IntegerAt(8));
  row.data = run.BlobAt(9);
  return SQLITE_OK;
}

Failure SqliteDriver::Write(std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) {
  outcomes->clear();
  if (file_->Replaced()) {
    return Failure{FailureClass::kConfiguration, "session file " + file_->path() +
                                                     ": was removed or replaced while in use; put it back, or restart "
                                                     "the server once what is in memory may be lost"};
  }
  NoteClock();
  Transaction transaction(*this, "BEGIN IMMEDIATE");
  if (transaction.code() != SQLITE_OK) return Fail(transaction.code());
  const Moment now = Now();
  for (const Change& change : changes) {
    ChangeOutcome outcome = ChangeOutcome::kDone;
    if (const int code = Apply(change, now, &outcome); IsRowsFault(code)) {
      outcome = ChangeOutcome::kBad;  // only this statement was undone
    } else if (code != SQLITE_OK) {
      return Fail(code);
    }
    outcomes->push_back(outcome);
  }
  if (const int code = transaction.Commit(); code != SQLITE_OK) return Fail(code);
  return {};
}

int SqliteDriver::Apply(const Change& change, const Moment& now, ChangeOutcome* outcome) {
  switch (change.kind) {
    case ChangeKind::kValue:
      return Upsert(change.row, now, outcome);
    case ChangeKind::kExpiry:
      return Extend(change, now, outcome);
    case ChangeKind::kDelete:
      return Bury(change.row, now, outcome);
    case ChangeKind::kCompared:
      return Compare(change, now, outcome);
    case ChangeKind::kComparedDelete:
      return BuryCompared(change, now, outcome);
  }
  return SQLITE_ERROR;
}

void SqliteDriver::BindRow(Statement::Run& run, const Row& row, const Moment& now) {
  run.Blob(1, row.key);
  run.Integer(2, row.version);
  run.Integer(3, row.born);
  run.Integer(4, row.floor);
  run.Integer(5, row.touched);
  run.Integer(6, now.ToDatabase(row.expires_us));
  run.Integer(7, int64_t{row.client_flags});
  run.Integer(8, int64_t{row.owner});
  run.Integer(9, now.wall_us);
  run.Blob(10, row.data);
}

// Of a statement that returns a row if it has changed one.
int SqliteDriver::RunChange(Statement::Run& run, bool* is_changed) {
  int code = run.Step();
  *is_changed = code == SQLITE_ROW;
  if (*is_changed) code = run.Step();
  return code == SQLITE_DONE ? SQLITE_OK : code;
}

int SqliteDriver::Upsert(const Row& row, const Moment& now, ChangeOutcome* outcome) {
  {
    Statement::Run run(upsert_);
    BindRow(run, row, now);
    int code = run.Step();
    if (code == SQLITE_ROW) {
      *outcome = run.StampAt(0) == row.version ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
      code = run.Step();
      return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    if (code != SQLITE_DONE) return code;
  }
  return LookWhoHolds(row, outcome);
}

// Nothing was changed: because the row holds this already?
int SqliteDriver::LookWhoHolds(const Row& row, ChangeOutcome* outcome) {
  Statement::Run look(look_);
  look.Blob(1, row.key);
  const int code = look.Step();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return code;
  const bool held = code == SQLITE_ROW && look.StampAt(0) == row.version;
  *outcome = held ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
  return SQLITE_OK;
}

int SqliteDriver::Compare(const Change& change, const Moment& now, ChangeOutcome* outcome) {
  {
    Statement::Run run(compared_);
    BindRow(run, change.row, now);
    run.Integer(11, change.base_version);
    bool is_changed = false;
    if (const int code = RunChange(run, &is_changed); code != SQLITE_OK || is_changed) return code;
  }
  return LookWhoHolds(change.row, outcome);
}

int SqliteDriver::Extend(const Change& change, const Moment& now, ChangeOutcome* outcome) {
  const Row& row = change.row;
  {
    Statement::Run run(expiry_);
    run.Blob(1, row.key);
    run.Integer(2, row.touched);
    run.Integer(3, now.ToDatabase(row.expires_us));
    run.Integer(4, int64_t{row.owner});
    run.Integer(5, now.wall_us);
    run.Integer(6, change.base_version);
    run.Integer(7, row.born);
    bool is_changed = false;
    if (const int code = RunChange(run, &is_changed); code != SQLITE_OK || is_changed) return code;
  }
  Statement::Run look(look_);
  look.Blob(1, row.key);
  const int code = look.Step();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return code;
  const bool held = code == SQLITE_ROW && look.StampAt(0) == change.base_version && look.StampAt(1) >= row.touched &&
                    look.IntegerAt(2) == 0;
  *outcome = held ? ChangeOutcome::kDone : ChangeOutcome::kNeedsRow;
  return SQLITE_OK;
}

int SqliteDriver::Bury(const Row& row, const Moment& now, ChangeOutcome* outcome) {
  {
    Statement::Run run(delete_);
    run.Blob(1, row.key);
    run.Integer(2, row.version);
    run.Integer(3, now.ToDatabase(row.expires_us));
    run.Integer(4, int64_t{row.owner});
    run.Integer(5, now.wall_us);
    int code = run.Step();
    if (code == SQLITE_ROW) {
      *outcome = run.IntegerAt(0) == 1 ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
      code = run.Step();
      return code == SQLITE_DONE ? SQLITE_OK : code;
    }
    if (code != SQLITE_DONE) return code;
  }
  Statement::Run look(look_);
  look.Blob(1, row.key);
  const int code = look.Step();
  if (code != SQLITE_ROW && code != SQLITE_DONE) return code;
  const bool dead = code == SQLITE_DONE || look.IntegerAt(2) == 1;
  *outcome = dead ? ChangeOutcome::kDone : ChangeOutcome::kOvertaken;
  return SQLITE_OK;
}

int SqliteDriver::BuryCompared(const Change& change, const Moment& now, ChangeOutcome* outcome) {
  {
    Statement::Run run(compared_delete_);
    run.Blob(1, change.row.key);
    run.Integer(2, change.row.version);
    run.Integer(3, now.ToDatabase(change.row.expires_us));
    run.Integer(4, int64_t{change.row.owner});
    run.Integer(5, now.wall_us);
    run.Integer(6, change.base_version);
    bool is_changed = false;
    if (const int code = RunChange(run, &is_changed); code != SQLITE_OK || is_changed) return code;
  }
  return LookWhoHolds(change.row, outcome);
}

Failure SqliteDriver::Sweep(int64_t grace_us, uint32_t limit, uint64_t* deleted) {
  NoteClock();
  Statement::Run run(sweep_);
  run.Integer(1, clock_->WallMicros() - grace_us);
  run.Integer(2, int64_t{limit});
  const int code = run.Step();
  if (code != SQLITE_DONE) return Fail(code);
  *deleted = static_cast<uint64_t>(sqlite3_changes64(connection_.get()));
  return {};
}

// -- Several servers ------------------------------------------------------------------------------

void SqliteDriver::ReadStamps(Statement::Run& run, const Moment& now, RowStamps* row) {
  row->version = run.StampAt(0);
  row->born = run.StampAt(1);
  row->floor = run.StampAt(2);
  row->touched = run.StampAt(3);
  row->expires_us = now.FromDatabase(run.IntegerAt(4));
  row->state = run.IntegerAt(5) == 0 ? RowState::kLive : RowState::kTombstone;
  row->owner = static_cast<uint32_t>(run.IntegerAt(6));
}

Failure SqliteDriver::LoadStamps(std::span<const std::string_view> keys, std::vector<RowStamps>* rows) {
  const Transaction transaction(*this, "BEGIN");
  if (transaction.code() != SQLITE_OK) return Fail(transaction.code());
  const Moment now = Now();
  for (const std::string_view key : keys) {
    Statement::Run run(load_stamps_);
    run.Blob(1, key);
    const int code = run.Step();
    if (code == SQLITE_DONE) continue;
    if (code != SQLITE_ROW) return Fail(code);
    RowStamps& row = rows->emplace_back();
    row.key = key;
    ReadStamps(run, now, &row);
  }
  return {};
}

Failure SqliteDriver::ReadChanges(uint32_t node, const ChangeCursor& after, uint32_t limit,
                                  std::vector<RowStamps>* rows, ChangeCursor* next) {
  ChangeCursor place = after;
  const Moment now = Now();
  Statement::Run run(changes_);
  run.Integer(1, after.changed_us);
  run.Blob(2, after.key);
  run.Integer(3, int64_t{node});
  run.Integer(4, int64_t{limit});
  int code;
  while ((code = run.Step()) == SQLITE_ROW) {
    RowStamps& row = rows->emplace_back();
    ReadStamps(run, now, &row);
    row.key = run.BlobAt(8);
    place = {run.IntegerAt(7), row.key};
  }
  if (code != SQLITE_DONE) return Fail(code);
  *next = std::move(place);
  return {};
}

Failure SqliteDriver::Claim(std::span<const OwnerChange> changes) {
  Transaction transaction(*this, "BEGIN IMMEDIATE");
  if (transaction.code() != SQLITE_OK) return Fail(transaction.code());
  const Moment now = Now();
  for (const OwnerChange& change : changes) {
    Statement::Run run(claim_);
    run.Blob(1, change.key);
    run.Integer(2, int64_t{change.from});
    run.Integer(3, int64_t{change.to});
    run.Integer(4, now.wall_us);
    if (const int code = run.Step(); code != SQLITE_DONE) return Fail(code);
  }
  if (const int code = transaction.Commit(); code != SQLITE_OK) return Fail(code);
  return {};
}

Failure SqliteDriver::ReadNodes(std::vector<NodeLease>* nodes, int64_t* database_now_us) {
  *database_now_us = clock_->WallMicros();
  Statement::Run run(nodes_);
  int code;
  while ((code = run.Step()) == SQLITE_ROW) {
    NodeLease& node = nodes->emplace_back();
    node.number = static_cast<uint32_t>(run.IntegerAt(0));
    node.name = run.BlobAt(1);
    node.address = run.BlobAt(2);
    node.started_us = run.IntegerAt(3);
    node.until_us = run.IntegerAt(4);
  }
  return code == SQLITE_DONE ? Failure() : Fail(code);
}

Failure SqliteDriver::PutNode(const NodeLease& lease, const NodeLease* expected, bool* done) {
  Statement::Run run(expected == nullptr ? new_node_ : put_node_);
  run.Integer(1, int64_t{lease.number});
  run.Text(2, lease.name);
  run.Text(3, lease.address);
  run.Integer(4, lease.started_us);
  run.Integer(5, lease.until_us);
  if (expected != nullptr) {
    run.Integer(6, expected->started_us);
    run.Integer(7, expected->until_us);
  }
  if (const int code = run.Step(); code != SQLITE_DONE) return Fail(code);
  *done = sqlite3_changes(connection_.get()) > 0;
  return {};
}

Failure SqliteDriver::TakeLease(std::string_view name, uint32_t holder, int64_t life_us, bool* held) {
  const int64_t now_us = clock_->WallMicros();
  Statement::Run run(lease_);
  run.Text(1, name);
  run.Integer(2, int64_t{holder});
  run.Integer(3, now_us);
  run.Integer(4, now_us + life_us);
  if (const int code = run.Step(); code != SQLITE_DONE) return Fail(code);
  *held = sqlite3_changes(connection_.get()) > 0;
  return {};
}

Failure SqliteDriver::ReadIdentity(DatabaseIdentity* identity) {
  if (const base::Status status = file_->ReadIdentity(connection_.get(), identity); !status.ok()) {
    return Failure{FailureClass::kConfiguration, status.message()};
  }
  return {};
}

void SqliteDriver::Idle() {
  if (connection_ == nullptr) return;
  NoteClock();
  sqlite3_wal_checkpoint_v2(connection_.get(), nullptr, SQLITE_CHECKPOINT_TRUNCATE, nullptr, nullptr);
}

// From here on the run of the machine is known to whoever opens the file next.
void NoteAtStart(const SqliteFile& file, RowClock& clock) {
  const std::optional<RowClockNote> note = clock.Due();
  SqliteConnection connection;
  std::string ignored;  // who opens it next will say
  if (!note || file.Connect(&connection, &ignored) != SQLITE_OK) return;
  if (file.KeepClockNote(connection.get(), *note) == SQLITE_OK) clock.Keep(*note);
}

}  // namespace

base::Result<std::unique_ptr<Database>> SqliteDatabase::Open(std::string_view path, const base::Clock& clock,
                                                             int inherited_lock) {
  base::Result<std::shared_ptr<SqliteFile>> file = SqliteFile::Open(std::string(path), inherited_lock);
  if (!file.ok()) return file.status();
  const std::shared_ptr<SqliteFile> opened = std::move(file.value());
  const auto row_clock = std::make_shared<RowClock>(clock, opened->clock_note());
  // While another process writes, in a hand-over, this is left for later.
  if (inherited_lock < 0) NoteAtStart(*opened, *row_clock);
  return std::unique_ptr<Database>(new SqliteDatabase(opened, row_clock));
}

std::unique_ptr<Driver> SqliteDatabase::NewDriver() { return std::make_unique<SqliteDriver>(file_, clock_); }

}  // namespace holdfast::session
