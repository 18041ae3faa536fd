// counters.h - what the verbs count, under memcached's names.
//
// Threads: one worker writes, any reads (base::Counter).

#ifndef HOLDFAST_COMMAND_COUNTERS_H_
#define HOLDFAST_COMMAND_COUNTERS_H_

#include <span>

#include "base/counter.h"
#include "base/stat.h"

namespace holdfast::command {

struct CommandCounters {
  base::Counter cmd_get, cmd_set, cmd_flush, cmd_touch, cmd_meta;
  base::Counter get_hits, get_misses, get_expired, get_flushed;
  base::Counter delete_misses, delete_hits;
  base::Counter incr_misses, incr_hits, decr_misses, decr_hits;
  base::Counter cas_misses, cas_hits, cas_badval;
  base::Counter touch_hits, touch_misses;
  base::Counter store_too_large, store_no_memory;
  base::Counter auth_cmds, auth_errors;
  base::Counter session_hits;  // sessions that memory had
};

std::span<const base::StatRow> CommandStats();
// Those for `stats sessions`.
std::span<const base::StatRow> SessionCommandStats();

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_COUNTERS_H_
