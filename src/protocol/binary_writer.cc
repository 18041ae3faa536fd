// A packet is header, extras, key, value. A hit with a small value is put down with one Reserve; errors are a header
// without cas and a text that a person may read.

#include "protocol/binary_writer.h"

#include "protocol/big_endian.h"
#include "protocol/binary_packet.h"
#include "protocol/put.h"
#include "protocol/text_writer.h"

namespace holdfast::protocol {
namespace {

constexpr size_t kHitHeadBytesMax = kBinaryHeaderBytes + 4 + kKeyBytesMax;
static_assert(kHitHeadBytesMax < base::Output::kReserveMax);

struct Failure {
  uint16_t status;
  std::string_view text;
};

constexpr Failure kNotFound = {binary_status::kNotFound, "Not found"};
constexpr Failure kExists = {binary_status::kExists, "Data exists for key."};
constexpr Failure kTooLarge = {binary_status::kTooLarge, "Too large."};
constexpr Failure kInvalid = {binary_status::kInvalid, "Invalid arguments"};
constexpr Failure kNotStored = {binary_status::kNotStored, "Not stored."};
constexpr Failure kNonNumeric = {binary_status::kNonNumeric, "Non-numeric server-side value for incr or decr"};
constexpr Failure kAuthError = {binary_status::kAuthError, "Auth failure."};
constexpr Failure kUnknownCommand = {binary_status::kUnknownCommand, "Unknown command"};

BinaryHeader HeaderFor(const Request& request) {
  BinaryHeader header;
  header.magic = kBinaryReplyMagic;
  header.opcode = request.opcode;
  header.opaque = request.binary_opaque;
  return header;
}

// A packet without extras. key and body go behind the header in this order.
void WritePacket(BinaryHeader header, std::string_view key, std::string_view body, base::Output& output) {
  header.key_size = static_cast<uint16_t>(key.size());
  header.body_size = static_cast<uint32_t>(key.size() + body.size());
  char* const begin = output.Reserve(kBinaryHeaderBytes);
  header.Store(begin);
  output.Commit(kBinaryHeaderBytes);
  output.Append(key);
  output.Append(body);
}

void WriteFailure(const Request& request, const Failure& failure, base::Output& output) {
  BinaryHeader header = HeaderFor(request);
  header.status = failure.status;
  WritePacket(header, {}, failure.text, output);
}

void WriteSuccess(const Request& request, uint64_t cas, std::string_view body, base::Output& output) {
  if (request.quiet) return;
  BinaryHeader header = HeaderFor(request);
  header.cas = cas;
  WritePacket(header, {}, body, output);
}

void WriteHit(const Request& request, const Reply& reply, base::Output& output) {
  const bool touched = reply.code == ReplyCode::kTouched;  // flags, but no value
  const std::string_view key = request.return_key ? reply.key : std::string_view();
  const uint64_t value_size = touched ? 0 : reply.value_size;
  BinaryHeader header = HeaderFor(request);
  header.cas = reply.cas;
  header.extras_size = 4;
  header.key_size = static_cast<uint16_t>(key.size());
  header.body_size = static_cast<uint32_t>(4 + key.size() + value_size);

  const bool small = value_size <= base::Output::kReserveMax - kHitHeadBytesMax;
  char* const begin = output.Reserve(kHitHeadBytesMax + (small ? static_cast<size_t>(value_size) : 0));
  char* place = StoreBigEndian(header.Store(begin), reply.client_flags);
  place = Put(place, key);
  if (small && !touched) {
    for (const std::string_view piece : reply.value) place = Put(place, piece);
  }
  output.Commit(static_cast<size_t>(place - begin));
  if (!small) WriteValue(reply.value, output);
}

void WriteMiss(const Request& request, base::Output& output) {
  if (request.quiet) return;
  if (!request.return_key) return WriteFailure(request, kNotFound, output);
  BinaryHeader header = HeaderFor(request);
  header.status = binary_status::kNotFound;
  WritePacket(header, request.key, {}, output);
}

void WriteNumber(const Request& request, const Reply& reply, base::Output& output) {
  char number[8];
  StoreBigEndian(number, reply.number);
  WriteSuccess(request, reply.cas, {number, sizeof(number)}, output);
}

// The row that ends the statistics is a packet without key and value.
void WriteStat(const Request& request, std::string_view name, std::string_view value, base::Output& output) {
  WritePacket(HeaderFor(request), name, value, output);
}

Failure NotStored(const Request& request) {
  if (request.mode == StoreMode::kAdd) return kExists;
  if (request.mode == StoreMode::kReplace) return kNotFound;
  return kNotStored;
}

Failure NoMemory(const Request& request) {
  const std::string_view text = request.verb == Verb::kStore        ? "Out of memory allocating item"
                                : request.verb == Verb::kArithmetic ? "Out of memory incrementing value"
                                                                    : "Out of memory";
  return {binary_status::kNoMemory, text};
}

Failure Invalid(RequestError error) {
  if (error == RequestError::kUnknownCommand) return kUnknownCommand;
  return error == RequestError::kTooLarge ? kTooLarge : kInvalid;
}

// What is neither a success nor about one verb only.
Failure FailureOf(const Request& request, const Reply& reply) {
  switch (reply.code) {
    case ReplyCode::kNotStored:
      return NotStored(request);
    case ReplyCode::kExists:
      return kExists;
    case ReplyCode::kNotFound:
      return kNotFound;
    case ReplyCode::kTooLarge:
      return kTooLarge;
    case ReplyCode::kNoMemory:
      return NoMemory(request);
    case ReplyCode::kNonNumeric:
      return kNonNumeric;
    case ReplyCode::kAuthError:
      return kAuthError;
    case ReplyCode::kUnknownCommand:
      return request.verb == Verb::kStats ? kNotFound : kUnknownCommand;  // a group of statistics nobody knows
    case ReplyCode::kClientError:
      return request.verb == Verb::kFlushAll ? kAuthError : Failure{binary_status::kInvalid, reply.text};  // -F
    case ReplyCode::kServerError:
      return {binary_status::kInternal, reply.text};
    default:
      return Invalid(reply.error != RequestError::kNone ? reply.error : request.error);
  }
}

}  // namespace

void WriteBinary(const Request& request, const Reply& reply, base::Output& output) {
  switch (reply.code) {
    case ReplyCode::kHit:
    case ReplyCode::kTouched:
      return WriteHit(request, reply, output);
    case ReplyCode::kMiss:
      return WriteMiss(request, output);
    case ReplyCode::kNumber:
      return WriteNumber(request, reply, output);
    case ReplyCode::kStored:
      return WriteSuccess(request, reply.cas, {}, output);
    case ReplyCode::kDeleted:
    case ReplyCode::kOk:
    case ReplyCode::kNoop:
      return WriteSuccess(request, 0, {}, output);
    case ReplyCode::kVersion:
    case ReplyCode::kText:
      return WriteSuccess(request, 0, reply.text, output);
    case ReplyCode::kStat:
      return WriteStat(request, reply.key, reply.text, output);
    case ReplyCode::kReset:
    case ReplyCode::kStatEnd:
      return WriteStat(request, {}, {}, output);
    case ReplyCode::kNone:
    case ReplyCode::kMetaDebug:
      if (request.verb == Verb::kQuit) WriteSuccess(request, 0, {}, output);
      return;
    default:
      WriteFailure(request, FailureOf(request, reply), output);
  }
}

}  // namespace holdfast::protocol
