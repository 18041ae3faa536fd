// spin_lock.h - a lock of four bytes for sections of a few instructions.
//
// Threads: any. Yields the processor after a short spin, since its holder may have been preempted.
// Limits:  never hold it over a system call, an allocation that may evict, or another lock of the same rank (doc/threads.md).

#ifndef HOLDFAST_BASE_SPIN_LOCK_H_
#define HOLDFAST_BASE_SPIN_LOCK_H_

#include <sched.h>

#include <atomic>
#include <cstdint>

namespace holdfast::base {

// Tells the processor that this is a spin; after a while lets others run.
class SpinWait {
 public:
  void Once() {
    if (++spins_ % kSpinsBeforeYield == 0) {
      sched_yield();
      return;
    }
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#endif
  }

 private:
  static constexpr uint32_t kSpinsBeforeYield = 128;
  uint32_t spins_ = 0;
};

class SpinLock {
 public:
  // Named as the standard's Lockable wants it, so that std::lock_guard serves.
  void lock() {
    SpinWait wait;
    while (held_.exchange(true, std::memory_order_acquire)) {
      while (held_.load(std::memory_order_relaxed)) wait.Once();
    }
  }
  bool try_lock() { return !held_.exchange(true, std::memory_order_acquire); }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  std::atomic<bool> held_{false};
};

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_SPIN_LOCK_H_
