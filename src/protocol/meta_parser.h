// meta_parser.h - the lines of the meta commands: mg ms md ma me mn. They stand among the classic ones, so TextParser
// finds the lines and the values and hands the words to this.
//
// Threads: pure functions of their arguments.
// Owns:    nothing. The Request's views go into the line; a base64 key is decoded into the Request.
// Errors:  a wrong line leaves a Request with verb kInvalid.
// Limits:  kMetaWordsMax words a line, kMetaOpaqueBytesMax bytes of opaque.

#ifndef HOLDFAST_PROTOCOL_META_PARSER_H_
#define HOLDFAST_PROTOCOL_META_PARSER_H_

#include <string_view>

#include "protocol/request.h"
#include "protocol/words.h"

namespace holdfast::protocol {

// Null when the word is no meta command.
const struct MetaCommand* FindMetaCommand(std::string_view word);

// line: without its end. words: stands behind the command's name. request: cleared.
// True when a value of request->value_size bytes follows the line, also when the request was refused.
bool ParseMetaArguments(const MetaCommand& command, std::string_view line, Words words, Request* request);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_META_PARSER_H_
