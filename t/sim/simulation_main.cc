// simulation - runs simulated sites, one for each seed. See usage below.

#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "sim/simulation.h"

namespace holdfast::sim {
namespace {

constexpr const char* kUsage =
    "usage: simulation [--seeds A-B] [--jobs N] [--bug NAME]\n"
    "       simulation --seed N [--bug NAME]\n"
    "\n"
    "Runs a simulated site for each seed and judges what its visitors saw; ends with 1 at the first that broke a\n"
    "promise, and prints its seed. --seed runs one and tells all that happens: the same every time.\n"
    "\n"
    "  --seeds A-B  which seeds; 1-100000 (300 under sanitizers) unless HOLDFAST_SEEDS says another range\n"
    "  --nodes N    servers at each site; as the seed says, mostly one\n"
    "  --strict N   which rules are strict, the sum of 1 for php, 2 for web, 4 for dj; as the seed says, mostly none\n"
    "  --cuts N     which links of servers are cut, the sum of 1 to the database, 2 to each other; as the seed says\n"
    "  --most N     goes on until so many seeds have failed; 1\n"
    "  --jobs N     processes at a time; as many as there are processors\n"
    "  --bug NAME   with a fault put in on purpose:";

// The sanitizers make it some twenty times slower.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr uint64_t kSeeds = 300;
#else
constexpr uint64_t kSeeds = 100'000;  // two minutes on two cores
#endif

struct Options {
  uint64_t first = 1, last = kSeeds;
  unsigned jobs = std::max(1u, std::thread::hardware_concurrency());
  int most = 1;  // failed seeds of a process
  uint32_t nodes = 0;
  int strict = -1;
  int cuts = -1;
  bool tells = false;
  Bug bug = Bug::kNone;
};

bool ParseRange(const char* text, Options* options) {
  return std::sscanf(text, "%lu-%lu", &options->first, &options->last) == 2 && options->first <= options->last;
}

bool ParseBug(const char* text, Options* options) {
  const auto found = std::find(kBugNames.begin(), kBugNames.end(), text);
  if (found == kBugNames.end()) return false;
  options->bug = static_cast<Bug>(found - kBugNames.begin());
  return true;
}

bool Parse(int argc, char** argv, Options* options) {
  if (const char* range = std::getenv("HOLDFAST_SEEDS"); range != nullptr && !ParseRange(range, options)) return false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    if (name == "--seeds") {
      if (!ParseRange(argv[i + 1], options)) return false;
    } else if (name == "--seed") {
      options->first = options->last = std::strtoull(argv[i + 1], nullptr, 10);
      options->tells = true;
      options->jobs = 1;
    } else if (name == "--jobs") {
      options->jobs = static_cast<unsigned>(std::max(1, std::atoi(argv[i + 1])));
    } else if (name == "--nodes") {
      options->nodes = static_cast<uint32_t>(std::max(0, std::atoi(argv[i + 1])));
    } else if (name == "--strict") {
      options->strict = std::atoi(argv[i + 1]);
    } else if (name == "--cuts") {
      options->cuts = std::atoi(argv[i + 1]);
    } else if (name == "--most") {
      options->most = std::max(1, std::atoi(argv[i + 1]));
    } else if (name == "--bug") {
      if (!ParseBug(argv[i + 1], options)) return false;
    } else {
      return false;
    }
  }
  return argc % 2 == 1;
}

std::string MakeDirectory() {
  std::string name = (access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp") + std::string("/holdfast-sim-XXXXXX");
  if (mkdtemp(name.data()) == nullptr) {
    std::perror(name.c_str());
    std::exit(1);
  }
  return name;
}

// One process runs every jobs-th seed.
int RunShare(const Options& options, unsigned share) {
  const std::string directory = MakeDirectory();
  size_t operations = 0, acknowledged = 0, kills = 0, handovers = 0, cuts = 0;
  int failed = 0;
  for (uint64_t seed = options.first + share; seed <= options.last && failed < options.most; seed += options.jobs) {
    SimulationSettings settings;
    settings.seed = seed;
    settings.bug = options.bug;
    settings.tells = options.tells;
    settings.nodes = options.nodes;
    settings.strict = options.strict;
    settings.cuts = options.cuts;
    settings.directory = directory;
    const SimulationResult simulated = Simulate(settings);
    operations += simulated.operations;
    acknowledged += simulated.acknowledged;
    kills += simulated.kills;
    handovers += simulated.handovers;
    cuts += simulated.cuts;
    if (simulated.failures.empty()) continue;
    std::string text = "seed " + std::to_string(seed) + " failed (again, with all that happens: simulation --seed " +
                       std::to_string(seed) + ")\n";
    for (const std::string& failure : simulated.failures) text += failure + "\n";
    std::fputs(text.c_str(), stdout);
    ++failed;
  }
  std::printf("process %u: %zu operations, %zu answered, %zu kills, %zu hand-overs, %zu cuts\n", share + 1, operations,
              acknowledged, kills, handovers, cuts);
  std::fflush(stdout);
  std::filesystem::remove_all(directory);
  return failed != 0 ? 1 : 0;
}

int Run(const Options& options) {
  const auto begun = std::chrono::steady_clock::now();
  int failed = 0;
  if (options.jobs == 1) {
    failed = RunShare(options, 0);
  } else {
    for (unsigned share = 0; share < options.jobs; ++share) {
      if (fork() == 0) _exit(RunShare(options, share));
    }
    for (int status; wait(&status) > 0;) {
      if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) failed = 1;
      if (!WIFEXITED(status)) std::printf("a process died by signal %d\n", WTERMSIG(status));
    }
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
  std::printf("%s: seeds %llu to %llu in %.1f s\n", failed != 0 ? "failed" : "passed",
              static_cast<unsigned long long>(options.first), static_cast<unsigned long long>(options.last), seconds);
  return failed;
}

}  // namespace
}  // namespace holdfast::sim

int main(int argc, char** argv) {
  holdfast::sim::Options options;
  if (!holdfast::sim::Parse(argc, argv, &options)) {
    std::fputs(holdfast::sim::kUsage, stderr);
    for (const std::string_view name : holdfast::sim::kBugNames) std::fprintf(stderr, " %s", name.data());
    std::fputs("\n", stderr);
    return 64;
  }
  return holdfast::sim::Run(options);
}
