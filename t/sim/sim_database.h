// sim_database.h - a database in memory with the guards of session/driver.h, and with everything that databases do
// wrong.
//
// A statement is executed whole or not at all, at once. That it takes time, that its reply is lost, that it is carried
// out after its client gave up: that is for the caller, who executes it when it is to take effect.
//
// Threads: one.

#ifndef HOLDFAST_T_SIM_SIM_DATABASE_H_
#define HOLDFAST_T_SIM_SIM_DATABASE_H_

#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "session/driver.h"
#include "sim/bugs.h"
#include "sim/sim_clock.h"

namespace holdfast::sim {

class SimDatabase {
 public:
  SimDatabase(const WorldTime& time, Bug bug) : time_(time), bug_(bug) {}

  enum class State : uint8_t {
    kUp,
    kAway,        // refuses everything
    kNonPrimary,  // takes connections, refuses statements
  };

  // Times of rows are the steady ones of the world, as all nodes have them.
  void Write(std::span<const session::Change> changes, std::vector<session::ChangeOutcome>* outcomes);
  void Load(std::span<const std::string_view> keys, std::vector<session::Row>* rows) const;
  void LoadStamps(std::span<const std::string_view> keys, std::vector<session::RowStamps>* rows) const;
  void ReadChanges(uint32_t node, const session::ChangeCursor& after, uint32_t limit,
                   std::vector<session::RowStamps>* rows, session::ChangeCursor* next) const;
  void Claim(std::span<const session::OwnerChange> changes);
  uint64_t Sweep(int64_t grace_us, uint32_t limit);
  void ReadNodes(std::vector<session::NodeLease>* nodes) const;
  bool PutNode(const session::NodeLease& lease, const session::NodeLease* expected);
  bool TakeLease(std::string_view name, uint32_t holder, int64_t life_us);
  session::DatabaseIdentity identity() const { return identity_; }
  int64_t now_us() const { return time_.wall_us(); }

  const session::Row* Find(const std::string& key) const;

  State state = State::kUp;
  // A value of these client flags can never be written.
  uint32_t poison_flags = 0;

 private:
  using Rows = std::map<std::string, session::Row, std::less<>>;
  struct Lease {
    uint32_t holder;
    int64_t until_us;
  };

  session::ChangeOutcome Insert(session::Row row);
  session::ChangeOutcome InsertLive(session::Row row);
  session::Row TombstoneOf(const session::Row& row, uint64_t born) const;
  session::ChangeOutcome Upsert(const session::Row& row);
  session::ChangeOutcome Compare(const session::Change& change);
  session::ChangeOutcome BuryCompared(const session::Change& change);
  session::ChangeOutcome Extend(const session::Change& change);
  session::ChangeOutcome Bury(const session::Row& row);
  static session::RowStamps StampsOf(const session::Row& row);
  int64_t ToDatabase(int64_t steady_us) const { return steady_us - time_.steady_us + time_.wall_us(); }

  const WorldTime& time_;
  const Bug bug_;
  Rows rows_;
  std::map<uint32_t, session::NodeLease> nodes_;
  std::map<std::string, Lease, std::less<>> leases_;
  session::DatabaseIdentity identity_{session::kSchemaVersion, "0123456789abcdef0123456789abcdef", 1};
};

// Executes at once; refuses as the database's state says. A link can be cut for one node alone.
class SimDriver final : public session::Driver {
 public:
  SimDriver(SimDatabase& database, const bool& link_up) : database_(database), link_up_(link_up) {}

  session::Failure Open() override { return Check(true); }
  session::Failure Load(std::span<const std::string_view> keys, std::vector<session::Row>* rows) override {
    return Do([&] { database_.Load(keys, rows); });
  }
  session::Failure Write(std::span<const session::Change> changes,
                         std::vector<session::ChangeOutcome>* outcomes) override {
    return Do([&] { database_.Write(changes, outcomes); });
  }
  session::Failure Sweep(int64_t grace_us, uint32_t limit, uint64_t* deleted) override {
    return Do([&] { *deleted = database_.Sweep(grace_us, limit); });
  }
  session::Failure LoadStamps(std::span<const std::string_view> keys, std::vector<session::RowStamps>* rows) override {
    return Do([&] { database_.LoadStamps(keys, rows); });
  }
  session::Failure ReadChanges(uint32_t node, const session::ChangeCursor& after, uint32_t limit,
                               std::vector<session::RowStamps>* rows, session::ChangeCursor* next) override {
    return Do([&] { database_.ReadChanges(node, after, limit, rows, next); });
  }
  session::Failure Claim(std::span<const session::OwnerChange> changes) override {
    return Do([&] { database_.Claim(changes); });
  }
  session::Failure ReadNodes(std::vector<session::NodeLease>* nodes, int64_t* database_now_us) override {
    return Do([&] {
      database_.ReadNodes(nodes);
      *database_now_us = database_.now_us();
    });
  }
  session::Failure PutNode(const session::NodeLease& lease, const session::NodeLease* expected, bool* done) override {
    return Do([&] { *done = database_.PutNode(lease, expected); });
  }
  session::Failure TakeLease(std::string_view name, uint32_t holder, int64_t life_us, bool* held) override {
    return Do([&] { *held = database_.TakeLease(name, holder, life_us); });
  }
  session::Failure ReadIdentity(session::DatabaseIdentity* identity) override {
    return Do([&] { *identity = database_.identity(); });
  }
  void Idle() override {}

 private:
  session::Failure Check(bool opening) const;
  template <class Statement>
  session::Failure Do(Statement&& statement) {
    session::Failure failure = Check(false);
    if (failure.ok()) statement();
    return failure;
  }

  SimDatabase& database_;
  const bool& link_up_;
};

}  // namespace holdfast::sim

#endif  // HOLDFAST_T_SIM_SIM_DATABASE_H_
