// text_parser.h - the classic text protocol: bytes of a connection in, Requests out. Meta lines are handed to
// meta_parser.h.
//
// A get line becomes one Request a key. A line up to kWholeLineBytesMax is looked at when its end has come, so that a
// wrong key fails it as a whole; a longer get is executed key by key while it comes, in bounded memory.
//
// Threads: one connection's, on its worker. Small: it lives in idle connections too.
// Owns:    nothing. Borrows the settings.
// Errors:  a wrong line is a Request with verb kInvalid; the stream goes on after it. Lines beyond kLineBytesMax that
// are no
//          retrieval, and those that speak HTTP, close the connection.
// Invariants
// (1) How the input is cut into calls does not change the Requests, nor the outcome kClose.
// (2) kNeedMore is never answered to kInputBytesMax bytes of input without consuming some.

#ifndef HOLDFAST_PROTOCOL_TEXT_PARSER_H_
#define HOLDFAST_PROTOCOL_TEXT_PARSER_H_

#include <cstdint>
#include <string_view>

#include "base/packing.h"
#include "protocol/parse_result.h"
#include "protocol/request.h"

namespace holdfast::protocol {

class Words;
struct TextCommand;

class TextParser {
 public:
  // A get line up to this length is checked as a whole before its first key is executed.
  static constexpr size_t kWholeLineBytesMax = 8192;
  static_assert(kWholeLineBytesMax + kLineBytesMax + kKeyBytesMax < kInputBytesMax, "invariant (2)");

  explicit TextParser(const ParserSettings& settings) : settings_(&settings) {}

  ParseResult Parse(std::string_view input, Request* request);

  // The next bytes of the stream are to be passed over: a value that the caller does not want.
  void Skip(uint64_t bytes);
  // Between two keys of a get: the rest of the line is passed over. An error reply takes the place of what would have
  // come.
  void AbandonBatch();
  // Whether the next Request will be another key of the same get.
  bool InBatch() const { return mode_ == Mode::kKeys; }

  const ParserSettings& settings() const { return *settings_; }

  // Where it stands, for a parser elsewhere to go on with the same unconsumed bytes. RestorePosition: false when that
  // cannot be a position.
  void SavePosition(base::Packer* to) const;
  bool RestorePosition(base::Unpacker* from);

 private:
  enum class Mode : uint8_t {
    kCommand,  // input starts with a command line
    kKeys,     // input starts with a key of a retrieval; before the first, with the spaces in front of it
    kSkipBytes,
    kSkipLine,
  };

  ParseResult ParseCommand(std::string_view input, Request* request);
  ParseResult ParseLine(std::string_view input, Request* request);
  ParseResult ParseRetrieval(std::string_view input, const TextCommand& command, Words words, Request* request);
  ParseResult ParseKey(std::string_view input, Request* request);
  ParseResult RefuseKeys(RequestError error, Request* request);
  ParseResult EndLine();
  ParseResult TakeValue(std::string_view input, size_t line_bytes, Request* request);
  ParseResult PassOver(std::string_view input, Request* request);
  bool FindLineEnd(std::string_view input);
  std::string_view KnownLine(std::string_view input) const;

  const ParserSettings* settings_;
  // kSkipBytes: how many. kKeys, if touch_: the exptime. One word, for there are many idle connections.
  uint64_t amount_ = 0;

  // The first window_ bytes of the unconsumed input hold no line end; if end_known_, one follows them.
  uint32_t window_ = 0;
  uint32_t wanted_ = 0;  // kCommand: with less input than this the value is not complete
  Mode mode_ = Mode::kCommand;
  bool end_known_ = false;
  bool touch_ = false;
  bool return_cas_ = false;
  bool first_ = false;  // no key of this line has been returned yet
};

static_assert(sizeof(TextParser) <= 32);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_TEXT_PARSER_H_
