// server.h - the parts, wired in one list and taken down in reverse.
//
//   Open    memory, database, sockets: all that can fail for reasons outside; nothing is served yet
//   Start   threads; from here on clients are answered
//   Stop    no new connections, connections closed, sessions drained, threads ended
//
// Threads: all from the main thread.
// Owns:    everything.
// Errors:  Open and Start: one line with cause and remedy; nothing is left half-started (the destructor undoes it).
// Blocks:  Stop up to the drain timeout.

#ifndef HOLDFAST_SERVER_SERVER_H_
#define HOLDFAST_SERVER_SERVER_H_

#include <functional>
#include <memory>
#include <vector>

#include "base/log.h"
#include "base/option.h"
#include "base/stat.h"
#include "base/status.h"
#include "network/listener.h"
#include "network/worker.h"
#include "server/handover.h"
#include "server/live_settings.h"
#include "server/process_stats.h"
#include "server/server_control.h"
#include "server/server_host.h"
#include "server/service_manager.h"
#include "server/session_service.h"
#include "server/settings.h"
#include "server/takeover.h"
#include "server/upkeep.h"
#include "server/worker_state.h"

namespace holdfast::server {

class Server {
 public:
  // All borrowed.
  Server(const Settings& settings, const base::OptionSet& options, base::Log& log, const base::Clock& clock);
  ~Server();
  Server(const Server&) = delete;
  Server& operator=(const Server&) = delete;

  // The clock is this one, and `debugtime` may move it. Before OpenStore.
  void AllowDebugTime(base::DebugClock* clock) { host_.AllowDebugTime(clock); }
  // While we are still root, who may read what the server's user may not.
  base::Status ReadSecrets();
  base::Status OpenStore();
  // Those that the service manager has passed (may be none); else those of the options.
  base::Status OpenSockets(std::vector<int> passed);
  // After privileges were dropped: files belong to who will use them.
  // is_asked_to_end: asked while the database is waited for; true gives up.
  base::Status OpenSessions(const std::function<bool()>& is_asked_to_end);
  base::Status Start();
  // In place of OpenSockets, OpenSessions and Start: in place of the process that runs with the same options. When it
  // fails that one goes on, and this one must end.
  base::Status TakeOver();
  // No new connections; those that are there end when what they have in hand is done, or after a while. Before Stop.
  void Finish(const std::function<bool()>& hurried);
  // hurried: asked while sessions are written; true stops at once. False: a thread may hang, and the process must end
  // now.
  bool Stop(const std::function<bool()>& hurried = {});

  // On any thread: another process serves in place of this one. Stop only cleans up then.
  pid_t successor() const { return handover_ == nullptr ? 0 : handover_->successor(); }
  void set_on_handed_over(std::function<void()> wake) { on_handed_over_ = std::move(wake); }
  ServiceManager& service_manager() { return service_manager_; }

  // Between Start and Stop: does what the reloadable option `name` says in `wanted`. Errors: it stays as it was.
  base::Status Change(std::string_view name, const Settings& wanted);
  // Shows the options as they are now in `stats settings`.
  void ShowSettings() { control_.ShowSettings(options_); }

  // After OpenSockets.
  const std::vector<network::ListenSocket>& sockets() const { return listener_->bound(); }

  // "holdfast 0.1.0 on 127.0.0.1:11211, 64 MB, sessions in ..., stop with Ctrl-C"
  std::string Banner() const;

 private:
  network::ListenerSettings ListenerSettingsOf() const;
  base::Status MakeWorkers();
  command::OperationSettings OperationSettingsOf() const;
  base::Status OpenListener(network::ListenerSettings settings);
  void WarnOfPublicAddress() const;
  base::Status OpenSessions(SessionService::Inherited inherited, const std::function<bool()>& is_asked_to_end);
  base::Status PrepareTakeOver(Takeover& takeover);
  base::Status ReceiveAll(Takeover& takeover);
  base::Status Serve(Takeover& takeover);
  void MakeHandover();
  base::Status StartWorkers();
  void AddStats();
  base::Status ChangeLive(const Settings& wanted);
  base::Status ChangeDrainTimeout(const Settings& wanted);
  base::Status ChangeVerbosity(const Settings& wanted);
  base::Status ChangeConnections(const Settings& wanted);
  base::Status ChangeRejection(const Settings& wanted);
  base::Status ChangeConnectionMemory(const Settings& wanted);
  base::Status ChangeMemoryLimit(const Settings& wanted);
  base::Status ChangeIdleTimeout(const Settings& wanted);
  base::Status ChangeBusyPoll(const Settings& wanted);
  std::string OwnAddress() const;
  void WakeWaiter(const session::Waiter& waiter, session::LoadOutcome outcome);

  const Settings& settings_;
  const base::OptionSet& options_;
  base::Log& log_;
  const base::Clock& clock_;
  const int64_t started_steady_micros_;

  base::StatSet stats_;
  base::BlockBudget budget_;
  network::ConnectionLimit limit_;
  LiveSettings live_;
  ServerControl control_;
  std::unique_ptr<store::Store> store_;
  std::string database_password_;
  std::unique_ptr<SessionService> sessions_;  // null: off
  std::unique_ptr<command::Operations> operations_;
  std::unique_ptr<Shared> shared_;
  std::vector<std::unique_ptr<command::CommandCounters>> counters_;  // one a worker
  std::vector<WorkerState*> states_;                                 // owned by their workers
  network::SpareProcessor spare_processor_;
  std::vector<std::unique_ptr<network::Worker>> workers_;
  std::unique_ptr<network::Listener> listener_;
  ServerHost host_{workers_, listener_, live_};
  std::unique_ptr<Upkeep> upkeep_;
  ServiceManager service_manager_;
  std::function<void()> on_handed_over_;
  std::unique_ptr<Handover> handover_;  // null before Start
  ProcessSource process_source_{};
  bool started_ = false;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SERVER_H_
