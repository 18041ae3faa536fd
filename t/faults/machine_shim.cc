// How it works: a library that is loaded into the server before the C library and takes the place of some of its calls.
// Clocks are asked of the kernel and a step is added; after a power loss the machine's run has another name. When a
// file is synced, what was written to it since the last sync is copied to a file in another directory: what lies there
// is what a machine would find after it has lost power, for what was never synced is not in it. A kill in the middle of
// a copy leaves half of it, as a power cut in the middle of a sync does. A directory that has been synced loses there
// what it lost here. Renames are not known: nobody here renames.
//
// errno is left as the kernel call that was asked for set it only where that failed.

#include <dirent.h>
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "faults/machine_control.h"

namespace {

using holdfast::faults::MachineControl;

constexpr long kMicrosASecond = 1'000'000;

MachineControl* Control() {
  static MachineControl* const control = [] {
    const char* const path = getenv(holdfast::faults::kMachineVariable);
    const int file = path == nullptr ? -1 : open(path, O_RDWR | O_CLOEXEC);
    if (file < 0) return static_cast<MachineControl*>(nullptr);
    void* const mapping = mmap(nullptr, sizeof(MachineControl), PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    close(file);
    return mapping == MAP_FAILED ? nullptr : static_cast<MachineControl*>(mapping);
  }();
  return control;
}

void Step(timespec* time, int64_t by_us) {
  const int64_t us = int64_t{time->tv_sec} * kMicrosASecond + time->tv_nsec / 1000 + by_us;
  time->tv_sec = us / kMicrosASecond;
  time->tv_nsec = us % kMicrosASecond * 1000 + time->tv_nsec % 1000;
}

// The path below root, with its slash; null: it lies elsewhere.
const char* PlaceOf(int file, char (&path)[1024]) {
  MachineControl* const control = Control();
  if (control == nullptr || control->root[0] == '\0') return nullptr;
  char link[64];
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t bytes = readlink(link, path, sizeof path - 1);
  const size_t root_bytes = strlen(control->root);
  if (bytes <= 0 || static_cast<size_t>(bytes) < root_bytes) return nullptr;
  path[bytes] = '\0';
  const bool is_below = strncmp(path, control->root, root_bytes) == 0;
  return is_below && (path[root_bytes] == '/' || path[root_bytes] == '\0') ? path + root_bytes : nullptr;
}

// What was written to a file since it was synced last: one range round all of it.
struct Written {
  dev_t device;
  ino_t inode;  // 0: a free place
  off_t begin, end;
};
Written written[64];
pthread_mutex_t written_mutex = PTHREAD_MUTEX_INITIALIZER;  // guards written

// Null: the table has no room, or the file is not in it and shall not be.
Written* Find(const struct stat& status, bool make) {
  Written* free_place = nullptr;
  for (Written& one : written) {
    if (one.inode == status.st_ino && one.device == status.st_dev) return &one;
    if (one.inode == 0 && free_place == nullptr) free_place = &one;
  }
  if (!make || free_place == nullptr) return nullptr;
  *free_place = {status.st_dev, status.st_ino, 0, status.st_size};
  return free_place;
}

dev_t RootDevice() {
  static const dev_t device = [] {
    struct stat status {};
    return Control() != nullptr && stat(Control()->root, &status) == 0 ? status.st_dev : 0;
  }();
  return device;
}

void NoteWritten(int file, off_t begin, off_t end) {
  struct stat status;
  if (Control() == nullptr || fstat(file, &status) != 0 || status.st_dev != RootDevice()) return;
  pthread_mutex_lock(&written_mutex);
  if (Written* const known = Find(status, false)) {
    if (known->begin > begin) known->begin = begin;
    if (known->end < end) known->end = end;
  }
  pthread_mutex_unlock(&written_mutex);
}

// The range to copy; all of the file when it was never synced by this process.
Written TakeWritten(const struct stat& status) {
  pthread_mutex_lock(&written_mutex);
  Written* const known = Find(status, true);
  const Written taken = known == nullptr ? Written{0, 0, 0, status.st_size} : *known;
  if (known != nullptr) {
    known->begin = std::numeric_limits<off_t>::max();
    known->end = 0;
  }
  pthread_mutex_unlock(&written_mutex);
  return taken;
}

// A file that has gone: its number may be given to another.
void Forget(const struct stat& status) {
  pthread_mutex_lock(&written_mutex);
  if (Written* const known = Find(status, false)) known->inode = 0;
  pthread_mutex_unlock(&written_mutex);
}

// By the descriptor itself where that may be read: to open a file once more and close it would take away the locks that
// this process has on it.
void CopyToDisk(int file, const char* path, const struct stat& status, const char* to) {
  const Written range = TakeWritten(status);
  const bool reads = (fcntl(file, F_GETFL) & O_ACCMODE) != O_WRONLY;
  const int source = reads ? file : open(path, O_RDONLY | O_CLOEXEC);
  const int target = open(to, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  static thread_local char bytes[1 << 16];
  for (off_t at = range.begin; at < range.end;) {
    const size_t left = static_cast<size_t>(range.end - at);
    const ssize_t read_bytes = pread(source, bytes, left < sizeof bytes ? left : sizeof bytes, at);
    if (read_bytes <= 0 || syscall(SYS_pwrite64, target, bytes, read_bytes, at) != read_bytes) break;
    at += read_bytes;
  }
  if (ftruncate(target, status.st_size) != 0) abort();
  if (!reads) close(source);
  close(target);
}

// What is gone from the directory is gone from the disk.
void ForgetRemoved(const char* here, const char* disk) {
  DIR* const directory = opendir(disk);
  if (directory == nullptr) return;
  while (const dirent* entry = readdir(directory)) {
    char path[2048];
    struct stat status;
    snprintf(path, sizeof path, "%s/%s", here, entry->d_name);
    if (stat(path, &status) == 0) continue;
    snprintf(path, sizeof path, "%s/%s", disk, entry->d_name);
    unlink(path);
  }
  closedir(directory);
}

void NoteSynced(int file) {
  char path[1024], disk[1536];
  const char* const place = PlaceOf(file, path);
  struct stat status;
  if (place == nullptr || fstat(file, &status) != 0) return;
  snprintf(disk, sizeof disk, "%s%s", Control()->disk, place);
  if (S_ISDIR(status.st_mode)) return ForgetRemoved(path, disk);
  if (status.st_nlink == 0) return Forget(status);
  char* const slash = strrchr(disk, '/');
  *slash = '\0';
  mkdir(disk, 0700);
  *slash = '/';
  CopyToDisk(file, path, status, disk);
}

int Sync(int file, long call) {
  MachineControl* const control = Control();
  char path[1024];
  const char* const place = control == nullptr ? nullptr : PlaceOf(file, path);
  if (place != nullptr && strncmp(place, "/journal/", 9) == 0) {
    control->syncs.fetch_add(1);
    if (const int ms = control->sync_takes_ms.load(); ms > 0) usleep(static_cast<useconds_t>(ms) * 1000);
    if (control->sync_fails.load() != 0) {
      control->failures.fetch_add(1);
      errno = EIO;
      return -1;
    }
  }
  const int result = static_cast<int>(syscall(call, file));
  if (result == 0 && place != nullptr) NoteSynced(file);
  return result;
}

// Null: ask the C library.
FILE* OpenBootId(const char* path) {
  const MachineControl* const control = Control();
  if (control == nullptr || strcmp(path, "/proc/sys/kernel/random/boot_id") != 0) return nullptr;
  const unsigned long long losses = control->power_losses.load();
  const int file = losses == 0 ? -1 : memfd_create("boot_id", MFD_CLOEXEC);
  if (file < 0) return nullptr;
  dprintf(file, "after-power-loss-%llu\n", losses);
  lseek(file, 0, SEEK_SET);
  return fdopen(file, "r");
}

FILE* OpenAsWas(const char* name, const char* path, const char* mode) {
  using Open = FILE* (*)(const char*, const char*);
  return reinterpret_cast<Open>(dlsym(RTLD_NEXT, name))(path, mode);
}

}  // namespace

extern "C" {

// What a C++ stream opens a file with.
FILE* fopen64(const char* __restrict path, const char* __restrict mode) {
  FILE* const boot_id = OpenBootId(path);
  return boot_id != nullptr ? boot_id : OpenAsWas("fopen64", path, mode);
}

FILE* fopen(const char* __restrict path, const char* __restrict mode) {
  FILE* const boot_id = OpenBootId(path);
  return boot_id != nullptr ? boot_id : OpenAsWas("fopen", path, mode);
}

int clock_gettime(clockid_t id, timespec* time) noexcept {
  const int result = static_cast<int>(syscall(SYS_clock_gettime, id, time));
  MachineControl* const control = Control();
  if (result != 0 || control == nullptr) return result;
  if (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE) Step(time, control->wall_step_us.load());
  if (id == CLOCK_BOOTTIME) Step(time, control->boot_step_us.load());
  return result;
}

int gettimeofday(timeval* __restrict time, void* __restrict) noexcept {
  timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0) return -1;
  *time = {now.tv_sec, now.tv_nsec / 1000};
  return 0;
}

time_t time(time_t* result) noexcept {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (result != nullptr) *result = now.tv_sec;
  return now.tv_sec;
}

ssize_t write(int file, const void* bytes, size_t count) {
  const ssize_t result = syscall(SYS_write, file, bytes, count);
  if (result > 0) {
    const off_t end = lseek(file, 0, SEEK_CUR);
    if (end >= result) NoteWritten(file, end - result, end);
  }
  return result;
}

ssize_t pwrite64(int file, const void* bytes, size_t count, off64_t at) {
  const ssize_t result = syscall(SYS_pwrite64, file, bytes, count, at);
  if (result > 0) NoteWritten(file, at, at + result);
  return result;
}

ssize_t pwrite(int file, const void* bytes, size_t count, off_t at) { return pwrite64(file, bytes, count, at); }

int fdatasync(int file) { return Sync(file, SYS_fdatasync); }
int fsync(int file) { return Sync(file, SYS_fsync); }

}  // extern "C"
