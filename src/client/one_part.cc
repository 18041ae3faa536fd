#include "client/one_part.h"

#include "protocol/request_writer.h"

namespace holdfast::client {

void OnePart::Write(uint32_t token, base::Output& output) {
  token_ = token;
  answer_.status = Status(Code::kClosed);  // until there is an answer, or a failure
  protocol::Request request;
  request.verb = verb_;
  request.syntax = syntax_;
  request.key = key_;
  request.binary_key = base64_;
  if (verb_ == protocol::Verb::kStore) request.SetValue(value_);
  const size_t before = words_.size();
  if (base64_) words_.Add('b');
  words_.Add('O', token);
  request.meta_flags = words_.text();
  protocol::WriteRequest(request, output);
  words_.Truncate(before);
}

Verdict OnePart::Take(const protocol::ParsedReply& reply) {
  using protocol::ReplyCode;
  if (ErrorStatus(reply, server_, &answer_.status)) {
    // After CLIENT_ERROR a server may take the rest of the request for the next one; a number that is none is harmless.
    return answer_.status.code() == Code::kRejected ? Verdict::kDoneAndClose : Verdict::kDone;
  }
  uint32_t token = 0;
  const bool named = ParseToken(reply.opaque, &token);
  if (named ? token != token_ : !(reply.opaque.empty() && reply.code == ReplyCode::kMiss)) return Verdict::kSurprise;

  answer_.flags = reply.client_flags;
  answer_.cas = reply.cas;
  answer_.number = reply.number;
  answer_.won = reply.won;
  answer_.stale = reply.stale;
  answer_.won_by_other = reply.won_by_other;
  switch (reply.code) {
    case ReplyCode::kHit:
      answer_.value = reply.piece;
      answer_.status = Status();
      return Verdict::kDone;
    case ReplyCode::kStored:
    case ReplyCode::kDeleted:
    case ReplyCode::kNumber:
      answer_.status = Status();
      return Verdict::kDone;
    case ReplyCode::kMiss:
    case ReplyCode::kNotFound:
      answer_.status = Status(Code::kNotFound);
      return Verdict::kDone;
    case ReplyCode::kNotStored:
      answer_.status = Status(Code::kNotStored);
      return Verdict::kDone;
    case ReplyCode::kExists:
      answer_.status = Status(Code::kExists);
      return Verdict::kDone;
    default:
      return Verdict::kSurprise;
  }
}

}  // namespace holdfast::client
