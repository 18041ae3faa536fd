// driver.h - the door to the database that owns the sessions in the end.
//
// A Database is a place (a file, a cluster); a Driver is one connection to it. Every statement that changes a row is
// guarded, so that retries, lost replies and late statements of nodes that were given up change nothing they should
// not:
//
//   value   new.version > version AND new.born > floor
//   expiry  new.touched > touched AND new.born > floor
//   delete  floor = max(floor, version); a row born before it becomes a tombstone
//   compare the above, and the row's version is the one expected
//   claim   owner is the one expected
//
// Times here are those of our steady clock, unless they are called the database's. The driver turns them into the
// database's, by the database's clock, in the moment of the statement; so neither a batch that is held up nor a step of
// a wall clock moves an expiry.
//
// Several servers may share a database. Each has a number leased in the table `nodes`; a row's owner is the number of
// the server that wrote or claimed it last, and only that one may have changes of it that the database lacks.
//
// Threads: a Driver belongs to one thread at a time. Database: NewDriver from any.
// Blocks:  all calls of a Driver, for as long as the database takes.
// Errors:  Failure says what to do next; nothing of a failed Write may be taken as written (nor as not written).

#ifndef HOLDFAST_SESSION_DRIVER_H_
#define HOLDFAST_SESSION_DRIVER_H_

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/status.h"

namespace holdfast::session {

inline constexpr int64_t kNeverMicros = std::numeric_limits<int64_t>::max();
inline constexpr int64_t kUnknownSince = std::numeric_limits<int64_t>::min();
inline constexpr int kSchemaVersion = 1;

// When an item of this expiry is over, by the steady clock.
inline int64_t ExpiryMicros(const base::Clock& clock, base::Seconds expiry) {
  return expiry == base::kNever ? kNeverMicros : clock.SteadyMicrosAt(expiry);
}

// The nearest second, so that going to the database and back moves an expiry by nothing.
inline base::Seconds ExpiryAt(const base::Clock& clock, int64_t expires_us) {
  if (expires_us == kNeverMicros) return base::kNever;
  const int64_t second = (expires_us - clock.SteadyMicrosAt(0) + 500'000) / 1'000'000;
  constexpr int64_t kLatest = std::numeric_limits<base::Seconds>::max();
  return static_cast<base::Seconds>(std::clamp<int64_t>(second, base::kAlreadyPast, kLatest));
}

enum class RowState : uint8_t { kLive = 0, kTombstone = 1 };

// A session as the database keeps it.
struct Row {
  std::string key;
  uint64_t version = 0;
  uint64_t born = 0;
  uint64_t floor = 0;
  uint64_t touched = 0;
  int64_t expires_us = kNeverMicros;  // by our steady clock
  RowState state = RowState::kLive;
  uint32_t client_flags = 0;
  uint32_t owner = 0;      // node that wrote it last
  int64_t changed_us = 0;  // Load only: when the row was last changed, by our steady clock; may be before our start
  std::string data;
};

enum class ChangeKind : uint8_t {
  kValue,   // the whole row
  kExpiry,  // touched and expires_us alone, of the row that still has base_version
  kDelete,  // a tombstone with floor = version, to live until expires_us
  // The whole row, if the live row's version is base_version (0: if there is no live row, an expired one counts as
  // none). Of a live row that was touched later the expiry stays. Held already is kDone, anything else kOvertaken.
  kCompared,
  kComparedDelete,  // as kDelete, if there is a live row and its version is base_version; else kOvertaken
};

struct Change {
  ChangeKind kind = ChangeKind::kValue;
  uint64_t base_version = 0;  // kExpiry, kCompared, kComparedDelete
  // kValue, kCompared: since when, by our steady clock, others may have made a delete that the database has forgotten;
  // kNeverMicros: none. Drivers do not look at it, ForgottenDeletes does.
  int64_t unseen_since_us = kNeverMicros;
  Row row;
};

enum class ChangeOutcome : uint8_t {
  kDone,       // the database holds this, or held it already
  kOvertaken,  // it holds something later: load the row
  kNeedsRow,   // kExpiry only: the row is gone or another; send the whole
  kBad,        // this row can never be written as it is; detail says why
  kNoRow,      // ForgottenDeletes only: there is no row, and this may not make one
};

// A row without its value.
struct RowStamps {
  std::string key;
  uint64_t version = 0;
  uint64_t born = 0;
  uint64_t floor = 0;
  uint64_t touched = 0;
  int64_t expires_us = kNeverMicros;
  RowState state = RowState::kLive;
  uint32_t owner = 0;
};

// A place in the order in which rows were changed: behind this row of this time by the database's clock.
struct ChangeCursor {
  int64_t changed_us = 0;
  std::string key;
};

// The owner of a row is to be another, if it is `from`.
struct OwnerChange {
  std::string_view key;
  uint32_t from = 0;
  uint32_t to = 0;
};

// A row of `nodes`: a server's number for as long as it renews it. Number and start together name one process.
struct NodeLease {
  uint32_t number = 0;
  std::string name;        // for people
  std::string address;     // where the others may ask it, host:port
  int64_t started_us = 0;  // the database's clock, when the number was taken
  int64_t until_us = 0;    // the database's clock; 0: given back
  bool operator==(const NodeLease&) const = default;
};

// What stays the same for a database; a copy or a restored one differs in one of them.
struct DatabaseIdentity {
  int schema_version = 0;
  std::string uuid;
  uint64_t generation = 0;
  bool operator==(const DatabaseIdentity&) const = default;
};

// What a server remembers of a database, for a start while that cannot be asked.
struct KnownDatabase {
  DatabaseIdentity identity;
  uint64_t value_bytes_max = 0;
};

// What a failed call means for the caller.
enum class FailureClass : uint8_t {
  kNone,
  kRetry,          // the same again, here, soon
  kNextNode,       // this connection is no good any more: Open again (elsewhere, if there is an elsewhere)
  kConfiguration,  // nothing will work before somebody changes something; keep the data and say so
};

struct [[nodiscard]] Failure {
  FailureClass kind = FailureClass::kNone;
  std::string detail;  // cause, then remedy; empty when ok
  bool ok() const { return kind == FailureClass::kNone; }
};
// kRefused if a person must mend it, kUnavailable otherwise.
base::Status StatusOf(const Failure& failure);

class Driver {
 public:
  virtual ~Driver() = default;

  // (Re)connects. The others may be called only after it succeeded, and after kNextNode it must succeed again.
  virtual Failure Open() = 0;

  // May this database be used by this server: does it grant all that will be sent, and is our clock not ahead of its?
  // Changes nothing.
  virtual Failure Check() { return {}; }

  // Appends the rows that exist, expired and tombstones included, in any order.
  virtual Failure Load(std::span<const std::string_view> keys, std::vector<Row>* rows) = 0;

  // All of it or, when it fails, any part of it, except that kBad rows are left out. outcomes gets one entry a change,
  // in order.
  virtual Failure Write(std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) = 0;

  // Deletes at most limit rows that expired more than grace_us ago, and tombstones that have lived their life.
  virtual Failure Sweep(int64_t grace_us, uint32_t limit, uint64_t* deleted) = 0;

  // As Load, without the values: for checking whether what is in memory still holds.
  virtual Failure LoadStamps(std::span<const std::string_view> keys, std::vector<RowStamps>* rows) = 0;

  // Rows that other servers than `node` own and that were changed behind `after`, in the order of their change, at most
  // limit. *next gets the place of the last of them, or after when there is none. Commits become visible out of order:
  // the caller goes back some way now and then.
  virtual Failure ReadChanges(uint32_t node, const ChangeCursor& after, uint32_t limit, std::vector<RowStamps>* rows,
                              ChangeCursor* next) = 0;

  // Changes owners (and when the row was changed), each for itself; who has it in the end, Load says.
  virtual Failure Claim(std::span<const OwnerChange> changes) = 0;

  // All of `nodes`, and what time it is there.
  virtual Failure ReadNodes(std::vector<NodeLease>* nodes, int64_t* database_now_us) = 0;
  // Puts a row of `nodes`, if what stands there under this number has `expected`'s start and end; null: if there is
  // none. In one atomic step. *done says whether.
  virtual Failure PutNode(const NodeLease& lease, const NodeLease* expected, bool* done) = 0;

  // Takes or prolongs a lease of that name (the reaper's) for holder, if nobody else holds it. *held says whether.
  virtual Failure TakeLease(std::string_view name, uint32_t holder, int64_t life_us, bool* held) = 0;

  // Reads it anew: the database may have been replaced, or restored from a copy, while we were connected or away.
  virtual Failure ReadIdentity(DatabaseIdentity* identity) = 0;

  // Called when there has been nothing to write for a while: upkeep that would disturb otherwise.
  virtual void Idle() = 0;
};

class Database {
 public:
  virtual ~Database() = default;

  // url: "sqlite:PATH", or a server's (database_url.h). Opens it, checks that it is ours and sound. A file without a
  // schema gets one, a server must have it (schema.h). What is not ours or not sound is left as found. clock is
  // borrowed.
  // inherited_lock: what lock() was in the process that hands over, this one's now; -1: none.
  // password: of a server's user.
  static base::Result<std::unique_ptr<Database>> Open(std::string_view url, const base::Clock& clock,
                                                      int inherited_lock = -1, const std::string& password = {});

  // The same for a database on a server, without asking it: what it is was known before. Who uses it first holds that
  // against Driver::ReadIdentity, and calls Driver::Check.
  static base::Result<std::unique_ptr<Database>> OpenAway(std::string_view url, const base::Clock& clock,
                                                          const std::string& password, const KnownDatabase& known);

  virtual std::unique_ptr<Driver> NewDriver() = 0;
  virtual const DatabaseIdentity& identity() const = 0;
  // For the banner and statistics: "SQLite file /var/lib/holdfast/sessions.db". No password.
  virtual std::string Describe() const = 0;
  // The file that it is, for what lies beside it; empty when it is not on this machine.
  virtual std::string local_path() const = 0;
  // May several servers use it at the same time? Then numbers are leased and changes of others looked for.
  virtual bool is_shared() const = 0;
  // The descriptor that keeps a second server off; a hand-over passes it on. -1 when there is none.
  virtual int lock() const { return -1; }
  // A clock for what else must outlive the machine's run: its wall time is that of the rows where steps of ours do not
  // move these, else `ours`.
  virtual const base::Clock& StepFree(const base::Clock& ours) const { return ours; }
  // The largest value a row may hold.
  virtual uint64_t value_bytes_max() const = 0;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_DRIVER_H_
