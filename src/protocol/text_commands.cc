// The first eight bytes of a name are compared as one number, the usual commands stand first. Which error a line gets
// when several things are wrong is memcached's order: too few or too many words, then the key's length, then the
// numbers from left to right. One word more than needed may always stand at the end; only noreply means something
// there.

#include "protocol/text_commands.h"

#include <cstring>
#include <iterator>
#include <limits>

#include "protocol/decimal.h"

namespace holdfast::protocol {
namespace {

constexpr int64_t kValueBytesMax = std::numeric_limits<int32_t>::max() - 2;  // beyond it the number is no length

constexpr TextCommand kCommands[] = {
    {.name = "get", .verb = Verb::kGet, .arguments = TextArguments::kKeys},
    {.name = "set", .verb = Verb::kStore, .arguments = TextArguments::kStore},
    {.name = "gets", .verb = Verb::kGet, .arguments = TextArguments::kKeys, .cas = true},
    {.name = "cas", .verb = Verb::kStore, .arguments = TextArguments::kStore, .cas = true},
    {.name = "delete", .verb = Verb::kDelete, .arguments = TextArguments::kDelete},
    {.name = "touch", .verb = Verb::kTouch, .arguments = TextArguments::kTouch},
    {.name = "incr", .verb = Verb::kArithmetic, .arguments = TextArguments::kDelta},
    {.name = "add", .verb = Verb::kStore, .arguments = TextArguments::kStore, .mode = StoreMode::kAdd},
    {.name = "gat", .verb = Verb::kGet, .arguments = TextArguments::kKeys, .touch = true},
    {.name = "gats", .verb = Verb::kGet, .arguments = TextArguments::kKeys, .cas = true, .touch = true},
    {.name = "replace", .verb = Verb::kStore, .arguments = TextArguments::kStore, .mode = StoreMode::kReplace},
    {.name = "append", .verb = Verb::kStore, .arguments = TextArguments::kStore, .mode = StoreMode::kAppend},
    {.name = "prepend", .verb = Verb::kStore, .arguments = TextArguments::kStore, .mode = StoreMode::kPrepend},
    {.name = "decr", .verb = Verb::kArithmetic, .arguments = TextArguments::kDelta, .decrement = true},
    {.name = "version", .verb = Verb::kVersion, .arguments = TextArguments::kAsTheyAre},
    {.name = "stats", .verb = Verb::kStats, .arguments = TextArguments::kAsTheyAre},
    {.name = "quit", .verb = Verb::kQuit, .arguments = TextArguments::kAsTheyAre},
    {.name = "flush_all", .verb = Verb::kFlushAll, .arguments = TextArguments::kFlushAll},
    {.name = "verbosity", .verb = Verb::kVerbosity, .arguments = TextArguments::kVerbosity},
    {.name = "shutdown", .verb = Verb::kShutdown, .arguments = TextArguments::kAsTheyAre},
    {.name = "cache_memlimit", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "lru", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "lru_crawler", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "slabs", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "watch", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "extstore", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "session_yield", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "debugtime", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "refresh_certs", .verb = Verb::kControl, .arguments = TextArguments::kLine},
    {.name = "why", .verb = Verb::kControl, .arguments = TextArguments::kLine},
};

// The first eight bytes of a name, short ones filled up with zeros.
constexpr uint64_t Head(std::string_view name) {
  uint64_t head = 0;
  for (size_t i = 0; i < 8 && i < name.size(); ++i) {
    head |= uint64_t{static_cast<unsigned char>(name[i])} << (8 * i);
  }
  return head;
}

struct Heads {
  uint64_t of[std::size(kCommands)];
};

consteval Heads MakeHeads() {
  Heads heads = {};
  for (size_t i = 0; i < std::size(kCommands); ++i) heads.of[i] = Head(kCommands[i].name);
  return heads;
}

constexpr Heads kHeads = MakeHeads();

bool EndsWithNoreply(std::string_view line) {
  while (line.ends_with(' ')) line.remove_suffix(1);
  return line.ends_with('y') && LastWord(line) == "noreply";
}

// The key as the next word. Sets quiet too, since it holds for all that may be wrong from the key on.
bool TakeKey(std::string_view line, std::string_view key, Request* request) {
  request->quiet = EndsWithNoreply(line);
  request->key = key;
  return key.size() <= kKeyBytesMax;
}

// More words than one are left: the line is no command.
bool RefusesRest(Words words, Request* request) {
  words.Next();
  if (words.Rest().empty()) return false;
  request->Refuse(RequestError::kUnknownCommand);
  return true;
}

void ParseStore(const TextCommand& command, std::string_view line, Words words, Request* request) {
  const std::string_view key = words.Next();
  const std::string_view client_flags = words.Next();
  const std::string_view exptime = words.Next();
  const std::string_view bytes = words.Next();
  const std::string_view cas = command.cas ? words.Next() : bytes;
  if (cas.empty()) return request->Refuse(RequestError::kBadLine);  // so is none before it missing
  if (RefusesRest(words, request)) return;
  int64_t size = 0;
  if (!TakeKey(line, key, request) || !ParseDecimal(client_flags, &request->client_flags) ||
      !ParseSignedDecimal(exptime, &request->exptime) || !ParseSignedDecimal(bytes, &size) ||
      (command.cas && !ParseDecimal(cas, &request->compare_cas)) || size < 0 || size > kValueBytesMax) {
    return request->Refuse(RequestError::kBadLine);
  }
  request->mode = command.mode;
  request->has_exptime = true;
  request->has_compare_cas = command.cas;
  request->value_size = static_cast<uint64_t>(size);
}

// Old clients send a time behind the key. It is not looked at, but what stands there may be only one word:
// memcached 1.6.45 takes any number of them, and memccapable, which has been asking since 1.4, wants an error.
// Behind the key may stand a 0, which was once the time to hold the key back, and noreply.
void ParseDelete(std::string_view line, Words words, Request* request) {
  const std::string_view key = words.Next();
  if (key.empty()) return request->Refuse(RequestError::kBadLine);
  std::string_view word = words.Next();
  if (RefusesRest(words, request)) return;
  const bool is_short = TakeKey(line, key, request);
  if (word.empty()) request->quiet = false;  // a key named noreply
  if (word == "0") word = words.Next();
  if (word == "noreply") word = words.Next();
  if (!word.empty()) return request->Refuse(RequestError::kDeleteUsage);
  if (!is_short) request->Refuse(RequestError::kBadLine);
}

void ParseDelta(const TextCommand& command, std::string_view line, Words words, Request* request) {
  const std::string_view key = words.Next();
  const std::string_view delta = words.Next();
  if (!delta.empty() && RefusesRest(words, request)) return;
  if (delta.empty() || !TakeKey(line, key, request)) return request->Refuse(RequestError::kBadLine);
  if (!ParseDecimal(delta, &request->delta)) return request->Refuse(RequestError::kBadDelta);
  request->decrement = command.decrement;
}

void ParseTouch(std::string_view line, Words words, Request* request) {
  const std::string_view key = words.Next();
  const std::string_view exptime = words.Next();
  if (!exptime.empty() && RefusesRest(words, request)) return;
  if (exptime.empty() || !TakeKey(line, key, request)) return request->Refuse(RequestError::kBadLine);
  if (!ParseSignedDecimal(exptime, &request->exptime)) return request->Refuse(RequestError::kBadExptime);
  request->has_exptime = true;
}

void ParseFlushAll(std::string_view line, Words words, Request* request) {
  const std::string_view exptime = words.Next();
  if (RefusesRest(words, request)) return;
  request->quiet = EndsWithNoreply(line);
  const bool only_noreply = request->quiet && words.Rest().empty();
  if (exptime.empty() || only_noreply) return;
  if (!ParseSignedDecimal(exptime, &request->exptime)) return request->Refuse(RequestError::kBadExptime);
  request->has_exptime = true;
}

void ParseVerbosity(std::string_view line, Words words, Request* request) {
  const std::string_view level = words.Next();
  if (RefusesRest(words, request)) return;
  request->quiet = EndsWithNoreply(line);
  if (!ParseDecimal(level, &request->level)) request->Refuse(RequestError::kBadLine);
}

}  // namespace

std::span<const TextCommand> TextCommands() { return kCommands; }

const TextCommand* FindTextCommand(std::string_view word) {
  const uint64_t head = Head(word);
  for (size_t i = 0; i < std::size(kCommands); ++i) {
    if (kHeads.of[i] != head || kCommands[i].name.size() != word.size()) continue;
    if (word.size() <= 8 || kCommands[i].name == word) return &kCommands[i];
  }
  return nullptr;
}

void ParseTextArguments(const TextCommand& command, std::string_view line, Words words, Request* request) {
  request->verb = command.verb;
  switch (command.arguments) {
    case TextArguments::kStore:
      return ParseStore(command, line, words, request);
    case TextArguments::kDelete:
      return ParseDelete(line, words, request);
    case TextArguments::kDelta:
      return ParseDelta(command, line, words, request);
    case TextArguments::kTouch:
      return ParseTouch(line, words, request);
    case TextArguments::kFlushAll:
      return ParseFlushAll(line, words, request);
    case TextArguments::kVerbosity:
      return ParseVerbosity(line, words, request);
    case TextArguments::kLine:
      request->quiet = EndsWithNoreply(line);
      request->arguments = Words(line).Rest();
      return;
    case TextArguments::kAsTheyAre:
      request->arguments = words.Rest();
      request->close = command.verb == Verb::kQuit;
      return;
    case TextArguments::kKeys:
      return;
  }
}

}  // namespace holdfast::protocol
