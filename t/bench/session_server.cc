// How it works: SQLite with a write-ahead log keeps its locks as byte ranges of the -shm file; whoever has all of them
// holds up readers, writers and checkpoints alike. They are taken as locks of the open file, for those of a process are
// lost when it closes any descriptor of the file.
#include "bench/session_server.h"

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <thread>

namespace holdfast::bench {
namespace {

constexpr off_t kLocksOffset = 120;  // of readers, writers and checkpointers, by SQLite's file format
constexpr off_t kLocksBytes = 8;
constexpr auto kLockPatience = std::chrono::seconds(10);

}  // namespace

BenchDirectory::BenchDirectory() : path_("/var/tmp/holdfast-bench-XXXXXX") {
  if (mkdtemp(path_.data()) == nullptr) throw BenchError("no directory " + path_ + ": " + std::strerror(errno));
}

BenchDirectory::~BenchDirectory() {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(path_, ignored)) {
    // A server that was killed leaves its journal's shared memory, to which this points.
    if (entry.is_symlink(ignored)) std::filesystem::remove(std::filesystem::read_symlink(entry, ignored), ignored);
  }
  std::filesystem::remove_all(path_, ignored);
}

std::string BenchDirectory::DatabaseUrl(const SessionOptions& options) const {
  return options.is_sqlite() ? "sqlite:" + sqlite_path() : options.database;
}

std::unique_ptr<ServerProcess> BenchDirectory::StartCache(const SessionOptions& options,
                                                          std::vector<std::string> arguments,
                                                          std::optional<int> cpu) const {
  if (geteuid() == 0) arguments.insert(arguments.end(), {"-u", "root"});
  return std::make_unique<ServerProcess>(ServerCommand{Role::kHoldfast, options.holdfast, std::move(arguments)}, cpu);
}

std::unique_ptr<ServerProcess> BenchDirectory::StartWithSessions(const SessionOptions& options,
                                                                 std::vector<std::string> arguments,
                                                                 std::optional<int> cpu) const {
  arguments.push_back("--sessions=" + DatabaseUrl(options));
  arguments.push_back("--journal=" + path_ + "/journal");
  if (!options.password_file.empty()) arguments.push_back("--database-password-file=" + options.password_file);
  return StartCache(options, std::move(arguments), cpu);
}

HangingDatabase::HangingDatabase(const SessionOptions& options, const BenchDirectory& directory)
    : processes_(options.database_processes), lock_path_(options.is_sqlite() ? directory.sqlite_path() + "-shm" : "") {
  if (lock_path_.empty() && processes_.empty()) throw BenchError("which processes are the database? --database-pids");
}

HangingDatabase::~HangingDatabase() { End(); }

void HangingDatabase::Begin() {
  for (const pid_t process : processes_) kill(process, SIGSTOP);
  if (lock_path_.empty()) return;
  lock_file_ = open(lock_path_.c_str(), O_RDWR | O_CLOEXEC);
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  lock.l_start = kLocksOffset;
  lock.l_len = kLocksBytes;
  const auto deadline = std::chrono::steady_clock::now() + kLockPatience;
  while (fcntl(lock_file_, F_OFD_SETLK, &lock) != 0) {
    if (std::chrono::steady_clock::now() > deadline) throw BenchError("cannot lock " + lock_path_);
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void HangingDatabase::End() {
  for (const pid_t process : processes_) kill(process, SIGCONT);
  if (lock_file_ >= 0) close(lock_file_);
  lock_file_ = -1;
}

}  // namespace holdfast::bench
