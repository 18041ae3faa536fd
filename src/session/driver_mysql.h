// driver_mysql.h - sessions in a server that speaks MySQL's protocol: MariaDB, alone or as a Galera cluster, MySQL,
// TiDB.
//
// Threads: as driver.h. Each driver has a connection of its own, and a walker of its own over the hosts of the URL.
// Owns:    drivers and database share the place (URL, password, what the server takes).
// Blocks:  up to the time limits of the URL, for each host when connecting.
// Errors:  by the tables of mysql_error.h. A write that conflicts is repeated here a few times before it is a failure.
// Limits:  a statement is at most kStatementBytesMax and half of what the server takes.

#ifndef HOLDFAST_SESSION_DRIVER_MYSQL_H_
#define HOLDFAST_SESSION_DRIVER_MYSQL_H_

#include <atomic>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/status.h"
#include "session/database_url.h"
#include "session/driver.h"
#include "session/mysql_connection.h"
#include "session/mysql_statements.h"
#include "session/server_driver.h"

namespace holdfast::session {

inline constexpr uint64_t kMysqlStatementBytesMax = 4u << 20;
// Beside the value in a statement of one row: columns, guard, the key with every byte escaped.
inline constexpr uint64_t kMysqlStatementSlackBytes = 8192;

// What the drivers of a database share.
struct MysqlPlace {
  MysqlPlace(DatabaseUrl a_url, std::string a_password, const base::Clock& a_clock)
      : url(std::move(a_url)), password(std::move(a_password)), clock(a_clock) {}

  const DatabaseUrl url;
  const std::string password;
  const base::Clock& clock;
  std::atomic<uint64_t> value_bytes_max{0};  // as of the latest connection
};

class MysqlDriver final : public ServerDriver {
 public:
  explicit MysqlDriver(std::shared_ptr<MysqlPlace> place);

  Failure Load(std::span<const std::string_view> keys, std::vector<Row>* rows) override;
  Failure Write(std::span<const Change> changes, std::vector<ChangeOutcome>* outcomes) override;
  Failure Sweep(int64_t grace_us, uint32_t limit, uint64_t* deleted) override;
  Failure LoadStamps(std::span<const std::string_view> keys, std::vector<RowStamps>* rows) override;
  Failure ReadChanges(uint32_t node, const ChangeCursor& after, uint32_t limit, std::vector<RowStamps>* rows,
                      ChangeCursor* next) override;
  Failure Claim(std::span<const OwnerChange> changes) override;
  Failure ReadNodes(std::vector<NodeLease>* nodes, int64_t* database_now_us) override;
  Failure TakeLease(std::string_view name, uint32_t holder, int64_t life_us, bool* held) override;

 protected:
  Failure Connect(const DatabaseHost& host) override;
  void Disconnect() override { connection_.Close(); }
  Failure Execute(const std::string& sql) override;
  Failure ReadMeta(Meta* meta) override;
  Failure TryPutNode(const NodeLease& lease, const NodeLease* expected, bool* done) override;

 private:
  // A row's stamps, to see why it was not changed.
  struct Look {
    bool found = false;
    uint64_t version = 0, born = 0, floor = 0, touched = 0;
    bool live = false;
  };
  using Indices = std::span<const size_t>;

  Failure Fail(const MysqlError& error) { return AtHost(FailureOf(error, MysqlPhase::kConnected)); }
  // A guarded statement, a few times while it conflicts with others.
  MysqlError Run(std::string_view sql, uint64_t* affected, std::optional<uint64_t>* refused = nullptr);

  MysqlError WriteRows(ChangeKind kind, std::span<const Change> changes, Indices indices,
                       std::vector<ChangeOutcome>* outcomes);
  std::string StatementOf(ChangeKind kind, std::span<const Change> changes, Indices indices) const;
  MysqlError WriteHalves(ChangeKind kind, std::span<const Change> changes, Indices indices,
                         std::vector<ChangeOutcome>* outcomes);
  MysqlError SettleRefused(ChangeKind kind, std::span<const Change> changes, Indices indices,
                           std::vector<ChangeOutcome>* outcomes);
  MysqlError LookAt(std::span<const Change> changes, Indices indices, std::vector<Look>* looks);
  MysqlError WriteCompared(const Change& change, ChangeOutcome* outcome);
  MysqlError SettleValue(const Change& change, const Look& look, ChangeOutcome* outcome);
  MysqlError SettleDelete(const Change& change, const Look& look, ChangeOutcome* outcome);

  const std::shared_ptr<MysqlPlace> place_;
  MysqlConnection connection_;
  MysqlStatements statements_;
};

class MysqlDatabase final : public ServerDatabase {
 public:
  MysqlDatabase(std::shared_ptr<MysqlPlace> place, DatabaseIdentity identity)
      : ServerDatabase(place->url.Describe(), std::move(identity)), place_(std::move(place)) {}

  std::unique_ptr<Driver> NewDriver() override { return std::make_unique<MysqlDriver>(place_); }
  uint64_t value_bytes_max() const override { return place_->value_bytes_max.load(std::memory_order_relaxed); }

 private:
  const std::shared_ptr<MysqlPlace> place_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_DRIVER_MYSQL_H_
