#include "security/privileges.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include "lib/virtual_clock.h"

namespace holdfast::security {
namespace {

using base::Result;
using base::Status;

// What `body` returns in a process of its own, where it may give up privileges.
int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  EXPECT_EQ(waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

class PrivilegesTest : public testing::Test {
 protected:
  PrivilegesTest() {
    char path[] = "/tmp/holdfast_privileges_XXXXXX";
    folder_ = mkdtemp(path);
    chmod(path, 0755);
  }
  ~PrivilegesTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }
  static void Write(const std::string& path, const std::string& text) { std::ofstream(path) << text; }
  static std::string Read(const std::string& path) {
    std::string line;
    std::ifstream file(path);
    std::getline(file, line);
    return line;
  }
  static struct stat About(const std::string& path) {
    struct stat about = {};
    EXPECT_EQ(lstat(path.c_str(), &about), 0) << path;
    return about;
  }

  std::string folder_;
  test::VirtualClock clock_;
};

// -- User -----------------------------------------------------------------------------------------

TEST_F(PrivilegesTest, UsersAreFoundByNameAndNumber) {
  const Result<User> root = FindUser("root");
  ASSERT_TRUE(root.ok());
  EXPECT_EQ(root.value().uid, 0u);
  const Result<User> zero = FindUser("0");
  ASSERT_TRUE(zero.ok());
  EXPECT_EQ(zero.value().name, "root");
  for (const char* name : {"no-such-user", "", "4123456789", "0x", "-1"}) {
    const Result<User> none = FindUser(name);
    ASSERT_FALSE(none.ok()) << name;
    EXPECT_NE(none.status().message().find("there is no user '" + std::string(name) + "'"), std::string::npos);
  }
}

TEST_F(PrivilegesTest, BecomingWhoOneIsIsNothing) {
  const Result<User> self = FindUser(std::to_string(getuid()));
  if (!self.ok()) GTEST_SKIP() << "this user has no entry in passwd";
  EXPECT_TRUE(BecomeUser(self.value()).ok());
}

TEST_F(PrivilegesTest, RootIsGivenUpForGood) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  const Result<User> nobody = FindUser("nobody");
  ASSERT_TRUE(nobody.ok());
  const int result = InChild([&] {
    if (!BecomeUser(nobody.value()).ok()) return 1;
    if (getuid() != nobody.value().uid || getegid() != nobody.value().gid) return 2;
    if (setuid(0) == 0 || setgid(0) == 0) return 3;
    gid_t groups[64];
    const int count = getgroups(64, groups);
    for (int i = 0; i < count; ++i) {
      if (groups[i] == 0) return 4;
    }
    if (open("/etc/shadow", O_RDONLY) >= 0) return 5;
    if (!BecomeUser(nobody.value()).ok()) return 6;  // already
    return FindUser("root").ok() && BecomeUser(FindUser("root").value()).ok() ? 7 : 0;
  });
  EXPECT_EQ(result, 0);
}

TEST_F(PrivilegesTest, OnlyRootBecomesSomebodyElse) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  const User nobody = FindUser("nobody").value();
  EXPECT_EQ(InChild([&] {
              if (!BecomeUser(nobody).ok()) return 1;
              const Status status = BecomeUser(FindUser("daemon").value());
              return !status.ok() && status.message() ==
                                         "cannot become user daemon: only root can; leave -u out or start as root"
                         ? 0
                         : 2;
            }),
            0);
}

// -- Files ----------------------------------------------------------------------------------------

TEST_F(PrivilegesTest, StateDirectoryIsPrivateAndMadeWithItsParents) {
  const std::string path = Path("a/b/state");
  ASSERT_TRUE(MakeStateDirectory(path, nullptr).ok());
  EXPECT_EQ(About(path).st_mode & 0777, 0700u);
  EXPECT_TRUE(MakeStateDirectory(path, nullptr).ok()) << "twice";
  EXPECT_TRUE(CheckWritable(path).ok());
}

TEST_F(PrivilegesTest, StateDirectoryThatIsAFileIsNamed) {
  Write(Path("file"), "x");
  Status status = MakeStateDirectory(Path("file"), nullptr);
  EXPECT_EQ(status.message(), "cannot open the directory " + Path("file") + ": Not a directory");
  status = MakeStateDirectory(Path("file/state"), nullptr);
  EXPECT_EQ(status.message(), "cannot create the directory " + Path("file/state") + ": Not a directory");
}

TEST_F(PrivilegesTest, StateDirectoryIsGivenWithItsFilesButNoForeignOnes) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  const User nobody = FindUser("nobody").value();
  const std::string state = Path("state");
  ASSERT_TRUE(MakeStateDirectory(state, nullptr).ok());
  Write(state + "/sessions.db", "x");
  Write(Path("foreign"), "x");
  ASSERT_EQ(link(Path("foreign").c_str(), (state + "/linked").c_str()), 0);
  ASSERT_EQ(symlink(Path("foreign").c_str(), (state + "/symbolic").c_str()), 0);
  ASSERT_EQ(mkfifo((state + "/fifo").c_str(), 0600), 0);
  ASSERT_TRUE(MakeStateDirectory(state, &nobody).ok());
  EXPECT_EQ(About(state).st_uid, nobody.uid);
  EXPECT_EQ(About(state + "/sessions.db").st_uid, nobody.uid);
  EXPECT_EQ(About(Path("foreign")).st_uid, 0u);
  EXPECT_EQ(InChild([&] { return BecomeUser(nobody).ok() && CheckWritable(state).ok() ? 0 : 1; }), 0);
}

TEST_F(PrivilegesTest, UnwritableDirectoryIsSaid) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  const std::string state = Path("state");
  ASSERT_TRUE(MakeStateDirectory(state, nullptr).ok());
  EXPECT_EQ(
      InChild([&] {
        if (!BecomeUser(FindUser("nobody").value()).ok()) return 1;
        const Status status = CheckWritable(state);
        return status.ok() || status.message().find("Permission denied; change its owner") == std::string::npos ? 2 : 0;
      }),
      0);
}

TEST_F(PrivilegesTest, PidFileNamesThisProcessAndGoesWithIt) {
  const base::Log log(base::LogLevel::kError, base::LogFormat::kJournal, clock_);
  const std::string path = Path("pid");
  ASSERT_TRUE(WritePidFile(path, log).ok());
  EXPECT_EQ(Read(path), std::to_string(getpid()));
  EXPECT_TRUE(WritePidFile(path, log).ok()) << "twice";
  EXPECT_TRUE(RemovePidFile(path).ok());
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_TRUE(RemovePidFile(path).ok()) << "twice";
  EXPECT_TRUE(std::filesystem::is_empty(folder_)) << "no draft stays";
}

TEST_F(PrivilegesTest, PidFileOfARunningProcessIsReplacedWithAWarning) {
  int line[2];
  ASSERT_EQ(pipe2(line, O_NONBLOCK), 0);
  const base::Log log(base::LogLevel::kNotice, base::LogFormat::kJournal, clock_, line[1]);
  const std::string path = Path("pid");
  Write(path, std::to_string(getppid()) + "\n");
  ASSERT_TRUE(WritePidFile(path, log).ok());
  char text[512] = {};
  ASSERT_GT(read(line[0], text, sizeof text - 1), 0);
  EXPECT_EQ(text, "<4>the pid file " + path + " named process " + std::to_string(getppid()) + ", which is running\n");
  Write(path, "nonsense");
  ASSERT_TRUE(WritePidFile(path, log).ok());
  EXPECT_LT(read(line[0], text, sizeof text), 0);
  close(line[0]);
  close(line[1]);
}

TEST_F(PrivilegesTest, PidFileOfAnotherProcessIsLeftAlone) {
  Write(Path("pid"), std::to_string(getppid()));
  EXPECT_TRUE(RemovePidFile(Path("pid")).ok());
  EXPECT_TRUE(std::filesystem::exists(Path("pid")));
}

TEST_F(PrivilegesTest, PidFileReplacesALinkInsteadOfFollowingIt) {
  const base::Log log(base::LogLevel::kError, base::LogFormat::kJournal, clock_);
  Write(Path("target"), "precious");
  ASSERT_EQ(symlink(Path("target").c_str(), Path("pid").c_str()), 0);
  ASSERT_TRUE(WritePidFile(Path("pid"), log).ok());
  EXPECT_EQ(Read(Path("target")), "precious");
  EXPECT_EQ(Read(Path("pid")), std::to_string(getpid()));
}

TEST_F(PrivilegesTest, PidFileThatCannotBeIsSaid) {
  const base::Log log(base::LogLevel::kError, base::LogFormat::kJournal, clock_);
  EXPECT_EQ(WritePidFile(Path("no/pid"), log).message(),
            "cannot write the pid file " + Path("no/pid") + ": No such file or directory; name another with -P");
  std::filesystem::create_directory(Path("taken"));
  EXPECT_FALSE(WritePidFile(Path("taken"), log).ok());
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_), std::filesystem::directory_iterator()), 1)
      << "no draft stays";
}

// -- Limits ---------------------------------------------------------------------------------------

TEST_F(PrivilegesTest, OpenFilesAreRaisedUpToTheHardLimit) {
  EXPECT_EQ(InChild([] {
              const rlimit low = {64, 256};
              if (setrlimit(RLIMIT_NOFILE, &low) != 0) return 1;
              if (!RaiseOpenFiles(200).ok()) return 2;
              rlimit now;
              getrlimit(RLIMIT_NOFILE, &now);
              if (now.rlim_cur != 200 || now.rlim_max != 256) return 3;
              if (!RaiseOpenFiles(100).ok()) return 4;
              getrlimit(RLIMIT_NOFILE, &now);
              return now.rlim_cur == 200 ? 0 : 5;
            }),
            0);
}

TEST_F(PrivilegesTest, OpenFilesPastTheHardLimitNeedRoot) {
  const bool root = IsRoot();
  EXPECT_EQ(InChild([root] {
              const rlimit low = {64, 256};
              if (setrlimit(RLIMIT_NOFILE, &low) != 0) return 1;
              if (root && !BecomeUser(FindUser("nobody").value()).ok()) return 2;
              const Status status = RaiseOpenFiles(1000);
              return status.message() ==
                             "cannot have 1000 files open: Operation not permitted; the limit is 256: raise it "
                             "(ulimit -n, LimitNOFILE=) or lower -c"
                         ? 0
                         : 3;
            }),
            0);
}

TEST_F(PrivilegesTest, CoreDumpsAreAllowedAfterRootIsGivenUp) {
  const bool root = IsRoot();
  EXPECT_EQ(InChild([root] {
              if (root && !BecomeUser(FindUser("nobody").value()).ok()) return 1;
              const rlimit none = {0, 4096};
              if (setrlimit(RLIMIT_CORE, &none) != 0) return 0;  // forbidden from outside
              if (!AllowCoreDumps().ok()) return 2;
              rlimit now;
              getrlimit(RLIMIT_CORE, &now);
              return now.rlim_cur >= 4096 ? 0 : 3;
            }),
            0);
}

TEST_F(PrivilegesTest, ForbiddenCoreDumpsAreSaid) {
  const bool root = IsRoot();
  EXPECT_EQ(InChild([root] {
              const rlimit none = {0, 0};
              if (setrlimit(RLIMIT_CORE, &none) != 0) return 1;
              if (root && !BecomeUser(FindUser("nobody").value()).ok()) return 2;
              const Status status = AllowCoreDumps();
              return status.ok() || status.message().find("core files (-r) are forbidden here") != 0 ? 3 : 0;
            }),
            0);
}

TEST_F(PrivilegesTest, MemoryIsLockedOrTheRemedyIsGiven) {
  EXPECT_EQ(InChild([] {
              const Status status = LockMemory();
              return status.ok() || status.message().find("LimitMEMLOCK=infinity") != std::string::npos ? 0 : 1;
            }),
            0);
}

// -- Background -----------------------------------------------------------------------------------

// The test plays the shell: it sees the exit status of the started process, and hears from the server over a file.
TEST_F(PrivilegesTest, StartedProcessWaitsUntilTheServerIsReady) {
  const std::string report = Path("report");
  const pid_t test = getpid();
  const int result = InChild([&] {
    const pid_t started = getpid();
    Result<Background> background = Background::Enter();
    if (!background.ok()) return 2;
    usleep(20'000);
    const bool apart = getpid() != started && getsid(0) != getsid(test) && getsid(0) != getpid();
    Write(report, apart ? "apart" : "not apart");
    const Status ready = background.value().Ready(false);
    char current[8] = {};
    if (ready.ok() && getcwd(current, sizeof current) != nullptr && std::string(current) == "/") return 0;
    Write(report, "not ready");
    return 3;
  });
  EXPECT_EQ(result, 0);
  EXPECT_EQ(Read(report), "apart") << "written before the started process exits";
}

TEST_F(PrivilegesTest, StartedProcessFailsWhenTheServerDoes) {
  EXPECT_EQ(InChild([] {
              Result<Background> background = Background::Enter();
              return 0;  // gone without Ready
            }),
            1);
  EXPECT_EQ(InChild([] {
              Result<Background> background = Background::Enter();
              kill(getpid(), SIGKILL);
              return 0;
            }),
            1);
}

}  // namespace
}  // namespace holdfast::security
