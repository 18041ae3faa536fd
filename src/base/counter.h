// counter.h - a statistic that one thread writes and any thread reads, for the price of a plain add.
//
// Threads: Add and Set from one thread only (each worker has its own set of Counters, summed when asked); value from
// any.

#ifndef HOLDFAST_BASE_COUNTER_H_
#define HOLDFAST_BASE_COUNTER_H_

#include <atomic>
#include <cstdint>

namespace holdfast::base {

class Counter {
 public:
  void Add(uint64_t n = 1) { value_.store(value_.load(std::memory_order_relaxed) + n, std::memory_order_relaxed); }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_COUNTER_H_
