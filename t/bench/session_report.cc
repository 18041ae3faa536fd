// How it works: figures come in part by part; each adds its lines and holds them against its targets at once.
#include "bench/session_report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>

#include "bench/result.h"

namespace holdfast::bench {
namespace {

// What is asked of the server.
constexpr double kReadsGone = 0.999;
constexpr double kHitTimes = 2.0;
constexpr double kSetShare = 0.8;
constexpr double kUndisturbedTimes = 1.1;
constexpr double kBeyondBudgetMs = 500;

std::string Format(const char* format, ...) __attribute__((format(printf, 1, 2)));
std::string Format(const char* format, ...) {
  char text[1000];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  return text;
}

double Milliseconds(const std::vector<uint32_t>& sorted_us, double share) {
  if (sorted_us.empty()) return 0;
  const auto at = static_cast<size_t>(share * static_cast<double>(sorted_us.size()));
  return sorted_us[std::min(at, sorted_us.size() - 1)] / 1e3;
}

double P50Of(const std::vector<OpenLoopFigures>& runs) {
  std::vector<double> values;
  for (const OpenLoopFigures& run : runs) values.push_back(run.p50_us);
  return Median(values);
}

double P99Of(const std::vector<OpenLoopFigures>& runs) {
  std::vector<double> values;
  for (const OpenLoopFigures& run : runs) values.push_back(run.p99_us);
  return Median(values);
}

}  // namespace

void SessionReport::Line(const char* format, ...) {
  char text[1000];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  lines_ += text;
  lines_ += "\n";
}

void SessionReport::Target(const std::string& what, const std::string& measured, bool is_met) {
  targets_ += "| " + what + " | " + measured + " | " + (is_met ? "pass" : "MISSED") + " |\n";
  all_met_ = all_met_ && is_met;
}

void SessionReport::AddFailure(const std::string& part, const std::string& reason) {
  Target(part, "not measured: " + reason, false);
}

void SessionReport::AddSite(StorageKind kind, const SiteFigures& figures) {
  sites_.push_back({kind, figures});
  if (kind != StorageKind::kHoldfast) return;
  const DatabaseFigures& database = figures.database;
  const uint64_t later_reads = figures.views - figures.first_looks;
  const uint64_t later_looks = database.reads - std::min(database.reads, figures.first_looks);
  const double gone = later_reads == 0 ? 0 : 1 - static_cast<double>(later_looks) / static_cast<double>(later_reads);
  Target("site: reads gone after the first look at an id, ≥ 99.9 %",
         Format("%.3f %% (%llu of %llu went to the database)", gone * 100, static_cast<unsigned long long>(later_looks),
                static_cast<unsigned long long>(later_reads)),
         gone >= kReadsGone);
  Target("site: first looks, ≤ 1 an id",
         Format("%.4f (%llu look-ups in all, %llu ids)",
                static_cast<double>(database.reads - database.reads_found) / static_cast<double>(figures.first_looks),
                static_cast<unsigned long long>(database.reads), static_cast<unsigned long long>(figures.first_looks)),
         database.reads - database.reads_found <= figures.first_looks);
  Target("site: rows written ≤ allowance + 1 per min(N, TTL/4) per active session + deletes",
         Format("%llu of %llu", static_cast<unsigned long long>(database.rows_written),
                static_cast<unsigned long long>(figures.rows_allowed)),
         database.rows_written <= figures.rows_allowed);
  Target("site: nobody logged out, nothing stale",
         Format("%llu lost, %llu stale", static_cast<unsigned long long>(figures.lost),
                static_cast<unsigned long long>(figures.stale)),
         figures.lost + figures.stale == 0);
}

std::string SessionReport::SiteTable() const {
  if (sites_.empty()) return "";
  const SiteFigures& first = sites_.front().figures;
  std::string text = Format(
      "Site: %u users, scale %u (N %u s, TTL %u s, think time %u ms and pause between visits %.1f s on average), %u s, "
      "%u "
      "views at a time, seed %llu; %.1f views a login; values of 1 KiB in -m %u, so sessions take some %.1f %% of the "
      "memory.\n\n",
      options_.users, options_.scale, kRealSyncIntervalS / options_.scale, kRealLifeS / options_.scale,
      1000 * kRealThinkS / options_.scale, static_cast<double>(kRealPauseS) / options_.scale, options_.site_s,
      options_.workers, static_cast<unsigned long long>(options_.seed),
      static_cast<double>(first.views) / static_cast<double>(std::max<uint64_t>(1, first.logins)), options_.memory_mib,
      static_cast<double>(options_.users) * 1.2 / 1024 / options_.memory_mib * 100);
  text +=
      "| sessions in | views/s | database reads: first looks | and later | rows written | rows a view | view, ms: p50 "
      "| p99 | "
      "load, ms: p50 | p99 | server CPU a view, us | lost | stale |\n"
      "|---|---|---|---|---|---|---|---|---|---|---|---|---|\n";
  for (const SiteRow& row : sites_) {
    const SiteFigures& figures = row.figures;
    const DatabaseFigures& database = figures.database;
    const auto views = static_cast<double>(std::max<uint64_t>(1, figures.views));
    text += Format("| %s | %.0f | %llu | %llu | %llu | %.3f | %.2f | %.2f | %.2f | %.2f | %.0f | %llu | %llu |\n",
                   NameOf(row.kind), views / figures.seconds, static_cast<unsigned long long>(figures.first_looks),
                   static_cast<unsigned long long>(database.reads - std::min(database.reads, figures.first_looks)),
                   static_cast<unsigned long long>(database.rows_written),
                   static_cast<double>(database.rows_written) / views, Milliseconds(figures.view_us, 0.5),
                   Milliseconds(figures.view_us, 0.99), Milliseconds(figures.load_us, 0.5),
                   Milliseconds(figures.load_us, 0.99), static_cast<double>(database.server_cpu_ns) / views / 1e3,
                   static_cast<unsigned long long>(figures.lost), static_cast<unsigned long long>(figures.stale));
  }
  return text + "\n";
}

void SessionReport::AddHits(const HitFigures& figures) {
  const double ratio = Median(figures.ratios);
  Line(
      "Hits, open loop at %.0f/s (half of %.0f/s), one request in ten a set, %zu interleaved runs of %u ms, medians: "
      "plain p50 %.0f us, p99 %.0f us; session p50 %.0f us, p99 %.0f us. Every reply was the latest value.",
      figures.rate_per_s, figures.capacity_per_s, figures.ratios.size(), options_.run_ms, P50Of(figures.plain),
      P99Of(figures.plain), P50Of(figures.session), P99Of(figures.session));
  Target("p99 of a session hit ≤ 2 x that of a plain hit", Format("%.2f x", ratio), ratio <= kHitTimes);
}

void SessionReport::AddSets(const std::vector<SetFigures>& all) {
  for (const SetFigures& figures : all) {
    const double throughput = Median(figures.throughput_ratios), cpu = Median(figures.cpu_ratios);
    Line(
        "Sets of 1 KiB, %d connections, pipelined by %d: plain %.0f/s at %.0f ns, session %.0f/s at %.0f ns of server "
        "CPU (all threads); a session is %.2f x in throughput, %.2f x in sets for the same CPU.",
        figures.connections, figures.depth, Median(figures.plain_per_s), Median(figures.plain_cpu_ns),
        Median(figures.session_per_s), Median(figures.session_cpu_ns), throughput, cpu);
    if (figures.depth != 1) continue;
    Target("session sets ≥ 0.8 x plain sets: throughput", Format("%.2f x", throughput), throughput >= kSetShare);
    Target("session sets ≥ 0.8 x plain sets: server CPU", Format("%.2f x", cpu), cpu >= kSetShare);
  }
}

void SessionReport::AddParked(const ParkedFigures& figures) {
  const double ratio = Median(figures.ratios);
  Line(
      "Database hangs for %.0f s, %u requests parked (budget %u ms), plain gets on the only worker at %.0f/s, %zu "
      "pairs, "
      "medians: undisturbed p50 %.0f us, p99 %.0f us; hanging p50 %.0f us, p99 %.0f us.",
      options_.hang_ms / 1e3, figures.parked, figures.budget_ms, figures.rate_per_s, figures.ratios.size(),
      P50Of(figures.undisturbed), P99Of(figures.undisturbed), P50Of(figures.hanging), P99Of(figures.hanging));
  Target("a worker never waits: p99 of plain gets ≤ 1.1 x undisturbed", Format("%.2f x", ratio),
         ratio <= kUndisturbedTimes);
  Target("nothing hangs past its budget + 0.5 s",
         Format("answered after %.0f to %.0f ms of %u; %llu answered, %llu not or otherwise", figures.earliest_ms,
                figures.latest_ms, figures.budget_ms, static_cast<unsigned long long>(figures.answered),
                static_cast<unsigned long long>(figures.others)),
         figures.others == 0 && figures.latest_ms <= figures.budget_ms + kBeyondBudgetMs);
}

std::string SessionReport::Text() const {
  return SiteTable() + lines_ + "\n| target | measured | |\n|---|---|---|\n" + targets_;
}

}  // namespace holdfast::bench
