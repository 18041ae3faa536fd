// text_writer.h - Replies in the words of the classic text protocol.
//
// Threads: a pure function of its arguments.
// Owns:    nothing. Values over kLendBytesMin are lent to the output, which settles them before the views end.
// Errors:  none; output.overflowed() is the caller's to look at.

#ifndef HOLDFAST_PROTOCOL_TEXT_WRITER_H_
#define HOLDFAST_PROTOCOL_TEXT_WRITER_H_

#include <span>
#include <string_view>

#include "base/output.h"
#include "protocol/reply.h"
#include "protocol/request.h"

namespace holdfast::protocol {

// Pieces of a value shorter than this are copied: an iovec costs more.
inline constexpr size_t kLendBytesMin = 16 * 1024;

// A get's reply is written key by key: END comes with last_of_batch, and an error takes its place. After an error
// within a batch call TextParser::AbandonBatch, for a client reads nothing more of that get.
void WriteText(const Request& request, const Reply& reply, base::Output& output);

// What the text and meta syntaxes share.
void WriteValue(std::span<const std::string_view> pieces, base::Output& output);
// The line for a reply that is neither specific to one syntax nor a success; false if it is none of those.
bool WriteErrorLine(const Request& request, const Reply& reply, base::Output& output);
std::string_view ErrorLine(RequestError error);

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_TEXT_WRITER_H_
