// How it works: cells become strings, columns are padded to their widest cell, and the result is a Markdown table that
// lines up. The document is rewritten beside itself and renamed, so that a full disk cannot leave half of it.
#include "bench/report.h"

#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

namespace holdfast::bench {
namespace {

constexpr std::string_view kBegin = "<!-- bench: begin -->\n";
constexpr std::string_view kEnd = "<!-- bench: end -->\n";
using Line = std::vector<std::string>;

std::string Format(const char* format, double number) {
  char text[64];
  std::snprintf(text, sizeof text, format, number);
  return text;
}

std::string Fixed(double number, int decimals) {
  char text[64];
  std::snprintf(text, sizeof text, "%.*f", decimals, number);
  return text;
}

std::string FormatCell(const Row& row, Role role) {
  const Cell& cell = row.cell(role);
  if (!cell.failed.empty()) return "error";
  if (!cell.has_figure()) return "-";
  std::string text = WithThousands(cell.median()) + Format(" ±%.0f %%", cell.spread_percent());
  if (!cell.aside.empty()) text += " (" + cell.aside + ")";
  return text;
}

// How many times the floor each of the two costs.
std::string FormatOverFloor(const Row& row) {
  const Cell& floor = row.cell(Role::kEcho);
  if (!floor.has_figure()) return "-";
  std::string text;
  for (const Role role : {Role::kHoldfast, Role::kMemcached}) {
    const Cell& cell = row.cell(role);
    if (!text.empty()) text += " / ";
    text += cell.has_figure() ? Format("%.2f", cell.median() / floor.median()) : "-";
  }
  return text;
}

std::string FormatTarget(double target) { return target > 0 ? Format("≥ %g", target) : "-"; }

std::string FormatVerdict(const Row& row) {
  const Workload& workload = *row.workload;
  if (!row.left_out.empty()) return "left out";
  if (row.has_failed_cell()) return "**FAIL** (error)";
  if (row.ratio() == 0 && workload.target > 0) return "**FAIL** (not compared)";
  if (row.ratio() == 0) return workload.memcached_only ? "-" : "skipped";
  if (row.has_missed_target()) return "**FAIL**";
  return workload.target > 0 ? "pass" : "-";
}

Line FormatRow(const Row& row) {
  return {std::string(row.workload->title),
          FormatCell(row, Role::kHoldfast),
          FormatCell(row, Role::kMemcached),
          FormatCell(row, Role::kEcho),
          FormatOverFloor(row),
          row.ratio() > 0 ? Format("%.2f", row.ratio()) : "-",
          FormatTarget(row.workload->target),
          FormatVerdict(row)};
}

// Counts characters, not bytes: the cells hold a few that take several.
size_t Width(const std::string& text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), [](char c) { return (c & 0xc0) != 0x80; }));
}

void AppendLine(std::string& out, const Line& line, const std::vector<size_t>& widths) {
  for (size_t i = 0; i < line.size(); ++i) out += "| " + line[i] + std::string(widths[i] - Width(line[i]) + 1, ' ');
  out += "|\n";
}

// The first line is the head.
std::string FormatLines(std::vector<Line> lines) {
  std::vector<size_t> widths(lines.front().size());
  for (const Line& line : lines) {
    for (size_t i = 0; i < line.size(); ++i) widths[i] = std::max(widths[i], Width(line[i]));
  }
  Line rule;
  for (const size_t width : widths) rule.emplace_back(width, '-');
  lines.insert(lines.begin() + 1, rule);
  std::string table;
  for (const Line& line : lines) AppendLine(table, line, widths);
  return table;
}

std::string FormatRows(const std::vector<Row>& rows) {
  std::vector<Line> lines{{"workload", "Holdfast, ns", "memcached, ns", "echo, ns", "over the echo: H / m",
                           "memcached / Holdfast", "target", "result"}};
  for (const Row& row : rows) lines.push_back(FormatRow(row));
  return FormatLines(std::move(lines));
}

std::string FormatFindingCell(const Finding& finding, const Cell& cell) {
  if (!cell.failed.empty()) return "error";
  if (!cell.has_figure()) return "-";
  std::string text = Fixed(cell.median(), finding.decimals) + finding.unit;
  if (cell.samples.size() > 1) text += Format(" ±%.0f %%", cell.spread_percent());
  if (!cell.aside.empty()) text += " (" + cell.aside + ")";
  return text;
}

std::string FormatFindingVerdict(const Finding& finding) {
  if (!finding.left_out.empty()) return "left out: " + finding.left_out;
  if (finding.has_failed_cell()) return "**FAIL** (error)";
  return finding.has_missed_target() ? "**FAIL**" : "pass";
}

std::string FormatFindings(const std::vector<Finding>& findings) {
  std::vector<Line> lines{{"what", "Holdfast", "memcached", "target", "result"}};
  for (const Finding& finding : findings) {
    const std::string bound = finding.bound == Bound::kAtMost ? "≤ " : "≥ ";
    lines.push_back({finding.title, FormatFindingCell(finding, finding.holdfast),
                     FormatFindingCell(finding, finding.memcached), bound + Format("%g", finding.target) + finding.unit,
                     FormatFindingVerdict(finding)});
  }
  return FormatLines(std::move(lines));
}

std::string ProcessorName() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    const size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos) return line.substr(colon + 2);
  }
  return "unknown processor";
}

std::string Today() {
  const std::time_t now = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%Y-%m-%d %H:%M UTC", std::gmtime(&now));
  return text;
}

std::string FormatCircumstances(const Circumstances& circumstances, const Options& options) {
  utsname system{};
  uname(&system);
  const auto version = [](const std::string& text) { return text.empty() ? std::string("(not started)") : text; };
  const double minutes =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - circumstances.began).count() / 60;
  std::ostringstream text;
  text << Today() << ", `" << options.command << "`: Holdfast " << version(circumstances.holdfast_version)
       << ", memcached " << version(circumstances.memcached_version) << "; one server thread each, "
       << WithThousands(options.items) << " items of 30-byte keys and 100-byte values ("
       << WithThousands(KeyspaceOf(Keys::kLarge, options.items).keys) << " of 1 KiB), " << options.rounds
       << " interleaved runs of " << options.run.count() << " ms; " << std::thread::hardware_concurrency()
       << " cores of " << ProcessorName() << ", Linux " << system.release << ", servers and client "
       << (circumstances.is_pinned ? "pinned to a core each" : "not pinned") << ". All of it took "
       << Format("%.1f", minutes) << " minutes.\n\n"
       << "Server CPU per operation in nanoseconds: the median, and ± half of the range in percent of it.\n\n";
  return text.str();
}

// Why a cell has no figure, unless that has been said of its neighbour.
void AppendReason(std::string& out, std::string_view title, std::string_view server, const Cell& cell,
                  std::set<std::string>& said) {
  const std::string& reason = cell.failed.empty() ? cell.skipped : cell.failed;
  if (reason.empty() || !said.insert(reason).second) return;
  out += "- " + std::string(title) + ": " + (cell.failed.empty() ? "skipped" : "failed") + ", " + std::string(server) +
         ": " + reason + "\n";
}

std::string FormatReasons(const std::vector<Row>& rows, const std::vector<Finding>& findings) {
  constexpr std::array<std::string_view, kRoles> kNames = {"Holdfast", "memcached", "echo"};
  std::string out;
  for (const Row& row : rows) {
    std::set<std::string> said;
    for (size_t i = 0; i < kRoles; ++i) {
      const Cell& cell = row.cells[i];
      const bool is_obvious = row.workload->memcached_only || (i == 2 && cell.failed.empty());
      if (!is_obvious) AppendReason(out, row.workload->title, kNames[i], cell, said);
    }
  }
  for (const Finding& finding : findings) {
    std::set<std::string> said;
    AppendReason(out, finding.title, kNames[0], finding.holdfast, said);
    AppendReason(out, finding.title, kNames[1], finding.memcached, said);
  }
  return out;
}

constexpr std::string_view kNotes =
    "\n(1) memcached gets the same requests as quiet meta commands: Debian's 1.6.18 spends three times on pipelined "
    "text gets what 1.6.45 spends on them, while meta costs both the same.\n";

}  // namespace

std::string FormatReport(const std::vector<Row>& rows, const std::vector<Finding>& findings,
                         const Circumstances& circumstances, const Options& options) {
  std::string report = FormatCircumstances(circumstances, options);
  if (!rows.empty()) report += FormatRows(rows) + "\n";
  if (!findings.empty()) report += FormatFindings(findings);
  report += kNotes;
  const std::string reasons = FormatReasons(rows, findings);
  if (!reasons.empty()) report += "\n" + reasons;
  return report;
}

std::string WriteBetweenMarkers(const std::string& path, const std::string& text) {
  std::ifstream file(path);
  if (!file) return "cannot read " + path;
  std::stringstream stream;
  stream << file.rdbuf();
  const std::string old = stream.str();
  const size_t begin = old.find(kBegin);
  const size_t end = old.find(kEnd);
  if (begin == std::string::npos || end == std::string::npos || end < begin) return path + " has no bench markers";
  const std::string beside = path + ".new";
  std::ofstream out(beside);
  out << old.substr(0, begin + kBegin.size()) << "\n" << text << "\n" << old.substr(end);
  out.close();
  if (!out || std::rename(beside.c_str(), path.c_str()) != 0) {
    std::remove(beside.c_str());
    return "cannot write " + path;
  }
  return "";
}

}  // namespace holdfast::bench
