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
#include "session/database_url.h"
#include "session/driver.h"
#include "session/postgres_connection.h"
#include "session/server_driver.h"

namespace holdfast::session {

// A message of the server's may have 1 GB, a value may become hexadecimal on its way to a person.
inline constexpr uint64_t kPostgresValueBytesMax = 255u << 20;

struct PostgresPlace {
  const DatabaseUrl url;
  const std::string password;
  const base::Clock& clock;
};

class PostgresDriver final : public ServerDriver {
 public:
  explicit PostgresDriver(std::shared_ptr<const PostgresPlace> place);

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
  using Indices = std::vector<size_t>;

  Failure Fail(const PostgresError& error) { return AtHost(FailureOf(error)); }
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
  PostgresConnection connection_;
};

class PostgresDatabase final : public ServerDatabase {
 public:
  PostgresDatabase(std::shared_ptr<const PostgresPlace> place, DatabaseIdentity identity)
      : ServerDatabase(place->url.Describe(), std::move(identity)), place_(std::move(place)) {}

  std::unique_ptr<Driver> NewDriver() override { return std::make_unique<PostgresDriver>(place_); }
  uint64_t value_bytes_max() const override { return kPostgresValueBytesMax; }

 private:
  const std::shared_ptr<const PostgresPlace> place_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_DRIVER_POSTGRES_H_
