// site.h - a simulated site: users who log in, click, think, log out or just leave, and come back after a while.
//
// All times are those of a real shop divided by one scale. A visit has 20 views on average. A view loads the session
// and then either stores it anew or prolongs it, half and half; the last view of every third visit deletes it. A
// browser forgets its cookie when the session has run out, and gets a new id with its next login.
//
// Threads: Run makes `workers` of them, as many views are under way at a time, and waits for all.
// Errors:  BenchError.

#ifndef HOLDFAST_BENCH_SITE_H_
#define HOLDFAST_BENCH_SITE_H_

#include <cstdint>
#include <vector>

#include "bench/keeper.h"

namespace holdfast::bench {

struct SiteFigures {
  uint64_t views = 0;
  uint64_t logins = 0;
  uint64_t logouts = 0;
  uint64_t first_looks = 0;   // loads of an id that nobody had asked for before: those of a login
  uint64_t lost = 0;          // a session that must be there was not
  uint64_t stale = 0;         // it was there, with a value from before the last one stored
  uint64_t rows_allowed = 0;  // by the contract of write-behind, see site.cc
  double seconds = 0;
  uint64_t live_sessions_max = 0;
  std::vector<uint32_t> view_us;  // from when the user clicked to the end of load and store, sorted
  std::vector<uint32_t> load_us;  // the loads that were no first looks, sorted
  DatabaseFigures database;
};

SiteFigures RunSite(StorageKind kind, const SessionOptions& options);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_SITE_H_
