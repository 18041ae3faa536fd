// A line says by its first word what it is; VALUE is followed by as many bytes as it says.

#include <cstdint>
#include <initializer_list>

#include "protocol/decimal.h"
#include "protocol/reply_lines.h"
#include "protocol/reply_parser.h"
#include "protocol/text_writer.h"

namespace holdfast::protocol {
namespace {

constexpr uint32_t Set(std::initializer_list<Verb> verbs) {
  uint32_t set = 0;
  for (const Verb verb : verbs) set |= uint32_t{1} << static_cast<unsigned>(verb);
  return set;
}

// A line answers only these verbs: to others it is the reply to somebody else's request.
struct Line {
  std::string_view text;
  ReplyCode code;
  uint32_t verbs;
};

constexpr Line kLines[] = {
    {"STORED", ReplyCode::kStored, Set({Verb::kStore})},
    {"NOT_STORED", ReplyCode::kNotStored, Set({Verb::kStore})},
    {"EXISTS", ReplyCode::kExists, Set({Verb::kStore})},
    {"NOT_FOUND", ReplyCode::kNotFound, Set({Verb::kStore, Verb::kArithmetic, Verb::kTouch, Verb::kDelete})},
    {"DELETED", ReplyCode::kDeleted, Set({Verb::kDelete})},
    {"TOUCHED", ReplyCode::kTouched, Set({Verb::kTouch})},
    {"OK", ReplyCode::kOk, Set({Verb::kFlushAll, Verb::kVerbosity, Verb::kStats, Verb::kControl})},
    {"RESET", ReplyCode::kReset, Set({Verb::kStats})},
};

ReplyResult ParseValueLine(std::string_view input, size_t line_bytes, Words words, ParsedReply* reply) {
  reply->code = ReplyCode::kHit;
  reply->key = words.Next();
  const std::string_view client_flags = words.Next(), size = words.Next(), cas = words.Next();
  uint64_t value_size = 0;
  if (reply->key.empty() || reply->key.size() > kKeyBytesMax || !ParseDecimal(client_flags, &reply->client_flags) ||
      !ParseDecimal(size, &value_size) || (!cas.empty() && !ParseDecimal(cas, &reply->cas))) {
    return Broken();
  }
  return TakeReplyValue(input, line_bytes, value_size, reply);
}

// Lines that mean something only to one verb.
bool ParseLineOf(Verb verb, std::string_view line, ParsedReply* reply) {
  Words words(line);
  const std::string_view first = words.Next();
  switch (verb) {
    case Verb::kGet:
      if (line != "END") return false;
      reply->code = ReplyCode::kMiss;
      return true;
    case Verb::kStats:
      reply->code = first == "STAT" ? ReplyCode::kStat : ReplyCode::kStatEnd;
      if (first != "STAT") return line == "END";
      reply->key = words.Next();
      reply->text = words.Rest();
      return true;
    case Verb::kArithmetic:
      reply->code = ReplyCode::kNumber;
      return ParseDecimal(line, &reply->number);
    case Verb::kVersion:
      reply->code = ReplyCode::kVersion;
      reply->text = words.Rest();
      return first == "VERSION";
    default:
      return false;
  }
}

bool ParseKnownLine(Verb verb, std::string_view line, ParsedReply* reply) {
  for (const Line& known : kLines) {
    if (line != known.text || (known.verbs & Set({verb})) == 0) continue;
    reply->code = known.code;
    return true;
  }
  return false;
}

bool SetInvalid(std::string_view line, Reply* reply) {
  for (int i = 1; i <= static_cast<int>(RequestError::kInvalidArguments); ++i) {
    const RequestError error = static_cast<RequestError>(i);
    const std::string_view known = ErrorLine(error);
    if (line != known.substr(0, known.size() - 2)) continue;
    reply->code = error == RequestError::kTooLarge         ? ReplyCode::kTooLarge
                  : error == RequestError::kUnknownCommand ? ReplyCode::kUnknownCommand
                                                           : ReplyCode::kInvalid;
    reply->error = reply->code == ReplyCode::kInvalid ? error : RequestError::kNone;
    return true;
  }
  return false;
}

}  // namespace

void ParsedReply::Clear() {
  static_cast<Reply&>(*this) = Reply();
  opaque = {};
  binary_opaque = 0;
  opcode = 0;
  piece = {};
}

bool ParseErrorLine(std::string_view line, Reply* reply) {
  constexpr std::string_view kClient = "CLIENT_ERROR ", kServer = "SERVER_ERROR ";
  if (SetInvalid(line, reply)) return true;
  if (line.starts_with(kClient)) {
    reply->text = line.substr(kClient.size());
    reply->code = reply->text == "cannot increment or decrement non-numeric value" ? ReplyCode::kNonNumeric
                  : reply->text == "unauthenticated"                               ? ReplyCode::kAuthError
                                                                                   : ReplyCode::kClientError;
    return true;
  }
  if (line.starts_with(kServer)) {
    reply->text = line.substr(kServer.size());
    const bool no_memory = reply->text.starts_with("out of memory") || reply->text.starts_with("Out of memory");
    reply->code = no_memory ? ReplyCode::kNoMemory : ReplyCode::kServerError;
    return true;
  }
  if (!line.starts_with("ERROR ")) return false;
  reply->code = ReplyCode::kClientError;
  reply->text = line.substr(6);
  return true;
}

ReplyResult ParseTextReply(std::string_view input, Verb verb, ParsedReply* reply) {
  const std::optional<size_t> line_bytes = LineBytes(input);
  if (!line_bytes) return WithoutLine(input);
  const std::string_view line = WithoutReturn(input.substr(0, *line_bytes - 1));
  reply->Clear();
  if (verb == Verb::kGet && line.starts_with("VALUE ")) {
    Words words(line);
    words.Next();
    return ParseValueLine(input, *line_bytes, words, reply);
  }
  if (ParseLineOf(verb, line, reply)) return Whole(*line_bytes);
  reply->Clear();
  if (ParseKnownLine(verb, line, reply) || ParseErrorLine(line, reply)) return Whole(*line_bytes);
  if (verb != Verb::kControl && verb != Verb::kShutdown) return Broken();
  reply->code = ReplyCode::kText;
  reply->text = line;
  return Whole(*line_bytes);
}

ReplyResult ParseReply(Syntax syntax, std::string_view input, Verb verb, ParsedReply* reply) {
  switch (syntax) {
    case Syntax::kText:
      return ParseTextReply(input, verb, reply);
    case Syntax::kMeta:
      return ParseMetaReply(input, verb, reply);
    case Syntax::kBinary:
      return ParseBinaryReply(input, reply);
  }
  return Broken();
}

}  // namespace holdfast::protocol
