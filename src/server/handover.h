// handover.h - the old process's part of a hand-over: the door at which a new one knocks, and the conversation with it
// (handover_messages.h).
//
// Until the last message this process can go on as if nothing had happened, and does so whenever the new one refuses,
// dies or takes too long.
//
// Threads: all from the main thread but Stop's wake-up; the conversation has a thread of its own.
// Owns:    the door and the thread. Borrows the parts, which must run until Stop has returned.
// Blocks:  Stop, until a hand-over that is in its last part has ended, at most kCutMillis and
//          as long as the writer is waited for (SessionService::HoldWriter).
// Errors:  OpenDoor's Status; a failed hand-over is a line in the log.
// Limits:  one hand-over at a time.

#ifndef HOLDFAST_SERVER_HANDOVER_H_
#define HOLDFAST_SERVER_HANDOVER_H_

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/log.h"
#include "base/status.h"
#include "network/channel.h"
#include "network/listen_socket.h"
#include "network/listener.h"
#include "network/worker.h"
#include "server/service_manager.h"
#include "server/session_service.h"
#include "server/settings.h"

namespace holdfast::server {

class Standstill;

// Where the door is; empty when there is no place for it.
std::string HandoverDoor(const Settings& settings);

class Handover {
 public:
  static constexpr int kCutMillis = 3000;  // from the last answer until this process goes on

  struct Parts {
    network::Listener& listener;
    const std::vector<std::unique_ptr<network::Worker>>& workers;
    SessionService* sessions;  // null: off
    store::Store& store;
    const ServiceManager& manager;
    const base::Log& log;
  };
  // handed_over is called, on the conversation's thread, when another process serves.
  Handover(const Parts& parts, std::function<void()> handed_over);
  ~Handover();
  Handover(const Handover&) = delete;
  Handover& operator=(const Handover&) = delete;

  base::Status OpenDoor(const std::string& path);
  // The door of the process that this one took over from.
  base::Status InheritDoor(int descriptor);
  base::Status Start();
  void Stop();

  // Another process serves instead of this one. 0: none.
  pid_t successor() const { return successor_.load(); }

 private:
  using Status = base::Status;
  void Run();
  void Converse(network::Channel& channel);
  Status Welcome(network::Channel& channel);
  // False: this process goes on.
  bool Cut(network::Channel& channel);
  Status Settle();
  Status SendAll(network::Channel& channel, const Standstill& standstill, int64_t stopped_us);
  void GoOn();

  const Parts parts_;
  const std::function<void()> handed_over_;
  std::optional<network::ListenSocket> door_;  // empty: there is none
  network::Descriptor wake_;                   // readable: Stop
  std::atomic<pid_t> successor_{0};
  std::thread thread_;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_HANDOVER_H_
