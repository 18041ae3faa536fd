// How it works: getopt_long over a table of names; --quick and --smoke are applied first, so that they change defaults
// and the other options still override it wherever they stand.
#include "bench/options.h"

#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <sstream>

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
  --rounds N            runs per cell (default 7, quick 3)
  --run-ms N            length of a measured run (default 700, quick 300)
  --document FILE       write the table into FILE, between its bench markers
  --command TEXT        what the report says was typed
  --help                this text

Exit status: 0, or 1 when a target was missed or a cell could not be measured, or 64 for a wrong option.
)";

constexpr uint32_t kItemsMin = 10'000;  // so that the counters can be dealt out among the connections

// What getopt_long returns for each option; past all characters, since '?' is its own answer to a wrong one.
enum Choice {
  kHoldfast = 256,
  kArgs,
  kMemcached,
  kEcho,
  kQuick,
  kSmoke,
  kOnly,
  kList,
  kItems,
  kRounds,
  kRunMs,
  kDocument,
  kCommand,
  kHelpChoice,
};

constexpr option kLongOptions[] = {{"holdfast", required_argument, nullptr, kHoldfast},
                                   {"holdfast-args", required_argument, nullptr, kArgs},
                                   {"memcached", required_argument, nullptr, kMemcached},
                                   {"echo-server", required_argument, nullptr, kEcho},
                                   {"quick", no_argument, nullptr, kQuick},
                                   {"smoke", no_argument, nullptr, kSmoke},
                                   {"only", required_argument, nullptr, kOnly},
                                   {"list", no_argument, nullptr, kList},
                                   {"items", required_argument, nullptr, kItems},
                                   {"rounds", required_argument, nullptr, kRounds},
                                   {"run-ms", required_argument, nullptr, kRunMs},
                                   {"document", required_argument, nullptr, kDocument},
                                   {"command", required_argument, nullptr, kCommand},
                                   {"help", no_argument, nullptr, kHelpChoice},
                                   {nullptr, 0, nullptr, 0}};

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, separator);) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

uint32_t Number(const char* text, uint32_t low, uint32_t high, bool& is_valid) {
  uint32_t number = 0;
  const std::string_view digits(text);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  is_valid = error == std::errc() && end == digits.data() + digits.size() && number >= low && number <= high;
  if (!is_valid) std::fprintf(stderr, "bench: \"%s\" is not a number from %u to %u\n", text, low, high);
  return number;
}

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
  options.memory_mib = 8;
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

bool ApplyOne(int choice, const char* argument, Options& options) {
  bool is_valid = true;
  switch (choice) {
    case kHoldfast:
      options.holdfast = argument;
      break;
    case kArgs:
      options.holdfast_arguments = Split(argument, ' ');
      break;
    case kMemcached:
      options.memcached = argument;
      break;
    case kEcho:
      options.echo_server = argument;
      break;
    case kQuick:
    case kSmoke:
      break;
    case kOnly:
      options.only = Split(argument, ',');
      break;
    case kItems:
      options.items = Number(argument, kItemsMin, kKeysMax, is_valid);
      break;
    case kRounds:
      options.rounds = static_cast<int>(Number(argument, 1, 1000, is_valid));
      break;
    case kRunMs:
      options.run = std::chrono::milliseconds(Number(argument, 10, 60'000, is_valid));
      break;
    case kCommand:
      options.command = argument;
      break;
    case kDocument:
      options.document = argument;
      break;
    default:
      is_valid = false;  // getopt has said why
  }
  return is_valid;
}

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
  const auto has = [=](std::string_view word) { return std::find(argv + 1, argv + argc, word) != argv + argc; };
  if (has("--quick")) ApplyQuick(options);
  if (has("--smoke")) ApplySmoke(options);
  for (int choice; (choice = getopt_long(argc, argv, "", kLongOptions, nullptr)) != -1;) {
    if (choice == kHelpChoice) {
      std::fputs(kHelp, stdout);
      return OptionsOutcome::kHelp;
    }
    if (choice == kList) {
      for (const std::string_view name : names) std::printf("%.*s\n", static_cast<int>(name.size()), name.data());
      return OptionsOutcome::kHelp;
    }
    if (!ApplyOne(choice, optarg, options)) return OptionsOutcome::kUsageError;
  }
  if (optind < argc) {
    std::fprintf(stderr, "bench: what is \"%s\"? (--help)\n", argv[optind]);
    return OptionsOutcome::kUsageError;
  }
  if (options.holdfast.empty()) {
    std::fprintf(stderr, "bench: which server? Give --holdfast PATH or set HOLDFAST_BIN (--help)\n");
    return OptionsOutcome::kUsageError;
  }
  return CheckNames(options, names) ? OptionsOutcome::kRun : OptionsOutcome::kUsageError;
}

}  // namespace holdfast::bench
