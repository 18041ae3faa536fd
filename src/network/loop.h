// loop.h - the inside of a Worker: its event loop, ready queue, timers and connections, without the thread.
//
// Threads: Open before the worker's thread runs, then all on that; mailbox and counters from any.
// Owns:    event base, connections, BlockPool, hooks.
// Errors:  Open returns the Status.

#ifndef HOLDFAST_NETWORK_LOOP_H_
#define HOLDFAST_NETWORK_LOOP_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_set>
#include <vector>

#include "base/block_pool.h"
#include "base/status.h"
#include "network/busy_poll.h"
#include "network/connection_table.h"
#include "network/mailbox.h"
#include "network/socket_connection.h"
#include "network/timer_queue.h"
#include "network/worker.h"

namespace holdfast::network {

class Loop {
 public:
  Loop(Worker& worker, const WorkerSettings& settings, base::BlockBudget& budget, std::unique_ptr<WorkerHooks> hooks);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  base::Status Open();
  void Run();          // the thread's body
  void RequestStop();  // from any thread

  Mailbox& mailbox() { return mailbox_; }
  const WorkerSettings& settings() const { return settings_; }
  WorkerCounters& counters() { return counters_; }
  base::BlockPool& pool() { return pool_; }
  Worker& worker() { return worker_; }
  event_base* base() { return base_.get(); }

  void Resume(uint64_t connection_id);
  uint64_t StartTimer(uint32_t delay_ms, std::function<void()> task);
  void CancelTimer(uint64_t timer_id) { timers_.Cancel(timer_id); }
  bool OthersReady() const { return !turns_.empty() || !ready_.empty(); }
  void ForEachConnection(const std::function<void(Connection&)>& visit);
  uint32_t now_seconds() const { return now_seconds_; }

  // As in Worker.
  std::vector<Departure> Export();
  void Abandon();
  void FinishConnections() {
    finishing_ = true;
    CloseUnoccupied();
  }
  void SetIdleTimeout(uint32_t seconds);
  void SetBusyPoll(uint32_t micros) { busy_poll_.SetLimit(micros); }
  bool finishing() const { return finishing_; }

  // For the connections.
  void Enqueue(SocketConnection& connection) { ready_.Push(connection); }
  // An input block for this connection. At the cap the one with most unsent bytes is closed for it, else this one: then
  // null.
  char* TakeBlock(SocketConnection& connection);
  // Whether the connection has output that its socket does not take.
  // An empty Output, and back when it is empty again: idle connections have none.
  std::unique_ptr<base::Output> TakeOutput();
  void GiveOutput(std::unique_ptr<base::Output> output);
  void NoteUnsent(SocketConnection& connection, bool unsent);
  // The last act of SocketConnection::Close.
  void Forget(SocketConnection& connection);
  SocketConnection* Find(uint64_t id) const { return connections_.Find(id); }

 private:
  struct FreeBase {
    void operator()(event_base* base) const;
  };

  void Wait();
  void WaitForWork();
  bool IsRunnable() const { return !ready_.empty() || mailbox_.HasMail(); }
  bool TimerHasFired() const;
  void ArmTimer();
  void ReadMail();
  void Welcome(Arrival arrival);
  void GiveTurns();
  bool UnderPressure();
  void RelievePressure();
  SocketConnection* MostUnsent() const;
  std::vector<SocketConnection*> Unfinished() const;
  void CloseIdle();
  void LookForIdleIn(uint32_t seconds);
  void CloseAll();
  void CloseUnoccupied();
  void Delete(SocketConnection* connection);

  Worker& worker_;
  const WorkerSettings settings_;
  uint32_t idle_timeout_seconds_ = 0;
  uint64_t idle_timer_ = 0;  // 0: none runs
  const std::unique_ptr<WorkerHooks> hooks_;
  WorkerCounters counters_;
  Mailbox mailbox_;
  BusyPoll busy_poll_;
  std::atomic<bool> stop_requested_{false};

  std::unique_ptr<event_base, FreeBase> base_;  // null until Open
  event wake_event_{};
  event timer_event_{};
  int64_t armed_due_us_ = TimerQueue::kNothingDue;  // what timer_event_ waits for
  base::BlockPool pool_;
  std::vector<std::unique_ptr<base::Output>> spare_outputs_;
  TimerQueue timers_;
  ConnectionTable connections_;
  std::unordered_set<SocketConnection*> unsent_;  // those that wait for their socket to take output
  ReadyQueue ready_;                              // collected for the next round
  ReadyQueue turns_;                              // what is left of this round
  SocketConnection* current_ = nullptr;           // whose turn it is; null between turns
  Mail mail_;                                     // empty between rounds, kept for its capacity
  uint32_t now_seconds_ = 0;
  uint32_t relieved_seconds_ = 0;  // when unfinished requests were last looked through
  bool stopping_ = false;          // arrivals are turned away
  bool finishing_ = false;         // connections are closed as soon as nothing is in hand
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_LOOP_H_
