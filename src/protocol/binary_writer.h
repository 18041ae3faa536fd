// binary_writer.h - Replies as packets of the binary protocol.
//
// Threads: a pure function of its arguments.
// Owns:    nothing. Values over kLendBytesMin are lent to the output, which settles them before the views end.
// Errors:  none; output.overflowed() is the caller's to look at.

#ifndef HOLDFAST_PROTOCOL_BINARY_WRITER_H_
#define HOLDFAST_PROTOCOL_BINARY_WRITER_H_

#include "base/output.h"
#include "protocol/reply.h"
#include "protocol/request.h"

namespace holdfast::protocol {

// Quiet requests hide a success (of retrievals: a miss), never an error.
void WriteBinary(const Request& request, const Reply& reply, base::Output& output);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_BINARY_WRITER_H_
