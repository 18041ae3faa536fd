// trace_files.h - the access traces that come with the project's notes: names, formats, and what other policies miss on
// them.
//
// A folder of traces holds the files named in trace_files.cc and miss_ratios.tsv, a table of simulated miss ratios with
// the columns trace, cache_fraction, memcached-slru and OPT. Packed files are read through xz, gzip and zstd.

#ifndef HOLDFAST_BENCH_TRACE_FILES_H_
#define HOLDFAST_BENCH_TRACE_FILES_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace holdfast::bench {

struct Trace {
  std::string name;
  std::vector<uint32_t> keys;  // in the order of the requests, numbered from 0 as they first came
  uint32_t unique = 0;
};

std::span<const std::string_view> TraceNames();

base::Result<Trace> ReadTrace(const std::string& folder, std::string_view name);

struct KnownMissRatios {
  std::string trace;
  double cache_fraction = 0;  // of the trace's unique keys
  double memcached = 0;
  double optimum = 0;
};

base::Result<std::vector<KnownMissRatios>> ReadKnownMissRatios(const std::string& folder);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_TRACE_FILES_H_
