// meta_writer.h - Replies in the words of the meta commands.
//
// Threads: a pure function of its arguments.
// Owns:    nothing. Values over kLendBytesMin are lent to the output, which settles them before the views end.
// Errors:  none; output.overflowed() is the caller's to look at.

#ifndef HOLDFAST_PROTOCOL_META_WRITER_H_
#define HOLDFAST_PROTOCOL_META_WRITER_H_

#include "base/output.h"
#include "protocol/reply.h"
#include "protocol/request.h"

namespace holdfast::protocol {

// Quiet requests hide EN of mg and the success of all others, never an error.
void WriteMeta(const Request& request, const Reply& reply, base::Output& output);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_META_WRITER_H_
