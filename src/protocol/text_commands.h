// text_commands.h - the classic commands: one row each, and how the words of their lines become a Request.
//
// Threads: pure functions over a constant table.
// Owns:    nothing; the Request's views go into the line.
// Errors:  a wrong line leaves a Request with verb kInvalid.

#ifndef HOLDFAST_PROTOCOL_TEXT_COMMANDS_H_
#define HOLDFAST_PROTOCOL_TEXT_COMMANDS_H_

#include <span>
#include <string_view>

#include "protocol/request.h"
#include "protocol/words.h"

namespace holdfast::protocol {

// How the words behind the command are read.
enum class TextArguments : uint8_t {
  kKeys,       // [exptime] key...: parsed key by key, not by ParseTextArguments
  kStore,      // key flags exptime bytes [cas] [noreply]
  kDelete,     // key [one word that is ignored] [noreply]
  kDelta,      // key number [noreply]
  kTouch,      // key exptime [noreply]
  kFlushAll,   // [exptime] [noreply]
  kVerbosity,  // level [noreply]
  kAsTheyAre,  // arguments is what stands behind the command
  kLine,       // arguments is the whole line; a last word noreply is obeyed
};

struct TextCommand {
  std::string_view name;
  Verb verb;
  TextArguments arguments;
  StoreMode mode = StoreMode::kSet;
  bool cas = false;        // kKeys: the reply has it; kStore: the line has it
  bool touch = false;      // kKeys: the first word is an expiry
  bool decrement = false;  // kDelta
};

std::span<const TextCommand> TextCommands();

// Null when nobody knows the word.
const TextCommand* FindTextCommand(std::string_view word);

// line: without its end. words: stands behind the command's name. request: cleared.
void ParseTextArguments(const TextCommand& command, std::string_view line, Words words, Request* request);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_TEXT_COMMANDS_H_
