#include "bench/session_options.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>

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

bool ParseParts(const char* value, SessionOptions& options) {
  const std::vector<std::string> known = options.parts;
  options.parts = Split(value, ',');
  for (const std::string& part : options.parts) {
    if (std::find(known.begin(), known.end(), part) == known.end()) {
      std::fprintf(stderr, "sessions: no part \"%s\" (--help)\n", part.c_str());
      return false;
    }
  }
  return true;
}

bool ParsePids(const char* value, SessionOptions& options) {
  for (const std::string& word : Split(value, ',')) {
    if (!ParseNumber(word, 2, INT32_MAX, &options.database_processes.emplace_back())) return false;
  }
  return true;
}

bool ApplyQuick(const char*, SessionOptions& options) {
  options.users = 200;
  options.site_s = 8;
  options.runs = 2;
  options.run_ms = 500;
  options.pairs = 2;
  options.parked = 1'000;
  options.hang_ms = 3'000;
  return true;
}

constexpr auto kValue = OptionKind::kValue;

// Holds a number between two limits.
template <auto Member, uint64_t low, uint64_t high>
bool ParseMember(const char* value, SessionOptions& options) {
  return ParseNumber(value, low, high, &(options.*Member));
}

using S = SessionOptions;
constexpr OptionRow<SessionOptions> kRows[] = {
    {"holdfast", kValue, [](const char* value, S& o) { return o.holdfast = value, true; }},
    {"database", kValue, [](const char* value, S& o) { return o.database = value, true; }},
    {"password-file", kValue, [](const char* value, S& o) { return o.password_file = value, true; }},
    {"database-pids", kValue, ParsePids},
    {"only", kValue, ParseParts},
    {"quick", OptionKind::kPreset, ApplyQuick},
    {"seed", kValue, ParseMember<&S::seed, 0, UINT64_MAX>},
    {"scale", kValue, ParseMember<&S::scale, 1, kRealSyncIntervalS>},
    {"users", kValue, ParseMember<&S::users, 1, 1'000'000>},
    {"site-s", kValue, ParseMember<&S::site_s, 1, 86'400>},
    {"workers", kValue, ParseMember<&S::workers, 1, 500>},
    {"memory", kValue, ParseMember<&S::memory_mib, 8, 65'536>},
    {"runs", kValue, ParseMember<&S::runs, 1, 1'000>},
    {"run-ms", kValue, ParseMember<&S::run_ms, 100, 600'000>},
    {"pairs", kValue, ParseMember<&S::pairs, 1, 1'000>},
    {"parked", kValue, ParseMember<&S::parked, 1, 50'000>},
    {"hang-ms", kValue, ParseMember<&S::hang_ms, 2'000, 60'000>},
};

}  // namespace

bool SessionOptions::Wants(std::string_view part) const {
  return std::find(parts.begin(), parts.end(), part) != parts.end();
}

OptionsOutcome ParseSessionOptions(int argc, char** argv, SessionOptions* options) {
  if (const char* given = std::getenv("HOLDFAST_BIN")) options->holdfast = given;
  const OptionsOutcome outcome = ParseCommandLine<SessionOptions>(argc, argv, kRows, kHelp, *options);
  if (outcome != OptionsOutcome::kRun) return outcome;
  const char* wrong = nullptr;
  if (options->holdfast.empty()) wrong = "which server? Give --holdfast PATH or set HOLDFAST_BIN (--help)";
  if (kRealSyncIntervalS % options->scale != 0) wrong = "--scale must divide 120, for the server takes whole seconds";
  if (wrong != nullptr) std::fprintf(stderr, "sessions: %s\n", wrong);
  return wrong == nullptr ? OptionsOutcome::kRun : OptionsOutcome::kUsageError;
}

}  // namespace holdfast::bench
