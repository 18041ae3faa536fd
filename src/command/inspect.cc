// How it works: `me` shows what is known of one item without touching it.

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

}  // namespace holdfast::command
