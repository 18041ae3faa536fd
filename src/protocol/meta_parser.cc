// How it works. All commands share one scan over the flags, as in memcached: a flag that means nothing to a command is
// accepted by it. An unknown or repeated flag ends the scan at once; of tokens that are no numbers the last one counts;
// only then come the opaque's length and the mode. The flags stay in the line: the request keeps their text, and the
// reply walks through it.

#include "protocol/meta_parser.h"

#include <limits>
#include <optional>

#include "protocol/base64.h"
#include "protocol/decimal.h"

namespace holdfast::protocol {

struct MetaCommand {
  std::string_view name;
  Verb verb;
};

namespace {

constexpr int64_t kValueBytesMax = std::numeric_limits<int32_t>::max() - 2;  // beyond it the number is no length

constexpr MetaCommand kCommands[] = {
    {"mg", Verb::kGet},        {"ms", Verb::kStore}, {"md", Verb::kDelete},
    {"ma", Verb::kArithmetic}, {"mn", Verb::kNoop},  {"me", Verb::kMetaDebug},
};

// The line has more words than any right one could have.
bool TooManyWords(std::string_view line) {
  if (line.size() <= 2 * kMetaWordsMax) return false;
  Words words(line);
  size_t count = 0;
  while (count <= kMetaWordsMax && !words.Next().empty()) ++count;
  return count > kMetaWordsMax;
}

std::optional<RequestError> DecodeKey(Request* request) {
  const std::optional<size_t> size = DecodeBase64(request->key, request->key_storage);
  if (!size) return RequestError::kBadBase64;
  request->key = {request->key_storage, *size};
  request->binary_key = true;
  return std::nullopt;
}

std::optional<RequestError> ReadSigned(std::string_view token, bool* has, int64_t* number) {
  *has = true;
  if (ParseSignedDecimal(token, number)) return std::nullopt;
  return RequestError::kBadToken;
}

std::optional<RequestError> ReadCas(std::string_view token, bool* has, uint64_t* cas) {
  *has = true;
  if (ParseDecimal(token, cas)) return std::nullopt;
  return RequestError::kBadToken;
}

std::optional<RequestError> ReadNumber(std::string_view token, RequestError error, auto* number) {
  if (ParseDecimal(token, number)) return std::nullopt;
  return error;
}

// What one flag says. The mode is only noted, for what it may be depends on the command.
std::optional<RequestError> ReadFlag(char letter, std::string_view token, Request* request, char* mode) {
  switch (letter) {
    case 'b':
      return DecodeKey(request);
    case 'c':
      request->return_cas = true;
      return std::nullopt;
    case 'k':
      request->return_key = true;
      return std::nullopt;
    case 'q':
      request->quiet = true;
      return std::nullopt;
    case 'C':
      return ReadCas(token, &request->has_compare_cas, &request->compare_cas);
    case 'D':
      return ReadNumber(token, RequestError::kBadMetaDelta, &request->delta);
    case 'E':
      return ReadCas(token, &request->has_new_cas, &request->new_cas);
    case 'F':
      return ReadNumber(token, RequestError::kBadLine, &request->client_flags);
    case 'J':
      return ReadNumber(token, RequestError::kBadInitial, &request->initial);
    case 'M':
      if (token.size() != 1) return RequestError::kBadModeLength;
      *mode = token[0];
      return std::nullopt;
    case 'N':
      return ReadSigned(token, &request->create, &request->create_exptime);
    case 'R':
      return ReadSigned(token, &request->has_recache, &request->recache_seconds);
    case 'T':
      return ReadSigned(token, &request->has_exptime, &request->exptime);
    default:
      return std::nullopt;
  }
}

bool IsFlag(char letter) {
  return std::string_view("bcCDEfFhIJklLMNOPqRsTtuvx").find(letter) != std::string_view::npos;
}

RequestError ReadFlags(Request* request, char* mode) {
  RequestError error = RequestError::kNone;
  bool opaque_too_long = false;
  size_t lifetime_flags = 0;
  Words words(request->meta_flags);
  for (std::string_view word = words.Next(); !word.empty(); word = words.Next()) {
    const char letter = word[0];
    const bool known = IsFlag(letter);
    if (static_cast<unsigned char>(letter) >= 127 || (known && request->flags.Has(letter))) {
      return RequestError::kDuplicateFlag;
    }
    if (!known) return RequestError::kInvalidFlag;
    request->flags.Add(letter);
    if (letter == 'T' || letter == 't' || letter == 'N' || letter == 'R') {
      request->lifetime_flags[lifetime_flags++] = letter;
    }
    const std::optional<RequestError> wrong = ReadFlag(letter, word.substr(1), request, mode);
    // A wrong F has no words of its own, so those of another flag stand.
    if (wrong && (*wrong != RequestError::kBadLine || error == RequestError::kNone)) error = *wrong;
    if (letter == 'O' && word.size() - 1 > kMetaOpaqueBytesMax) opaque_too_long = true;
  }
  if (error == RequestError::kNone && opaque_too_long) return RequestError::kOpaqueTooLong;
  return error;
}

bool SetStoreMode(char mode, Request* request) {
  switch (mode) {
    case 'S':
      request->mode = StoreMode::kSet;
      return true;
    case 'E':
      request->mode = StoreMode::kAdd;
      return true;
    case 'A':
      request->mode = StoreMode::kAppend;
      return true;
    case 'P':
      request->mode = StoreMode::kPrepend;
      return true;
    case 'R':
      request->mode = StoreMode::kReplace;
      return true;
    default:
      return false;
  }
}

bool SetDirection(char mode, Request* request) {
  request->decrement = mode == 'D' || mode == '-';
  return request->decrement || mode == 'I' || mode == '+';
}

// What the flags mean to this command, and only to it.
void ApplyFlags(char mode, RequestError error, Request* request) {
  if (request->verb == Verb::kArithmetic) {
    if (error != RequestError::kNone && error != RequestError::kOpaqueTooLong) error = RequestError::kBadFlagArithmetic;
    if (error != RequestError::kNone) return request->Refuse(error);
    if (!SetDirection(mode != '\0' ? mode : 'I', request)) return request->Refuse(RequestError::kBadModeArithmetic);
    if (request->compare_cas == 0) request->has_compare_cas = false;
    return;
  }
  if (request->verb == Verb::kStore && (error == RequestError::kNone || error == RequestError::kOpaqueTooLong) &&
      !SetStoreMode(mode != '\0' ? mode : 'S', request)) {
    error = RequestError::kBadModeStore;
  }
  if (error != RequestError::kNone) return request->Refuse(error);
  if (request->verb != Verb::kStore) return;
  // An add has nothing to compare with, and to append and prepend 0 is no cas.
  const bool extends = request->mode == StoreMode::kAppend || request->mode == StoreMode::kPrepend;
  if (request->mode == StoreMode::kAdd || (extends && request->compare_cas == 0)) request->has_compare_cas = false;
}

void ParseMetaDebug(Words words, Request* request) {
  // Only b is looked at, whatever else stands there.
  for (std::string_view word = words.Next(); !word.empty(); word = words.Next()) {
    if (word != "b" || request->binary_key) continue;
    if (const std::optional<RequestError> wrong = DecodeKey(request)) return request->Refuse(*wrong);
  }
}

}  // namespace

const MetaCommand* FindMetaCommand(std::string_view word) {
  if (word.size() != 2 || word[0] != 'm') return nullptr;
  for (const MetaCommand& command : kCommands) {
    if (command.name[1] == word[1]) return &command;
  }
  return nullptr;
}

bool ParseMetaArguments(const MetaCommand& command, std::string_view line, Words words, Request* request) {
  request->syntax = Syntax::kMeta;
  request->verb = command.verb;
  if (command.verb == Verb::kNoop) return false;
  request->key = words.Next();
  if (request->key.empty() || request->key.size() > kKeyBytesMax) {
    request->Refuse(RequestError::kBadLine);
    return false;
  }
  if (command.verb == Verb::kMetaDebug) {
    ParseMetaDebug(words, request);
    return false;
  }
  if (TooManyWords(line)) {
    request->Refuse(RequestError::kTooManyFlags);
    return false;
  }
  if (command.verb == Verb::kStore) {
    int64_t size = 0;
    if (!ParseSignedDecimal(words.Next(), &size) || size < 0 || size > kValueBytesMax) {
      request->Refuse(RequestError::kBadLine);
      return false;
    }
    request->value_size = static_cast<uint64_t>(size);
  }
  request->meta_flags = words.Rest();
  char mode = '\0';
  const RequestError error = ReadFlags(request, &mode);
  ApplyFlags(mode, error, request);
  return command.verb == Verb::kStore;
}

}  // namespace holdfast::protocol
