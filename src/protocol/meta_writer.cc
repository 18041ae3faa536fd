// The answer is a code, then what the flags asked for in their order, then the tokens of recaching. So the text of the
// flags is walked once more; which of them speak depends on the verb and on whether there is an item.

#include "protocol/meta_writer.h"

#include "protocol/base64.h"
#include "protocol/decimal.h"
#include "protocol/put.h"
#include "protocol/text_writer.h"
#include "protocol/words.h"

namespace holdfast::protocol {
namespace {

constexpr std::string_view kLineEnd = "\r\n";

// A code with a size, every flag once with its number, key and opaque, three tokens, and the line end.
constexpr size_t kHeadBytesMax = 3 + kDecimalBytesMax + 8 * (2 + kDecimalBytesMax) + 2 +
                                 Base64EncodedBytes(kKeyBytesMax) + 2 + 2 + kMetaOpaqueBytesMax + 6 + 2;
static_assert(2 * kHeadBytesMax < base::Output::kReserveMax);

char* PutNumber(char* place, char letter, uint64_t number) {
  *place++ = ' ';
  *place++ = letter;
  return WriteDecimal(place, number);
}

char* PutKey(char* place, bool binary, std::string_view key) {
  place = Put(place, " k");
  return binary ? Put(EncodeBase64(key, place), " b") : Put(place, key);
}

// What an item has to say to a flag of mg; ma knows ttl and cas too.
char* PutItemFlag(char* place, char letter, const Reply& reply) {
  switch (letter) {
    case 'c':
      return PutNumber(place, 'c', reply.cas);
    case 't':
      return WriteSignedDecimal(Put(place, " t"), reply.ttl_seconds);
    case 'f':
      return PutNumber(place, 'f', reply.client_flags);
    case 'h':
      return PutNumber(place, 'h', reply.hit_before ? 1 : 0);
    case 'l':
      return PutNumber(place, 'l', reply.seconds_since_access);
    case 's':
      return PutNumber(place, 's', reply.value_size);
    default:
      return place;
  }
}

char* PutFlag(char* place, char letter, const Request& request, const Reply& reply) {
  if (request.verb == Verb::kStore) {
    const bool stored = reply.code == ReplyCode::kStored;
    if (letter == 'c') return PutNumber(place, 'c', stored ? reply.cas : 0);
    if (letter == 's') return PutNumber(place, 's', stored ? reply.value_size : request.value_size);
    return place;
  }
  if (reply.code == ReplyCode::kHit) return PutItemFlag(place, letter, reply);
  if (reply.code == ReplyCode::kNumber && (letter == 'c' || letter == 't')) return PutItemFlag(place, letter, reply);
  return place;
}

// Everything behind the code.
char* PutFlags(char* place, const Request& request, const Reply& reply) {
  Words words(request.meta_flags);
  for (std::string_view word = words.Next(); !word.empty(); word = words.Next()) {
    if (word[0] == 'O') {
      *place++ = ' ';
      place = Put(place, word.substr(0, kMetaOpaqueBytesMax + 1));
    } else if (word[0] == 'k') {
      place = PutKey(place, request.binary_key || reply.binary_key, request.key);
    } else {
      place = PutFlag(place, word[0], request, reply);
    }
  }
  if (reply.won_by_other) place = Put(place, " Z");
  if (reply.stale) place = Put(place, " X");
  if (reply.won) place = Put(place, " W");
  return Put(place, kLineEnd);
}

void WriteCode(std::string_view code, const Request& request, const Reply& reply, base::Output& output) {
  char* const begin = output.Reserve(kHeadBytesMax);
  output.Commit(static_cast<size_t>(PutFlags(Put(begin, code), request, reply) - begin));
}

void WriteHit(const Request& request, const Reply& reply, base::Output& output) {
  if (!request.flags.Has('v') || reply.withhold_value) return WriteCode("HD", request, reply, output);
  const bool small = reply.value_size <= base::Output::kReserveMax - kHeadBytesMax - kLineEnd.size();
  char* const begin =
      output.Reserve(kHeadBytesMax + (small ? static_cast<size_t>(reply.value_size) + kLineEnd.size() : 0));
  char* place = PutFlags(WriteDecimal(Put(begin, "VA "), reply.value_size), request, reply);
  if (small) {
    for (const std::string_view piece : reply.value) place = Put(place, piece);
    place = Put(place, kLineEnd);
  }
  output.Commit(static_cast<size_t>(place - begin));
  if (small) return;
  WriteValue(reply.value, output);
  output.Append(kLineEnd);
}

void WriteNumber(const Request& request, const Reply& reply, base::Output& output) {
  char number[kDecimalBytesMax];
  const std::string_view value(number, static_cast<size_t>(WriteDecimal(number, reply.number) - number));
  Reply with_value = reply;
  with_value.value = {&value, 1};
  with_value.value_size = value.size();
  WriteHit(request, with_value, output);
}

// A key that would break the line, which only the binary protocol and base64 can make, is shown in base64.
void WriteDebugLine(const Request& request, const Reply& reply, base::Output& output) {
  output.Append("ME ");
  if (request.key.find_first_of(std::string_view(" \r\n\0", 4)) != std::string_view::npos) {
    char* const begin = output.Reserve(Base64EncodedBytes(kKeyBytesMax));
    output.Commit(static_cast<size_t>(EncodeBase64(request.key, begin) - begin));
  } else {
    output.Append(request.key);
  }
  output.Append(" ");
  output.Append(reply.text);
  output.Append(kLineEnd);
}

}  // namespace

void WriteMeta(const Request& request, const Reply& reply, base::Output& output) {
  switch (reply.code) {
    case ReplyCode::kHit:
      return WriteHit(request, reply, output);
    case ReplyCode::kMiss:
      if (!request.quiet) WriteCode("EN", request, reply, output);
      return;
    case ReplyCode::kNumber:
      if (!request.quiet) WriteNumber(request, reply, output);
      return;
    case ReplyCode::kStored:
    case ReplyCode::kDeleted:
    case ReplyCode::kTouched:
    case ReplyCode::kOk:
      if (!request.quiet) WriteCode("HD", request, reply, output);
      return;
    case ReplyCode::kNotFound:
      return WriteCode(request.verb == Verb::kMetaDebug ? "EN" : "NF", request, reply, output);
    case ReplyCode::kNotStored:
      return WriteCode("NS", request, reply, output);
    case ReplyCode::kExists:
      return WriteCode("EX", request, reply, output);
    case ReplyCode::kNoop:
      return output.Append("MN\r\n");
    case ReplyCode::kMetaDebug:
      return WriteDebugLine(request, reply, output);
    case ReplyCode::kNone:
      return;
    default:
      WriteErrorLine(request, reply, output);
  }
}

}  // namespace holdfast::protocol
