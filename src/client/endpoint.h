// endpoint.h - one server of the list: its addresses, its idle connections, and whether it is well.
//
// Health: failures_before_ejection failures in a row, of whatever kind, and the server is down; calls are then refused
// without asking it. The client's thread probes it (half open: one probe, nobody else) and Restore makes it well again.
//
// Threads: any.
// Owns:    the idle connections. A lent Connection must not outlive it.
// Blocks:  for a mutex that is held for a few instructions, never over a system call that can wait.
// Errors:  in Lease::status; they name the server by its address as given.
// Limits:  connections_idle_max idle ones, connections_max in all.

#ifndef HOLDFAST_CLIENT_ENDPOINT_H_
#define HOLDFAST_CLIENT_ENDPOINT_H_

#include <holdfast/client.h>

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "client/address.h"
#include "client/connection.h"

namespace holdfast::client {

struct EndpointLimits {
  uint32_t failures_before_ejection = 3;
  uint32_t connections_idle_max = 16;
  uint32_t connections_max = 1024;
  uint64_t reply_bytes_max = 0;
};

struct Lease {
  std::unique_ptr<Connection> connection;  // null when it must be waited for, and with an error
  bool reused = false;                     // it lay idle: the server may have closed it meanwhile
  Status status;
};

class Endpoint : public std::enable_shared_from_this<Endpoint> {
 public:
  Endpoint(Address address, std::string name, uint32_t weight, const EndpointLimits& limits);

  // A connection, idle or begun. Null and ok: the host name is being looked up, ask again soon.
  // fresh: no idle one. quiet: look whether an idle one was closed, even if it is in steady use.
  Lease Acquire(bool fresh, bool quiet);
  // Only a connection that is idle() may come back; otherwise it is simply destroyed.
  void Release(std::unique_ptr<Connection> connection);
  void CloseIdle();

  void Succeeded() {
    if (failures_in_a_row_.load(std::memory_order_relaxed) != 0) failures_in_a_row_.store(0, std::memory_order_relaxed);
  }
  // True: with this one the server is ejected.
  bool Failed();
  bool down() const { return down_.load(std::memory_order_acquire); }
  void Restore();
  Status DownStatus() const;

  // A name without addresses is not connected to; kUnreachable with this status when the look-up failed.
  bool is_name() const { return is_name_; }
  void SetAddresses(std::vector<SocketAddress> addresses);
  void SetUnresolved(const std::string& cause);
  std::vector<SocketAddress> addresses() const;
  // How often they have become others.
  uint32_t address_changes() const { return address_changes_.load(std::memory_order_acquire); }

  const Address& address() const { return address_; }
  const std::string& text() const { return address_.text; }
  const std::string& name() const { return name_; }
  uint32_t weight() const { return weight_; }
  ServerState state() const;

 private:
  const Address address_;
  const std::string name_;
  const uint32_t weight_;
  const EndpointLimits limits_;
  const bool is_name_;

  std::atomic<uint32_t> open_count_{0};  // connections that exist or are about to
  std::atomic<uint32_t> failures_in_a_row_{0};
  std::atomic<uint64_t> failures_{0};
  std::atomic<uint64_t> ejections_{0};
  std::atomic<bool> down_{false};
  std::atomic<uint32_t> address_changes_{0};

  mutable std::mutex mutex_;
  std::vector<SocketAddress> addresses_;           // guarded by mutex_; empty until looked up
  std::string unresolved_;                         // guarded by mutex_; why there are none, empty while not known
  std::vector<std::unique_ptr<Connection>> idle_;  // guarded by mutex_; the one used last is last
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_ENDPOINT_H_
