// driver.h - runs the table: starts the servers, loads them, measures every row on each in turn, stops them.
//
// Threads: one thread, that of the starter.
// Owns:    the servers, which live while the rows of their scale are measured.  Borrows the starter.
// Errors:  a cell that cannot be measured says so in the result; BenchError when a server cannot be started.

#ifndef HOLDFAST_BENCH_DRIVER_H_
#define HOLDFAST_BENCH_DRIVER_H_

#include <memory>
#include <string>
#include <vector>

#include "bench/options.h"
#include "bench/result.h"
#include "bench/server_process.h"
#include "bench/server_starter.h"

namespace holdfast::bench {

class Driver {
 public:
  explicit Driver(ServerStarter& starter) : starter_(starter), options_(starter.options()) {}

  // One row per workload wanted, in the order of the table. Progress goes to stderr.
  std::vector<Row> Run();

 private:
  using Servers = std::vector<std::unique_ptr<ServerProcess>>;

  void RunScale(Scale scale, std::vector<Row>& rows);
  Servers StartServers(Scale scale);
  void PreloadFor(const std::vector<Row*>& rows, Servers& servers, uint32_t items);
  void MeasureRow(Row& row, Servers& servers, uint32_t items);
  std::string ReasonToSkip(const Workload& workload, const ServerProcess& server) const;

  ServerStarter& starter_;
  const Options& options_;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_DRIVER_H_
