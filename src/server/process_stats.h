// process_stats.h - the statistics of the process as a whole: who it is, what it used, how many connections.

#ifndef HOLDFAST_SERVER_PROCESS_STATS_H_
#define HOLDFAST_SERVER_PROCESS_STATS_H_

#include <memory>
#include <span>
#include <vector>

#include "base/block_pool.h"
#include "base/clock.h"
#include "base/stat.h"
#include "command/operations.h"
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
  const base::BlockBudget* budget;
  const command::Operations* operations;
};

std::span<const base::StatRow> ProcessStats();
// What memcached has only under some conditions: with maxconns_fast, with idle_timeout.
std::span<const base::StatRow> RejectionStats();
std::span<const base::StatRow> IdleStats();
// Ours, in `stats holdfast`.
std::span<const base::StatRow> ProcessDetailStats();

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_PROCESS_STATS_H_
