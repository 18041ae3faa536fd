// session_server.h - what the session benchmarks start: a directory, Holdfast with sessions in it or without any, and a
// database that can be made to hang.
//
// Threads: one.
// Owns:    the directory and what lies in it, the journal's shared memory too; both are gone with the object.
// Errors:  BenchError.

#ifndef HOLDFAST_BENCH_SESSION_SERVER_H_
#define HOLDFAST_BENCH_SESSION_SERVER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/server_process.h"
#include "bench/session_options.h"

namespace holdfast::bench {

class BenchDirectory {
 public:
  BenchDirectory();
  ~BenchDirectory();
  BenchDirectory(const BenchDirectory&) = delete;
  BenchDirectory& operator=(const BenchDirectory&) = delete;

  std::string sqlite_path() const { return path_ + "/sessions.db"; }
  // What --sessions is to be: the SQLite file in here, or the server's URL.
  std::string DatabaseUrl(const SessionOptions& options) const;

  // Holdfast with these arguments beside those of every run here.
  std::unique_ptr<ServerProcess> StartCache(const SessionOptions& options, std::vector<std::string> arguments,
                                            std::optional<int> cpu) const;
  // The same with sessions in the database, and the journal in here.
  std::unique_ptr<ServerProcess> StartWithSessions(const SessionOptions& options, std::vector<std::string> arguments,
                                                   std::optional<int> cpu) const;

 private:
  std::string path_;
};

// The database answers nobody from Begin to End: of an SQLite file all locks are held, as by a process that was stopped
// in the middle of everything; the processes of a server are stopped.
class HangingDatabase {
 public:
  HangingDatabase(const SessionOptions& options, const BenchDirectory& directory);
  ~HangingDatabase();
  void Begin();
  void End();

 private:
  const std::vector<pid_t> processes_;
  const std::string lock_path_;  // empty: a server
  int lock_file_ = -1;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_SESSION_SERVER_H_
