// reply_parser.h - replies as a client reads them, in all three syntaxes: what the writers wrote, read back to the same
// Reply.
//
// Threads: pure functions of their arguments.
// Owns:    a ParsedReply owns a base64 key and the list of its one value piece; all else are views into the input.
// Errors:  kBroken: these are not the words of a server, or not the answer to what was asked. Close the connection, for
//          nobody knows where the next reply begins.
// Limits:  kReplyLineBytesMax a line, kReplyValueBytesMax a value. The input must grow to hold one reply in one piece.

#ifndef HOLDFAST_PROTOCOL_REPLY_PARSER_H_
#define HOLDFAST_PROTOCOL_REPLY_PARSER_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "protocol/reply.h"
#include "protocol/request.h"

namespace holdfast::protocol {

inline constexpr size_t kReplyLineBytesMax = 8192;
inline constexpr uint64_t kReplyValueBytesMax = uint64_t{1} << 30;

// What a reply says beyond a Reply: which request it belongs to.
struct ParsedReply : Reply {
  ParsedReply() = default;
  ParsedReply(const ParsedReply&) = delete;  // value points into it
  ParsedReply& operator=(const ParsedReply&) = delete;

  void Clear();
  void SetValue(std::string_view bytes) {
    piece = bytes;
    value = {&piece, 1};
    value_size = bytes.size();
  }

  std::string_view opaque;     // meta: the token of O
  uint32_t binary_opaque = 0;  // binary
  uint8_t opcode = 0;          // binary
  std::string_view piece;      // behind value
  char key_storage[kKeyBytesMax] = {};
};

enum class ReplyOutcome : uint8_t { kReply, kNeedMore, kBroken };

struct ReplyResult {
  size_t consumed = 0;
  ReplyOutcome outcome = ReplyOutcome::kNeedMore;
  size_t wanted = 0;  // kNeedMore: so many bytes of input are needed at least
};

// verb: what the server was asked, which decides what its words mean. Of a classic get each hit is a reply, and kMiss
// is the END behind them; of statistics each row is one, and kStatEnd the end.
ReplyResult ParseTextReply(std::string_view input, Verb verb, ParsedReply* reply);
ReplyResult ParseMetaReply(std::string_view input, Verb verb, ParsedReply* reply);
ReplyResult ParseBinaryReply(std::string_view input, ParsedReply* reply);
ReplyResult ParseReply(Syntax syntax, std::string_view input, Verb verb, ParsedReply* reply);

// ERROR, CLIENT_ERROR and SERVER_ERROR lines; false if it is none.
bool ParseErrorLine(std::string_view line, Reply* reply);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_REPLY_PARSER_H_
