// Whether -m is warned about: by what is available, and by the control group's limit, its own or one above it.

#include "server/memory_check.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace holdfast::server {
namespace {

namespace fs = std::filesystem;

struct FakeRoot {
  FakeRoot() {
    char name[] = "/tmp/holdfast-test-XXXXXX";
    path = mkdtemp(name);
  }
  ~FakeRoot() { fs::remove_all(path); }
  void Write(const std::string& file, const std::string& text) {
    fs::create_directories(fs::path(path + file).parent_path());
    std::ofstream(path + file) << text;
  }
  std::string path;
};

constexpr uint64_t kMegabyte = 1 << 20;

TEST(MemoryCheck, what_fits_is_not_warned_about) {
  FakeRoot root;
  root.Write("/proc/meminfo", "MemTotal: 2048000 kB\nMemAvailable:    1024000 kB\n");
  root.Write("/proc/self/cgroup", "0::/\n");
  root.Write("/sys/fs/cgroup/memory.max", "max\n");
  EXPECT_EQ(MemoryWarning(1000 * kMegabyte, root.path), "");
}

TEST(MemoryCheck, more_than_is_available_is_warned_about) {
  FakeRoot root;
  root.Write("/proc/meminfo", "MemAvailable:    1024000 kB\n");
  EXPECT_NE(MemoryWarning(1001 * kMegabyte, root.path).find("1000 MB are available"), std::string::npos);
}

TEST(MemoryCheck, the_limit_of_a_group_above_counts) {
  FakeRoot root;
  root.Write("/proc/meminfo", "MemAvailable: 99999999 kB\n");
  root.Write("/proc/self/cgroup", "0::/system.slice/holdfast.service\n");
  root.Write("/sys/fs/cgroup/system.slice/memory.max", "104857600\n");
  root.Write("/sys/fs/cgroup/system.slice/holdfast.service/memory.max", "max\n");
  EXPECT_EQ(MemoryWarning(100 * kMegabyte, root.path), "");
  EXPECT_NE(MemoryWarning(101 * kMegabyte, root.path).find("control group allows 100 MB"), std::string::npos);
}

TEST(MemoryCheck, a_group_of_version_1_counts) {
  FakeRoot root;
  root.Write("/proc/meminfo", "MemAvailable: 99999999 kB\n");
  root.Write("/proc/self/cgroup", "7:cpu:/x\n5:memory:/x\n");
  root.Write("/sys/fs/cgroup/memory/x/memory.limit_in_bytes", "52428800\n");
  EXPECT_NE(MemoryWarning(51 * kMegabyte, root.path).find("50 MB"), std::string::npos);
}

TEST(MemoryCheck, a_machine_that_tells_nothing_is_not_warned_about) {
  FakeRoot root;
  EXPECT_EQ(MemoryWarning(uint64_t{1} << 50, root.path), "");
}

}  // namespace
}  // namespace holdfast::server
