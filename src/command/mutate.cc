// How it works: the draft is made first, for making it may evict; then the key's slot is locked and what is there
// decides: set takes the place of anything, add only of nothing, replace only of something, and a compared cas must
// fit.

#include "base/check.h"
#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;
using protocol::StoreMode;
using session::WriteKind;

namespace {

// Whether the draft may take the place of what is there. A code other than kStored is the refusal.
ReplyCode Decision(const Request& request, Presence presence, const store::Slot& slot, bool* stale) {
  const bool live = presence == Presence::kLive;
  if (request.has_compare_cas) {
    if (!live) return ReplyCode::kNotFound;
    const uint64_t cas = slot.item().cas();
    if (request.compare_cas != cas) {
      *stale = request.flags.Has('I') && request.compare_cas != 0 && request.compare_cas < cas;
      if (!*stale) return ReplyCode::kExists;
    }
  }
  if (request.mode == StoreMode::kAdd && live) return ReplyCode::kNotStored;
  if (request.mode == StoreMode::kReplace && !live) return ReplyCode::kNotStored;
  return ReplyCode::kStored;
}

void CountCas(Context& context, const Request& request, ReplyCode code) {
  if (!request.has_compare_cas) return;
  if (code == ReplyCode::kStored) context.counters.cas_hits.Add();
  if (code == ReplyCode::kExists) context.counters.cas_badval.Add();
  if (code == ReplyCode::kNotFound) context.counters.cas_misses.Add();
}

WriteKind KindOf(const Request& request) {
  if (request.has_compare_cas) return WriteKind::kCompared;
  return request.mode == StoreMode::kAdd ? WriteKind::kAdd : WriteKind::kSet;
}

// libmemcached's question whether a session is there: nothing is stored.
Progress AnswerProbe(Place& place, Reply* reply) {
  store::Found found;
  switch (place.Look(&found)) {
    case Presence::kUnknown:
      return place.Settle(reply);
    case Presence::kAbsent:
      return Done(reply, ReplyCode::kStored);
    case Presence::kLive:
      break;
  }
  return Done(reply, ReplyCode::kNotStored);
}

// A session is stored with an expiry that has passed: that is a delete, if it may be stored at all.
Progress StorePast(Context& context, const Request& request, Place& place, Reply* reply) {
  store::Slot slot = place.Lock();
  const Presence presence = place.Decide(slot);
  if (presence == Presence::kUnknown && place.unavailable() && request.mode == StoreMode::kSet &&
      !request.has_compare_cas) {
    if (auto interrupted = place.Remove(std::move(slot), reply)) return *interrupted;
    return Done(reply, ReplyCode::kStored);
  }
  if (presence == Presence::kUnknown) {
    { const store::Slot gone = std::move(slot); }
    return place.Settle(reply);
  }
  bool stale = false;
  const ReplyCode code = Decision(request, presence, slot, &stale);
  if (code == ReplyCode::kStored && presence == Presence::kLive) {
    if (auto interrupted = place.Remove(std::move(slot), reply)) return *interrupted;
  }
  CountCas(context, request, code);
  return place.Done(reply, code);
}

}  // namespace

Progress StoreValue(Context& context, const Request& request, Frame& frame, Reply* reply) {
  if (!frame.begun) context.counters.cmd_set.Add();
  if (request.mode == StoreMode::kAppend || request.mode == StoreMode::kPrepend)
    return Extend(context, request, frame, reply);
  Place place(context, request, frame);
  if (RefusesNewCas(request, place, reply)) return Progress::kDone;
  const Seconds expiry = place.ExpiryOf(request.exptime, request.mode == StoreMode::kSet);
  if (place.is_session()) {
    if (session::IsExistenceProbe(request.mode == StoreMode::kAdd, request.exptime, request.value_size)) {
      return AnswerProbe(place, reply);
    }
    if (expiry == base::kAlreadyPast) {
      store::Found found;
      const bool unknown = place.Look(&found) == Presence::kUnknown;
      if (!unknown || place.unavailable()) return StorePast(context, request, place, reply);
      if (!place.MayStoreUnknown()) return place.Settle(reply);
    }
  }
  store::Draft draft;
  if (auto refused = place.NewDraft(request.value_size, request.client_flags, expiry, &draft, reply)) {
    // As memcached does it: who is told that the value was not stored must not read the one before.
    if (*refused == Progress::kDone && request.mode == StoreMode::kSet && !place.is_session()) {
      store::Slot slot = place.Lock();
      if (slot.item()) slot.Remove();
    }
    return *refused;
  }
  for (const std::string_view piece : request.value) draft.Append(piece);

  store::Slot slot = place.Lock();
  const Presence presence = place.Decide(slot);
  if (presence == Presence::kUnknown && (expiry == base::kAlreadyPast || !place.MayStoreUnknown())) {
    { const store::Slot gone = std::move(slot); }
    return place.Settle(reply);
  }
  store::Slot::PublishOptions options;
  reply->code = Decision(request, presence, slot, &options.stale);
  if (reply->code != ReplyCode::kStored) {
    CountCas(context, request, reply->code);
    if (presence == Presence::kLive) {
      if (reply->code == ReplyCode::kNotStored) context.access.NoteUse(slot.item(), context.now);
      reply->cas = reply->code == ReplyCode::kNotStored ? 0 : slot.item().cas();
    }
    return Progress::kDone;
  }
  if (request.has_new_cas) options.cas = request.new_cas;
  options.won = options.stale && slot.item().is_won();  // whoever is on it already goes on
  const Seconds expiry_before = slot.item() ? slot.item().expiry() : base::kNever;
  if (auto interrupted = place.Publish(slot, std::move(draft), KindOf(request), options, reply)) return *interrupted;
  CountCas(context, request, ReplyCode::kStored);
  if (options.stale && slot.item()) place.KeepExpiry(slot, expiry_before);
  reply->cas = place.CasOf(slot);
  reply->value_size = request.value_size;
  return place.Done(reply, ReplyCode::kStored);
}

Progress RefuseTooLarge(Context& context, const Request& request, Frame& frame, Reply* reply) {
  context.counters.store_too_large.Add();
  Place place(context, request, frame);
  if (request.mode == StoreMode::kSet && !place.is_session() && !request.key.empty()) {
    store::Slot slot = place.Lock();
    if (slot.item()) slot.Remove();
  }
  return Done(reply, ReplyCode::kTooLarge);
}

}  // namespace holdfast::command
