// report.h - the table, as text that is readable in a terminal and in Markdown.

#ifndef HOLDFAST_BENCH_REPORT_H_
#define HOLDFAST_BENCH_REPORT_H_

#include <string>
#include <vector>

#include "bench/driver.h"
#include "bench/options.h"
#include "bench/result.h"

namespace holdfast::bench {

// The whole section: how it was measured, the table, the notes.
std::string FormatReport(const std::vector<Row>& rows, const std::vector<Finding>& findings,
                         const Circumstances& circumstances, const Options& options);

// Replaces what stands between the bench markers of a file. The reason when that is not possible, else empty.
std::string WriteBetweenMarkers(const std::string& path, const std::string& text);

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_REPORT_H_
