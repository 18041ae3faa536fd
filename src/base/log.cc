// A line is composed in a buffer on the stack and leaves by one write(2), which is why a line has a limit.

#include "base/log.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <string>

namespace holdfast::base {

namespace {

constexpr std::string_view kCut = "...";

class Line {
 public:
  void Append(std::string_view text) {
    for (char c : text) AppendByte(static_cast<unsigned char>(c));
  }
  void End() {
    if (cut_) std::memcpy(&bytes_[size_ - kCut.size()], kCut.data(), kCut.size());
    bytes_[size_++] = '\n';
  }
  const char* data() const { return bytes_.data(); }
  size_t size() const { return size_; }

 private:
  // UTF-8 passes; C0 controls and DEL do not. C1 controls need two bytes in UTF-8 and mean nothing to terminals that
  // speak it.
  void AppendByte(unsigned char byte) {
    if (byte >= 0x20 && byte != 0x7f) {
      Put(static_cast<char>(byte));
      return;
    }
    constexpr char kDigits[] = "0123456789abcdef";
    for (char c : {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]}) Put(c);
  }
  void Put(char c) {
    if (size_ + 1 < kLogLineBytesMax) {
      bytes_[size_++] = c;
    } else {
      cut_ = true;
    }
  }

  std::array<char, kLogLineBytesMax> bytes_;
  size_t size_ = 0;
  bool cut_ = false;
};

const char* WordOf(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "error: ";
    case LogLevel::kWarning:
      return "warning: ";
    default:
      return "";
  }
}

const char* JournalPrefixOf(LogLevel level) {
  switch (level) {
    case LogLevel::kError:
      return "<3>";
    case LogLevel::kWarning:
      return "<4>";
    case LogLevel::kNotice:
      return "<5>";
    case LogLevel::kVerbose:
      return "<6>";
    default:
      return "<7>";
  }
}

void AppendTime(Line* line, int64_t wall_micros) {
  const time_t seconds = wall_micros / 1'000'000;
  tm parts;
  char text[64];
  if (localtime_r(&seconds, &parts) == nullptr) return;
  const size_t size = strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &parts);
  const int rest =
      std::snprintf(text + size, sizeof text - size, ".%03d ", static_cast<int>(wall_micros / 1000 % 1000));
  line->Append({text, size + static_cast<size_t>(std::max(rest, 0))});
}

}  // namespace

LogFormat LogFormatOf(const char* journal_stream) {
  return journal_stream != nullptr && *journal_stream != '\0' ? LogFormat::kJournal : LogFormat::kTimed;
}

void Log::Write(LogLevel level, std::string_view text) const {
  if (!Writes(level)) return;
  Line line;
  if (format_ == LogFormat::kJournal) {
    line.Append(JournalPrefixOf(level));
  } else {
    AppendTime(&line, clock_.WallMicros());
    line.Append(WordOf(level));
  }
  line.Append(text);
  line.End();
  while (write(file_, line.data(), line.size()) < 0 && errno == EINTR) {
  }
}

void Log::Format(LogLevel level, const char* format, ...) const {
  if (!Writes(level)) return;
  char text[kLogLineBytesMax + 1];  // one more than fits, so that Write sees that it was cut
  va_list arguments;
  va_start(arguments, format);
  const int size = std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  if (size >= 0) Write(level, {text, std::min(static_cast<size_t>(size), sizeof text - 1)});
}

void Log::Limited(LogLimit& limit, LogLevel level, std::string_view text) const {
  uint64_t held_back = 0;
  if (!Writes(level) || !limit.Pass(clock_.SteadyMicros(), &held_back)) return;
  if (held_back == 0) {
    Write(level, text);
  } else {
    Write(level, std::string(text) + " (and " + std::to_string(held_back) + " more like this)");
  }
}

bool LogLimit::Pass(int64_t steady_micros, uint64_t* held_back) {
  int64_t next = next_micros_.load(std::memory_order_relaxed);
  if (steady_micros < next ||
      !next_micros_.compare_exchange_strong(next, steady_micros + interval_micros_, std::memory_order_relaxed)) {
    held_back_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  *held_back = held_back_.exchange(0, std::memory_order_relaxed);
  return true;
}

}  // namespace holdfast::base
