// cache_server.h - a real server for tests of the client library: Holdfast or memcached, started on a free loopback
// port, killed, stopped, continued, started again on the same port.
//
// Threads: one; the processes are their own.
// Owns:    the process; the destructor kills it and waits. It dies with the test.
// Errors:  a server that does not start fails the test. Available says whether there is such a program.

#ifndef HOLDFAST_T_LIB_CACHE_SERVER_H_
#define HOLDFAST_T_LIB_CACHE_SERVER_H_

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <gtest/gtest.h>

#include <chrono>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace holdfast::test {

enum class ServerKind { kHoldfast, kMemcached };

inline std::string ProgramOf(ServerKind kind) {
  const char* const given = std::getenv(kind == ServerKind::kHoldfast ? "HOLDFAST_BIN" : "MEMCACHED_BIN");
  if (given != nullptr) return given;
  return kind == ServerKind::kHoldfast ? "./holdfast" : "/usr/bin/memcached";
}

inline bool Available(ServerKind kind) { return access(ProgramOf(kind).c_str(), X_OK) == 0; }

inline sockaddr_in LoopbackAddress(uint16_t port, in_addr_t host = INADDR_LOOPBACK) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(host);
  return address;
}

// A socket bound to a loopback port, a free one when *port is 0; listening when backlog is not 0.
inline int BindLoopback(uint16_t* port, int backlog, in_addr_t host = INADDR_LOOPBACK) {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const int yes = 1;
  setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  sockaddr_in address = LoopbackAddress(*port, host);
  socklen_t size = sizeof(address);
  if (bind(file, reinterpret_cast<sockaddr*>(&address), size) != 0 || (backlog > 0 && listen(file, backlog) != 0)) {
    close(file);
    return -1;
  }
  getsockname(file, reinterpret_cast<sockaddr*>(&address), &size);
  *port = ntohs(address.sin_port);
  return file;
}

inline uint16_t FreePort() {
  uint16_t port = 0;
  const int file = BindLoopback(&port, 0);
  if (file >= 0) close(file);
  return port;
}

inline int ConnectTo(uint16_t port) {
  const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = LoopbackAddress(port);
  if (connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) return file;
  close(file);
  return -1;
}

// In a child process: becomes the server. words: its options.
[[noreturn]] inline void BecomeServer(ServerKind kind, std::vector<std::string> words) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  words.insert(words.begin(), ProgramOf(kind));
  if (getuid() == 0) words.insert(words.end(), {"-u", kind == ServerKind::kMemcached ? "nobody" : "root"});
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  dup2(open("/dev/null", O_WRONLY | O_CLOEXEC), 2);
  execv(pointers[0], pointers.data());
  _exit(127);
}

inline bool Within(std::chrono::milliseconds time, const std::function<bool()>& holds) {
  const auto end = std::chrono::steady_clock::now() + time;
  while (!holds()) {
    if (std::chrono::steady_clock::now() > end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  return true;
}

class CacheServer {
 public:
  explicit CacheServer(ServerKind kind, std::vector<std::string> arguments = {})
      : kind_(kind), arguments_(std::move(arguments)) {
    for (int attempt = 0; attempt < 5 && pid_ < 0; attempt++) {
      port_ = FreePort();
      Start();
    }
    EXPECT_GT(pid_, 0) << ProgramOf(kind) << " does not start";
  }
  ~CacheServer() { Kill(); }
  CacheServer(const CacheServer&) = delete;
  CacheServer& operator=(const CacheServer&) = delete;

  uint16_t port() const { return port_; }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  // On the same port. False: it ended at once.
  bool Start() {
    pid_ = fork();
    if (pid_ == 0) Execute();
    const auto end = std::chrono::steady_clock::now() + std::chrono::seconds(60);
    while (std::chrono::steady_clock::now() < end) {
      if (const int file = ConnectTo(port_); file >= 0) {
        close(file);
        return true;
      }
      if (waitpid(pid_, nullptr, WNOHANG) == pid_) break;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    if (waitpid(pid_, nullptr, WNOHANG) == 0) Kill();
    pid_ = -1;
    return false;
  }

  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

  void Pause() {
    kill(pid_, SIGSTOP);
    int status = 0;
    waitpid(pid_, &status, WUNTRACED);
  }
  void Continue() { kill(pid_, SIGCONT); }

 private:
  [[noreturn]] void Execute() {
    std::vector<std::string> words = {"-l", "127.0.0.1", "-p", std::to_string(port_), "-t", "2"};
    if (kind_ == ServerKind::kMemcached) words.insert(words.end(), {"-U", "0"});
    words.insert(words.end(), arguments_.begin(), arguments_.end());
    BecomeServer(kind_, std::move(words));
  }

  const ServerKind kind_;
  const std::vector<std::string> arguments_;
  uint16_t port_ = 0;
  pid_t pid_ = -1;  // -1 while none runs
};

// One that listens on a unix socket alone.
class SocketServer {
 public:
  SocketServer(ServerKind kind, std::string path) : path_(std::move(path)), pid_(fork()) {
    if (pid_ == 0) BecomeServer(kind, {"-s", path_, "-a", "0777", "-t", "1"});
    EXPECT_TRUE(Within(std::chrono::seconds(60), [&] { return Listens(); }));
  }
  ~SocketServer() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    unlink(path_.c_str());
  }
  SocketServer(const SocketServer&) = delete;
  SocketServer& operator=(const SocketServer&) = delete;

 private:
  // The file is there a moment before somebody listens at it.
  bool Listens() const {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path_.copy(address.sun_path, sizeof(address.sun_path) - 1);
    const int file = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const bool listens = connect(file, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0;
    close(file);
    return listens;
  }

  const std::string path_;
  const pid_t pid_;
};

}  // namespace holdfast::test

#endif  // HOLDFAST_T_LIB_CACHE_SERVER_H_
