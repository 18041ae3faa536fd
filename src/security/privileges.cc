// User, files and limits are each a few system calls with an answer that says what to do when they fail.
//
// The background is reached by two forks: the first leaves the session of the terminal, the second gives up being the
// leader of the new one, which could get a terminal again. The process that was started waits on a pipe:
//
//     started --fork--> leader --fork--> server ... Ready: writes a byte; or dies: the pipe closes
//        waits for the leader, then reads the pipe: a byte: exit 0, nothing: exit 1

#include "security/privileges.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

namespace holdfast::security {

using base::ErrorKind;
using base::Result;
using base::Status;
using base::SystemError;

namespace {

class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  ~File() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;
  int get() const { return descriptor_; }
  bool ok() const { return descriptor_ >= 0; }

 private:
  const int descriptor_;
};

// Asks getpwnam_r or getpwuid_r, whose buffer may have to grow.
template <class Ask>
bool AskForUser(Ask ask, User* user) {
  std::vector<char> buffer(4096);
  for (;;) {
    passwd entry;
    passwd* found = nullptr;
    const int error = ask(&entry, buffer.data(), buffer.size(), &found);
    if (error == ERANGE && buffer.size() < (1 << 20)) {
      buffer.resize(buffer.size() * 2);
      continue;
    }
    if (found == nullptr) return false;
    *user = {found->pw_name, found->pw_uid, found->pw_gid};
    return true;
  }
}

}  // namespace

// -- User -----------------------------------------------------------------------------------------

bool IsRoot() { return geteuid() == 0; }

Result<User> FindUser(const std::string& name) {
  User user;
  const auto by_name = [&](passwd* entry, char* buffer, size_t size, passwd** found) {
    return getpwnam_r(name.c_str(), entry, buffer, size, found);
  };
  if (AskForUser(by_name, &user)) return user;

  uid_t uid = 0;
  const auto read = std::from_chars(name.data(), name.data() + name.size(), uid);
  const auto by_number = [&](passwd* entry, char* buffer, size_t size, passwd** found) {
    return getpwuid_r(uid, entry, buffer, size, found);
  };
  const bool is_number = read.ec == std::errc() && read.ptr == name.data() + name.size() && !name.empty();
  if (is_number && AskForUser(by_number, &user)) return user;
  return Status(ErrorKind::kUsage,
                "there is no user '" + name + "': create it (adduser --system " + name + ") or name another with -u");
}

Status BecomeUser(const User& user) {
  uid_t real, effective, saved;
  if (getresuid(&real, &effective, &saved) != 0) return SystemError("cannot ask for the user", errno);
  if (real == user.uid && effective == user.uid && saved == user.uid) return {};

  const std::string what = "cannot become user " + user.name;
  if (effective != 0) return Status(ErrorKind::kUsage, what + ": only root can; leave -u out or start as root");
  if (initgroups(user.name.c_str(), user.gid) != 0) return SystemError(what + " (its groups)", errno);
  if (setresgid(user.gid, user.gid, user.gid) != 0) return SystemError(what + " (its group)", errno);
  if (setresuid(user.uid, user.uid, user.uid) != 0) return SystemError(what, errno);

  // That the calls said yes is not enough to go on as a network server.
  const bool regained = setuid(0) == 0 || seteuid(0) == 0;
  if (regained || getuid() != user.uid || geteuid() != user.uid || getgid() != user.gid || getegid() != user.gid) {
    return Status(ErrorKind::kSystem, what + ": root could be had again; a capability or security module keeps it");
  }
  return {};
}

// -- Files ----------------------------------------------------------------------------------------

namespace {

Status MakeParents(const std::string& path) {
  for (size_t at = path.find('/', 1); at != std::string::npos; at = path.find('/', at + 1)) {
    const std::string parent = path.substr(0, at);
    if (mkdir(parent.c_str(), 0755) != 0 && errno != EEXIST)
      return SystemError("cannot create the directory " + parent, errno);
  }
  return {};
}

// Gives one file to the owner, if it is a plain one of root with no other name. The other name might be anybody's: the
// user himself could have linked it here.
Status GiveFile(int directory, const char* name, const std::string& path, const User& owner) {
  const File file(openat(directory, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat about;
  if (!file.ok() || fstat(file.get(), &about) != 0) return {};
  if (!S_ISREG(about.st_mode) || about.st_uid != 0 || about.st_nlink != 1) return {};
  if (fchown(file.get(), owner.uid, owner.gid) != 0) {
    return SystemError("cannot give " + path + "/" + name + " to user " + owner.name, errno);
  }
  return {};
}

Status GiveDirectory(int directory, const std::string& path, const User& owner) {
  if (fchown(directory, owner.uid, owner.gid) != 0) {
    return SystemError("cannot give the directory " + path + " to user " + owner.name, errno);
  }
  const int listed = openat(directory, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR* list = listed < 0 ? nullptr : fdopendir(listed);
  if (list == nullptr) {
    const int error = errno;
    if (listed >= 0) close(listed);
    return SystemError("cannot list the directory " + path, error);
  }
  Status status;
  while (const dirent* entry = readdir(list)) {
    status = GiveFile(directory, entry->d_name, path, owner);
    if (!status.ok()) break;
  }
  closedir(list);
  return status;
}

}  // namespace

Status MakeStateDirectory(const std::string& path, const User* owner) {
  Status status = MakeParents(path);
  if (!status.ok()) return status;
  if (mkdir(path.c_str(), 0700) != 0 && errno != EEXIST)
    return SystemError("cannot create the directory " + path, errno);
  const File directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (!directory.ok()) return SystemError("cannot open the directory " + path, errno);
  return owner == nullptr ? Status() : GiveDirectory(directory.get(), path, *owner);
}

Status CheckWritable(const std::string& path) {
  if (access(path.c_str(), W_OK | X_OK) == 0) return {};
  return SystemError("cannot write to the directory " + path, errno,
                     "change its owner, or name another directory or user");
}

namespace {

// The process that the file names; 0 when there is none.
pid_t PidIn(const std::string& path) {
  const File file(open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  char text[32];
  const ssize_t size = file.ok() ? read(file.get(), text, sizeof text) : 0;
  pid_t pid = 0;
  if (size > 0) std::from_chars(text, text + size, pid);
  return std::max(pid, 0);
}

}  // namespace

Status WritePidFile(const std::string& path, const base::Log& log, bool replaces_running) {
  const std::string what = "cannot write the pid file " + path;
  const pid_t before = PidIn(path);
  if (!replaces_running && before != 0 && before != getpid() && (kill(before, 0) == 0 || errno == EPERM)) {
    log.Warning("the pid file " + path + " named process " + std::to_string(before) + ", which is running");
  }
  const std::string draft = path + "." + std::to_string(getpid());
  const File file(open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644));
  if (!file.ok()) return SystemError(what, errno, "name another with -P");
  const std::string text = std::to_string(getpid()) + "\n";
  const ssize_t size = write(file.get(), text.data(), text.size());
  if (size != static_cast<ssize_t>(text.size()) || rename(draft.c_str(), path.c_str()) != 0) {
    const int error = size >= 0 && size != static_cast<ssize_t>(text.size()) ? ENOSPC : errno;
    unlink(draft.c_str());
    return SystemError(what, error, "name another with -P");
  }
  return {};
}

Status RemovePidFile(const std::string& path) {
  if (PidIn(path) != getpid()) return {};
  // A process that has taken over may write it in this moment: what is taken away is looked at once more.
  const std::string taken = path + "." + std::to_string(getpid());
  if (rename(path.c_str(), taken.c_str()) != 0) {
    return errno == ENOENT ? Status() : SystemError("cannot remove the pid file " + path, errno);
  }
  const bool is_ours = PidIn(taken) == getpid();
  const bool is_back = !is_ours && (link(taken.c_str(), path.c_str()) == 0 || errno == EEXIST);  // a newer one
  if (!is_ours && !is_back) return SystemError("cannot put the pid file back as " + path, errno);
  if (unlink(taken.c_str()) == 0) return {};
  return SystemError("cannot remove the pid file " + taken, errno);
}

// -- Limits ---------------------------------------------------------------------------------------

Status RaiseOpenFiles(uint64_t count) {
  const std::string what = "cannot have " + std::to_string(count) + " files open";
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return SystemError(what, errno);
  if (limit.rlim_cur >= count) return {};
  const rlimit raised = {count, std::max<rlim_t>(limit.rlim_max, count)};
  if (setrlimit(RLIMIT_NOFILE, &raised) == 0) return {};
  return SystemError(
      what, errno,
      "the limit is " + std::to_string(limit.rlim_max) + ": raise it (ulimit -n, LimitNOFILE=) or lower -c");
}

Status LockMemory() {
  // What is mapped later counts too, when the process is no longer root. Failing is no harm if the limit is enough as
  // it is.
  const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  [[maybe_unused]] const int raised = setrlimit(RLIMIT_MEMLOCK, &all);
  if (mlockall(MCL_CURRENT | MCL_FUTURE) == 0) return {};
  return SystemError("cannot lock the memory (-k)", errno,
                     "raise the limit (ulimit -l, LimitMEMLOCK=infinity) or leave -k out");
}

Status AllowCoreDumps() {
  rlimit limit;
  if (getrlimit(RLIMIT_CORE, &limit) != 0) return SystemError("cannot ask for the core limit", errno);
  const rlimit all = {RLIM_INFINITY, RLIM_INFINITY};
  const rlimit most = {limit.rlim_max, limit.rlim_max};
  if (setrlimit(RLIMIT_CORE, &all) != 0 && setrlimit(RLIMIT_CORE, &most) != 0)
    return SystemError("cannot raise the core limit", errno);
  if (getrlimit(RLIMIT_CORE, &limit) != 0 || limit.rlim_cur == 0) {
    return Status(ErrorKind::kSystem,
                  "core files (-r) are forbidden here: raise the limit (ulimit -Hc, LimitCORE=) or leave -r out");
  }
  if (prctl(PR_SET_DUMPABLE, 1) != 0) return SystemError("cannot allow core files", errno);
  return {};
}

// -- Background -----------------------------------------------------------------------------------

namespace {

[[noreturn]] void WaitForServer(pid_t leader, int line) {
  while (waitpid(leader, nullptr, 0) < 0 && errno == EINTR) {
  }
  char byte;
  ssize_t size;
  while ((size = read(line, &byte, 1)) < 0 && errno == EINTR) {
  }
  _exit(size == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

}  // namespace

Result<Background> Background::Enter() {
  const std::string what = "cannot go to the background (-d)";
  int line[2];
  if (pipe2(line, O_CLOEXEC) != 0) return SystemError(what, errno);
  std::fflush(nullptr);  // what is buffered would be written twice

  const pid_t leader = fork();
  if (leader < 0) {
    const int error = errno;
    close(line[0]);
    close(line[1]);
    return SystemError(what, error);
  }
  if (leader > 0) {
    close(line[1]);
    WaitForServer(leader, line[0]);
  }
  close(line[0]);
  Background background(line[1]);
  if (setsid() < 0) return SystemError(what, errno);
  const pid_t server = fork();
  if (server < 0) return SystemError(what, errno);
  if (server > 0) _exit(EXIT_SUCCESS);
  return background;
}

Background::~Background() {
  if (line_ >= 0) close(line_);
}

Status Background::Ready(bool keep_stderr) {
  const std::string what = "cannot leave the terminal";
  const File null(open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.ok()) return SystemError(what, errno);
  if (chdir("/") != 0) return SystemError(what, errno);
  for (int descriptor : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (descriptor == STDERR_FILENO && keep_stderr) continue;
    if (dup2(null.get(), descriptor) < 0) return SystemError(what, errno);
  }
  const char byte = 'r';
  // The started process may have been killed meanwhile: the server runs on.
  [[maybe_unused]] const ssize_t told = write(line_, &byte, 1);
  close(line_);
  line_ = -1;
  return {};
}

}  // namespace holdfast::security
