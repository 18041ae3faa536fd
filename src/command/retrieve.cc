// How it works: a plain get looks and answers, without a lock. Everything that changes the item on the way (gat, and mg
// with T, N, R, or an item that somebody is asked to recache) goes through the key's slot, so that exactly one client
// wins.

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;
using protocol::Syntax;

namespace {

// As memcached counts: a gat is a touch and no get, and a mg with T is one or the other.
void CountMiss(Context& context, const Request& request, store::ItemState state) {
  if (state == store::ItemState::kExpired) context.counters.get_expired.Add();
  if (state == store::ItemState::kFlushed) context.counters.get_flushed.Add();
  context.missed = state;
  if (request.has_exptime && request.syntax != Syntax::kMeta) {
    context.counters.cmd_touch.Add();
    context.counters.touch_misses.Add();
  } else {
    context.counters.cmd_get.Add();
    context.counters.get_misses.Add();
  }
}

void CountHit(Context& context, const Request& request) {
  if (request.has_exptime) {
    context.counters.cmd_touch.Add();
    context.counters.touch_hits.Add();
  } else {
    context.counters.cmd_get.Add();
    context.counters.get_hits.Add();
  }
}

Progress Miss(Context& context, const Request& request, Place& place, store::ItemState state, Reply* reply) {
  CountMiss(context, request, state);
  place.NoteMiss();
  return Done(reply, ReplyCode::kMiss);
}

// Marks the item as fetched unless u forbids it, and says whether it was before.
bool NoteFetched(Context& context, const Request& request, const store::ItemRef& item) {
  const bool hit_before = item.was_fetched();
  if (!request.flags.Has('u')) context.access.NoteHit(item, context.now);
  return hit_before;
}

// What the reply says of the item as it was before this request.
void ShowHit(Context& context, const Request& request, Place& place, const store::ItemRef& item, bool hit_before,
             Reply* reply) {
  ShowItem(context, item, reply);
  if (request.syntax == Syntax::kMeta) {
    reply->ttl_seconds = TtlSeconds(item.expiry(), context.now);
    reply->seconds_since_access = item.SecondsSinceAccess(context.now);
    reply->hit_before = hit_before;
    reply->withhold_value = request.has_compare_cas && request.compare_cas == item.cas();
  }
  place.NoteHit(item);
  CountHit(context, request);
  reply->code = ReplyCode::kHit;
}

// mg with N on a miss: an empty item, and whoever made it is to fill it.
Progress Vivify(Context& context, const Request& request, Frame& frame, Reply* reply) {
  Place place(context, request, frame);
  store::Draft draft;
  const Lifetime life = ApplyLifetimeFlags(request, place, base::kNever, true, context.now);
  if (auto refused = place.NewDraft(0, 0, life.expiry, &draft, reply)) return *refused;
  store::Slot slot = place.Lock();
  if (place.Decide(slot) != Presence::kAbsent) return Progress::kRetry;
  store::Slot::PublishOptions options{.won = true};
  if (request.has_new_cas) options.cas = request.new_cas;
  if (auto interrupted = place.Publish(slot, std::move(draft), session::WriteKind::kAdd, options, reply))
    return *interrupted;
  CountMiss(context, request, store::ItemState::kAbsent);
  if (!place.is_submitted()) {
    NoteFetched(context, request, slot.item());
    ShowItem(context, slot.item(), reply);
  }
  reply->cas = place.CasOf(slot);
  reply->ttl_seconds = life.shown_ttl;
  reply->won = true;
  return place.Done(reply, ReplyCode::kHit);
}

// Who fetches the value anew: the first that finds it stale, or close to its end.
void DecideRecache(bool due, store::Slot& slot, Frame& frame, Reply* reply) {
  reply->stale = slot.item().is_stale();
  if (slot.item().is_won()) {
    (frame.won ? reply->won : reply->won_by_other) = true;  // frame.won: in an earlier execution of this request
  } else if (due || reply->stale) {
    slot.SetWon(true);
    frame.won = reply->won = true;
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
  Lifetime life{.expiry = place.ExpiryOf(request.exptime, false)};
  if (request.syntax == Syntax::kMeta) {
    life = ApplyLifetimeFlags(request, place, item.expiry(), false, context.now);
    DecideRecache(life.recache_due, slot, frame, reply);
  }
  // Before the touch: a copy of the item takes the mark along.
  const bool hit_before = NoteFetched(context, request, item);
  std::optional<Progress> interrupted;
  if (request.has_exptime) {
    interrupted = place.Touch(std::move(slot), life.expiry, reply);
  } else {
    const store::Slot gone = std::move(slot);
  }
  if (interrupted) return *interrupted;
  const Reply decided = *reply;
  ShowHit(context, request, place, item, hit_before, reply);
  reply->won = decided.won;
  reply->stale = decided.stale;
  reply->won_by_other = decided.won_by_other;
  reply->ttl_seconds = life.shown_ttl;
  return place.Ended();
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
  ShowHit(context, request, place, found.item, NoteFetched(context, request, found.item), reply);
  return Progress::kDone;
}

}  // namespace holdfast::command
