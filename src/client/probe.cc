#include "client/probe.h"

#include "client/loop.h"

namespace holdfast::client {

Probe::Probe(Loop& loop, std::shared_ptr<Endpoint> endpoint) : loop_(loop), endpoint_(std::move(endpoint)) {
  TryLater();
}

void Probe::TryLater() {
  ready_.Clear();
  connection_.reset();
  time_.After<&Probe::OnTime>(loop_.base(), loop_.times().probe_interval, this);
}

void Probe::OnTime(short) {
  if (endpoint_.use_count() == 1) {
    done_ = true;  // taken from the list meanwhile
    return loop_.Tidy();
  }
  if (connection_ != nullptr) return TryLater();  // no answer in time
  loop_.watch().OnAddressesWanted(*endpoint_);
  Lease lease = endpoint_->Acquire(true, false);
  if (lease.connection == nullptr) return TryLater();
  connection_ = std::move(lease.connection);
  connection_->Submit(&part_);
  time_.After<&Probe::OnTime>(loop_.base(), loop_.times().probe_timeout, this);
  Progress(false);
}

void Probe::OnReady(short what) { Progress((what & EV_READ) != 0); }

void Probe::Progress(bool readable) {
  if (!connection_->Progress(readable).ok()) return TryLater();
  if (connection_->pending() > 0) {
    const short wanted = static_cast<short>(EV_READ | (connection_->wants_write() ? EV_WRITE : 0));
    return ready_.Watch<&Probe::OnReady>(loop_.base(), connection_->file(), wanted, this);
  }
  ready_.Clear();
  time_.Clear();
  endpoint_->Restore();
  endpoint_->Release(std::move(connection_));
  done_ = true;
  loop_.OnRestored();
}

}  // namespace holdfast::client
