// session_report.h - what the session benchmarks found, as text that is readable in a terminal and in Markdown, and
// whether each target was met.
//
// Threads: one.

#ifndef HOLDFAST_BENCH_SESSION_REPORT_H_
#define HOLDFAST_BENCH_SESSION_REPORT_H_

#include <string>
#include <vector>

#include "bench/parked.h"
#include "bench/session_options.h"
#include "bench/session_rates.h"
#include "bench/site.h"

namespace holdfast::bench {

class SessionReport {
 public:
  explicit SessionReport(const SessionOptions& options) : options_(options) {}

  void AddSite(StorageKind kind, const SiteFigures& figures);
  void AddHits(const HitFigures& figures);
  void AddSets(const std::vector<SetFigures>& all);
  void AddParked(const ParkedFigures& figures);
  // A part that could not be measured counts as missed.
  void AddFailure(const std::string& part, const std::string& reason);

  std::string Text() const;
  bool all_met() const { return all_met_; }

 private:
  struct SiteRow {
    StorageKind kind;
    SiteFigures figures;
  };

  void Line(const char* format, ...) __attribute__((format(printf, 2, 3)));
  void Target(const std::string& what, const std::string& measured, bool is_met);
  std::string SiteTable() const;

  const SessionOptions& options_;
  std::vector<SiteRow> sites_;
  std::string lines_;
  std::string targets_;
  bool all_met_ = true;
};

}  // namespace holdfast::bench

#endif  // HOLDFAST_BENCH_SESSION_REPORT_H_
