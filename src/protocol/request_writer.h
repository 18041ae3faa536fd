// request_writer.h - Requests as a client says them, in all three syntaxes: what the parsers read back to the same
// Request.
//
// Threads: pure functions of their arguments.
// Owns:    nothing. Values over kLendBytesMin are lent to the output, which settles them before the views end.
// Errors:  a request that the syntax has no words for (a quiet binary touch) is the caller's bug and a CHECK.

#ifndef HOLDFAST_PROTOCOL_REQUEST_WRITER_H_
#define HOLDFAST_PROTOCOL_REQUEST_WRITER_H_

#include <string_view>

#include "base/output.h"
#include "protocol/request.h"

namespace holdfast::protocol {

// Written as request.syntax says. Classic gets are written key by key: the command comes with first_of_batch, the
// line's end with last_of_batch. Meta: meta_flags goes out as it is and must say what the other fields say. Binary: the
// opcode is chosen from the fields, except for kSasl, where request.opcode is sent.
void WriteRequest(const Request& request, base::Output& output);

// Whether a key can stand on a text line without being taken for anything else: 1 to kKeyBytesMax bytes, no space, no
// control byte. The binary protocol, and meta with base64, take any bytes.
bool IsTextKey(std::string_view key);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_REQUEST_WRITER_H_
