// How it works: flush_all is the store's; what else an operator says by telnet is the server's to answer.

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;

Progress FlushAll(Context& context, const Request& request, Reply* reply) {
  context.counters.cmd_flush.Add();
  if (!context.control.flush_allowed()) {
    if (request.syntax == protocol::Syntax::kBinary) return Done(reply, ReplyCode::kAuthError);
    reply->text = "flush_all not allowed";
    return Done(reply, ReplyCode::kClientError);
  }
  Seconds at = 0;  // at once
  if (request.has_exptime && request.exptime > 0) {
    int64_t seconds = request.exptime;
    if (seconds > protocol::kRelativeExptimeMax) {
      seconds -= context.clock.WallMicros() / 1'000'000;
      // A time before the server began: no item is that old.
      if (seconds + context.now < 0) return Done(reply, ReplyCode::kOk);
    }
    if (seconds > 0) at = context.now + static_cast<Seconds>(seconds);
  }
  context.access.store().Flush(context.access, at);
  return Done(reply, ReplyCode::kOk);
}

Progress RunControl(Context& context, const Request& request, Reply* reply) {
  context.text = request.verb == protocol::Verb::kShutdown ? "shutdown" : "";
  if (context.text.empty()) {
    context.text = context.control.Run(request.arguments);
  } else {
    if (!request.arguments.empty()) context.text.append(" ").append(request.arguments);
    context.text = context.control.Run(context.text);
  }
  if (context.text.empty()) return Done(reply, ReplyCode::kUnknownCommand);
  reply->text = context.text;
  return Done(reply, ReplyCode::kText);
}

}  // namespace holdfast::command
