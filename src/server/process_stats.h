// process_stats.h - the statistics of the process as a whole: who it is, what it used, how many connections.

#ifndef HOLDFAST_SERVER_PROCESS_STATS_H_
#define HOLDFAST_SERVER_PROCESS_STATS_H_

#include <memory>
#include <span>
#include <vector>

#include "base/clock.h"
#include "base/stat.h"
#include "network/listener.h"
#include "network/worker.h"

namespace holdfast::server {

// What the rows read. Borrowed, all of it.
struct ProcessSource {
  const base::Clock* clock;
  const std::vector<std::unique_ptr<network::Worker>>* workers;
  const network::Listener* listener;
  const network::ConnectionLimit* limit;
  int64_t started_steady_micros;
};

std::span<const base::StatRow> ProcessStats();

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_PROCESS_STATS_H_
