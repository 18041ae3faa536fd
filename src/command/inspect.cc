// How it works: statistics come from the server's tables row by row; `me` shows what is known of one item without
// touching it.

#include <cinttypes>
#include <cstdio>

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;

Progress Debug(Context& context, const Request& request, Frame& frame, Reply* reply) {
  Place place(context, request, frame);
  store::Found found;
  switch (place.Look(&found)) {
    case Presence::kUnknown:
      return place.Settle(reply);
    case Presence::kAbsent:
      return Done(reply, ReplyCode::kMiss);
    case Presence::kLive:
      break;
  }
  const store::ItemRef& item = found.item;
  char text[160];
  std::snprintf(text, sizeof text, "exp=%" PRId64 " la=%u cas=%" PRIu64 " fetch=%s cls=%u size=%" PRIu64,
                TtlSeconds(item.expiry(), context.now), item.SecondsSinceAccess(context.now), item.cas(),
                item.was_fetched() ? "yes" : "no", context.access.SizeClassOf(item), context.access.ChunkBytesOf(item));
  context.text = text;
  reply->key = item.key();
  reply->text = context.text;
  return Done(reply, ReplyCode::kMetaDebug);
}

void ExecuteStats(Context& context, const Request& request, const std::function<void(const Reply&)>& write) {
  Reply reply;
  if (request.arguments.substr(0, request.arguments.find(' ')) == "reset") {
    context.control.ResetStats();
    reply.code = ReplyCode::kReset;
    write(reply);
    return;
  }
  const bool known = context.control.Stats(request.arguments, [&](std::string_view name, std::string_view value) {
    reply.code = ReplyCode::kStat;
    reply.key = name;
    reply.text = value;
    write(reply);
  });
  reply = Reply();
  reply.code = known ? ReplyCode::kStatEnd : ReplyCode::kUnknownCommand;
  write(reply);
}

}  // namespace holdfast::command
