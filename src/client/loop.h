// loop.h - the client's own thread: carries calls with a callback, probes servers that are down.
//
// Threads: Post, Carry, ProbeLater and Stop from any; Stop by the one that destroys the client. All else runs on the
//          loop's own.
// Owns:    the thread, its event base, the lanes (one connection to each server, shared by all calls with a callback).
// Blocks:  Stop, until the callback that is running has returned.
// Errors:  in the calls.
// Limits:  kAsyncCallsMax calls under way.

#ifndef HOLDFAST_CLIENT_LOOP_H_
#define HOLDFAST_CLIENT_LOOP_H_

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "client/async_call.h"
#include "client/flight.h"
#include "client/lane.h"
#include "client/loop_event.h"
#include "client/probe.h"

namespace holdfast::client {

inline constexpr size_t kAsyncCallsMax = 1'000'000;

struct LoopTimes {
  std::chrono::milliseconds connect_timeout;
  std::chrono::milliseconds probe_interval;
  std::chrono::milliseconds probe_timeout;
};

class Loop {
 public:
  // watch hears of failures. on_restored: a server came back; called on the loop's thread.
  Loop(const LoopTimes& times, HealthWatch& watch, std::function<void()> on_restored);
  ~Loop();
  Loop(const Loop&) = delete;
  Loop& operator=(const Loop&) = delete;

  void Post(std::function<void()> task);
  // False: too many are under way, and nothing is done.
  bool Carry(std::shared_ptr<AsyncCall> call);
  void ProbeLater(std::shared_ptr<Endpoint> endpoint);
  // Fails what is under way with kClosed and ends the thread. No callback runs after it.
  void Stop();

  // For lanes and probes, on the loop's thread.
  event_base* base() { return base_.get(); }
  const LoopTimes& times() const { return times_; }
  HealthWatch& watch() { return watch_; }
  void CarryAgain(std::shared_ptr<AsyncCall> call, Part* part, const std::shared_ptr<Endpoint>& endpoint);
  void OnRestored();
  // Something may have come to its end.
  void Tidy() {
    if (!tidy_due_) tidy_.After<&Loop::OnTidy>(base_.get(), std::chrono::nanoseconds(0), this);
    tidy_due_ = true;
  }

 private:
  struct FreeBase {
    void operator()(event_base* base) const { event_base_free(base); }
  };
  // A call and the end of its time.
  struct Timed {
    Loop* loop;
    std::shared_ptr<AsyncCall> call;
    LoopEvent time;
    void OnTime(short) { loop->OnTime(call); }
  };

  void Work();
  void OnWake(short what);
  void RunTasks();
  void OnTidy(short what);
  void Begin(const std::shared_ptr<AsyncCall>& call);
  void OnTime(const std::shared_ptr<AsyncCall>& call);
  Lane& LaneTo(const std::shared_ptr<Endpoint>& endpoint);
  void RetireLaneOf(const AsyncCall::Errand& errand, const AsyncCall* call);
  void FlushLanes();
  void FailAll();

  const LoopTimes times_;
  HealthWatch& watch_;
  const std::function<void()> on_restored_;
  const int wake_file_;  // an eventfd
  std::unique_ptr<event_base, FreeBase> base_;

  std::mutex mutex_;
  std::vector<std::function<void()>> tasks_;  // guarded by mutex_
  std::atomic<size_t> calls_count_{0};

  // The loop's thread only.
  LoopEvent wake_;
  LoopEvent tidy_;
  bool tidy_due_ = false;
  bool stopping_ = false;
  std::unordered_map<const AsyncCall*, std::unique_ptr<Timed>> calls_;
  std::unordered_map<Endpoint*, std::unique_ptr<Lane>> lanes_;
  std::vector<std::unique_ptr<Lane>> retired_;  // no new Parts; they go when their last reply has come
  std::unordered_map<Endpoint*, std::unique_ptr<Probe>> probes_;

  std::thread thread_;  // last: it uses all of the above
};

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_LOOP_H_
