// passing_driver.h - a driver that passes every call on to a real one, through one door that a test can shut.
//
// Threads: as driver.h.
// Owns:    the real driver.

#ifndef HOLDFAST_T_LIB_PASSING_DRIVER_H_
#define HOLDFAST_T_LIB_PASSING_DRIVER_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "session/driver.h"

namespace holdfast::test {

class PassingDriver : public session::Driver {
 public:
  explicit PassingDriver(std::unique_ptr<session::Driver> driver) : driver_(std::move(driver)) {}

  session::Failure Open() override {
    return Pass([&] { return driver_->Open(); });
  }
  session::Failure Check() override {
    return Pass([&] { return driver_->Check(); });
  }
  session::Failure Load(std::span<const std::string_view> keys, std::vector<session::Row>* rows) override {
    return Pass([&] { return driver_->Load(keys, rows); });
  }
  session::Failure Write(std::span<const session::Change> changes,
                         std::vector<session::ChangeOutcome>* outcomes) override {
    return Pass([&] { return driver_->Write(changes, outcomes); });
  }
  session::Failure Sweep(int64_t grace_us, uint32_t limit, uint64_t* deleted) override {
    return Pass([&] { return driver_->Sweep(grace_us, limit, deleted); });
  }
  session::Failure LoadStamps(std::span<const std::string_view> keys, std::vector<session::RowStamps>* rows) override {
    return Pass([&] { return driver_->LoadStamps(keys, rows); });
  }
  session::Failure ReadChanges(uint32_t node, const session::ChangeCursor& after, uint32_t limit,
                               std::vector<session::RowStamps>* rows, session::ChangeCursor* next) override {
    return Pass([&] { return driver_->ReadChanges(node, after, limit, rows, next); });
  }
  session::Failure Claim(std::span<const session::OwnerChange> changes) override {
    return Pass([&] { return driver_->Claim(changes); });
  }
  session::Failure ReadNodes(std::vector<session::NodeLease>* nodes, int64_t* database_now_us) override {
    return Pass([&] { return driver_->ReadNodes(nodes, database_now_us); });
  }
  session::Failure PutNode(const session::NodeLease& lease, const session::NodeLease* expected, bool* done) override {
    return Pass([&] { return driver_->PutNode(lease, expected, done); });
  }
  session::Failure TakeLease(std::string_view name, uint32_t holder, int64_t life_us, bool* held) override {
    return Pass([&] { return driver_->TakeLease(name, holder, life_us, held); });
  }
  session::Failure ReadIdentity(session::DatabaseIdentity* identity) override {
    return Pass([&] { return driver_->ReadIdentity(identity); });
  }
  void Idle() override { driver_->Idle(); }

 protected:
  // Every call comes through here; it need not be made.
  virtual session::Failure Pass(const std::function<session::Failure()>& call) { return call(); }
  session::Driver& real() { return *driver_; }

 private:
  const std::unique_ptr<session::Driver> driver_;
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_PASSING_DRIVER_H_
