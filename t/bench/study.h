// study.h - what make bench measures beside the CPU time of an operation: threads, memory, keys made to collide. Each
// study starts its own servers, measures Holdfast and memcached in turns, and says what it found.
//
// Threads: one thread, that of the starter.
// Errors:  none is thrown: what could not be measured is said in the finding.

#ifndef HOLDFAST_BENCH_STUDY_H_
#define HOLDFAST_BENCH_STUDY_H_

#include <functional>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "bench/result.h"
#include "bench/server_starter.h"

namespace holdfast::bench {

struct Study {
  std::string_view name;  // for --only
  std::vector<Finding> (*measure)(ServerStarter& starter);
};

std::span<const Study> AllStudies();

// Each in a file of its own.
std::vector<Finding> MeasureThreads(ServerStarter& starter);
std::vector<Finding> MeasureStoreThreads(ServerStarter& starter);
std::vector<Finding> MeasureMemory(ServerStarter& starter);
std::vector<Finding> MeasureConnections(ServerStarter& starter);
std::vector<Finding> MeasureOneCrc(ServerStarter& starter);

// The findings of every study wanted, in the order of AllStudies. Progress goes to stderr.
std::vector<Finding> RunStudies(ServerStarter& starter);

// Calls act for both servers; what it throws as BenchError becomes the failure of that server's cell of all findings.
void ForBoth(std::span<Finding> findings, const std::function<void(Role role)>& act);
// Null only when memcached is not there, and then its cell of all findings says why.
std::unique_ptr<ServerProcess> StartOrSkip(ServerStarter& starter, Role role, const ServerShape& shape,
                                           std::span<Finding> findings);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_STUDY_H_
