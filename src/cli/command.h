// command.h - what holdfast-cli can do, one row a command; help and manual are made of the rows.
//
// Threads: one, but for the threads that bench starts.
// Errors:  an exit status: kExitOk, kExitMiss for a plain "no" of the cache, kExitFailed, kExitUsage; the cause is on
// stderr.

#ifndef HOLDFAST_CLI_COMMAND_H_
#define HOLDFAST_CLI_COMMAND_H_

#include <holdfast/client.h>

#include <span>
#include <string>
#include <vector>

namespace holdfast::cli {

inline constexpr int kExitOk = 0;
inline constexpr int kExitMiss = 1;
inline constexpr int kExitFailed = 2;
inline constexpr int kExitUsage = 64;

struct Settings {
  std::string servers = "127.0.0.1:11211";
  std::string ring = "slots";
  std::string master;  // empty: none
  std::string prefix;
  int64_t timeout_ms = 1000;
  int64_t ttl_s = 0;
  uint32_t flags = 0;
  std::string without;   // ring: servers taken away
  std::string with;      // ring: servers added
  uint32_t threads = 4;  // bench, as all below
  uint32_t seconds = 5;
  uint32_t keys = 10'000;
  uint32_t value_bytes = 100;
  uint32_t multiget = 0;  // keys a multiget; 0: single gets
};

using Words = std::span<const std::string>;

struct Command {
  const char* name;
  const char* arguments;
  const char* help;
  size_t words_min;
  size_t words_max;
  int (*run)(const Settings& settings, Words words);
};

std::span<const Command> Commands();

// bench.cc
int Bench(const Settings& settings, Words words);
// ring.cc
int ShowRing(const Settings& settings, Words words);

// Null after having said why.
std::unique_ptr<Client> MakeClient(const Settings& settings);
ClientOptions OptionsOf(const Settings& settings, Status* status);
Call CallOf(const Settings& settings);
int Report(const Status& status);

}  // namespace holdfast::cli

#endif  // HOLDFAST_CLI_COMMAND_H_
