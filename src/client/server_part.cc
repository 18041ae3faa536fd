#include "client/server_part.h"

#include "protocol/request_writer.h"

namespace holdfast::client {

void ServerPart::Write(uint32_t, base::Output& output) {
  result_.rows.clear();
  protocol::Request request;
  request.verb = verb_;
  request.syntax = syntax_;
  request.arguments = arguments_;
  request.has_exptime = delay_s_ != 0;
  request.exptime = delay_s_;
  protocol::WriteRequest(request, output);
}

Verdict ServerPart::Take(const protocol::ParsedReply& reply) {
  using protocol::ReplyCode;
  if (ErrorStatus(reply, server_, &result_.status)) {
    return result_.status.code() == Code::kRejected ? Verdict::kDoneAndClose : Verdict::kDone;
  }
  switch (reply.code) {
    case ReplyCode::kStat:
      if (result_.rows.size() == kRowsMax) return Verdict::kSurprise;
      result_.rows.emplace_back(reply.key, reply.text);
      return Verdict::kMore;
    case ReplyCode::kVersion:
      result_.text = reply.text;
      return Verdict::kDone;
    case ReplyCode::kOk:
    case ReplyCode::kReset:
    case ReplyCode::kStatEnd:
      return Verdict::kDone;
    default:
      return Verdict::kSurprise;
  }
}

void ProbePart::Write(uint32_t, base::Output& output) { output.Append("mn\r\n"); }

Verdict ProbePart::Take(const protocol::ParsedReply& reply) {
  return reply.code == protocol::ReplyCode::kNoop ? Verdict::kDone : Verdict::kSurprise;
}

}  // namespace holdfast::client
