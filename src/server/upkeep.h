// upkeep.h - the thread that walks the store: drops what has expired, applies flushes that were to come.
//
// Threads: Start and Stop from the main thread.
// Owns:    its thread and its Access. Borrows store and clock.
// Blocks:  Stop until the present step is done (about a millisecond).

#ifndef HOLDFAST_SERVER_UPKEEP_H_
#define HOLDFAST_SERVER_UPKEEP_H_

#include <condition_variable>
#include <mutex>
#include <thread>

#include "base/clock.h"
#include "store/store.h"

namespace holdfast::server {

class Upkeep {
 public:
  Upkeep(store::Store& store, const base::Clock& clock) : store_(store), clock_(clock) {}
  ~Upkeep() { Stop(); }
  Upkeep(const Upkeep&) = delete;
  Upkeep& operator=(const Upkeep&) = delete;

  void Start();
  void Stop();

 private:
  static constexpr uint64_t kRoundSeconds = 30;  // in which all pages are walked, if all are due and few items dead
  static constexpr uint32_t kPagesPerStep = 16;

  void Run();
  void Sweep(store::Access& access);
  bool WaitFor(uint32_t millis);  // false: to be stopped

  store::Store& store_;
  const base::Clock& clock_;
  std::mutex mutex_;  // guards stop_
  std::condition_variable wake_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_UPKEEP_H_
