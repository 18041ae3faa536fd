// server_starter.h - starts the servers of a row: the same shape of Holdfast and memcached, on the cores that are the
// servers'.
//
// Threads: one thread, pinned by the constructor.
// Errors:  BenchError when a server cannot be started; a memcached that cannot be is only noted.
// Blocks:  as ServerProcess.

#ifndef HOLDFAST_BENCH_SERVER_STARTER_H_
#define HOLDFAST_BENCH_SERVER_STARTER_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/options.h"
#include "bench/server_process.h"

namespace holdfast::bench {

// What the figures were measured with, for the report.
struct Circumstances {
  std::string holdfast_version;
  std::string memcached_version;  // empty: it was not there
  std::string memcached_missing;  // why
  bool is_pinned = false;         // server and client each on a core of their own
  std::chrono::steady_clock::time_point began = std::chrono::steady_clock::now();
};

// Holdfast takes memcached's flags, so both get the same ones.
struct ServerShape {
  int threads = 1;
  uint64_t memory_mib = 1024;
  int connections_max = 1024;
  bool busy_poll = false;  // Holdfast: --busy-poll=50
};

class ServerStarter {
 public:
  // The options are borrowed.
  explicit ServerStarter(const Options& options);

  // Null only when memcached is not there, and then circumstances() say why.
  std::unique_ptr<ServerProcess> Start(Role role, const ServerShape& shape);

  const Circumstances& circumstances() const { return circumstances_; }
  const Options& options() const { return options_; }
  // The cores that the benchmark may use, at least one: the first is the servers', the second the client's.
  const std::vector<int>& cpus() const { return cpus_; }

 private:
  std::vector<std::string> Arguments(Role role, const ServerShape& shape) const;

  const Options& options_;
  const std::vector<int> cpus_;
  const std::optional<int> server_cpu_;  // none: one core, or pinning is not allowed
  Circumstances circumstances_;
};

// MemAvailable of the machine.
uint64_t AvailableMemoryMib();

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_SERVER_STARTER_H_
