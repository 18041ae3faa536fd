#include "client/endpoint.h"

#include <algorithm>

namespace holdfast::client {
namespace {

// A connection that lay idle for longer is looked at before it is used; one in steady use is spared the system call.
constexpr std::chrono::milliseconds kIdleUnseenMax{10};

}  // namespace

Endpoint::Endpoint(Address address, std::string name, uint32_t weight, const EndpointLimits& limits)
    : address_(std::move(address)),
      name_(std::move(name)),
      weight_(weight),
      limits_(limits),
      is_name_(NumericAddresses(address_).empty()),
      addresses_(NumericAddresses(address_)) {}

Lease Endpoint::Acquire(bool fresh, bool quiet) {
  Lease lease;
  std::vector<SocketAddress> addresses;
  {
    std::lock_guard lock(mutex_);
    if (!fresh && !idle_.empty()) {
      lease.connection = std::move(idle_.back());
      idle_.pop_back();
    } else {
      addresses = addresses_;
      if (addresses.empty() && !unresolved_.empty()) {
        lease.status = Status(Code::kUnreachable, text(), unresolved_);
        return lease;
      }
    }
  }
  if (lease.connection != nullptr) {
    lease.reused = true;
    const bool look = quiet || Now() - lease.connection->idle_since() > kIdleUnseenMax;
    if (!look || lease.connection->Quiet()) return lease;
    CloseIdle();  // what closed this one has closed the others
    return Acquire(true, false);
  }
  if (addresses.empty()) return lease;
  // Counted first and then looked at, so that of two at once no more than fit come through.
  if (open_count_.fetch_add(1, std::memory_order_relaxed) >= limits_.connections_max) {
    open_count_.fetch_sub(1, std::memory_order_relaxed);
    lease.status =
        Status(Code::kBusy, text(), "all " + std::to_string(limits_.connections_max) + " connections are in use");
    return lease;
  }
  lease.connection = std::make_unique<Connection>(std::move(addresses), text(), limits_.reply_bytes_max, open_count_);
  lease.status = lease.connection->Open();
  if (!lease.status.ok()) lease.connection.reset();
  return lease;
}

void Endpoint::Release(std::unique_ptr<Connection> connection) {
  if (!connection->idle()) return;
  connection->set_idle_since(Now());
  std::lock_guard lock(mutex_);
  if (idle_.size() >= limits_.connections_idle_max) return;
  if (is_name_ && !connection->UsesOneOf(addresses_)) return;
  idle_.push_back(std::move(connection));
}

void Endpoint::CloseIdle() {
  std::vector<std::unique_ptr<Connection>> idle;
  std::lock_guard lock(mutex_);
  idle.swap(idle_);
}

bool Endpoint::Failed() {
  failures_.fetch_add(1, std::memory_order_relaxed);
  const uint32_t in_a_row = failures_in_a_row_.fetch_add(1, std::memory_order_relaxed) + 1;
  if (limits_.failures_before_ejection == 0 || in_a_row < limits_.failures_before_ejection) return false;
  if (down_.exchange(true, std::memory_order_acq_rel)) return false;
  ejections_.fetch_add(1, std::memory_order_relaxed);
  CloseIdle();
  return true;
}

void Endpoint::Restore() {
  failures_in_a_row_.store(0, std::memory_order_relaxed);
  down_.store(false, std::memory_order_release);
}

Status Endpoint::DownStatus() const {
  return Status(Code::kServerDown, text(), "ejected after failures in a row; it is being probed");
}

void Endpoint::SetAddresses(std::vector<SocketAddress> addresses) {
  std::vector<std::unique_ptr<Connection>> gone;
  std::lock_guard lock(mutex_);
  unresolved_.clear();
  if (addresses == addresses_) return;
  addresses_ = std::move(addresses);
  address_changes_.fetch_add(1, std::memory_order_release);
  const auto stays = [&](const auto& connection) { return connection->UsesOneOf(addresses_); };
  const auto first_gone = std::stable_partition(idle_.begin(), idle_.end(), stays);
  std::move(first_gone, idle_.end(), std::back_inserter(gone));
  idle_.erase(first_gone, idle_.end());
}

// Addresses that were found before are kept: an old one is better than none.
void Endpoint::SetUnresolved(const std::string& cause) {
  std::lock_guard lock(mutex_);
  unresolved_ = cause;
}

std::vector<SocketAddress> Endpoint::addresses() const {
  std::lock_guard lock(mutex_);
  return addresses_;
}

ServerState Endpoint::state() const {
  ServerState state;
  state.address = text();
  state.name = name_;
  state.down = down();
  state.failures = failures_.load(std::memory_order_relaxed);
  state.ejections = ejections_.load(std::memory_order_relaxed);
  state.connections = open_count_.load(std::memory_order_relaxed);
  return state;
}

}  // namespace holdfast::client
