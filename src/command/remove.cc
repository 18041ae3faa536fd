// How it works: a delete takes the item out; a session's leaves a tombstone that the database gets too. The meta delete
// can instead mark the item stale (I), or empty it (x): both publish a copy with a new cas.

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;

namespace {

// A delete that asks for nothing but the item's end: it may be carried out without knowing what there is.
bool IsPlainDelete(const Request& request) {
  return !request.has_compare_cas && !request.flags.Has('I') && !request.flags.Has('x');
}

// md with I or x. The item goes on under a new cas; with x without its value.
Progress Republish(const Request& request, Place& place, const store::ItemRef& seen, Reply* reply) {
  const bool empty = request.flags.Has('x');
  const Seconds expiry = request.has_exptime ? place.ExpiryOf(request.exptime, false) : seen.expiry();
  store::Draft draft;
  if (auto refused =
          place.NewDraft(empty ? 0 : seen.value_size(), empty ? 0 : seen.client_flags(), expiry, &draft, reply)) {
    return *refused;
  }
  if (!empty) seen.ForEachPiece([&](std::string_view piece) { draft.Append(piece); });
  store::Slot slot = place.Lock();
  if (!(slot.item() == seen) || place.Decide(slot) != Presence::kLive) return Progress::kRetry;
  store::Slot::PublishOptions options{.stale = request.flags.Has('I'), .keep_history = true};
  if (request.has_new_cas) options.cas = request.new_cas;
  if (auto interrupted = place.Publish(slot, std::move(draft), session::WriteKind::kRewrite, options, reply))
    return *interrupted;
  reply->cas = place.CasOf(slot);
  return place.Done(reply, ReplyCode::kDeleted);
}

}  // namespace

Progress Remove(Context& context, const Request& request, Frame& frame, Reply* reply) {
  Place place(context, request, frame);
  if (RefusesNewCas(request, place, reply)) return Progress::kDone;
  store::Slot slot = place.Lock();
  const Presence presence = place.Decide(slot);
  if (presence == Presence::kUnknown && (!place.unavailable() || !IsPlainDelete(request))) {
    { const store::Slot gone = std::move(slot); }
    return place.Settle(reply);
  }
  if (presence == Presence::kAbsent) {
    { const store::Slot gone = std::move(slot); }
    place.NoteMiss();
    context.counters.delete_misses.Add();
    return Done(reply, ReplyCode::kNotFound);
  }
  if (presence == Presence::kLive) {
    if (request.has_compare_cas && request.compare_cas != slot.item().cas()) {
      reply->cas = slot.item().cas();
      return Done(reply, ReplyCode::kExists);
    }
    if (request.flags.Has('I') || request.flags.Has('x')) {
      const store::ItemRef seen = slot.item();
      { const store::Slot gone = std::move(slot); }
      return Republish(request, place, seen, reply);
    }
  }
  if (auto interrupted = place.Remove(std::move(slot), reply)) return *interrupted;
  context.counters.delete_hits.Add();
  return place.Done(reply, ReplyCode::kDeleted);
}

}  // namespace holdfast::command
