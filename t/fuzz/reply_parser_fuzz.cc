// The first two bytes choose syntax and verb. A client reads with an ever longer input: less of it must say that it
// wants more, never something else, except that what is broken may show early.

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "protocol/reply_parser.h"

using namespace holdfast::protocol;

namespace {

ReplyResult Parse(Syntax syntax, Verb verb, std::string_view input) {
  const std::vector<char> exact(input.begin(), input.end());
  ParsedReply reply;
  const ReplyResult result = ParseReply(syntax, {exact.data(), exact.size()}, verb, &reply);
  uint64_t bytes = 0;
  for (const std::string_view piece : reply.value) bytes += piece.size();
  const bool valued = result.outcome == ReplyOutcome::kReply && !reply.value.empty();
  if (result.consumed > input.size() || (valued && bytes != reply.value_size)) std::abort();
  return result;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const Syntax syntax = static_cast<Syntax>(data[0] % 3);
  const Verb verb = static_cast<Verb>(data[1] % (static_cast<int>(Verb::kInvalid) + 1));
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  while (!input.empty()) {
    const ReplyResult whole = Parse(syntax, verb, input);
    for (size_t less = 0; less < input.size() && less < 300; ++less) {
      const ReplyResult part = Parse(syntax, verb, input.substr(0, less));
      if (part.outcome == ReplyOutcome::kNeedMore && part.wanted <= less) std::abort();
      if (part.outcome == whole.outcome && part.consumed == whole.consumed) break;
      if (part.outcome != ReplyOutcome::kNeedMore) std::abort();
    }
    if (whole.outcome != ReplyOutcome::kReply) break;
    if (whole.consumed == 0) std::abort();
    input.remove_prefix(whole.consumed);
  }
  return 0;
}
