#include "bench/options.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>

#include "bench/keyspace.h"

namespace holdfast::bench {
namespace {

constexpr char kHelp[] = R"(Usage: bench --holdfast PATH [OPTION...]

Measures server CPU per operation of Holdfast, memcached and a bare echo server side by side, one server thread each,
in interleaved runs; then what a second thread costs, what an item and a connection take, and what keys made to collide
cost. Prints two tables.

  --holdfast PATH       the server to measure (default: $HOLDFAST_BIN)
  --holdfast-args WORDS more arguments for it, separated by spaces
  --memcached PATH      the server to compare with (default: $MEMCACHED_BIN, else memcached from $PATH)
  --echo-server PATH    the floor (default: echo_server beside this program)
  --quick               two minutes: fewer items, less memory to fill, shorter runs, nothing of 8 M items
  --smoke               a few seconds: only whether every reply is right, no targets, no pinning
  --only NAME,...       only these rows (--list names them)
  --list                name the rows and end
  --items N             small items loaded (default 1000000, quick 100000)
  --rounds N            runs per cell (default 5, quick 3)
  --run-ms N            length of a measured run (default 700, quick 300)
  --document FILE       write the table into FILE, between its bench markers
  --command TEXT        what the report says was typed
  --help                this text

Exit status: 0, or 1 when a target was missed or a cell could not be measured, or 64 for a wrong option.
)";

constexpr uint32_t kItemsMin = 10'000;  // so that the counters can be dealt out among the connections

void ApplyQuick(Options& options) {
  options.items = 100'000;
  options.items_huge = 0;
  options.memory_mib = 256;
  options.rounds = 3;
  options.warm_up = std::chrono::milliseconds(50);
  options.run = std::chrono::milliseconds(300);
}

void ApplySmoke(Options& options) {
  ApplyQuick(options);
  options.is_smoke = true;
  options.items = kItemsMin;
  options.memory_mib = 1;
  options.idle_connections = 100;
  options.rounds = 1;
  options.warm_up = std::chrono::milliseconds(0);
  options.run = std::chrono::milliseconds(30);
}

std::string BesideThis(const char* program, const char* name) {
  const std::string path(program);
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? name : path.substr(0, slash + 1) + name;
}

// The command line without the folders, which mean nothing on another machine.
std::string CommandLine(int argc, char** argv) {
  std::string command;
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    const size_t slash = word.rfind('/');
    if (i > 0) command += ' ';
    command += slash == std::string::npos ? word : word.substr(slash + 1);
  }
  return command;
}

std::string Environment(const char* name, const std::string& otherwise) {
  const char* value = std::getenv(name);
  return value != nullptr && *value != '\0' ? value : otherwise;
}

bool ParseRunMs(const char* value, Options& options) {
  uint32_t ms = 0;
  if (!ParseNumber(value, 10, 60'000, &ms)) return false;
  options.run = std::chrono::milliseconds(ms);
  return true;
}

constexpr auto kValue = OptionKind::kValue;
constexpr auto kFlag = OptionKind::kFlag;
constexpr auto kPreset = OptionKind::kPreset;

// --smoke behind --quick: it is the stronger one.
constexpr OptionRow<Options> kRows[] = {
    {"holdfast", kValue, [](const char* value, Options& o) { return o.holdfast = value, true; }},
    {"holdfast-args", kValue,
     [](const char* value, Options& o) { return o.holdfast_arguments = Split(value, ' '), true; }},
    {"memcached", kValue, [](const char* value, Options& o) { return o.memcached = value, true; }},
    {"echo-server", kValue, [](const char* value, Options& o) { return o.echo_server = value, true; }},
    {"quick", kPreset, [](const char*, Options& o) { return ApplyQuick(o), true; }},
    {"smoke", kPreset, [](const char*, Options& o) { return ApplySmoke(o), true; }},
    {"only", kValue, [](const char* value, Options& o) { return o.only = Split(value, ','), true; }},
    {"list", kFlag, [](const char*, Options& o) { return o.is_list = true; }},
    {"items", kValue, [](const char* value, Options& o) { return ParseNumber(value, kItemsMin, kKeysMax, &o.items); }},
    {"rounds", kValue, [](const char* value, Options& o) { return ParseNumber(value, 1, 1000, &o.rounds); }},
    {"run-ms", kValue, ParseRunMs},
    {"document", kValue, [](const char* value, Options& o) { return o.document = value, true; }},
    {"command", kValue, [](const char* value, Options& o) { return o.command = value, true; }},
};

bool CheckNames(const Options& options, std::span<const std::string_view> names) {
  for (const std::string& wanted : options.only) {
    if (std::find(names.begin(), names.end(), wanted) == names.end()) {
      std::fprintf(stderr, "bench: no row is called \"%s\" (--list names them)\n", wanted.c_str());
      return false;
    }
  }
  return true;
}

}  // namespace

bool Options::Wants(std::string_view name) const {
  return only.empty() || std::find(only.begin(), only.end(), name) != only.end();
}

OptionsOutcome ParseOptions(int argc, char** argv, std::span<const std::string_view> names, Options& options) {
  options.holdfast = Environment("HOLDFAST_BIN", "");
  options.memcached = Environment("MEMCACHED_BIN", options.memcached);
  options.echo_server = BesideThis(argv[0], "echo_server");
  options.command = CommandLine(argc, argv);
  const OptionsOutcome outcome = ParseCommandLine<Options>(argc, argv, kRows, kHelp, options);
  if (outcome != OptionsOutcome::kRun) return outcome;
  if (options.is_list) {
    for (const std::string_view name : names) std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
    return OptionsOutcome::kHelp;
  }
  if (options.holdfast.empty()) {
    std::fprintf(stderr, "bench: which server? Give --holdfast PATH or set HOLDFAST_BIN (--help)\n");
    return OptionsOutcome::kUsageError;
  }
  return CheckNames(options, names) ? OptionsOutcome::kRun : OptionsOutcome::kUsageError;
}

}  // namespace holdfast::bench
