// How it works: append and prepend make a new item of the old one's bytes and the new ones. The old item is looked at
// without a lock to know the size, and must still be the same when the slot is locked; else it begins again.

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;
using protocol::StoreMode;

namespace {

constexpr int kTriesInTurn = 16;  // against other writers of the same key; then the others go first

void AppendItem(const store::ItemRef& item, store::Draft& draft) {
  item.ForEachPiece([&](std::string_view piece) { draft.Append(piece); });
}

void AppendValue(const Request& request, store::Draft& draft) {
  for (const std::string_view piece : request.value) draft.Append(piece);
}

// ms with N: append creates what is not there.
Progress Create(Context& context, const Request& request, Place& place, Reply* reply) {
  store::Draft draft;
  if (auto refused = place.NewDraft(request.value_size, request.client_flags,
                                    place.ExpiryOf(request.create_exptime, true), &draft, reply)) {
    return *refused;
  }
  AppendValue(request, draft);
  store::Slot slot = place.Lock();
  if (place.Decide(slot) != Presence::kAbsent) return Progress::kRetry;
  store::Slot::PublishOptions options;
  if (request.has_new_cas) options.cas = request.new_cas;
  if (auto interrupted = place.Publish(slot, std::move(draft), session::WriteKind::kAdd, options, reply))
    return *interrupted;
  reply->cas = place.CasOf(slot);
  reply->value_size = request.value_size;
  (void)context;
  return place.Done(reply, ReplyCode::kStored);
}

}  // namespace

Progress Extend(Context& context, const Request& request, Frame& frame, Reply* reply) {
  Place place(context, request, frame);
  if (RefusesNewCas(request, place, reply)) return Progress::kDone;
  for (int tries = 0; tries < kTriesInTurn; ++tries) {
    store::Found found;
    switch (place.Look(&found)) {
      case Presence::kUnknown:
        return place.Settle(reply);
      case Presence::kAbsent:
        if (request.create) return Create(context, request, place, reply);
        return Done(reply, ReplyCode::kNotStored);
      case Presence::kLive:
        break;
    }
    const store::ItemRef seen = found.item;
    if (request.has_compare_cas && request.compare_cas != seen.cas()) {
      context.counters.cas_badval.Add();
      reply->cas = seen.cas();
      return Done(reply, ReplyCode::kExists);
    }
    store::Draft draft;
    const uint64_t size = seen.value_size() + request.value_size;
    if (auto refused = place.NewDraft(size, seen.client_flags(), seen.expiry(), &draft, reply)) return *refused;
    if (request.mode == StoreMode::kPrepend) AppendValue(request, draft);
    AppendItem(seen, draft);
    if (request.mode == StoreMode::kAppend) AppendValue(request, draft);

    store::Slot slot = place.Lock();
    // Also the expiry may have been changed in place since.
    if (!(slot.item() == seen) || place.Decide(slot) != Presence::kLive ||
        slot.item().expiry() != draft.item().expiry())
      continue;
    store::Slot::PublishOptions options;
    if (request.has_new_cas) options.cas = request.new_cas;
    if (auto interrupted = place.Publish(slot, std::move(draft), session::WriteKind::kRewrite, options, reply))
      return *interrupted;
    if (request.has_compare_cas) context.counters.cas_hits.Add();
    reply->cas = place.CasOf(slot);
    reply->value_size = size;
    return place.Done(reply, ReplyCode::kStored);
  }
  return Progress::kRetry;
}

}  // namespace holdfast::command
