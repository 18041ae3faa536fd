#include "faults/server_process.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "faults/site_client.h"

namespace holdfast::faults {

namespace {
constexpr int64_t kStartMicrosMax = 60'000'000;
constexpr int64_t kStopMicrosMax = 120'000'000;
}  // namespace

DataDirectory::DataDirectory(const std::string& path) : path_(path) {
  std::filesystem::create_directories(path_);
  mounted_ = ::mount("tmpfs", path_.c_str(), "tmpfs", 0, "size=256m,mode=0700") == 0;
}

DataDirectory::~DataDirectory() {
  if (mounted_) ::umount2(path_.c_str(), MNT_DETACH);
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void DataDirectory::Fill() {
  const std::string name = path_ + "/filler";
  const int file = ::open(name.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  const std::string bytes(64 << 10, 'x');
  size_t chunk = bytes.size();
  while (chunk > 0) {
    if (::write(file, bytes.data(), chunk) <= 0) chunk /= 2;
  }
  ::close(file);
}

void DataDirectory::Empty() { ::unlink((path_ + "/filler").c_str()); }

ServerProcess::~ServerProcess() {
  if (!running()) return;
  ::kill(process_, SIGKILL);
  ::waitpid(process_, nullptr, 0);
}

pid_t ServerProcess::Spawn(const char* further_argument) {
  const pid_t parent = ::getpid();
  const pid_t process = ::fork();
  if (process != 0) return process;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) _exit(1);
  const int log = ::open(log_path_.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  ::dup2(log, 1);
  ::dup2(log, 2);
  for (const auto& [name, value] : environment_) ::setenv(name.c_str(), value.c_str(), 1);
  std::vector<char*> arguments;
  for (const std::string& word : command_) arguments.push_back(const_cast<char*>(word.c_str()));
  if (further_argument != nullptr) arguments.push_back(const_cast<char*>(further_argument));
  arguments.push_back(nullptr);
  ::execv(arguments[0], arguments.data());
  _exit(127);
}

bool ServerProcess::HasEnded(pid_t process, int* status) { return ::waitpid(process, status, WNOHANG) == process; }

bool ServerProcess::HandOver(int64_t kill_after_us) {
  const int64_t begun_us = NowMicros();
  const pid_t successor = Spawn("--takeover");
  if (kill_after_us >= 0) {
    ::usleep(static_cast<useconds_t>(kill_after_us));
    ::kill(successor, SIGKILL);
    ::waitpid(successor, nullptr, 0);
    // One that had taken over was told so by the other's end, which may be on its way; if not, the other serves.
    int status = 0;
    while (!Serves() && NowMicros() - begun_us < kStartMicrosMax) {
      if (HasEnded(process_, &status)) {
        process_ = -1;
        return true;
      }
      ::usleep(500);
    }
    return true;
  }
  int status = 0;
  while (NowMicros() - begun_us < kStartMicrosMax) {
    if (HasEnded(process_, &status)) {
      process_ = successor;
      return true;
    }
    if (HasEnded(successor, &status)) return false;
    ::usleep(500);
  }
  ::kill(successor, SIGKILL);
  ::waitpid(successor, nullptr, 0);
  return false;
}

bool ServerProcess::Serves() const {
  Connection connection;
  return connection.Open(port_) && connection.Ask("version\r\n", false).line.starts_with("VERSION");
}

bool ServerProcess::Start() {
  const int64_t begun_us = NowMicros();
  process_ = Spawn(nullptr);
  while (NowMicros() - begun_us < kStartMicrosMax) {
    if (Serves()) {
      start_us_ = NowMicros() - begun_us;
      return true;
    }
    if (::waitpid(process_, nullptr, WNOHANG) == process_) {
      process_ = -1;
      return false;
    }
    ::usleep(1000);
  }
  return false;
}

void ServerProcess::Signal(int signal) const {
  if (running()) ::kill(process_, signal);
}

int ServerProcess::Wait() {
  int status = -1;
  const int64_t begun_us = NowMicros();
  while (::waitpid(process_, &status, WNOHANG) == 0) {
    if (NowMicros() - begun_us > kStopMicrosMax) ::kill(process_, SIGKILL);
    ::usleep(500);
  }
  process_ = -1;
  return status;
}

int FreePort() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  const bool bound = ::bind(socket, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &length) == 0;
  ::close(socket);
  return bound ? ntohs(address.sin_port) : 0;
}

}  // namespace holdfast::faults
