// The opcode says what was asked, the status what came of it; both together are the code. A status nobody knows is an
// error with the text of the body.

#include "protocol/binary_packet.h"
#include "protocol/reply_lines.h"
#include "protocol/reply_parser.h"

namespace holdfast::protocol {
namespace {

ReplyCode SuccessOf(const BinaryCommand& command, const BinaryHeader& header) {
  switch (command.verb) {
    case Verb::kGet:
      return ReplyCode::kHit;
    case Verb::kStore:
      return ReplyCode::kStored;
    case Verb::kTouch:
      return ReplyCode::kTouched;
    case Verb::kDelete:
      return ReplyCode::kDeleted;
    case Verb::kArithmetic:
      return ReplyCode::kNumber;
    case Verb::kNoop:
      return ReplyCode::kNoop;
    case Verb::kVersion:
      return ReplyCode::kVersion;
    case Verb::kStats:
      return header.key_size > 0 ? ReplyCode::kStat : ReplyCode::kStatEnd;
    case Verb::kQuit:
      return ReplyCode::kNone;
    default:
      return ReplyCode::kOk;
  }
}

ReplyCode FailureOf(const BinaryCommand& command, uint16_t status) {
  switch (status) {
    case binary_status::kNotFound:
      if (command.verb == Verb::kStore && command.mode == StoreMode::kReplace) return ReplyCode::kNotStored;
      return command.verb == Verb::kGet ? ReplyCode::kMiss : ReplyCode::kNotFound;
    case binary_status::kExists:
      if (command.verb == Verb::kStore && command.mode == StoreMode::kAdd) return ReplyCode::kNotStored;
      return ReplyCode::kExists;
    case binary_status::kTooLarge:
      return ReplyCode::kTooLarge;
    case binary_status::kInvalid:
      return ReplyCode::kInvalid;
    case binary_status::kNotStored:
      return ReplyCode::kNotStored;
    case binary_status::kNonNumeric:
      return ReplyCode::kNonNumeric;
    case binary_status::kAuthError:
      return ReplyCode::kAuthError;
    case binary_status::kUnknownCommand:
      return ReplyCode::kUnknownCommand;
    case binary_status::kNoMemory:
      return ReplyCode::kNoMemory;
    default:
      return ReplyCode::kServerError;
  }
}

bool ReadSuccess(const BinaryHeader& header, std::string_view extras, std::string_view rest, ParsedReply* reply) {
  switch (reply->code) {
    case ReplyCode::kHit:
    case ReplyCode::kTouched:
      if (extras.size() != 4) return false;
      reply->client_flags = LoadBigEndian<uint32_t>(extras.data());
      if (reply->code == ReplyCode::kHit) reply->SetValue(rest);
      return true;
    case ReplyCode::kNumber:
      if (rest.size() != 8) return false;
      reply->number = LoadBigEndian<uint64_t>(rest.data());
      return true;
    default:
      reply->text = rest;
      return header.extras_size == 0;
  }
}

}  // namespace

ReplyResult ParseBinaryReply(std::string_view input, ParsedReply* reply) {
  if (input.size() < kBinaryHeaderBytes) return WantMore(kBinaryHeaderBytes);
  const BinaryHeader header = BinaryHeader::Load(input.data());
  const size_t head_size = size_t{header.extras_size} + header.key_size;
  const BinaryCommand* const command = FindBinaryCommand(header.opcode);
  if (header.magic != kBinaryReplyMagic || head_size > header.body_size || header.key_size > kKeyBytesMax ||
      header.body_size > head_size + kReplyValueBytesMax) {
    return Broken();
  }
  const size_t total = kBinaryHeaderBytes + header.body_size;
  if (input.size() < total) return WantMore(total);

  reply->Clear();
  reply->opcode = header.opcode;
  reply->binary_opaque = header.opaque;
  reply->cas = header.cas;
  const std::string_view extras = input.substr(kBinaryHeaderBytes, header.extras_size);
  reply->key = input.substr(kBinaryHeaderBytes + header.extras_size, header.key_size);
  const std::string_view rest = input.substr(kBinaryHeaderBytes + head_size, header.body_size - head_size);
  // The opcode echoed may be one that neither side knows.
  const BinaryCommand unknown = {.opcode = header.opcode, .verb = Verb::kInvalid};
  const BinaryCommand& asked = command != nullptr ? *command : unknown;
  if (header.status != binary_status::kOk) {
    reply->code = FailureOf(asked, header.status);
    if (reply->code == ReplyCode::kInvalid) reply->error = RequestError::kInvalidArguments;
    reply->text = rest;
    return Whole(total);
  }
  reply->code = SuccessOf(asked, header);
  return ReadSuccess(header, extras, rest, reply) ? Whole(total) : Broken();
}

}  // namespace holdfast::protocol
