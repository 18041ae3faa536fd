// reply_lines.h - the line and the value behind it, as the text and meta reply parsers take them.
//
// Threads: pure functions of their arguments.

#ifndef HOLDFAST_PROTOCOL_REPLY_LINES_H_
#define HOLDFAST_PROTOCOL_REPLY_LINES_H_

#include <optional>
#include <string_view>

#include "protocol/reply_parser.h"
#include "protocol/words.h"

namespace holdfast::protocol {

inline ReplyResult Broken() { return {0, ReplyOutcome::kBroken, 0}; }
inline ReplyResult WantMore(size_t wanted) { return {0, ReplyOutcome::kNeedMore, wanted}; }
inline ReplyResult Whole(size_t consumed) { return {consumed, ReplyOutcome::kReply, 0}; }

// The bytes of the first line with its end; nullopt when it has not come yet, or is too long to come.
inline std::optional<size_t> LineBytes(std::string_view input) {
  const size_t end = input.substr(0, kReplyLineBytesMax).find('\n');
  if (end == std::string_view::npos) return std::nullopt;
  return end + 1;
}

inline ReplyResult WithoutLine(std::string_view input) {
  return input.size() < kReplyLineBytesMax ? WantMore(input.size() + 1) : Broken();
}

// A value of value_size bytes stands behind the first line_bytes of the input.
inline ReplyResult TakeReplyValue(std::string_view input, size_t line_bytes, uint64_t value_size, ParsedReply* reply) {
  if (value_size > kReplyValueBytesMax) return Broken();
  const size_t total = line_bytes + static_cast<size_t>(value_size) + 2;
  if (input.size() < total) return WantMore(total);
  if (input.substr(total - 2, 2) != "\r\n") return Broken();
  reply->SetValue(input.substr(line_bytes, static_cast<size_t>(value_size)));
  return Whole(total);
}

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_REPLY_LINES_H_
