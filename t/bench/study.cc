#include "bench/study.h"

#include <array>
#include <cstdio>

namespace holdfast::bench {
namespace {

constexpr std::array kStudies = {
    Study{"threads", MeasureThreads}, Study{"store-threads", MeasureStoreThreads},
    Study{"memory", MeasureMemory},   Study{"connections", MeasureConnections},
    Study{"one-crc", MeasureOneCrc},
};

}  // namespace

std::span<const Study> AllStudies() { return kStudies; }

std::vector<Finding> RunStudies(ServerStarter& starter) {
  std::vector<Finding> findings;
  for (const Study& study : AllStudies()) {
    if (!starter.options().Wants(study.name)) continue;
    std::fprintf(stderr, "%.*s:", static_cast<int>(study.name.size()), study.name.data());
    for (Finding& finding : study.measure(starter)) findings.push_back(std::move(finding));
    std::fputc('\n', stderr);
  }
  return findings;
}

void ForBoth(std::span<Finding> findings, const std::function<void(Role role)>& act) {
  for (const Role role : {Role::kHoldfast, Role::kMemcached}) {
    try {
      act(role);
    } catch (const BenchError& error) {
      for (Finding& finding : findings) finding.cell(role).failed = error.what();
      std::fprintf(stderr, " (%s)", error.what());
    }
  }
}

std::unique_ptr<ServerProcess> StartOrSkip(ServerStarter& starter, Role role, const ServerShape& shape,
                                           std::span<Finding> findings) {
  auto server = starter.Start(role, shape);
  if (server == nullptr) {
    for (Finding& finding : findings) finding.memcached.skipped = starter.circumstances().memcached_missing;
  }
  return server;
}

}  // namespace holdfast::bench
