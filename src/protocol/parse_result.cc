// Text and meta values end with \r\n, to the byte: a bare \n is not enough, and what follows wrong bytes is read as
// commands.

#include "protocol/parse_result.h"

namespace holdfast::protocol {

void FinishUpload(std::string_view terminator, Request* request) {
  if (request->syntax != Syntax::kBinary && terminator != "\r\n") request->Refuse(RequestError::kBadDataChunk);
}

}  // namespace holdfast::protocol
