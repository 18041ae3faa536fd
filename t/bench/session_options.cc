// How it works: getopt_long over a table of names; --quick is applied first, so that it changes defaults and the other
// options still override it wherever they stand.
#include "bench/session_options.h"

#include <getopt.h>

#include <algorithm>
#include <charconv>
#include <cstdio>
#include <cstdlib>
#include <sstream>

namespace holdfast::bench {
namespace {

constexpr char kHelp[] = R"(Usage: sessions --holdfast PATH [OPTION...]

A site whose sessions Holdfast keeps, beside the same site with sessions in the database alone, and with the hybrid made
by hand (read the cache, then the database; write the database every N). Then what a session costs beside a cache key, and
whether anybody waits who need not while the database hangs.

  --holdfast PATH        the server to measure (default: $HOLDFAST_BIN)
  --database URL         sqlite (default: a file in a directory of its own) or a server's, as --sessions takes it
  --password-file FILE   the password for it
  --database-pids N,...  processes of the database: their CPU time counts, and they are stopped when it is to hang
  --only PART,...        only these: site, hits, sets, parked
  --quick                about a minute: fewer users and runs, for looking whether it works
  --seed N               of everything that is drawn (default 1)
  --scale N              all times of the site are so many times shorter than real (default 60; a divisor of 120)
  --users N              of the site (default 1000)
  --site-s N             how long each of the three sites runs (default 60)
  --workers N            views that the site makes at a time (default 32)
  --memory MIB           of the cache (default 64)
  --runs N --run-ms N    interleaved runs of hits and sets (default 5 of 3000)
  --pairs N              of a hanging and an undisturbed database (default 10)
  --parked N             requests that wait meanwhile (default 10000)
  --hang-ms N            how long it hangs (default 10000)
  --help                 this text

Exit status: 0, or 1 when a target was missed or could not be measured, or 64 for a wrong option.
)";

enum Choice {
  kHoldfast = 256,
  kDatabase,
  kPasswordFile,
  kPids,
  kOnly,
  kQuick,
  kSeed,
  kScale,
  kUsers,
  kSiteS,
  kWorkers,
  kMemory,
  kRuns,
  kRunMs,
  kPairs,
  kParked,
  kHangMs,
  kHelpChoice,
};

constexpr option kLongOptions[] = {{"holdfast", required_argument, nullptr, kHoldfast},
                                   {"database", required_argument, nullptr, kDatabase},
                                   {"password-file", required_argument, nullptr, kPasswordFile},
                                   {"database-pids", required_argument, nullptr, kPids},
                                   {"only", required_argument, nullptr, kOnly},
                                   {"quick", no_argument, nullptr, kQuick},
                                   {"seed", required_argument, nullptr, kSeed},
                                   {"scale", required_argument, nullptr, kScale},
                                   {"users", required_argument, nullptr, kUsers},
                                   {"site-s", required_argument, nullptr, kSiteS},
                                   {"workers", required_argument, nullptr, kWorkers},
                                   {"memory", required_argument, nullptr, kMemory},
                                   {"runs", required_argument, nullptr, kRuns},
                                   {"run-ms", required_argument, nullptr, kRunMs},
                                   {"pairs", required_argument, nullptr, kPairs},
                                   {"parked", required_argument, nullptr, kParked},
                                   {"hang-ms", required_argument, nullptr, kHangMs},
                                   {"help", no_argument, nullptr, kHelpChoice},
                                   {nullptr, 0, nullptr, 0}};

std::vector<std::string> Split(const std::string& text) {
  std::vector<std::string> words;
  std::istringstream stream(text);
  for (std::string word; std::getline(stream, word, ',');) {
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

template <typename Type>
bool Number(std::string_view digits, uint64_t low, uint64_t high, Type* number) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc() && end == digits.data() + digits.size() && value >= low && value <= high) {
    *number = static_cast<Type>(value);
    return true;
  }
  std::fprintf(stderr, "sessions: \"%s\" is not a number from %llu to %llu\n", std::string(digits).c_str(),
               static_cast<unsigned long long>(low), static_cast<unsigned long long>(high));
  return false;
}

bool ApplyParts(const char* text, SessionOptions* options) {
  const std::vector<std::string> known = options->parts;
  options->parts = Split(text);
  for (const std::string& part : options->parts) {
    if (std::find(known.begin(), known.end(), part) == known.end()) {
      std::fprintf(stderr, "sessions: no part \"%s\" (--help)\n", part.c_str());
      return false;
    }
  }
  return true;
}

bool ApplyPids(const char* text, SessionOptions* options) {
  for (const std::string& word : Split(text)) {
    if (!Number(word, 2, INT32_MAX, &options->database_processes.emplace_back())) return false;
  }
  return true;
}

void ApplyQuick(SessionOptions* options) {
  options->users = 200;
  options->site_s = 8;
  options->runs = 2;
  options->run_ms = 500;
  options->pairs = 2;
  options->parked = 1'000;
  options->hang_ms = 3'000;
}

bool Apply(int choice, const char* text, SessionOptions* options) {
  switch (choice) {
    case kHoldfast:
      return options->holdfast = text, true;
    case kDatabase:
      return options->database = text, true;
    case kPasswordFile:
      return options->password_file = text, true;
    case kPids:
      return ApplyPids(text, options);
    case kOnly:
      return ApplyParts(text, options);
    case kQuick:
      return true;  // done before
    case kSeed:
      return Number(text, 0, UINT64_MAX, &options->seed);
    case kScale:
      return Number(text, 1, kRealSyncIntervalS, &options->scale);
    case kUsers:
      return Number(text, 1, 1'000'000, &options->users);
    case kSiteS:
      return Number(text, 1, 86'400, &options->site_s);
    case kWorkers:
      return Number(text, 1, 500, &options->workers);
    case kMemory:
      return Number(text, 8, 65'536, &options->memory_mib);
    case kRuns:
      return Number(text, 1, 1'000, &options->runs);
    case kRunMs:
      return Number(text, 100, 600'000, &options->run_ms);
    case kPairs:
      return Number(text, 1, 1'000, &options->pairs);
    case kParked:
      return Number(text, 1, 50'000, &options->parked);
    case kHangMs:
      return Number(text, 2'000, 60'000, &options->hang_ms);
    default:
      return false;  // getopt has said why
  }
}

}  // namespace

bool SessionOptions::Wants(std::string_view part) const {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

SessionOptionsOutcome ParseSessionOptions(int argc, char** argv, SessionOptions* options) {
  for (int i = 1; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--quick") ApplyQuick(options);
  }
  if (const char* given = std::getenv("HOLDFAST_BIN")) options->holdfast = given;
  for (int choice = 0; (choice = getopt_long(argc, argv, "", kLongOptions, nullptr)) != -1;) {
    if (choice == kHelpChoice) {
      std::fputs(kHelp, stdout);
      return SessionOptionsOutcome::kHelp;
    }
    if (!Apply(choice, optarg, options)) return SessionOptionsOutcome::kUsageError;
  }
  const char* wrong = nullptr;
  if (optind < argc) wrong = "takes no arguments, only options (--help)";
  if (options->holdfast.empty()) wrong = "which server? Give --holdfast PATH or set HOLDFAST_BIN (--help)";
  if (kRealSyncIntervalS % options->scale != 0) wrong = "--scale must divide 120, for the server takes whole seconds";
  if (wrong != nullptr) std::fprintf(stderr, "sessions: %s\n", wrong);
  return wrong == nullptr ? SessionOptionsOutcome::kRun : SessionOptionsOutcome::kUsageError;
}

}  // namespace holdfast::bench
