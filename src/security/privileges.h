// privileges.h - how the process stands in the system: which user it is, what it may use, whether it runs in the
// background.
//
// Started as root, the server opens its sockets and its state directory, then becomes an ordinary user for good. The
// order in main: Background::Enter, limits, MakeStateDirectory, WritePidFile, sockets, BecomeUser, AllowCoreDumps,
// threads, Background::Ready.
//
// Threads: the main thread, before any other is started; Background::Ready and RemovePidFile also while they run.
// Errors:  kSystem or kUsage with the remedy. After a failed BecomeUser the process must end.

#ifndef HOLDFAST_SECURITY_PRIVILEGES_H_
#define HOLDFAST_SECURITY_PRIVILEGES_H_

#include <sys/types.h>

#include <cstdint>
#include <string>

#include "base/log.h"
#include "base/status.h"

namespace holdfast::security {

// -- User -----------------------------------------------------------------------------------------

struct User {
  std::string name;
  uid_t uid = 0;
  gid_t gid = 0;
};

bool IsRoot();
// By name or number.
base::Result<User> FindUser(const std::string& name);
// Takes the groups and the ids of the user and makes sure that root cannot be had again. Nothing to do for who is that
// user already; "root" stays root.
base::Status BecomeUser(const User& user);

// -- Files ----------------------------------------------------------------------------------------

// Creates the directory (0700; missing parents 0755) if it is not there. With an owner, which takes root, it and the
// plain files in it that belong to root become his.
base::Status MakeStateDirectory(const std::string& path, const User* owner);
// Whether this process can create files there, to be asked after BecomeUser.
base::Status CheckWritable(const std::string& path);

// Puts the file there in one step. A file that names a running process is replaced, with a warning unless that is
// expected.
base::Status WritePidFile(const std::string& path, const base::Log& log, bool replaces_running = false);
// Removes it if it names this process.
base::Status RemovePidFile(const std::string& path);

// -- Limits ---------------------------------------------------------------------------------------

// Raises the limit of open files to count, if it is lower.
base::Status RaiseOpenFiles(uint64_t count);
// Locks what is and will be in memory (-k); as root before BecomeUser.
base::Status LockMemory();
// Raises the core limit as far as it goes (-r); after BecomeUser, which forbids core files.
base::Status AllowCoreDumps();

// -- Background -----------------------------------------------------------------------------------

// A process in the background, and its line to the one that was started, which stays until the server is ready: so that
// the shell sees errors and the exit status of a failed start.
//
// Owns: the line. When it closes without Ready (a failed start, a crash), the started process exits with 1.
class Background {
 public:
  // Returns in a new process, the leader of no session, with standard input and output as before. The old one exits.
  static base::Result<Background> Enter();

  Background(Background&& other) noexcept : line_(other.line_) { other.line_ = -1; }
  Background& operator=(Background&&) = delete;
  ~Background();

  // The start has succeeded: the started process exits with 0. From here on standard input and output are /dev/null,
  // standard error too unless keep_stderr, and the current directory is /.
  base::Status Ready(bool keep_stderr);

 private:
  explicit Background(int line) : line_(line) {}
  int line_;  // the writing end of a pipe; -1 when the other side has been told
};

}  // namespace holdfast::security

#endif  // HOLDFAST_SECURITY_PRIVILEGES_H_
