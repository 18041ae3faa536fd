// session_options.h - what "make bench-sessions" is asked for on its command line.
//
// Threads: one.
// Errors:  a wrong option is named on stderr.

#ifndef HOLDFAST_BENCH_SESSION_OPTIONS_H_
#define HOLDFAST_BENCH_SESSION_OPTIONS_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bench/command_line.h"

namespace holdfast::bench {

// The times of a real shop, in seconds. All of them are divided by the same scale.
inline constexpr uint32_t kRealSyncIntervalS = 120;
inline constexpr uint32_t kRealLifeS = 24 * 60;
inline constexpr uint32_t kRealThinkS = 30;
inline constexpr uint32_t kRealPauseS = 15 * 60;  // between two visits of a user

struct SessionOptions {
  std::string holdfast;             // the server
  std::string database = "sqlite";  // or a server's URL
  std::string password_file;
  std::vector<pid_t> database_processes;  // whose CPU time counts, and who is stopped to make the database hang
  std::vector<std::string> parts = {"site", "hits", "sets", "parked"};
  uint64_t seed = 1;

  // The site.
  uint32_t scale = 60;  // so many times faster than real
  uint32_t users = 1'000;
  uint32_t site_s = 60;
  uint32_t workers = 32;     // application processes: views at a time
  uint32_t memory_mib = 64;  // of the cache

  // Hits, sets, parked requests.
  int runs = 5;
  uint32_t run_ms = 3'000;
  int pairs = 10;
  uint32_t parked = 10'000;
  uint32_t hang_ms = 10'000;

  bool Wants(std::string_view part) const;
  bool is_sqlite() const { return database == "sqlite"; }
};

OptionsOutcome ParseSessionOptions(int argc, char** argv, SessionOptions* options);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_SESSION_OPTIONS_H_
