// How it works: MemAvailable of /proc/meminfo, and memory.max of the control group (version 2, or memory.limit_in_bytes
// of version 1) with all above it.

#include "server/memory_check.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <sstream>

namespace holdfast::server {

namespace {

constexpr uint64_t kNoLimit = std::numeric_limits<uint64_t>::max();

uint64_t AvailableBytes(const std::string& root) {
  std::ifstream meminfo(root + "/proc/meminfo");
  std::string line;
  while (std::getline(meminfo, line)) {
    uint64_t kilobytes = 0;
    std::istringstream words(line);
    std::string name;
    if (words >> name >> kilobytes && name == "MemAvailable:") return kilobytes * 1024;
  }
  return kNoLimit;
}

uint64_t LimitInFile(const std::string& path) {
  std::ifstream file(path);
  uint64_t limit = 0;
  return file >> limit ? limit : kNoLimit;  // "max" is no number: no limit
}

// The least limit of the group at `path` below `mount` and of those above it.
uint64_t LeastLimit(const std::string& mount, std::string path, const char* file) {
  uint64_t least = LimitInFile(mount + "/" + file);
  while (path.size() > 1) {
    least = std::min(least, LimitInFile(mount + path + "/" + file));
    path.resize(path.find_last_of('/'));
  }
  return least;
}

uint64_t ControlGroupBytes(const std::string& root) {
  std::ifstream groups(root + "/proc/self/cgroup");
  uint64_t least = kNoLimit;
  std::string line;  // "0::/path" in version 2, "5:memory:/path" in version 1
  while (std::getline(groups, line)) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1), path = line.substr(second + 1);
    if (controllers.empty()) least = std::min(least, LeastLimit(root + "/sys/fs/cgroup", path, "memory.max"));
    if (controllers.find("memory") != std::string::npos) {
      least = std::min(least, LeastLimit(root + "/sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    }
  }
  return least;
}

std::string Megabytes(uint64_t bytes) { return std::to_string(bytes >> 20) + " MB"; }

}  // namespace

std::string MemoryWarning(uint64_t wanted_bytes, const std::string& root) {
  const uint64_t group = ControlGroupBytes(root);
  if (wanted_bytes > group) {
    return "-m asks for " + Megabytes(wanted_bytes) + ", but the control group allows " + Megabytes(group) +
           ": the server will be killed when it has filled that; choose a smaller -m or raise the limit";
  }
  const uint64_t available = AvailableBytes(root);
  if (wanted_bytes > available) {
    return "-m asks for " + Megabytes(wanted_bytes) + ", but only " + Megabytes(available) +
           " are available now: the machine may swap; choose a smaller -m";
  }
  return {};
}

}  // namespace holdfast::server
