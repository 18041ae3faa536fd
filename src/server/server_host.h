// server_host.h - what commands ask of the process as a whole: its connections, and to end.
//
// Threads: any but a worker for ForEachConnection, any for Shutdown. Borrows workers and listener, which outlive it.
// Blocks:  ForEachConnection, until every worker has come round, at most kWaitSeconds.

#ifndef HOLDFAST_SERVER_SERVER_HOST_H_
#define HOLDFAST_SERVER_SERVER_HOST_H_

#include <functional>
#include <memory>
#include <vector>

#include "command/operations.h"
#include "network/listener.h"
#include "network/worker.h"
#include "server/live_settings.h"

namespace holdfast::server {

class ServerHost final : public command::Host {
 public:
  static constexpr int kWaitSeconds = 5;

  ServerHost(const std::vector<std::unique_ptr<network::Worker>>& workers,
             const std::unique_ptr<network::Listener>& listener, const LiveSettings& live)
      : workers_(workers), listener_(listener), live_(live) {}

  void ForEachConnection(const std::function<void(const ConnectionRow&)>& visit) override;
  void Shutdown(bool graceful) override;
  base::DebugClock* debug_clock() override { return debug_clock_; }
  // Before the workers start. Borrowed.
  void AllowDebugTime(base::DebugClock* clock) { debug_clock_ = clock; }
  bool dump_allowed() const override { return live_.dump_allowed; }
  bool watch_allowed() const override { return live_.watch_allowed; }
  bool shutdown_allowed() const override { return live_.shutdown_allowed; }

 private:
  const std::vector<std::unique_ptr<network::Worker>>& workers_;
  const std::unique_ptr<network::Listener>& listener_;
  const LiveSettings& live_;
  base::DebugClock* debug_clock_ = nullptr;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SERVER_HOST_H_
