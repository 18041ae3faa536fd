// Meta lines only: a command is put in front of what comes, so that nothing is spent on finding one.

#include <string>

#include "fuzz/parser_fuzz.h"
#include "protocol/text_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  static constexpr const char* kBegins[] = {"mg ", "ms ", "md ", "ma ", "me ", "mg k ", "ms k 3 ", "md k ", "ma k "};
  std::string stream = kBegins[data[0] % 9];
  stream.append(reinterpret_cast<const char*>(data) + 1, size - 1);
  stream += "\r\nmn\r\n";
  holdfast::protocol::FuzzParser<holdfast::protocol::TextParser>(reinterpret_cast<const uint8_t*>(stream.data()),
                                                                 stream.size());
  return 0;
}
