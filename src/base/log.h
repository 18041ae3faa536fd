// log.h - what the operator reads: one line a message, to stderr.
//
// A line is "2026-07-01 12:00:00.123 warning: text". Under systemd, which adds the time itself, it is "<4>text". Bytes
// that are not printable are escaped, so that a key in a message can neither forge a line nor drive a terminal.
//
// Threads: any; a line is one write(2), so lines never mix. The level may be changed while others log.
// Owns:    nothing; the file descriptor stays open.
// Errors:  what cannot be written is lost. A log is no place to keep anything.
// Blocks:  as long as the reader of stderr does. A worker therefore logs only what is rare, or behind a LogLimit.
// Limits:  kLogLineBytesMax a line, longer ones end in "...".

#ifndef HOLDFAST_BASE_LOG_H_
#define HOLDFAST_BASE_LOG_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/clock.h"

namespace holdfast::base {

// Down to which importance; -v, -vv, -vvv raise it by one each from kNotice.
enum class LogLevel { kError, kWarning, kNotice, kVerbose, kDebug, kTrace };

enum class LogFormat {
  kTimed,    // "2026-07-01 12:00:00.123 warning: text"
  kJournal,  // "<4>text"
};
// kJournal when stderr is the journal's (JOURNAL_STREAM is set), else kTimed.
LogFormat LogFormatOf(const char* journal_stream);

inline constexpr size_t kLogLineBytesMax = 1024;

class LogLimit;

class Log {
 public:
  Log(LogLevel level, LogFormat format, const Clock& clock, int file = 2)
      : level_(level), format_(format), clock_(clock), file_(file) {}
  Log(const Log&) = delete;
  Log& operator=(const Log&) = delete;

  bool Writes(LogLevel level) const { return level <= level_.load(std::memory_order_relaxed); }
  LogLevel level() const { return level_.load(std::memory_order_relaxed); }
  void set_level(LogLevel level) { level_.store(level, std::memory_order_relaxed); }

  void Error(std::string_view text) const { Write(LogLevel::kError, text); }
  void Warning(std::string_view text) const { Write(LogLevel::kWarning, text); }
  void Notice(std::string_view text) const { Write(LogLevel::kNotice, text); }
  void Verbose(std::string_view text) const { Write(LogLevel::kVerbose, text); }

  void Write(LogLevel level, std::string_view text) const;
  // With printf's format; composed only when the level is written.
  void Format(LogLevel level, const char* format, ...) const __attribute__((format(printf, 3, 4)));
  // Writes when the limit lets it, and says how often it did not since.
  void Limited(LogLimit& limit, LogLevel level, std::string_view text) const;

 private:
  std::atomic<LogLevel> level_;
  const LogFormat format_;
  const Clock& clock_;
  const int file_;
};

// Lets one message through in interval_micros and counts the others. A site that may log often has one of its own.
//
// Threads: any.
class LogLimit {
 public:
  static constexpr int64_t kMinuteMicros = 60'000'000;
  explicit LogLimit(int64_t interval_micros = kMinuteMicros) : interval_micros_(interval_micros) {}

  // Whether to write now; then *held_back is the number since the last one that was written.
  bool Pass(int64_t steady_micros, uint64_t* held_back);

 private:
  const int64_t interval_micros_;
  std::atomic<int64_t> next_micros_{INT64_MIN};
  std::atomic<uint64_t> held_back_{0};
};

}  // namespace holdfast::base

#endif  // HOLDFAST_BASE_LOG_H_
