// How it works: a job in, a result out, one of each at a time. The job stays where it is while the thread works on it,
// so that who asks sees that the thread is busy.

#include "session/journal_sync.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <utility>

namespace holdfast::session {

namespace {

base::Status SyncDirectory(const std::string& path) {
  const int directory = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (directory < 0) return base::SystemError("cannot open " + path, errno);
  const int result = ::fsync(directory);
  const int error = errno;
  ::close(directory);
  return result == 0 ? base::Status() : base::SystemError("cannot sync " + path, error);
}

}  // namespace

OpenFile::~OpenFile() { ::close(descriptor_); }

base::Status SyncJob::Run(const SyncFile& sync) const {
  for (const std::shared_ptr<OpenFile>& file : files) {
    if (sync(file->get()) != 0) return base::SystemError("cannot sync " + file->path(), errno);
  }
  return directory.empty() ? base::Status() : SyncDirectory(directory);
}

void JournalSync::Start() {
  if (thread_.joinable()) return;
  stop_ = false;
  thread_ = std::thread([this] { Run(); });
}

void JournalSync::Stop() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

bool JournalSync::busy() const {
  const std::lock_guard lock(mutex_);
  return job_.has_value() || result_.has_value();
}

void JournalSync::Begin(SyncJob job) {
  if (!thread_.joinable()) {
    Result result = Do(job);
    const std::lock_guard lock(mutex_);
    result_ = std::move(result);
    return;
  }
  {
    const std::lock_guard lock(mutex_);
    job_ = std::move(job);
  }
  wake_.notify_one();
}

std::optional<JournalSync::Result> JournalSync::Take() {
  const std::lock_guard lock(mutex_);
  return std::exchange(result_, std::nullopt);
}

JournalSync::Result JournalSync::Do(const SyncJob& job) const {
  const auto begun = std::chrono::steady_clock::now();
  base::Status status = job.Run(sync_);
  const auto took = std::chrono::steady_clock::now() - begun;
  return {std::move(status), job.place, std::chrono::duration_cast<std::chrono::microseconds>(took).count()};
}

void JournalSync::Run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stop_ || job_.has_value(); });
    if (!job_.has_value()) return;
    const SyncJob job = *job_;
    lock.unlock();
    Result result = Do(job);
    lock.lock();
    job_.reset();
    result_ = std::move(result);
  }
}

}  // namespace holdfast::session
