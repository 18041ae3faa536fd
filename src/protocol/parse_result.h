// parse_result.h - what the parsers of all syntaxes have in common: their answer, their settings, how a value is
// completed.
//
// A parser is fed the unread input of a connection, says how many bytes of it are done with, and fills one Request. The
// next call's input begins with the first byte that was not consumed.
//
// Threads: values; ParserSettings is shared and constant while parsers use it.
// Owns:    nothing.
// Errors:  what a client does wrong is a Request with verb kInvalid, or kClose where memcached closes without a word.

#ifndef HOLDFAST_PROTOCOL_PARSE_RESULT_H_
#define HOLDFAST_PROTOCOL_PARSE_RESULT_H_

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "base/block_pool.h"
#include "protocol/request.h"

namespace holdfast::protocol {

// A request with its value that is longer than this never lies in the input in one piece, so it is an upload.
inline constexpr size_t kInputBytesMax = base::kBlockBytes;

// A line without an end is given up after so many bytes, unless it is a get.
inline constexpr size_t kLineBytesMax = 2048;

enum class Outcome : uint8_t {
  kRequest,   // the Request is complete
  kNeedMore,  // call again when more input has come (consumed may be more than 0: bytes that were to be skipped)
  kUpload,    // the Request is complete but for its value: the next UploadBytes(request) bytes of the stream, which the
              // caller collects in memory of its own and hands to FinishUpload. Input and thus key go away meanwhile:
              // see Request::KeepText. Values that the caller has no room for: Skip(UploadBytes(request)).
  kClose,     // close the connection, nothing is answered
};

struct ParseResult {
  size_t consumed = 0;
  Outcome outcome = Outcome::kNeedMore;
};

// When a value is too large: memcached's accounting, so that the same sizes are refused.
struct ParserSettings {
  uint64_t item_bytes_max = 1024 * 1024;  // -I
  bool with_cas = true;                   // false: -C

  bool TooLarge(size_t key_size, uint32_t client_flags, uint64_t value_size) const {
    const uint64_t head = (with_cas ? 56 : 48) + key_size + 1 + (client_flags != 0 ? 4 : 0);
    return value_size + 2 > item_bytes_max || head + value_size + 2 > item_bytes_max;
  }
};

// How many bytes of the stream belong to the value, with its line end.
inline uint64_t UploadBytes(const Request& request) {
  return request.value_size + (request.syntax == Syntax::kBinary ? 0 : 2);
}

// The upload is complete. terminator: what came after value_size bytes (binary: nothing). The caller sets
// request->value. A wrong line end turns the request into kInvalid, kBadDataChunk.
void FinishUpload(std::string_view terminator, Request* request);

// Which syntax a connection speaks, by its first byte.
inline Syntax DetectSyntax(char first_byte) {
  return static_cast<unsigned char>(first_byte) == 0x80 ? Syntax::kBinary : Syntax::kText;
}

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_PARSE_RESULT_H_
