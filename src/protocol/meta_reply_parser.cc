// Two letters are the code; the flags behind it come back in the order they were asked for, each once. A key is known
// to be base64 only by the b behind it.

#include "protocol/base64.h"
#include "protocol/decimal.h"
#include "protocol/reply_lines.h"
#include "protocol/reply_parser.h"

namespace holdfast::protocol {
namespace {

ReplyCode SuccessOf(Verb verb) {
  switch (verb) {
    case Verb::kGet:
      return ReplyCode::kHit;
    case Verb::kStore:
      return ReplyCode::kStored;
    case Verb::kDelete:
      return ReplyCode::kDeleted;
    case Verb::kArithmetic:
      return ReplyCode::kNumber;
    default:
      return ReplyCode::kOk;
  }
}

// Nullopt too for a code that never answers the verb: it is the reply to somebody else's request. MN ends any pipeline.
std::optional<ReplyCode> CodeOf(std::string_view word, Verb verb) {
  const bool reads = verb == Verb::kGet || verb == Verb::kMetaDebug;
  const bool writes = verb == Verb::kStore || verb == Verb::kDelete || verb == Verb::kArithmetic;
  if (word == "MN") return ReplyCode::kNoop;
  if (word == "EN" && reads) return ReplyCode::kMiss;
  if (!writes && verb != Verb::kGet) return std::nullopt;
  if (word == "HD") return SuccessOf(verb);
  if (word == "VA" && (verb == Verb::kGet || verb == Verb::kArithmetic)) return SuccessOf(verb);
  if (!writes) return std::nullopt;
  if (word == "NF") return ReplyCode::kNotFound;
  if (word == "NS") return ReplyCode::kNotStored;
  if (word == "EX") return ReplyCode::kExists;
  return std::nullopt;
}

bool ReadFlag(char letter, std::string_view token, ParsedReply* reply) {
  switch (letter) {
    case 'c':
      return ParseDecimal(token, &reply->cas);
    case 'f':
      return ParseDecimal(token, &reply->client_flags);
    case 'h':
      reply->hit_before = token == "1";
      return token == "0" || token == "1";
    case 'l':
      return ParseDecimal(token, &reply->seconds_since_access);
    case 's':
      return ParseDecimal(token, &reply->value_size);
    case 't':
      return ParseSignedDecimal(token, &reply->ttl_seconds);
    case 'k':
      reply->key = token;
      return !token.empty();
    case 'b':
      reply->binary_key = true;
      return true;
    case 'O':
      reply->opaque = token;
      return true;
    case 'W':
      reply->won = true;
      return true;
    case 'X':
      reply->stale = true;
      return true;
    case 'Z':
      reply->won_by_other = true;
      return true;
    default:
      return true;  // a flag of a later version
  }
}

bool ReadFlags(Words words, ParsedReply* reply) {
  for (std::string_view word = words.Next(); !word.empty(); word = words.Next()) {
    if (!ReadFlag(word[0], word.substr(1), reply)) return false;
  }
  if (!reply->binary_key || reply->key.empty()) return true;
  if (Base64DecodedBytesMax(reply->key.size()) > sizeof(reply->key_storage)) return false;
  const std::optional<size_t> size = DecodeBase64(reply->key, reply->key_storage);
  if (size) reply->key = {reply->key_storage, *size};
  return size.has_value();
}

ReplyResult ParseValue(std::string_view input, size_t line_bytes, uint64_t value_size, Verb verb, ParsedReply* reply) {
  const ReplyResult result = TakeReplyValue(input, line_bytes, value_size, reply);
  if (result.outcome != ReplyOutcome::kReply || verb != Verb::kArithmetic) return result;
  return ParseDecimal(reply->piece, &reply->number) ? result : Broken();
}

}  // namespace

ReplyResult ParseMetaReply(std::string_view input, Verb verb, ParsedReply* reply) {
  const std::optional<size_t> line_bytes = LineBytes(input);
  if (!line_bytes) return WithoutLine(input);
  const std::string_view line = WithoutReturn(input.substr(0, *line_bytes - 1));
  reply->Clear();
  Words words(line);
  const std::string_view first = words.Next();
  if (first == "ME") {
    reply->code = ReplyCode::kMetaDebug;
    reply->key = words.Next();
    reply->text = words.Rest();
    return Whole(*line_bytes);
  }
  const std::optional<ReplyCode> code = CodeOf(first, verb);
  if (!code) return ParseErrorLine(line, reply) ? Whole(*line_bytes) : Broken();
  reply->code = *code;
  uint64_t value_size = 0;
  const bool has_value = first == "VA";
  if (has_value && !ParseDecimal(words.Next(), &value_size)) return Broken();
  if (!ReadFlags(words, reply)) return Broken();
  return has_value ? ParseValue(input, *line_bytes, value_size, verb, reply) : Whole(*line_bytes);
}

}  // namespace holdfast::protocol
