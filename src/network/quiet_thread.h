// quiet_thread.h - a thread with a name that leaves every signal to the main thread.

#ifndef HOLDFAST_NETWORK_QUIET_THREAD_H_
#define HOLDFAST_NETWORK_QUIET_THREAD_H_

#include <functional>
#include <string>
#include <thread>

#include "base/status.h"

namespace holdfast::network {

// Name: at most 15 bytes, for `top -H` and debuggers.
base::Status StartQuietThread(std::thread& thread, const std::string& name, std::function<void()> body);

}  // namespace holdfast::network

#endif  // HOLDFAST_NETWORK_QUIET_THREAD_H_
