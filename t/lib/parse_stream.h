// parse_stream.h - feeds bytes to a parser the way a connection does, in any cut, and tells what came out as lines of
// text.
//
// Threads: a function of its arguments.

#ifndef HOLDFAST_T_LIB_PARSE_STREAM_H_
#define HOLDFAST_T_LIB_PARSE_STREAM_H_

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/parse_result.h"
#include "protocol/request.h"

namespace holdfast::protocol {

// Everything in a Request that differs from a fresh one, as one line.
inline std::string Describe(const Request& request) {
  static constexpr const char* kVerbs[] = {"get",      "store",     "arithmetic", "touch",     "delete", "debug",
                                           "noop",     "flush_all", "version",    "verbosity", "stats",  "quit",
                                           "shutdown", "control",   "sasl",       "invalid"};
  std::string text = kVerbs[static_cast<size_t>(request.verb)];
  const auto add = [&text](bool wanted, const char* name, const std::string& value) {
    if (wanted) text += std::string(" ") + name + (value.empty() ? "" : "=") + value;
  };
  const auto number = [](auto value) { return std::to_string(value); };
  add(request.syntax == Syntax::kMeta, "meta", "");
  add(request.syntax == Syntax::kBinary, "binary", "");
  add(request.error != RequestError::kNone, "error", number(static_cast<int>(request.error)));
  add(!request.key.empty(), "key", std::string(request.key));
  add(!request.arguments.empty(), "arguments", "[" + std::string(request.arguments) + "]");
  add(request.quiet, "quiet", "");
  add(request.close, "close", "");
  add(!request.first_of_batch, "not_first", "");
  add(!request.last_of_batch, "not_last", "");
  add(request.return_key, "return_key", "");
  add(request.return_cas, "return_cas", "");
  add(request.binary_key, "binary_key", "");
  add(request.opcode != 0, "opcode", number(request.opcode));
  add(request.binary_opaque != 0, "opaque", number(request.binary_opaque));
  add(request.mode != StoreMode::kSet, "mode", number(static_cast<int>(request.mode)));
  add(request.client_flags != 0, "client_flags", number(request.client_flags));
  add(request.has_exptime, "exptime", number(request.exptime));
  add(request.has_compare_cas, "compare_cas", number(request.compare_cas));
  add(request.has_new_cas, "new_cas", number(request.new_cas));
  add(request.create, "create", number(request.create_exptime));
  add(request.has_recache, "recache", number(request.recache_seconds));
  add(request.decrement, "decrement", "");
  add(request.verb == Verb::kArithmetic, "delta", number(request.delta));
  add(request.initial != 0, "initial", number(request.initial));
  add(request.level != 0, "level", number(request.level));
  add(!request.meta_flags.empty(), "meta_flags", "[" + std::string(request.meta_flags) + "]");
  add(request.value_size != 0, "value_size", number(request.value_size));
  if (request.verb == Verb::kStore) {
    std::string value;
    for (const std::string_view piece : request.value) value += piece;
    if (value.size() != request.value_size) text += " TORN VALUE";
    if (value.size() > 40) value = value.substr(0, 20) + ".." + value.substr(value.size() - 20);
    add(true, "value", value);
  }
  return text;
}

// What a stream was parsed into: a line for each Request, "close" if the parser said so, "unread N" for what is left at
// the end. The parser gets at most bytes_a_call new bytes a call; 0 means as many as the input block holds. visit is
// called with every complete Request.
template <class Parser>
std::vector<std::string> ParseStream(Parser& parser, std::string_view stream, size_t bytes_a_call = 0,
                                     const std::function<void(const Request&)>& visit = nullptr) {
  std::vector<std::string> lines;
  size_t begin = 0, end = 0;  // of the unread input
  for (;;) {
    // A copy of exactly the right size, for the sanitizer to see every byte read too far.
    const std::vector<char> input(stream.begin() + static_cast<std::ptrdiff_t>(begin),
                                  stream.begin() + static_cast<std::ptrdiff_t>(end));
    Request request;
    const ParseResult result = parser.Parse({input.data(), input.size()}, &request);
    if (result.consumed > input.size()) {
      std::fprintf(stderr, "consumed %zu of %zu\n", result.consumed, input.size());
      std::abort();
    }
    begin += result.consumed;
    switch (result.outcome) {
      case Outcome::kRequest:
        lines.push_back(Describe(request));
        if (visit) visit(request);
        continue;
      case Outcome::kClose:
        lines.push_back("close");
        return lines;
      case Outcome::kUpload: {
        const size_t bytes = static_cast<size_t>(UploadBytes(request));
        if (stream.size() - begin < bytes) {
          lines.push_back("upload " + Describe(request).substr(0, 300));
          return lines;
        }
        std::string text;
        request.KeepText(&text);
        const size_t value_size = static_cast<size_t>(request.value_size);
        request.SetValue(stream.substr(begin, value_size));
        FinishUpload(stream.substr(begin + value_size, bytes - value_size), &request);
        lines.push_back(Describe(request));
        if (visit) visit(request);
        begin += bytes;
        end = std::max(begin, end);
        continue;
      }
      case Outcome::kNeedMore:
        break;
    }
    if (end == stream.size()) break;
    if (end - begin >= kInputBytesMax) {
      std::fprintf(stderr, "needs more than an input block\n");
      std::abort();
    }
    const size_t room = kInputBytesMax - (end - begin);
    end += std::min({bytes_a_call == 0 ? room : std::min(room, bytes_a_call), stream.size() - end});
  }
  lines.push_back("unread " + std::to_string(stream.size() - begin));
  return lines;
}

}  // namespace holdfast::protocol

#endif  // HOLDFAST_T_LIB_PARSE_STREAM_H_
