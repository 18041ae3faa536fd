// memory_check.h - is there as much memory as -m asks for?

#ifndef HOLDFAST_SERVER_MEMORY_CHECK_H_
#define HOLDFAST_SERVER_MEMORY_CHECK_H_

#include <cstdint>
#include <string>

namespace holdfast::server {

// A warning line when the limit is beyond what the machine has available or the control group allows; else empty. root
// is where /proc and /sys are found, "" but in tests.
std::string MemoryWarning(uint64_t wanted_bytes, const std::string& root = "");

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_MEMORY_CHECK_H_
