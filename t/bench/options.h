// options.h - the command line of the benchmark.

#ifndef HOLDFAST_BENCH_OPTIONS_H_
#define HOLDFAST_BENCH_OPTIONS_H_

#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "bench/command_line.h"

namespace holdfast::bench {

struct Options {
  std::string holdfast;                         // --holdfast, else $HOLDFAST_BIN
  std::vector<std::string> holdfast_arguments;  // --holdfast-args
  std::string memcached = "memcached";          // --memcached, else $MEMCACHED_BIN
  std::string echo_server;                      // --echo-server, else the one beside this program
  std::string document;                         // --document; empty: only print
  std::string command;                          // --command, else argv without folders: what the report says was typed
  std::vector<std::string> only;                // --only; empty: all
  bool is_smoke = false;                        // --smoke: only whether every reply is right
  bool is_list = false;                         // --list: only the names of the rows
  uint32_t items = 1'000'000;
  uint32_t items_huge = 8'000'000;
  uint32_t memory_mib = 1'024;         // that is filled to see what an item takes
  uint32_t idle_connections = 10'000;  // that are opened to see what one takes
  int rounds = 5;
  std::chrono::milliseconds warm_up{200};
  std::chrono::milliseconds run{700};

  bool Wants(std::string_view name) const;
};

// `names` are the rows of the table. On kUsageError one line has been written to stderr, on kHelp the help to stdout.
OptionsOutcome ParseOptions(int argc, char** argv, std::span<const std::string_view> names, Options& options);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_OPTIONS_H_
