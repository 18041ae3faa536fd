// How it works. A command line is looked at when its end has come; until then nothing is consumed, and the next call
// goes on searching where this one stopped. text_commands.h reads the words. For a storage command the value is awaited
// too, unless line and value exceed the input block: then it is an upload.
//
// A retrieval switches to kKeys, where each call takes one key. To say of a key that it is the last, the parser looks
// past the spaces behind it. It walks through the window: the bytes at the start of the input that certainly hold no
// line end. When the line's end is known the window is the rest of the line; when it is not (the line is longer than
// kWholeLineBytesMax), the window grows as bytes come. Spaces in a row are limited, so that a key and what follows it
// always fit the window.

#include "protocol/text_parser.h"

#include <algorithm>
#include <cstring>

#include "protocol/decimal.h"
#include "protocol/meta_parser.h"
#include "protocol/text_commands.h"
#include "protocol/words.h"

namespace holdfast::protocol {
namespace {

constexpr size_t kLeadingSpacesMax = 100;     // before a retrieval beyond kLineBytesMax
constexpr size_t kSpacesMax = kLineBytesMax;  // in a row, in a retrieval

ParseResult Complete(size_t consumed) { return {consumed, Outcome::kRequest}; }
ParseResult NeedMore(size_t consumed = 0) { return {consumed, Outcome::kNeedMore}; }
ParseResult Close() { return {0, Outcome::kClose}; }

// Whether what begins like this may be longer than other lines.
bool IsRetrieval(std::string_view line) {
  Words words(line);
  const std::string_view name = words.Next();
  if (static_cast<size_t>(name.data() - line.data()) > kLeadingSpacesMax) return false;
  const TextCommand* const command = FindTextCommand(name);
  return command != nullptr && command->arguments == TextArguments::kKeys;
}

// A word longer than a key may be. Looks back from where it would have to end, so it reads only a part of the line.
bool HasOverlongWord(std::string_view words) {
  constexpr size_t kOverlong = kKeyBytesMax + 1;
  while (words.size() >= kOverlong) {
    const size_t space = words.substr(0, kOverlong).find_last_of(' ');
    if (space == std::string_view::npos) return true;
    words.remove_prefix(space + 1);
  }
  return false;
}

size_t CountSpaces(std::string_view text, size_t from) {
  size_t end = from;
  while (end < text.size() && text[end] == ' ') ++end;
  return end - from;
}

}  // namespace

ParseResult TextParser::Parse(std::string_view input, Request* request) {
  if (mode_ == Mode::kCommand) return ParseCommand(input, request);
  if (mode_ == Mode::kKeys) return ParseKey(input, request);
  return PassOver(input, request);
}

void TextParser::Skip(uint64_t bytes) {
  mode_ = bytes > 0 ? Mode::kSkipBytes : Mode::kCommand;
  amount_ = bytes;
}

// What is known of the input is found again there.
void TextParser::SavePosition(base::Packer* to) const {
  to->Put(static_cast<uint8_t>(mode_)).Put(amount_);
  to->Put(uint8_t{touch_}).Put(uint8_t{return_cas_}).Put(uint8_t{first_});
}

bool TextParser::RestorePosition(base::Unpacker* from) {
  const auto mode = from->Take<uint8_t>();
  amount_ = from->Take<uint64_t>();
  touch_ = from->Take<uint8_t>() != 0;
  return_cas_ = from->Take<uint8_t>() != 0;
  first_ = from->Take<uint8_t>() != 0;
  if (!from->ok() || mode > static_cast<uint8_t>(Mode::kSkipLine)) return false;
  mode_ = static_cast<Mode>(mode);
  return true;
}

void TextParser::AbandonBatch() {
  if (mode_ == Mode::kKeys) mode_ = Mode::kSkipLine;
}

ParseResult TextParser::PassOver(std::string_view input, Request* request) {
  size_t passed = input.size();
  if (mode_ == Mode::kSkipBytes) {
    passed = static_cast<size_t>(std::min<uint64_t>(amount_, input.size()));
    amount_ -= passed;
    if (amount_ > 0) return NeedMore(passed);
  } else {
    const size_t line_end = input.find('\n');
    if (line_end == std::string_view::npos) return NeedMore(passed);
    passed = line_end + 1;
  }
  mode_ = Mode::kCommand;
  window_ = 0;
  ParseResult result = ParseCommand(input.substr(passed), request);
  result.consumed += passed;
  return result;
}

// Moves the window on as far as a whole line may go; true when it has met the line's end.
bool TextParser::FindLineEnd(std::string_view input) {
  const size_t reach = std::min(input.size(), kWholeLineBytesMax);
  if (reach <= window_) return false;
  const void* const found = std::memchr(input.data() + window_, '\n', reach - window_);
  end_known_ = found != nullptr;
  window_ = static_cast<uint32_t>(end_known_ ? static_cast<const char*>(found) - input.data() : reach);
  return end_known_;
}

ParseResult TextParser::ParseCommand(std::string_view input, Request* request) {
  if (input.size() < wanted_) return NeedMore();
  wanted_ = 0;
  const bool whole = FindLineEnd(input);
  if (window_ > kLineBytesMax && !IsRetrieval(input.substr(0, window_))) return Close();
  if (!whole && window_ < kWholeLineBytesMax) return NeedMore();
  return ParseLine(input, request);
}

ParseResult TextParser::ParseLine(std::string_view input, Request* request) {
  const size_t line_bytes = window_ + 1;
  const std::string_view line = KnownLine(input);
  Words words(line);
  const std::string_view name = words.Next();
  const MetaCommand* const meta = FindMetaCommand(name);
  const TextCommand* const command = meta == nullptr ? FindTextCommand(name) : nullptr;
  if (command != nullptr && command->arguments == TextArguments::kKeys) {
    return ParseRetrieval(input, *command, words, request);
  }

  window_ = 0;
  request->Clear();
  if (meta != nullptr) {
    const bool value_follows = ParseMetaArguments(*meta, line, words, request);
    return value_follows ? TakeValue(input, line_bytes, request) : Complete(line_bytes);
  }
  if (command != nullptr) {
    ParseTextArguments(*command, line, words, request);
    return request->verb == Verb::kStore ? TakeValue(input, line_bytes, request) : Complete(line_bytes);
  }
  if (LastWord(line).starts_with("HTTP/")) return Close();
  request->Refuse(name.size() < 2 ? RequestError::kBadLine : RequestError::kUnknownCommand);
  return Complete(line_bytes);
}

// The line that is fully read and stands in the input's first line_bytes is followed by a value.
ParseResult TextParser::TakeValue(std::string_view input, size_t line_bytes, Request* request) {
  if (request->verb == Verb::kInvalid) {  // a wrong flag of ms
    Skip(UploadBytes(*request));
    return Complete(line_bytes);
  }
  if (settings_->TooLarge(request->key.size(), request->client_flags, request->value_size)) {
    request->Refuse(RequestError::kTooLarge);
    Skip(UploadBytes(*request));
    return Complete(line_bytes);
  }
  const uint64_t total = line_bytes + UploadBytes(*request);
  if (total > kInputBytesMax) return {line_bytes, Outcome::kUpload};
  if (input.size() < total) {
    wanted_ = static_cast<uint32_t>(total);
    return NeedMore();
  }
  request->SetValue(input.substr(line_bytes, static_cast<size_t>(request->value_size)));
  FinishUpload(input.substr(static_cast<size_t>(total) - 2, 2), request);
  return Complete(static_cast<size_t>(total));
}

// The window without the line end: the line, as far as it is known.
std::string_view TextParser::KnownLine(std::string_view input) const {
  const std::string_view known = input.substr(0, window_);
  return end_known_ ? WithoutReturn(known) : known;
}

ParseResult TextParser::ParseRetrieval(std::string_view input, const TextCommand& command, Words words,
                                       Request* request) {
  const std::string_view line = KnownLine(input);
  touch_ = command.touch;
  return_cas_ = command.cas;
  if (touch_) {
    if (CountSpaces(line, static_cast<size_t>(words.position() - line.data())) > kSpacesMax) return Close();
    const std::string_view exptime = words.Next();
    if (exptime.empty()) return RefuseKeys(RequestError::kBadLine, request);
    int64_t seconds = 0;
    if (exptime.size() > kKeyBytesMax || !ParseSignedDecimal(exptime, &seconds)) {
      return RefuseKeys(RequestError::kBadExptime, request);
    }
    amount_ = static_cast<uint64_t>(seconds);
  }
  const size_t keys = static_cast<size_t>(words.position() - line.data());
  if (end_known_ && HasOverlongWord(line.substr(keys))) return RefuseKeys(RequestError::kBadLine, request);

  mode_ = Mode::kKeys;
  first_ = true;
  window_ -= static_cast<uint32_t>(keys);
  ParseResult result = ParseKey(input.substr(keys), request);
  result.consumed += keys;
  return result;
}

ParseResult TextParser::ParseKey(std::string_view input, Request* request) {
  if (!end_known_) FindLineEnd(input);
  const std::string_view line = KnownLine(input);
  const size_t begin = first_ ? CountSpaces(line, 0) : 0;
  if (begin > kSpacesMax) return Close();
  if (begin == line.size()) return end_known_ ? RefuseKeys(RequestError::kBadLine, request) : NeedMore();

  const char* const line_end = line.data() + line.size();
  const size_t end = static_cast<size_t>(FindSpace(line.data() + begin, line_end) - line.data());
  const std::string_view key = line.substr(begin, end - begin);
  // At an unknown end the last byte may be the carriage return: of a key that long one more decides.
  const bool cut = end == line.size() && !end_known_;
  if (key.size() > kKeyBytesMax + (cut ? 1 : 0)) return RefuseKeys(RequestError::kBadLine, request);
  const size_t spaces = CountSpaces(line, end);
  if (spaces > kSpacesMax) return Close();
  const size_t next = end + spaces;
  const bool at_end = next == line.size();
  if (!end_known_ && (at_end || (line[next] == '\r' && next + 1 == line.size()))) return NeedMore();

  request->Clear();
  request->verb = Verb::kGet;
  request->key = key;
  request->return_key = true;
  request->return_cas = return_cas_;
  request->has_exptime = touch_;
  if (touch_) request->exptime = static_cast<int64_t>(amount_);
  request->first_of_batch = first_;
  request->last_of_batch = at_end;
  first_ = false;
  if (at_end) return EndLine();
  window_ -= static_cast<uint32_t>(next);
  return Complete(next);
}

// The whole line is done with.
ParseResult TextParser::EndLine() {
  const size_t known = window_;
  window_ = 0;
  mode_ = end_known_ ? Mode::kCommand : Mode::kSkipLine;
  return Complete(end_known_ ? known + 1 : known);
}

ParseResult TextParser::RefuseKeys(RequestError error, Request* request) {
  request->Clear();
  request->Refuse(error);
  return EndLine();
}

}  // namespace holdfast::protocol
