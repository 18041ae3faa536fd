// How it works: the expiry changes in place; an item without room for one is published anew. A session's touch is
// stamped and carried to the database in its time.

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;

Progress Touch(Context& context, const Request& request, Frame& frame, Reply* reply) {
  Place place(context, request, frame);
  store::Slot slot = place.Lock();
  switch (place.Decide(slot)) {
    case Presence::kUnknown: {
      {
        const store::Slot gone = std::move(slot);
      }
      return place.Settle(reply);
    }
    case Presence::kAbsent: {
      {
        const store::Slot gone = std::move(slot);
      }
      place.NoteMiss();
      context.counters.cmd_touch.Add();
      context.counters.touch_misses.Add();
      return Done(reply, ReplyCode::kNotFound);
    }
    case Presence::kLive:
      break;
  }
  reply->client_flags = slot.item().client_flags();
  reply->cas = slot.item().cas();
  context.access.NoteHit(slot.item(), context.now);
  if (auto interrupted = place.Touch(std::move(slot), place.ExpiryOf(request.exptime, false), reply))
    return *interrupted;
  context.counters.cmd_touch.Add();
  context.counters.touch_hits.Add();
  return place.Done(reply, ReplyCode::kTouched);
}

}  // namespace holdfast::command
