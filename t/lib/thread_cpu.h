// thread_cpu.h - the time that the calling thread has spent on a processor: what its work costs, however busy the
// machine is with others.

#ifndef HOLDFAST_T_LIB_THREAD_CPU_H_
#define HOLDFAST_T_LIB_THREAD_CPU_H_

#include <time.h>

#include <cstdint>

namespace holdfast::test {

inline int64_t ThreadCpuNanos() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Sanitizers make everything some ten times slower.
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_THREAD_CPU_H_
