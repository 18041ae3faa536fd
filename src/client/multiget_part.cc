#include "client/multiget_part.h"

#include "protocol/decimal.h"
#include "protocol/request_writer.h"

namespace holdfast::client {

void MultigetPart::Write(uint32_t token, base::Output& output) {
  token_ = token;
  next_ = 0;
  gap_ = Status(Code::kNotFound);
  protocol::Request request;
  request.verb = protocol::Verb::kGet;
  request.syntax = protocol::Syntax::kMeta;
  FlagWords words;
  words.Add('v').Add('f').Add('q');
  if (multiget_.with_cas) words.Add('c');
  const size_t common = words.size();
  for (uint32_t index : order_) {
    words.Truncate(common);
    request.key = multiget_.keys[index];
    request.binary_key = multiget_.any_key && !protocol::IsTextKey(request.key);
    if (request.binary_key) words.Add('b');
    words.Add('O', token++);
    request.meta_flags = words.text();
    protocol::WriteRequest(request, output);
  }
  output.Append("mn\r\n");
}

void MultigetPart::SetUpTo(size_t end, const Status& status) {
  for (; next_ < end; next_++) multiget_.found[order_[next_]].status = status;
}

Verdict MultigetPart::Take(const protocol::ParsedReply& reply) {
  if (reply.code == protocol::ReplyCode::kNoop) {
    SetUpTo(order_.size(), gap_);
    return Verdict::kDone;
  }
  if (Status error; ErrorStatus(reply, server_, &error)) {
    gap_ = error;
    if (error.code() != Code::kRejected) return Verdict::kMore;
    SetUpTo(order_.size(), gap_);
    return Verdict::kDoneAndClose;
  }
  uint32_t token = 0;
  if (reply.code != protocol::ReplyCode::kHit || !ParseToken(reply.opaque, &token)) return Verdict::kSurprise;
  const size_t place = token - token_;  // wraps to something huge for a token from before
  if (place < next_ || place >= order_.size()) return Verdict::kSurprise;
  SetUpTo(place, gap_);
  if (!gap_.answered()) gap_ = Status(Code::kNotFound);
  Found& found = multiget_.found[order_[next_++]];
  found.status = Status();
  found.value = multiget_.bytes->Keep(reply.piece);
  found.flags = reply.client_flags;
  found.cas = reply.cas;
  return Verdict::kMore;
}

}  // namespace holdfast::client
