// bench.cc - `make bench`: Holdfast beside memcached and a bare echo server, as server CPU per operation.
//
// How it works: options, then the Driver measures every row, then the report is printed and, if asked, written into the
// document. workload.h has the rows and their targets.
#include <cstdio>
#include <string>
#include <vector>

#include "bench/driver.h"
#include "bench/options.h"
#include "bench/report.h"
#include "bench/workload.h"

namespace holdfast::bench {
namespace {

constexpr int kExitFailure = 1;
constexpr int kExitUsage = 64;

int Run(const Options& options) {
  Driver driver(options);
  const std::vector<Row> rows = driver.Run();
  const std::string report = FormatReport(rows, driver.circumstances(), options);
  std::fputs(report.c_str(), stdout);
  int status = 0;
  for (const Row& row : rows) {
    if (row.has_failed_cell() || (!options.is_smoke && row.has_missed_target())) status = kExitFailure;
  }
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
