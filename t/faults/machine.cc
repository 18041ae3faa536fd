#include "faults/machine.h"

#include <fcntl.h>
#include <limits.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <time.h>
#include <unistd.h>

#include <cstring>
#include <filesystem>

namespace holdfast::faults {

namespace {

namespace fs = std::filesystem;
constexpr int64_t kUpMicrosAfterPowerLoss = 60'000'000;
constexpr const char* kLibrary = "t/faults/machine_shim.so";

int64_t BootMicros() {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return int64_t{now.tv_sec} * 1'000'000 + now.tv_nsec / 1000;
}

}  // namespace

Machine::Machine(const std::string& directory, const std::string& data)
    : data_(data), disk_(directory + "/disk"), control_path_(directory + "/machine") {
  char path[PATH_MAX];
  if (::realpath(kLibrary, path) == nullptr) return;
  library_ = path;
  fs::create_directories(disk_);
  mounted_ = ::mount("tmpfs", disk_.c_str(), "tmpfs", 0, "size=128m,mode=0700") == 0;
  const int file = ::open(control_path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (file < 0 || ::ftruncate(file, sizeof(MachineControl)) != 0) return;
  void* const mapping = ::mmap(nullptr, sizeof(MachineControl), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  ::close(file);
  if (mapping == MAP_FAILED) return;
  control_ = static_cast<MachineControl*>(mapping);
  std::strncpy(control_->root, fs::canonical(data_).c_str(), sizeof control_->root - 1);
  std::strncpy(control_->disk, fs::canonical(disk_).c_str(), sizeof control_->disk - 1);
}

Machine::~Machine() {
  if (control_ != nullptr) ::munmap(control_, sizeof(MachineControl));
  if (mounted_) ::umount2(disk_.c_str(), MNT_DETACH);
  std::error_code ignored;
  fs::remove_all(disk_, ignored);
}

void Machine::StepWall(int64_t micros) {
  if (exists()) control_->wall_step_us.fetch_add(micros);
}

void Machine::SetSync(int takes_ms, bool fails) {
  if (!exists()) return;
  control_->sync_takes_ms.store(takes_ms);
  control_->sync_fails.store(fails ? 1 : 0);
}

void Machine::LosePower() {
  std::error_code ignored;
  const fs::path ring = fs::read_symlink(data_ + "/journal/ring", ignored);
  if (!ring.empty()) fs::remove(ring, ignored);
  for (const auto& entry : fs::directory_iterator(data_)) fs::remove_all(entry.path(), ignored);
  for (const auto& entry : fs::recursive_directory_iterator(disk_)) {
    if (!entry.is_regular_file()) continue;
    const fs::path to = data_ / fs::relative(entry.path(), disk_);
    fs::create_directories(to.parent_path());
    fs::copy_file(entry.path(), to, fs::copy_options::overwrite_existing);
  }
  control_->boot_step_us.store(kUpMicrosAfterPowerLoss - BootMicros());
  control_->power_losses.fetch_add(1);
}

}  // namespace holdfast::faults
