// worker.h - one thread, one libevent loop, many connections.
//
// The loop: tell the hooks that the thread may wait (they announce the quiescent state), wait, tell them that it is
// back, collect what is ready, then give every ready connection one turn in order. Event callbacks only collect; all
// work is done in turns, so the worker knows how many others are ready and a turn can be limited only while somebody
// else waits.
//
// Threads: Start, Stop, Join from the main thread; Adopt, Post, Resume from any; all else on the worker's own.
// Owns:    its thread, its event loop, its connections, its BlockPool.
// Errors:  Start returns the Status of thread or loop creation. A connection's failure ends that connection only.
// Blocks:  Join waits for the thread; nothing else blocks.

#ifndef HOLDFAST_NETWORK_WORKER_H_
#define HOLDFAST_NETWORK_WORKER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "base/block_pool.h"
#include "base/counter.h"
#include "base/status.h"
#include "network/arrival.h"
#include "network/busy_poll.h"
#include "network/connection.h"

namespace holdfast::network {

class Loop;

// Called by the worker on its own thread.
class WorkerHooks {
 public:
  virtual ~WorkerHooks() = default;
  virtual void OnStart(Worker& worker) = 0;  // first thing on the thread
  virtual void BeforeWait() = 0;             // once a round: no view into the store is held any more
  virtual void AfterWait() = 0;              // once a round, after BeforeWait, also when there was nothing to wait for
  virtual void OnStop() = 0;                 // last thing on the thread; all connections are closed
  virtual std::unique_ptr<Handler> MakeHandler(Connection& connection) = 0;  // null turns the connection away
};

// Each worker counts for itself; sum them to answer `stats`.
struct WorkerCounters {
  base::Counter connections_current;
  base::Counter connections_total;
  base::Counter bytes_read;
  base::Counter bytes_written;
  base::Counter yields;
  base::Counter idle_kicks;
  base::Counter closed_for_memory;
  BusyPollCounters busy_poll;
};

struct WorkerSettings {
  int index = 0;
  uint32_t idle_timeout_seconds = 0;          // 0: off
  uint32_t busy_poll_us = 0;                  // 0: off
  SpareProcessor* spare_processor = nullptr;  // shared by all workers; null: no busy polling. Borrowed
};

class Worker {
 public:
  Worker(const WorkerSettings& settings, base::BlockBudget& budget, std::unique_ptr<WorkerHooks> hooks);
  ~Worker();
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  base::Status Start();
  // Runs the tasks posted so far, closes all connections (after what is already written has been tried once) and ends
  // the loop. Tasks posted later are dropped unrun.
  void Stop();
  void Join();

  // Takes over an accepted, non-blocking socket with its transport and its place under the connection limit. After Stop
  // it is closed.
  void Adopt(Arrival arrival);
  void Adopt(int socket);  // plain, under no limit
  // Runs task on this thread, soon. Tasks run in the order posted, before the turns of that round.
  void Post(std::function<void()> task);
  // The parked connection gets a turn, soon. Unknown or already resumed ids are ignored. From any thread.
  void Resume(uint64_t connection_id);
  // From any thread: a connection is closed as soon as nothing of it is in hand, now or after its present request.
  void FinishConnections();

  // Changes WorkerSettings::idle_timeout_seconds. From any thread.
  void SetIdleTimeout(uint32_t seconds);
  // Changes WorkerSettings::busy_poll_us. From any thread.
  void SetBusyPoll(uint32_t micros);

  // On the worker's thread, in a task: the connections as another process can go on with them. Nothing changes here.
  std::vector<Departure> Export();
  // On the worker's thread, in a task, after Export: the other process has taken them. Closes all, without a byte sent
  // on those that moved.
  void Abandon();
  // On the worker's thread: run task after delay_ms, before the turns of that round; returns an id for CancelTimer,
  // never 0. Timers that are left when the worker stops are dropped unrun.
  uint64_t StartTimer(uint32_t delay_ms, std::function<void()> task);
  void CancelTimer(uint64_t timer_id);

  int index() const;
  // On the worker's thread, during a turn: are other connections waiting for theirs?
  bool OthersReady() const;
  base::BlockPool& pool();
  size_t idle_blocks() const;  // from any thread
  const WorkerCounters& counters() const;
  // On the worker's thread: calls visit for every connection. visit may look, nothing else.
  void ForEachConnection(const std::function<void(Connection&)>& visit);

 private:
  const std::unique_ptr<Loop> loop_;
  std::thread thread_;
};

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_WORKER_H_
