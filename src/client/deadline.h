// deadline.h - when a call has to be back, on the clock that never steps.
//
// Threads: values.

#ifndef HOLDFAST_CLIENT_DEADLINE_H_
#define HOLDFAST_CLIENT_DEADLINE_H_

#include <chrono>

namespace holdfast::client {

using SteadyTime = std::chrono::steady_clock::time_point;

inline SteadyTime Now() { return std::chrono::steady_clock::now(); }

}  // namespace holdfast::client

#endif  // HOLDFAST_CLIENT_DEADLINE_H_
