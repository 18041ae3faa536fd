// sessions - the benchmark of sessions: "make bench-sessions", see --help.
//
// How it works: four parts, each with servers of its own, one after the other. The site runs anywhere on the machine,
// for it is many processes in real life too; the others pin server and client to a core each.

#include <cstdio>
#include <functional>

#include "bench/server_process.h"
#include "bench/session_options.h"
#include "bench/session_report.h"

namespace holdfast::bench {
namespace {

void RunSites(const SessionOptions& options, SessionReport& report) {
  for (const StorageKind kind : {StorageKind::kHoldfast, StorageKind::kHybrid, StorageKind::kDatabase}) {
    std::fprintf(stderr, "site, sessions in: %s\n", NameOf(kind));
    report.AddSite(kind, RunSite(kind, options));
  }
}

int Run(const SessionOptions& options) {
  SessionReport report(options);
  const auto part = [&](const char* name, const std::function<void()>& measure) {
    if (!options.Wants(name)) return;
    try {
      measure();
    } catch (const BenchError& error) {
      report.AddFailure(name, error.what());
    }
  };
  part("site", [&] { RunSites(options, report); });
  const std::optional<int> server_cpu = PinToSecondCpu();
  part("hits", [&] { report.AddHits(MeasureHits(options, server_cpu)); });
  part("sets", [&] { report.AddSets(MeasureSets(options, server_cpu)); });
  part("parked", [&] { report.AddParked(MeasureParked(options, server_cpu)); });
  std::fputs(report.Text().c_str(), stdout);
  return report.all_met() ? 0 : 1;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  using holdfast::bench::OptionsOutcome;
  holdfast::bench::SessionOptions options;
  switch (holdfast::bench::ParseSessionOptions(argc, argv, &options)) {
    case OptionsOutcome::kHelp:
      return 0;
    case OptionsOutcome::kUsageError:
      return 64;
    case OptionsOutcome::kRun:
      return holdfast::bench::Run(options);
  }
}
