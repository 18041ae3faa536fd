// server_process.h - a server under measurement: started on a free loopback port, pinned, asked what it can do,
// stopped.
//
// Threads: one thread.
// Owns:    the child process; the destructor stops it (SIGTERM, then SIGKILL) and waits for it. The child dies with us.
// Errors:  BenchError, with the last lines that the server wrote.
// Blocks:  the constructor until the server answers, at most kStartTimeoutMs; the destructor at most kStopTimeoutMs.

#ifndef HOLDFAST_BENCH_SERVER_PROCESS_H_
#define HOLDFAST_BENCH_SERVER_PROCESS_H_

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "bench/workload.h"

namespace holdfast::bench {

inline constexpr int kStartTimeoutMs = 10'000;
inline constexpr int kStopTimeoutMs = 5'000;

// BenchError - why a server or a cell of the table could not be measured. It never leaves this folder.
struct BenchError : std::runtime_error {
  using std::runtime_error::runtime_error;
};

enum class Role { kHoldfast, kMemcached, kEcho };

struct ServerCommand {
  Role role;
  std::string program;
  std::vector<std::string> arguments;  // -l and -p are added
};

class ServerProcess {
 public:
  // `cpu` is where the server is pinned to; none: anywhere.
  ServerProcess(const ServerCommand& command, std::optional<int> cpu);
  ~ServerProcess();
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;

  Role role() const { return role_; }
  uint16_t port() const { return port_; }
  const std::string& version() const { return version_; }

  // Run time of all its threads so far. Exact while the server sleeps, else up to a clock tick behind.
  uint64_t CpuNs() const;
  uint64_t ResidentBytes() const;
  // Of these, in huge pages.
  uint64_t HugePageBytes() const;

  // Whether the server speaks `syntax`; the echo server speaks everything.
  bool Speaks(Syntax syntax) const;

  // The value of one row of the reply to `stats`, or to `stats GROUP`.
  uint64_t Statistic(const std::string& name, const std::string& group = "") const;

  // Pins its busiest threads so far each to one of these cores. Best effort.
  void SpreadBusiestOver(const std::vector<int>& cpus);

  // Stops it where it is, until Release.
  void Hold();
  void Release();

  CounterLedger& ledger() { return ledger_; }

 private:
  void Start(const ServerCommand& command, std::optional<int> cpu);
  bool AnswersYet();
  void Stop();
  std::string LastOutput() const;

  const Role role_;
  pid_t pid_ = -1;
  uint16_t port_ = 0;
  int output_ = -1;  // an unlinked file that holds what the server wrote
  std::string version_;
  bool speaks_meta_ = false;
  bool speaks_binary_ = false;
  CounterLedger ledger_;
};

// Run time of all threads of a process so far; 0 when there is none.
uint64_t CpuNsOf(pid_t process);

// The cores that this thread may use, in ascending order; core 0 where the kernel does not tell.
std::vector<int> AllowedCpus();

// Pins this thread to the second core it may use and returns the first, for the server; none where there is but one.
std::optional<int> PinToSecondCpu();

// Connects to a server on the loopback address. `blocking` sockets give up on a read after a second.
int ConnectLoopback(uint16_t port, bool blocking);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_SERVER_PROCESS_H_
