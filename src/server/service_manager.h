// service_manager.h - what systemd, or whoever else speaks its two small protocols, gives and is told: listening
// sockets (LISTEN_FDS), and how the server is (NOTIFY_SOCKET).
//
// Threads: any, but InheritSockets: the main thread, before others run; GoesOn: the main thread.
// Owns:    nothing. Errors: telling is best effort; without a service manager nobody is told.

#ifndef HOLDFAST_SERVER_SERVICE_MANAGER_H_
#define HOLDFAST_SERVER_SERVICE_MANAGER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/status.h"

namespace holdfast::server {

class ServiceManager {
 public:
  // Descriptors that were passed to this process by LISTEN_PID and LISTEN_FDS; none: it was started in another way. The
  // variables are removed, so that no child takes them for its own. kUsage when they make no sense.
  static base::Result<std::vector<int>> InheritSockets();

  // Told by NOTIFY_SOCKET, or by a hand-over.
  ServiceManager();
  const std::string& address() const { return address_; }
  void set_address(std::string address) { address_ = std::move(address); }

  // "READY=1", with a line for people.
  void Ready(const std::string& status) const;
  void Reloading() const;  // Ready follows
  void Stopping() const;
  // Starting or stopping goes on, however patient the service manager is by itself; to be called often meanwhile.
  void GoesOn();
  // Another process is the service now.
  void MainProcess(pid_t process) const;

 private:
  void Tell(const std::string& text) const;
  std::string address_;  // empty: nobody is told
  int64_t go_on_at_us_ = 0;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SERVICE_MANAGER_H_
