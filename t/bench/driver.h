// driver.h - runs the table: starts the servers, loads them, measures every row on each in turn, stops them.
//
// Threads: one thread, pinned by the constructor.
// Owns:    the servers, which live while the rows of their scale are measured.
// Errors:  a cell that cannot be measured says so in the result; BenchError when a server cannot be started.

#ifndef HOLDFAST_BENCH_DRIVER_H_
#define HOLDFAST_BENCH_DRIVER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/options.h"
#include "bench/result.h"
#include "bench/server_process.h"

namespace holdfast::bench {

// What the figures were measured with, for the report.
struct Circumstances {
  std::string holdfast_version;
  std::string memcached_version;  // empty: it was not there
  std::string memcached_missing;  // why
  bool is_pinned = false;         // server and client each on a core of their own
};

class Driver {
 public:
  explicit Driver(const Options& options);

  // One row per workload wanted, in the order of the table. Progress goes to stderr.
  std::vector<Row> Run();
  const Circumstances& circumstances() const { return circumstances_; }

 private:
  using Servers = std::vector<std::unique_ptr<ServerProcess>>;

  void RunScale(Scale scale, std::vector<Row>& rows);
  Servers StartServers(Scale scale);
  std::vector<std::string> Arguments(Role role, Scale scale) const;
  void PreloadFor(const std::vector<Row*>& rows, Servers& servers, uint32_t items);
  void MeasureRow(Row& row, Servers& servers, uint32_t items);
  std::string ReasonToSkip(const Workload& workload, const ServerProcess& server) const;

  const Options& options_;
  Circumstances circumstances_;
  std::optional<int> server_cpu_;  // none: one core, or pinning is not allowed
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_DRIVER_H_
