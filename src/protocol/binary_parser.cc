// How it works. Header, extras and key are awaited together, then held against the row of the opcode; only then the
// value is awaited, or announced as an upload. A header that cannot be right leaves no way to find the next packet:
// such a connection is closed behind the answer.

#include "protocol/binary_parser.h"

#include <algorithm>

#include "protocol/big_endian.h"
#include "protocol/binary_packet.h"

namespace holdfast::protocol {
namespace {

ParseResult Complete(size_t consumed) { return {consumed, Outcome::kRequest}; }
ParseResult NeedMore(size_t consumed = 0) { return {consumed, Outcome::kNeedMore}; }

ParseResult RefuseAndClose(RequestError error, size_t consumed, Request* request) {
  request->Refuse(error);
  request->close = true;
  return Complete(consumed);
}

// Whether the sizes are those of the opcode. What the value's size may be is another question.
bool Fits(const BinaryHeader& header, const BinaryCommand& command, size_t value_size) {
  if (header.extras_size != command.extras_size && !(command.may_lack_extras && header.extras_size == 0)) return false;
  if (value_size > 0 && !command.value) return false;
  switch (command.key) {
    case BinaryCommand::Key::kNone:
      return header.key_size == 0;
    case BinaryCommand::Key::kNeeded:
      return header.key_size > 0;
    case BinaryCommand::Key::kAllowed:
      return true;
  }
  return false;
}

void ReadExtras(const char* extras, const BinaryHeader& header, Request* request) {
  switch (request->verb) {
    case Verb::kStore:
      if (header.extras_size == 0) return;  // append, prepend
      request->client_flags = LoadBigEndian<uint32_t>(extras);
      request->exptime = LoadBigEndian<uint32_t>(extras + 4);
      request->has_exptime = true;
      return;
    case Verb::kArithmetic: {
      const uint32_t exptime = LoadBigEndian<uint32_t>(extras + 16);
      request->delta = LoadBigEndian<uint64_t>(extras);
      request->initial = LoadBigEndian<uint64_t>(extras + 8);
      request->create = exptime != kBinaryDoNotCreate;
      if (request->create) request->create_exptime = exptime;
      return;
    }
    default:
      if (header.extras_size != 4) return;
      request->exptime = LoadBigEndian<uint32_t>(extras);
      request->has_exptime = true;
  }
}

}  // namespace

ParseResult BinaryParser::Parse(std::string_view input, Request* request) {
  if (skip_bytes_ == 0) return ParsePacket(input, request);
  const size_t passed = static_cast<size_t>(std::min<uint64_t>(skip_bytes_, input.size()));
  skip_bytes_ -= passed;
  if (skip_bytes_ > 0) return NeedMore(passed);
  ParseResult result = ParsePacket(input.substr(passed), request);
  result.consumed += passed;
  return result;
}

ParseResult BinaryParser::ParsePacket(std::string_view input, Request* request) {
  if (input.size() < std::max<size_t>(wanted_, kBinaryHeaderBytes)) return NeedMore();
  wanted_ = 0;
  const BinaryHeader header = BinaryHeader::Load(input.data());
  if (header.magic != kBinaryRequestMagic) return {0, Outcome::kClose};
  const size_t head_size = kBinaryHeaderBytes + header.extras_size + header.key_size;
  if (input.size() < std::min(head_size, kInputBytesMax)) {
    wanted_ = static_cast<uint32_t>(std::min(head_size, kInputBytesMax));
    return NeedMore();
  }

  request->Clear();
  request->syntax = Syntax::kBinary;
  request->opcode = header.opcode;
  request->binary_opaque = header.opaque;
  const size_t consumed = std::min(head_size, input.size());
  if (size_t{header.key_size} + header.extras_size > header.body_size) {
    return RefuseAndClose(RequestError::kUnknownCommand, consumed, request);
  }
  if (header.body_size > kBinaryBodyBytesMax || header.key_size > kKeyBytesMax) {
    return RefuseAndClose(RequestError::kInvalidArguments, consumed, request);
  }
  const BinaryCommand* const command = FindBinaryCommand(header.opcode);
  if (command == nullptr) {
    request->Refuse(RequestError::kUnknownCommand);
    Skip(header.body_size - header.extras_size - header.key_size);
    return Complete(consumed);
  }
  return TakeBody(input, header, *command, request);
}

ParseResult BinaryParser::TakeBody(std::string_view input, const BinaryHeader& header, const BinaryCommand& command,
                                   Request* request) {
  const size_t head_size = kBinaryHeaderBytes + header.extras_size + header.key_size;
  const size_t value_size = header.body_size - header.extras_size - header.key_size;
  if (!Fits(header, command, value_size)) {
    return RefuseAndClose(RequestError::kInvalidArguments, head_size, request);
  }

  request->verb = command.verb;
  request->mode = command.mode;
  request->quiet = command.quiet;
  request->return_key = command.return_key;
  request->return_cas = true;
  request->decrement = command.decrement;
  request->close = command.verb == Verb::kQuit;
  request->key = input.substr(kBinaryHeaderBytes + header.extras_size, header.key_size);
  if (command.verb == Verb::kStats) request->arguments = request->key;
  ReadExtras(input.data() + kBinaryHeaderBytes, header, request);
  if (header.cas != 0 && command.verb != Verb::kGet && command.verb != Verb::kTouch) {
    request->has_compare_cas = true;
    request->compare_cas = header.cas;
  }
  if (!command.value) return Complete(head_size);
  const ParseResult result = TakeValue(input, head_size, value_size, request);
  // Compared with a cas, an item must be there and equal: add and replace say nothing beyond that.
  const bool joins = request->mode == StoreMode::kAppend || request->mode == StoreMode::kPrepend;
  if (request->has_compare_cas && !joins) request->mode = StoreMode::kSet;
  return result;
}

ParseResult BinaryParser::TakeValue(std::string_view input, size_t head_size, size_t value_size, Request* request) {
  request->value_size = value_size;
  const bool stored = request->verb == Verb::kStore;
  if (stored && settings_->TooLarge(request->key.size(), request->client_flags, value_size)) {
    request->Refuse(RequestError::kTooLarge);
    Skip(value_size);
    return Complete(head_size);
  }
  if (!stored && (request->key.size() > kBinaryMechanismBytesMax || value_size > kBinarySaslBytesMax)) {
    request->Refuse(RequestError::kInvalidArguments);
    Skip(value_size);
    return Complete(head_size);
  }
  const size_t total = head_size + value_size;
  if (total > kInputBytesMax) return {head_size, Outcome::kUpload};
  if (input.size() < total) {
    wanted_ = static_cast<uint32_t>(total);
    return NeedMore();
  }
  request->SetValue(input.substr(head_size, value_size));
  return Complete(total);
}

}  // namespace holdfast::protocol
