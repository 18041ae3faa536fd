// How it works: the number is read without a lock, the new one written into a draft, and published if the item is still
// the same. A result shorter than the text it takes the place of is padded with blanks, as in memcached.

#include <charconv>
#include <cstring>

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;

namespace {

constexpr int kTriesInTurn = 16;
constexpr size_t kNumberBytesMax = 20;

bool IsBlank(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

// What strtoull makes of it when a blank or a zero byte follows, within 64 bits and not negative.
bool ParseNumber(std::string_view text, uint64_t* number) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  const bool negative = !text.empty() && text.front() == '-';
  if (!text.empty() && (text.front() == '+' || negative)) text.remove_prefix(1);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  if (error != std::errc() || end == text.data()) return false;
  if (negative && *number != 0) return false;
  return end == text.data() + text.size() || IsBlank(*end) || *end == '\0';
}

// The number is at the head of the value, and pieces are longer than any.
std::string_view HeadOf(const store::ItemRef& item) {
  std::string_view head;
  bool first = true;
  item.ForEachPiece([&](std::string_view piece) {
    if (first) head = piece;
    first = false;
  });
  return head;
}

uint64_t Apply(const Request& request, uint64_t number) {
  if (!request.decrement) return number + request.delta;
  return number < request.delta ? 0 : number - request.delta;
}

void CountMiss(Context& context, const Request& request) {
  (request.decrement ? context.counters.decr_misses : context.counters.incr_misses).Add();
}

void CountHit(Context& context, const Request& request) {
  (request.decrement ? context.counters.decr_hits : context.counters.incr_hits).Add();
}

std::string_view Digits(uint64_t number, char (&buffer)[kNumberBytesMax]) {
  const auto [end, error] = std::to_chars(buffer, buffer + sizeof buffer, number);
  (void)error;  // 20 digits hold every number of 64 bits
  return {buffer, static_cast<size_t>(end - buffer)};
}

Progress ShowNumber(const Place& place, const store::Slot& slot, const Lifetime& life, uint64_t number, Reply* reply) {
  reply->number = number;
  reply->ttl_seconds = life.shown_ttl;
  reply->cas = place.CasOf(slot);
  return place.Done(reply, ReplyCode::kNumber);
}

Progress Create(Context& context, const Request& request, Place& place, Reply* reply) {
  char buffer[kNumberBytesMax];
  const std::string_view digits = Digits(request.initial, buffer);
  const bool is_meta = request.syntax == protocol::Syntax::kMeta;
  const Seconds expiry = is_meta ? base::kNever : place.ExpiryOf(request.create_exptime, true);
  const Lifetime life = ApplyLifetimeFlags(request, place, expiry, true, context.now);
  store::Draft draft;
  if (auto refused = place.NewDraft(digits.size(), 0, life.expiry, &draft, reply)) return *refused;
  draft.Append(digits);
  store::Slot slot = place.Lock();
  if (place.Decide(slot) != Presence::kAbsent) return Progress::kRetry;
  store::Slot::PublishOptions options;
  if (request.has_new_cas) options.cas = request.new_cas;
  if (auto interrupted = place.Publish(slot, std::move(draft), session::WriteKind::kAdd, options, reply))
    return *interrupted;
  return ShowNumber(place, slot, life, request.initial, reply);
}

}  // namespace

Progress Arithmetic(Context& context, const Request& request, Frame& frame, Reply* reply) {
  Place place(context, request, frame);
  if (RefusesNewCas(request, place, reply)) return Progress::kDone;
  for (int tries = 0; tries < kTriesInTurn; ++tries) {
    store::Found found;
    switch (place.Look(&found)) {
      case Presence::kUnknown:
        return place.Settle(reply);
      case Presence::kAbsent:
        if (request.create) return Create(context, request, place, reply);
        CountMiss(context, request);
        place.NoteMiss();
        return Done(reply, ReplyCode::kNotFound);
      case Presence::kLive:
        break;
    }
    const store::ItemRef seen = found.item;
    if (seen.value_size() == 0) return Done(reply, ReplyCode::kNonNumeric);
    if (request.has_compare_cas && request.compare_cas != seen.cas()) {
      reply->cas = seen.cas();
      return Done(reply, ReplyCode::kExists);
    }
    uint64_t number = 0;
    if (!ParseNumber(HeadOf(seen), &number)) return Done(reply, ReplyCode::kNonNumeric);
    number = Apply(request, number);
    char buffer[kNumberBytesMax];
    const std::string_view digits = Digits(number, buffer);
    const size_t size = std::max<size_t>(digits.size(), seen.value_size());
    const Seconds expiry = seen.expiry();
    const Lifetime life = ApplyLifetimeFlags(request, place, expiry, false, context.now);
    store::Draft draft;
    if (auto refused = place.NewDraft(size, seen.client_flags(), life.expiry, &draft, reply)) return *refused;
    draft.Append(digits);
    for (size_t i = digits.size(); i < size; ++i) draft.Append(" ");

    store::Slot slot = place.Lock();
    if (!(slot.item() == seen) || place.Decide(slot) != Presence::kLive) continue;
    if (slot.item().expiry() != expiry) continue;
    store::Slot::PublishOptions options;
    if (size == seen.value_size()) {  // as if written in place
      options = {.stale = seen.is_stale(), .won = seen.is_won(), .keep_history = true};
    }
    if (request.has_new_cas) options.cas = request.new_cas;
    if (auto interrupted = place.Publish(slot, std::move(draft), session::WriteKind::kRewrite, options, reply))
      return *interrupted;
    CountHit(context, request);
    return ShowNumber(place, slot, life, number, reply);
  }
  return Progress::kRetry;
}

}  // namespace holdfast::command
