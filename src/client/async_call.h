// async_call.h - a call with a callback, from when it is handed to the client's thread until its callback has run.
//
// Its Parts travel on connections that it shares with other calls. When its time is up it is delivered as it is; the
// Parts that are still on the wire then belong to nobody, but their memory stays here until the connection has seen
// their replies, or has ended.
//
// Threads: made by the caller, then the loop's only.
// Owns:    copies of keys and values, the Parts, the callback.
// Invariants
// (1) Deliver is called exactly once.

#ifndef HOLDFAST_CLIENT_ASYNC_CALL_H_
#define HOLDFAST_CLIENT_ASYNC_CALL_H_

#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "client/deadline.h"
#include "client/endpoint.h"
#include "client/multiget_plan.h"
#include "client/one_part.h"

namespace holdfast::client {

class AsyncCall : public std::enable_shared_from_this<AsyncCall> {
 public:
  struct Errand {
    std::shared_ptr<Endpoint> endpoint;
    Part* part;
    bool done = false;  // answered or failed
  };

  AsyncCall(SteadyTime deadline, std::chrono::nanoseconds timeout) : deadline_(deadline), timeout_(timeout) {}
  virtual ~AsyncCall() = default;

  SteadyTime deadline() const { return deadline_; }
  std::chrono::nanoseconds timeout() const { return timeout_; }
  std::vector<Errand>& errands() { return errands_; }

  bool over() const { return over_; }
  // One of its Parts was answered or failed.
  void PartDone(const Part* part) {
    if (over_) return;
    for (Errand& errand : errands_) {
      if (errand.part == part) errand.done = true;
    }
    if (--unfinished_ == 0) Finish();
  }
  void Begin() {
    unfinished_ = errands_.size();
    if (unfinished_ == 0) Finish();
  }
  // Delivers it as it is.
  void Finish() {
    over_ = true;
    Deliver();
  }

 protected:
  virtual void Deliver() = 0;
  std::vector<Errand> errands_;

 private:
  const SteadyTime deadline_;
  const std::chrono::nanoseconds timeout_;
  size_t unfinished_ = 0;
  bool over_ = false;
};

class AsyncOne final : public AsyncCall {
 public:
  AsyncOne(protocol::Verb verb, std::string_view key, std::string_view value, SteadyTime deadline,
           std::chrono::nanoseconds timeout, std::function<void(Answer)> done)
      : AsyncCall(deadline, timeout), key_(key), value_(value), part_(verb, ""), done_(std::move(done)) {
    part_.set_value(value_);
  }

  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  OnePart& part() { return part_; }
  void SendTo(std::shared_ptr<Endpoint> endpoint) {
    part_.set_server(endpoint->text());
    errands_.push_back({std::move(endpoint), &part_, false});
  }

 private:
  void Deliver() override { done_(std::move(part_.answer())); }

  const std::string key_;
  const std::string value_;
  OnePart part_;
  const std::function<void(Answer)> done_;
};

class AsyncMultiget final : public AsyncCall {
 public:
  using Done = std::function<void(std::vector<Found>, std::unique_ptr<ValueBytes>)>;

  AsyncMultiget(std::span<const std::string_view> keys, SteadyTime deadline, std::chrono::nanoseconds timeout,
                Done done);

  void Plan(const Topology& topology, const ClientOptions& options, const Call& call, bool with_cas);

 private:
  void Deliver() override;

  std::string text_;
  std::vector<std::string_view> keys_;
  std::vector<Found> found_;
  std::unique_ptr<ValueBytes> bytes_ = std::make_unique<ValueBytes>();
  std::vector<Found> found_late_;  // what comes after the delivery goes here
  ValueBytes bytes_late_;
  MultigetPlan plan_;
  const Done done_;
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_ASYNC_CALL_H_
