#include "client/flight.h"

#include <algorithm>
#include <string>

namespace holdfast::client {

void Flight::Start(SteadyTime now, std::chrono::nanoseconds connect_timeout) {
  connect_deadline_ = now + connect_timeout;
  Begin(false);
}

void Flight::Begin(bool fresh) {
  const bool repeatable = std::all_of(parts_.begin(), parts_.end(), [](Part* part) { return part->Repeatable(); });
  Lease lease = endpoint_->Acquire(fresh, !repeatable);
  if (!lease.status.ok()) return Broken(lease.status);
  if (lease.connection == nullptr) return watch_->OnAddressesWanted(*endpoint_);
  connection_ = std::move(lease.connection);
  reused_ = lease.reused;
  received_before_ = connection_->received();
  submitted_ = 0;
  SubmitMore();
  Progress(false);
}

void Flight::SubmitMore() {
  while (submitted_ < parts_.size() && connection_->pending() < kPartsUnderWay) {
    connection_->Submit(parts_[submitted_++]);
  }
}

void Flight::Progress(bool readable) {
  if (connection_ == nullptr) return Begin(true);
  while (true) {
    if (Status status = connection_->Progress(readable); !status.ok()) return Broken(status);
    if (submitted_ == parts_.size() || connection_->pending() == kPartsUnderWay) break;
    SubmitMore();
    readable = false;  // what was there has been read; now write what was added
  }
  if (connection_->pending() == 0) Land(Status());
}

void Flight::Broken(const Status& status) {
  const bool all_answered = connection_ != nullptr && submitted_ == parts_.size() && connection_->pending() == 0;
  if (all_answered) {
    connection_.reset();
    return Land(Status());
  }
  const bool was_stale = reused_ && status.code() == Code::kConnectionLost &&
                         connection_->received() == received_before_ &&
                         std::all_of(parts_.begin(), parts_.end(), [](Part* part) { return part->Repeatable(); });
  if (!was_stale) return Land(status);
  connection_.reset();
  submitted_ = 0;  // nothing was answered: should the fresh one not come about, all Parts fail
  endpoint_->CloseIdle();
  Begin(true);
}

// A call that came to an end, well or not.
void Flight::Land(const Status& status) {
  done_ = true;
  if (status.ok()) {
    endpoint_->Succeeded();
    if (connection_ != nullptr) endpoint_->Release(std::move(connection_));
    return;
  }
  const size_t answered = submitted_ - (connection_ == nullptr ? 0 : connection_->pending());
  connection_.reset();
  for (Part* part : parts_.subspan(answered)) part->Fail(status);
  if (status.code() == Code::kBusy) return;
  if (status.code() == Code::kUnreachable && endpoint_->is_name()) watch_->OnAddressesWanted(*endpoint_);
  if (endpoint_->Failed()) watch_->OnEjected(*endpoint_);
}

void Flight::CheckTime(SteadyTime now, SteadyTime deadline, std::chrono::nanoseconds timeout) {
  if (done_) return;
  const bool late = now >= deadline;
  if (!late && !(connecting() && now >= connect_deadline_)) return;
  const auto ms = [](std::chrono::nanoseconds time) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(time).count()) + " ms";
  };
  if (connection_ == nullptr)
    return Land(Status(Code::kUnreachable, endpoint_->text(), "its name is still being looked up"));
  if (connecting()) return Land(Status(Code::kUnreachable, endpoint_->text(), "no connection in time"));
  Land(Status(Code::kTimeout, endpoint_->text(), "no answer within " + ms(timeout)));
}

}  // namespace holdfast::client
