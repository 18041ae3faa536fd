#include "client/lane.h"

#include <algorithm>

#include "client/loop.h"

namespace holdfast::client {
namespace {

constexpr std::chrono::milliseconds kAddressTick{2};

}  // namespace

void Lane::Submit(std::shared_ptr<AsyncCall> call, Part* part, bool again) {
  cargo_.push_back({std::move(call), part, again});
  if (connection_ != nullptr) connection_->Submit(part);
}

void Lane::Flush() {
  if (broken_) return;
  if (connection_ != nullptr) return Progress(false);
  if (cargo_.empty()) return;
  if (connect_deadline_ == SteadyTime()) connect_deadline_ = Now() + loop_.times().connect_timeout;
  Open();
}

bool Lane::Outdated() {
  if (connection_ == nullptr || address_changes_ == endpoint_->address_changes()) return false;
  address_changes_ = endpoint_->address_changes();
  return !connection_->UsesOneOf(endpoint_->addresses());
}

void Lane::Open() {
  address_changes_ = endpoint_->address_changes();
  Lease lease = endpoint_->Acquire(true, false);
  if (!lease.status.ok()) return Break(lease.status);
  if (lease.connection == nullptr) {
    loop_.watch().OnAddressesWanted(*endpoint_);
    return time_.After<&Lane::OnTime>(loop_.base(), kAddressTick, this);
  }
  connection_ = std::move(lease.connection);
  for (const Cargo& cargo : cargo_) connection_->Submit(cargo.part);
  if (!connection_->connected()) time_.After<&Lane::OnTime>(loop_.base(), connect_deadline_ - Now(), this);
  Progress(false);
}

void Lane::OnTime(short) {
  const bool late = Now() >= connect_deadline_;
  if (connection_ == nullptr) {
    if (!late) return Open();
    Break(Status(Code::kUnreachable, endpoint_->text(), "its name is still being looked up"));
  } else if (!connection_->connected()) {
    Break(Status(Code::kUnreachable, endpoint_->text(), "no connection in time"));
  }
  loop_.Tidy();
}

void Lane::OnReady(short what) {
  Progress((what & EV_READ) != 0);
  loop_.Tidy();
}

void Lane::Progress(bool readable) {
  const Status status = connection_->Progress(readable);
  Settle();
  if (!status.ok()) return Break(status);
  Watch();
}

// The Parts that the connection has finished.
void Lane::Settle() {
  while (cargo_.size() > connection_->pending()) {
    const Cargo cargo = std::move(cargo_.front());
    cargo_.pop_front();
    endpoint_->Succeeded();
    cargo.call->PartDone(cargo.part);
  }
}

void Lane::Watch() {
  const short wanted = static_cast<short>(EV_READ | EV_PERSIST | (connection_->wants_write() ? EV_WRITE : 0));
  if (wanted == watched_) return;
  watched_ = wanted;
  ready_.Watch<&Lane::OnReady>(loop_.base(), connection_->file(), wanted, this);
}

void Lane::Break(const Status& status) {
  if (broken_) return;
  broken_ = true;
  const bool proven = connection_ != nullptr && connection_->received() > 0;
  ready_.Clear();
  time_.Clear();
  connection_.reset();
  std::deque<Cargo> cargo;
  cargo.swap(cargo_);
  const bool lost_nothing = cargo.empty();
  for (Cargo& each : cargo) {
    if (each.call->over()) continue;
    if (proven && !each.again && each.part->Repeatable() && status.code() == Code::kConnectionLost) {
      loop_.CarryAgain(std::move(each.call), each.part, endpoint_);
    } else {
      each.part->Fail(status);
      each.call->PartDone(each.part);
    }
  }
  // A connection that was good and went is told apart from a server that is gone by the next one, not by this.
  if (lost_nothing || (proven && status.code() == Code::kConnectionLost) || status.code() == Code::kBusy) return;
  if (status.code() == Code::kUnreachable && endpoint_->is_name()) loop_.watch().OnAddressesWanted(*endpoint_);
  if (endpoint_->Failed()) loop_.watch().OnEjected(*endpoint_);
}

bool Lane::Holds(const AsyncCall* call) const {
  return std::any_of(cargo_.begin(), cargo_.end(), [&](const Cargo& cargo) { return cargo.call.get() == call; });
}

bool Lane::Unwanted() const {
  return std::all_of(cargo_.begin(), cargo_.end(), [](const Cargo& cargo) { return cargo.call->over(); });
}

}  // namespace holdfast::client
