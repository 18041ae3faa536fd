// How it works: a port is found by binding to port 0 and letting go of it again; if someone else takes it before the
// server does, the server exits and the next port is tried. The child is pinned between fork and exec, so all its
// threads are, and it asks the kernel to be killed when its parent goes, so an interrupted benchmark leaves nothing
// behind.
//
// CPU time comes from /proc/PID/task/*/schedstat, whose first field counts nanoseconds; utime and stime count 10 ms
// ticks.
#include "bench/server_process.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string_view>
#include <thread>
#include <utility>

namespace holdfast::bench {
namespace {

constexpr int kStartAttempts = 3;
constexpr auto kPollInterval = std::chrono::milliseconds(10);
constexpr size_t kOutputShown = 500;

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

uint16_t FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t bytes = sizeof address;
  const bool bound = fd >= 0 && bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
                     getsockname(fd, reinterpret_cast<sockaddr*>(&address), &bytes) == 0;
  if (fd >= 0) close(fd);
  if (!bound) throw BenchError("no free loopback port: " + std::string(std::strerror(errno)));
  return ntohs(address.sin_port);
}

// One question on a fresh connection; what came back until `complete` bytes or `terminator` arrived, or a second
// passed.
std::string Ask(uint16_t port, std::string_view question, size_t complete, std::string_view terminator) {
  const int fd = ConnectLoopback(port, true);
  if (fd < 0) return "";
  std::string answer;
  if (send(fd, question.data(), question.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(question.size())) {
    char piece[4096];
    while (answer.size() < complete && !(!terminator.empty() && answer.ends_with(terminator))) {
      const ssize_t got = recv(fd, piece, sizeof piece, 0);
      if (got <= 0) break;
      answer.append(piece, static_cast<size_t>(got));
    }
  }
  close(fd);
  return answer;
}

// The value of "Name:   123 kB" in /proc/PID/status, in bytes.
uint64_t StatusKilobytes(const std::string& path, std::string_view name) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with(name)) return std::stoull(line.substr(name.size() + 1)) * 1024;
  }
  throw BenchError("cannot read " + path);
}

// Thread 0 is the calling one.
bool PinThread(pid_t thread, int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return sched_setaffinity(thread, sizeof set, &set) == 0;
}

// The threads of a process; none when there is no such process.
std::vector<pid_t> ThreadsOf(pid_t process) {
  std::vector<pid_t> threads;
  DIR* directory = opendir(("/proc/" + std::to_string(process) + "/task").c_str());
  if (directory == nullptr) return threads;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] != '.') threads.push_back(std::stoi(entry->d_name));
  }
  closedir(directory);
  return threads;
}

uint64_t ThreadCpuNs(pid_t process, pid_t thread) {
  const std::string path = "/proc/" + std::to_string(process) + "/task/" + std::to_string(thread) + "/schedstat";
  uint64_t run_ns = 0;
  std::ifstream(path) >> run_ns;
  return run_ns;
}

[[noreturn]] void Become(const std::vector<std::string>& words, int output, std::optional<int> cpu, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);
  if (cpu) PinThread(0, *cpu);  // best effort: unpinned figures are only noisier
  dup2(open("/dev/null", O_RDONLY), STDIN_FILENO);
  dup2(output, STDOUT_FILENO);
  dup2(output, STDERR_FILENO);
  std::vector<char*> argv;
  for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  dprintf(STDERR_FILENO, "cannot run %s: %s\n", argv[0], std::strerror(errno));
  _exit(127);
}

}  // namespace

std::vector<int> AllowedCpus() {
  cpu_set_t allowed;
  std::vector<int> cpus;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return {0};
  for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
    if (CPU_ISSET(cpu, &allowed)) cpus.push_back(cpu);
  }
  return cpus;
}

std::optional<int> PinToSecondCpu() {
  const std::vector<int> cpus = AllowedCpus();
  if (cpus.size() < 2 || !PinThread(0, cpus[1])) return std::nullopt;
  return cpus[0];
}

int ConnectLoopback(uint16_t port, bool blocking) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const sockaddr_in address = Loopback(port);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(fd);
    return -1;
  }
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const timeval second{.tv_sec = 1, .tv_usec = 0};
  if (blocking) {
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
  } else {
    fcntl(fd, F_SETFL, O_NONBLOCK);
  }
  return fd;
}

ServerProcess::ServerProcess(const ServerCommand& command, std::optional<int> cpu) : role_(command.role) {
  output_ = memfd_create("bench-server-output", MFD_CLOEXEC);
  for (int attempt = 1;; ++attempt) {
    Start(command, cpu);
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kStartTimeoutMs);
    while (pid_ > 0 && std::chrono::steady_clock::now() < deadline) {
      if (AnswersYet()) return;
      std::this_thread::sleep_for(kPollInterval);
      if (waitpid(pid_, nullptr, WNOHANG) == pid_) pid_ = -1;
    }
    const bool has_exited = pid_ < 0;
    if (!has_exited || attempt == kStartAttempts) {
      const std::string output = LastOutput();
      Stop();
      close(output_);
      throw BenchError(command.program + (has_exited ? " exited: " : " does not answer: ") + output);
    }
  }
}

ServerProcess::~ServerProcess() {
  Stop();
  close(output_);
}

void ServerProcess::Start(const ServerCommand& command, std::optional<int> cpu) {
  port_ = FreePort();
  if (ftruncate(output_, 0) == 0) lseek(output_, 0, SEEK_SET);
  std::vector<std::string> words{command.program, "-l", "127.0.0.1", "-p", std::to_string(port_)};
  words.insert(words.end(), command.arguments.begin(), command.arguments.end());
  const pid_t parent = getpid();
  pid_ = fork();
  if (pid_ < 0) throw BenchError("cannot fork: " + std::string(std::strerror(errno)));
  if (pid_ == 0) Become(words, output_, cpu, parent);
}

bool ServerProcess::AnswersYet() {
  if (role_ == Role::kEcho) {
    const int fd = ConnectLoopback(port_, true);
    if (fd >= 0) close(fd);
    speaks_meta_ = speaks_binary_ = fd >= 0;
    return fd >= 0;
  }
  const std::string answer = Ask(port_, "version\r\n", SIZE_MAX, "\r\n");
  if (!answer.starts_with("VERSION ")) return false;
  version_ = answer.substr(8, answer.size() - 10);
  speaks_meta_ = Ask(port_, "mn\r\n", SIZE_MAX, "\r\n") == "MN\r\n";
  // A text parser that takes the no-op for a command line sees it end here, so the answer comes at once either way.
  const std::string noop = std::string("\x80\x0a", 2) + std::string(22, '\0');
  const std::string reply = Ask(port_, noop + "\r\n", 24, "\r\n");
  speaks_binary_ = reply.size() == 24 && reply.starts_with("\x81\x0a");
  return true;
}

void ServerProcess::Stop() {
  if (pid_ < 0) return;
  kill(pid_, SIGTERM);
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(kStopTimeoutMs);
  while (waitpid(pid_, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() > deadline) kill(pid_, SIGKILL);
    std::this_thread::sleep_for(kPollInterval);
  }
  pid_ = -1;
}

std::string ServerProcess::LastOutput() const {
  const off_t end = lseek(output_, 0, SEEK_END);
  std::string text(kOutputShown, '\0');
  const ssize_t got = pread(output_, text.data(), text.size(), std::max<off_t>(0, end - off_t{kOutputShown}));
  text.resize(got < 0 ? 0 : static_cast<size_t>(got));
  while (text.ends_with('\n')) text.pop_back();
  return text.empty() ? "(it wrote nothing)" : text;
}

uint64_t ServerProcess::CpuNs() const {
  const uint64_t sum_ns = CpuNsOf(pid_);
  if (sum_ns == 0) throw BenchError("the server has exited, or the kernel lacks CONFIG_SCHED_INFO: " + LastOutput());
  return sum_ns;
}

uint64_t CpuNsOf(pid_t process) {
  uint64_t sum_ns = 0;
  for (const pid_t thread : ThreadsOf(process)) {
    sum_ns += ThreadCpuNs(process, thread);
  }
  return sum_ns;
}

void ServerProcess::SpreadBusiestOver(const std::vector<int>& cpus) {
  std::vector<std::pair<uint64_t, pid_t>> threads;
  for (const pid_t thread : ThreadsOf(pid_)) threads.emplace_back(ThreadCpuNs(pid_, thread), thread);
  std::sort(threads.rbegin(), threads.rend());
  for (size_t i = 0; i < std::min(cpus.size(), threads.size()); ++i) PinThread(threads[i].second, cpus[i]);
}

void ServerProcess::Hold() {
  kill(pid_, SIGSTOP);
  // Until all its threads have: the waiting parent is told then.
  waitpid(pid_, nullptr, WUNTRACED);
}

void ServerProcess::Release() { kill(pid_, SIGCONT); }

uint64_t ServerProcess::ResidentBytes() const {
  return StatusKilobytes("/proc/" + std::to_string(pid_) + "/status", "VmRSS:");
}

uint64_t ServerProcess::HugePageBytes() const {
  return StatusKilobytes("/proc/" + std::to_string(pid_) + "/smaps_rollup", "AnonHugePages:");
}

bool ServerProcess::Speaks(Syntax syntax) const {
  return syntax == Syntax::kText || (syntax == Syntax::kMeta ? speaks_meta_ : speaks_binary_);
}

uint64_t ServerProcess::Statistic(const std::string& name, const std::string& group) const {
  const std::string question = group.empty() ? "stats\r\n" : "stats " + group + "\r\n";
  const auto patience = std::chrono::steady_clock::now() + std::chrono::milliseconds(kStartTimeoutMs);
  std::string answer;
  do {  // a server that makes its index larger may be silent for longer than Ask waits
    answer = Ask(port_, question, SIZE_MAX, "END\r\n");
  } while (!answer.ends_with("END\r\n") && std::chrono::steady_clock::now() < patience);
  const std::string start = "STAT " + name + " ";
  const size_t at = answer.find(start);
  if (at == std::string::npos) throw BenchError("no statistic " + name);
  return std::stoull(answer.substr(at + start.size()));
}

}  // namespace holdfast::bench
