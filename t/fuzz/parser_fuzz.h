// parser_fuzz.h - what a fuzzer of a request parser asks: however a stream is cut, the same comes out; and whatever
// came out can be answered in every way there is.
//
// Threads: functions of their arguments.

#ifndef HOLDFAST_T_FUZZ_PARSER_FUZZ_H_
#define HOLDFAST_T_FUZZ_PARSER_FUZZ_H_

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "base/block_pool.h"
#include "base/output.h"
#include "lib/parse_stream.h"
#include "protocol/binary_writer.h"
#include "protocol/meta_writer.h"
#include "protocol/text_writer.h"

namespace holdfast::protocol {

inline void WriteReply(const Request& request, const Reply& reply, base::Output& output) {
  switch (request.syntax) {
    case Syntax::kText:
      return WriteText(request, reply, output);
    case Syntax::kMeta:
      return WriteMeta(request, reply, output);
    case Syntax::kBinary:
      return WriteBinary(request, reply, output);
  }
}

// Answers a request with every code.
inline void AnswerInEveryWay(const Request& request) {
  base::BlockBudget budget(64 * base::kBlockBytes);
  base::BlockPool pool(budget);
  base::Output output(pool);
  const std::string_view pieces[] = {"some", "value"};
  for (int code = 0; code <= static_cast<int>(ReplyCode::kAuthError); ++code) {
    Reply reply;
    reply.code = static_cast<ReplyCode>(code);
    reply.key = request.key.substr(0, kKeyBytesMax);
    reply.value = pieces;
    reply.value_size = 9;
    reply.text = "text";
    reply.binary_key = code % 2 == 1;
    WriteReply(request, reply, output);
  }
}

template <class Parser>
std::vector<std::string> FuzzStream(std::string_view stream, size_t bytes_a_call) {
  const ParserSettings settings{.item_bytes_max = 20000};
  Parser parser(settings);
  return ParseStream(parser, stream, bytes_a_call, AnswerInEveryWay);
}

template <class Parser>
void FuzzParser(const uint8_t* data, size_t size) {
  const std::string_view stream(reinterpret_cast<const char*>(data), size);
  const std::vector<std::string> whole = FuzzStream<Parser>(stream, 0);
  const size_t smallest = size <= 8192 ? 1 : 61;  // every call copies what is unread
  for (const size_t bytes_a_call : {smallest, smallest + 1 + size % 13, size_t{4000}}) {
    if (FuzzStream<Parser>(stream, bytes_a_call) == whole) continue;
    std::fprintf(stderr, "cut into pieces of %zu the stream parses differently\n", bytes_a_call);
    std::abort();
  }
}

}  // namespace holdfast::protocol

#endif  // HOLDFAST_T_FUZZ_PARSER_FUZZ_H_
