#include "fuzz/parser_fuzz.h"
#include "protocol/text_parser.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  holdfast::protocol::FuzzParser<holdfast::protocol::TextParser>(data, size);
  return 0;
}
