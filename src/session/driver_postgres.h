// driver_postgres.h - sessions in PostgreSQL.
//
// Threads: as driver.h. Each driver has a connection of its own, and a walker of its own over the hosts of the URL.
// Owns:    drivers and database share the place (URL, password).
// Blocks:  up to the time limits of the URL, for each host when connecting.
// Errors:  by postgres_error.h. A write that conflicts is repeated here a few times before it is a failure.

#ifndef HOLDFAST_SESSION_DRIVER_POSTGRES_H_
#define HOLDFAST_SESSION_DRIVER_POSTGRES_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "session/database_moment.h"
#include "session/database_url.h"
#include "session/driver.h"
#include "session/host_walker.h"
#include "session/postgres_connection.h"

namespace holdfast::session {

// A message of the server's may have 1 GB, a value may become hexadecimal on its way to a person.
inline constexpr uint64_t kPostgresValueBytesMax = 255u << 20;

struct PostgresPlace {
  const DatabaseUrl url;
  const std::string password;
  const base::Clock& clock;
};

class PostgresDriver final : public Driver {
 public:
  explicit PostgresDriver(std::shared_ptr<const PostgresPlace> place);

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
  void Idle() override {}

  // How far our wall clock is ahead of the database's, at least.
  Failure ReadClockAhead(int64_t* ahead_us);
  // Do the tables take what we will send? Nothing is changed.
  Failure CheckGrants();

 private:
  using Indices = std::vector<size_t>;

  Failure Fail(const PostgresError& error);
  PostgresError ConnectTo(size_t host, PostgresConnection* connection);
  void LookBack();
  PostgresError Run(const char* name, const PostgresParameters& parameters, PostgresRows* rows);
  int64_t TimeToLive(int64_t steady_us) const;

  PostgresError WriteRows(ChangeKind kind, std::span<const Change> changes, const Indices& indices,
                          std::vector<ChangeOutcome>* outcomes);
  PostgresError WriteHalves(ChangeKind kind, std::span<const Change> changes, const Indices& indices,
                            std::vector<ChangeOutcome>* outcomes);
  PostgresParameters ParametersOf(ChangeKind kind, std::span<const Change> changes, const Indices& indices) const;
  PostgresError SettleRefused(ChangeKind kind, std::span<const Change> changes, const Indices& indices,
                              std::vector<ChangeOutcome>* outcomes);
  PostgresError WriteCompared(const Change& change, ChangeOutcome* outcome);

  const std::shared_ptr<const PostgresPlace> place_;
  HostWalker walker_;
  PostgresConnection connection_;
};

class PostgresDatabase final : public Database {
 public:
  PostgresDatabase(std::shared_ptr<const PostgresPlace> place, DatabaseIdentity identity)
      : place_(std::move(place)), identity_(std::move(identity)) {}

  std::unique_ptr<Driver> NewDriver() override { return std::make_unique<PostgresDriver>(place_); }
  const DatabaseIdentity& identity() const override { return identity_; }
  std::string Describe() const override { return place_->url.Describe(); }
  std::string local_path() const override { return ""; }
  bool is_shared() const override { return true; }
  uint64_t value_bytes_max() const override { return kPostgresValueBytesMax; }

 private:
  const std::shared_ptr<const PostgresPlace> place_;
  const DatabaseIdentity identity_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_DRIVER_POSTGRES_H_
