// journal_sync.h - brings the journal's files to the disk, on a thread of its own: while the disk takes its time the
// journal's thread goes on emptying the ring.
//
// A sync that fails is final. The kernel may have dropped the pages that it could not write and taken them for clean,
// so that a second sync of the same file would succeed and mean nothing: what was not synced must be written anew, to
// another file.
//
// Threads: one, which begins the jobs and takes the results.
// Owns:    its thread, between Start and Stop. Without it Begin does the work itself.
// Blocks:  Begin without the thread, and Stop: for the disk.
// Limits:  one job at a time.

#ifndef HOLDFAST_SESSION_JOURNAL_SYNC_H_
#define HOLDFAST_SESSION_JOURNAL_SYNC_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "base/status.h"

namespace holdfast::session {

// A descriptor that several hold.
class OpenFile {
 public:
  OpenFile(int descriptor, std::string path) : descriptor_(descriptor), path_(std::move(path)) {}
  ~OpenFile();
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  int get() const { return descriptor_; }
  const std::string& path() const { return path_; }

 private:
  const int descriptor_;
  const std::string path_;
};

// As fdatasync: 0, or -1 and errno.
using SyncFile = std::function<int(int descriptor)>;

struct SyncJob {
  std::vector<std::shared_ptr<OpenFile>> files;
  std::string directory;  // has new names; empty: it has none
  uint64_t place = 0;     // up to which the journal is on the disk when this has been done

  base::Status Run(const SyncFile& sync) const;
};

class JournalSync {
 public:
  struct Result {
    base::Status status;
    uint64_t place;
    int64_t took_us;
  };

  explicit JournalSync(SyncFile sync) : sync_(std::move(sync)) {}
  ~JournalSync() { Stop(); }
  JournalSync(const JournalSync&) = delete;
  JournalSync& operator=(const JournalSync&) = delete;

  void Start();
  // A job in hand is done first; its result can still be taken.
  void Stop();
  // A job is in hand, or its result has not been taken.
  bool busy() const;
  void Begin(SyncJob job);
  std::optional<Result> Take();
  const SyncFile& sync() const { return sync_; }

 private:
  void Run();
  Result Do(const SyncJob& job) const;

  const SyncFile sync_;
  std::thread thread_;
  mutable std::mutex mutex_;  // guards all below
  std::condition_variable wake_;
  bool stop_ = false;
  std::optional<SyncJob> job_;
  std::optional<Result> result_;
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_JOURNAL_SYNC_H_
