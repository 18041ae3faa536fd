// codec.h - one connection's parser, whichever syntax its first byte or -B chose, and the writer that goes with a
// request.
//
// Threads: one connection's, on its worker. A Codec is small and copied to remember a position in the stream.
// Owns:    the parser's state. Borrows the settings.

#ifndef HOLDFAST_SERVER_CODEC_H_
#define HOLDFAST_SERVER_CODEC_H_

#include <string>
#include <string_view>
#include <variant>

#include "base/output.h"
#include "protocol/binary_parser.h"
#include "protocol/binary_writer.h"
#include "protocol/meta_writer.h"
#include "protocol/text_parser.h"
#include "protocol/text_writer.h"
#include "server/settings.h"

namespace holdfast::server {

class Codec {
 public:
  Codec(WireProtocol protocol, const protocol::ParserSettings& settings)
      : parser_(protocol::TextParser(settings)), detected_(protocol != WireProtocol::kAuto) {
    if (protocol == WireProtocol::kBinary) parser_ = protocol::BinaryParser(settings);
  }

  protocol::ParseResult Parse(std::string_view input, protocol::Request* request) {
    if (!detected_ && !input.empty()) Detect(input.front());
    if (auto* text = std::get_if<protocol::TextParser>(&parser_)) return text->Parse(input, request);
    return std::get<protocol::BinaryParser>(parser_).Parse(input, request);
  }
  void Skip(uint64_t bytes) {
    std::visit([bytes](auto& parser) { parser.Skip(bytes); }, parser_);
  }
  // Between two keys of a text get: an error has ended it.
  void AbandonBatch() {
    if (auto* text = std::get_if<protocol::TextParser>(&parser_)) text->AbandonBatch();
  }
  bool InBatch() const {
    const auto* text = std::get_if<protocol::TextParser>(&parser_);
    return text != nullptr && text->InBatch();
  }

  // Where it stands, for a Codec in another process to go on with the same unconsumed bytes.
  std::string SavePosition() const {
    base::Packer packer;
    packer.Put(uint8_t{detected_}).Put(static_cast<uint8_t>(parser_.index()));
    std::visit([&packer](const auto& parser) { parser.SavePosition(&packer); }, parser_);
    return packer.Take();
  }
  // False: what is there cannot be a position.
  bool RestorePosition(std::string_view position) {
    base::Unpacker unpacker(position);
    detected_ = unpacker.Take<uint8_t>() != 0;
    const protocol::ParserSettings& with = settings();
    if (unpacker.Take<uint8_t>() == 0) {
      parser_ = protocol::TextParser(with);
    } else {
      parser_ = protocol::BinaryParser(with);
    }
    return std::visit([&unpacker](auto& parser) { return parser.RestorePosition(&unpacker); }, parser_) &&
           unpacker.at_end();
  }

 private:
  void Detect(char first_byte) {
    detected_ = true;
    if (protocol::DetectSyntax(first_byte) == protocol::Syntax::kBinary) parser_ = protocol::BinaryParser(settings());
  }
  const protocol::ParserSettings& settings() const {
    return std::visit([](const auto& parser) -> const protocol::ParserSettings& { return parser.settings(); }, parser_);
  }

  std::variant<protocol::TextParser, protocol::BinaryParser> parser_;
  bool detected_;
};

inline void WriteReply(const protocol::Request& request, const protocol::Reply& reply, base::Output& output) {
  switch (request.syntax) {
    case protocol::Syntax::kText:
      return protocol::WriteText(request, reply, output);
    case protocol::Syntax::kMeta:
      return protocol::WriteMeta(request, reply, output);
    case protocol::Syntax::kBinary:
      return protocol::WriteBinary(request, reply, output);
  }
}

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_CODEC_H_
