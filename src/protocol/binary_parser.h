// binary_parser.h - the binary protocol: packets of a connection in, Requests out.
//
// Threads: one connection's, on its worker. Small: it lives in idle connections too.
// Owns:    nothing. Borrows the settings.
// Errors:  a packet that contradicts itself or its opcode is a Request with verb kInvalid and close set; an unknown
// opcode is
//          answered and its body passed over. Another magic than that of a request closes without an answer.
// Invariants: those of TextParser.

#ifndef HOLDFAST_PROTOCOL_BINARY_PARSER_H_
#define HOLDFAST_PROTOCOL_BINARY_PARSER_H_

#include <cstdint>
#include <string_view>

#include "base/packing.h"
#include "protocol/parse_result.h"
#include "protocol/request.h"

namespace holdfast::protocol {

struct BinaryCommand;
struct BinaryHeader;

class BinaryParser {
 public:
  explicit BinaryParser(const ParserSettings& settings) : settings_(&settings) {}

  ParseResult Parse(std::string_view input, Request* request);

  // The next bytes of the stream are to be passed over: a value that the caller does not want.
  void Skip(uint64_t bytes) { skip_bytes_ = bytes; }

  const ParserSettings& settings() const { return *settings_; }
  // As in TextParser.
  void SavePosition(base::Packer* to) const { to->Put(skip_bytes_); }
  bool RestorePosition(base::Unpacker* from) {
    skip_bytes_ = from->Take<uint64_t>();
    return from->ok();
  }

 private:
  ParseResult ParsePacket(std::string_view input, Request* request);
  ParseResult TakeBody(std::string_view input, const BinaryHeader& header, const BinaryCommand& command,
                       Request* request);
  ParseResult TakeValue(std::string_view input, size_t head_size, size_t value_size, Request* request);

  const ParserSettings* settings_;
  uint64_t skip_bytes_ = 0;
  uint32_t wanted_ = 0;  // with less input than this nothing is to be done
};

static_assert(sizeof(BinaryParser) <= 32);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_BINARY_PARSER_H_
