// How it works: a plain get looks and answers, without a lock. Everything that changes the item on the way (gat, and mg
// with T, N, R, or an item that somebody is asked to recache) goes through the key's slot, so that exactly one client
// wins.

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;
using protocol::Syntax;

namespace {

void CountMiss(Context& context, const Request& request, store::ItemState state) {
  context.counters.cmd_get.Add();
  context.counters.get_misses.Add();
  if (state == store::ItemState::kExpired) context.counters.get_expired.Add();
  if (state == store::ItemState::kFlushed) context.counters.get_flushed.Add();
  if (!request.has_exptime) return;
  context.counters.cmd_touch.Add();
  context.counters.touch_misses.Add();
}

void CountHit(Context& context, const Request& request) {
  context.counters.cmd_get.Add();
  context.counters.get_hits.Add();
  if (!request.has_exptime) return;
  context.counters.cmd_touch.Add();
  context.counters.touch_hits.Add();
}

Progress Miss(Context& context, const Request& request, Place& place, store::ItemState state, Reply* reply) {
  CountMiss(context, request, state);
  place.NoteMiss();
  return Done(reply, ReplyCode::kMiss);
}

// What the reply says of the item as it was before this request.
void ShowHit(Context& context, const Request& request, Place& place, const store::ItemRef& item, Reply* reply) {
  ShowItem(context, item, reply);
  if (request.syntax == Syntax::kMeta) {
    reply->ttl_seconds = TtlSeconds(item, context.now);
    reply->seconds_since_access = item.SecondsSinceAccess(context.now);
    reply->hit_before = item.was_fetched();
    reply->withhold_value = request.has_compare_cas && request.compare_cas == item.cas();
  }
  if (!request.flags.Has('u')) context.access.NoteHit(item, context.now);
  place.NoteHit(item);
  CountHit(context, request);
  reply->code = ReplyCode::kHit;
}

// mg with N on a miss: an empty item, and whoever made it is to fill it.
Progress Vivify(Context& context, const Request& request, Frame& frame, Reply* reply) {
  Place place(context, request, frame);
  store::Draft draft;
  if (auto refused = place.NewDraft(0, 0, place.ExpiryOf(request.create_exptime, true), &draft, reply)) return *refused;
  store::Slot slot = place.Lock();
  if (place.Decide(slot) != Presence::kAbsent) return Progress::kRetry;
  store::Slot::PublishOptions options{.won = true};
  if (request.has_new_cas) options.cas = request.new_cas;
  if (!place.Publish(slot, std::move(draft), session::WriteKind::kAdd, options, reply)) return Progress::kDone;
  CountMiss(context, request, store::ItemState::kAbsent);
  ShowItem(context, slot.item(), reply);
  reply->ttl_seconds = TtlSeconds(slot.item(), context.now);
  reply->won = true;
  return Done(reply, ReplyCode::kHit);
}

// Who fetches the value anew: the first that finds it stale, or close to its end.
void DecideRecache(const Request& request, store::Slot& slot, Seconds now, Reply* reply) {
  const store::ItemRef& item = slot.item();
  const int64_t ttl = TtlSeconds(item, now);
  reply->stale = item.is_stale();
  const bool due = item.is_stale() || (request.has_recache && ttl >= 0 && ttl < request.recache_seconds);
  if (item.is_won()) {
    reply->won_by_other = true;
  } else if (due) {
    slot.SetWon(true);
    reply->won = true;
  }
}

Progress RetrieveAndChange(Context& context, const Request& request, Frame& frame, Reply* reply) {
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
      const store::ItemState state = slot.state();
      { const store::Slot gone = std::move(slot); }
      if (request.create && request.syntax == Syntax::kMeta) return Vivify(context, request, frame, reply);
      return Miss(context, request, place, state, reply);
    }
    case Presence::kLive:
      break;
  }
  const store::ItemRef item = slot.item();
  if (request.syntax == Syntax::kMeta) DecideRecache(request, slot, context.now, reply);
  std::optional<Progress> interrupted;
  // The reply's ttl is the one before when the client asked for it before it set the new one.
  const int64_t ttl_before = TtlSeconds(item, context.now);
  Seconds expiry = item.expiry();
  if (request.has_exptime) {
    expiry = place.ExpiryOf(request.exptime, false);
    interrupted = place.Touch(std::move(slot), expiry, reply);
  } else {
    const store::Slot gone = std::move(slot);
  }
  if (interrupted) return *interrupted;
  const Reply decided = *reply;
  ShowHit(context, request, place, item, reply);
  reply->won = decided.won;
  reply->stale = decided.stale;
  reply->won_by_other = decided.won_by_other;
  if (request.has_exptime) {
    const size_t shown = request.meta_flags.find('t'), set = request.meta_flags.find('T');
    reply->ttl_seconds = shown < set              ? ttl_before
                         : expiry == base::kNever ? -1
                                                  : static_cast<int64_t>(expiry) - static_cast<int64_t>(context.now);
  }
  return Progress::kDone;
}

}  // namespace

Progress Retrieve(Context& context, const Request& request, Frame& frame, Reply* reply) {
  if (request.has_exptime || request.create || request.has_recache)
    return RetrieveAndChange(context, request, frame, reply);
  Place place(context, request, frame);
  store::Found found;
  switch (place.Look(&found)) {
    case Presence::kUnknown:
      return place.Settle(reply);
    case Presence::kAbsent:
      return Miss(context, request, place, found.state, reply);
    case Presence::kLive:
      break;
  }
  if (request.syntax == Syntax::kMeta && (found.item.is_stale() || found.item.is_won())) {
    return RetrieveAndChange(context, request, frame, reply);
  }
  ShowHit(context, request, place, found.item, reply);
  return Progress::kDone;
}

}  // namespace holdfast::command
