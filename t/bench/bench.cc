// bench.cc - `make bench`: Holdfast beside memcached and a bare echo server, as server CPU per operation.
//
// How it works: options, then the Driver measures every row and the studies what is no row, then the report is printed
// and, if asked, written into the document. workload.h has the rows and their targets, study.h the studies.
#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/driver.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/study.h"
#include "bench/workload.h"

namespace holdfast::bench {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 64;

int Run(const Options& options) {
  ServerStarter starter(options);
  const std::vector<Row> rows = Driver(starter).Run();
  const std::vector<Finding> findings = RunStudies(starter);
  const std::string report = FormatReport(rows, findings, starter.circumstances(), options);
  std::fputs(report.c_str(), stdout);
  const auto is_bad = [&options](const auto& result) {
    return result.has_failed_cell() || (!options.is_smoke && result.has_missed_target());
  };
  const int status =
      std::any_of(rows.begin(), rows.end(), is_bad) || std::any_of(findings.begin(), findings.end(), is_bad)
          ? kExitFailure
          : 0;
  if (options.document.empty()) return status;
  const std::string reason = WriteBetweenMarkers(options.document, report);
  if (reason.empty()) return status;
  std::fprintf(stderr, "bench: %s\n", reason.c_str());
  return kExitFailure;
}

}  // namespace
}  // namespace holdfast::bench

int main(int argc, char** argv) {
  using namespace holdfast::bench;
  std::vector<std::string_view> names;
  for (const Workload& workload : AllWorkloads()) names.push_back(workload.name);
  for (const Study& study : AllStudies()) names.push_back(study.name);
  Options options;
  switch (ParseOptions(argc, argv, names, options)) {
    case OptionsOutcome::kHelp:
      return 0;
    case OptionsOutcome::kUsageError:
      return kExitUsage;
    case OptionsOutcome::kRun:
      break;
  }
  try {
    return Run(options);
  } catch (const BenchError& error) {
    std::fprintf(stderr, "bench: %s\n", error.what());
    return kExitFailure;
  }
}
