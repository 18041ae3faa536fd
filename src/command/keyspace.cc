// How it works: for a cache key, presence is what the store says. For a session the session module judges what the
// store says: what memory does not hold may be in the database, and until that has been asked the answer is neither a
// hit nor a miss.

#include "command/keyspace.h"

#include <algorithm>
#include <limits>

#include "base/check.h"
#include "session/journal_format.h"

namespace holdfast::command {

using protocol::ReplyCode;
using session::Verdict;
using session::WriteOutcome;
using store::ItemState;
using store::Reserve;

Presence Place::Look(store::Found* found) {
  *found = context_.access.Find(key_, context_.now, frame_.ahead);
  if (rule_ == nullptr) return found->live() ? Presence::kLive : Presence::kAbsent;
  return Decide(found->state);
}

Presence Place::Decide(ItemState state) {
  if (rule_ == nullptr) return state == ItemState::kLive ? Presence::kLive : Presence::kAbsent;
  verdict_ = Judge(state);
  switch (verdict_) {
    case Verdict::kLive:
      return Presence::kLive;
    case Verdict::kMiss:
    case Verdict::kDeleted:
      return Presence::kAbsent;
    case Verdict::kAsk:
    case Verdict::kUnavailable:
      break;
  }
  return Presence::kUnknown;
}

// Of a strict session, everything but a plain get and a blind set over a live copy is decided by what the database says
// now. A blind set over anything else is no change at all where it is a delete, or comes from before one.
Verdict Place::Judge(ItemState state) const {
  session::Sessions& sessions = *context_.sessions;
  if (!rule_->is_strict()) return sessions.Judge(*rule_, key_, state, frame_.in_hand, context_.now);
  const bool is_get = request_.verb == protocol::Verb::kGet && !request_.has_exptime && !request_.create;
  const bool is_blind = request_.verb == protocol::Verb::kStore && request_.mode == protocol::StoreMode::kSet &&
                        !request_.has_compare_cas;
  const bool is_compared_anyway = is_blind && state == ItemState::kLive;
  const bool fresh = !is_get && !is_compared_anyway && request_.verb != protocol::Verb::kMetaDebug;
  return sessions.JudgeStrict(*rule_, key_, state, frame_.in_hand, context_.now, fresh);
}

Progress Place::Settle(Reply* reply) {
  if (verdict_ == Verdict::kAsk) {
    // The wake-up may come at once: until the connection is parked it waits in the worker's mailbox.
    frame_.in_hand = session::LoadOutcome::kNone;
    if (context_.sessions->Load(*rule_, key_, WaiterOf(), &frame_.waits)) return Progress::kParked;
  }
  return Refuse(reply);
}

Progress Place::Refuse(Reply* reply) {
  context_.sessions->NoteRefused(key_);
  if (rule_->action == session::Action::kClose) {
    reply->code = ReplyCode::kNone;
    reply->close = true;
  } else {
    reply->code = ReplyCode::kServerError;
    reply->text = "the session database cannot be asked";
  }
  return Progress::kDone;
}

bool Place::MayStoreUnknown() {
  provisional_ = rule_ != nullptr && request_.mode == protocol::StoreMode::kSet && !request_.has_compare_cas &&
                 context_.sessions->MayWriteUnknown(*rule_, verdict_);
  return provisional_;
}

void Place::NoteHit(const store::ItemRef& item) {
  if (rule_ == nullptr) return;
  if (frame_.in_hand == session::LoadOutcome::kNone) context_.counters.session_hits.Add();
  context_.sessions->NoteHit(context_.access, *rule_, key_, item, frame_.connection, context_.now);
}

void Place::NoteMiss() {
  if (verdict_ == Verdict::kDeleted) {
    context_.sessions->NoteMiss(context_.access, *rule_, key_, frame_.connection, context_.now);
  }
}

bool Place::MayRetry() {
  const int64_t now_us = context_.clock.SteadyMicros();
  if (frame_.retry_until_us == 0) frame_.retry_until_us = now_us + kRetryMicrosMax;
  ++frame_.retries;
  return now_us < frame_.retry_until_us;
}

Progress Place::NoMemory(Reply* reply) {
  reply->code = ReplyCode::kNoMemory;
  context_.counters.store_no_memory.Add();
  return Progress::kDone;
}

Progress Place::TooLarge(Reply* reply) {
  reply->code = ReplyCode::kTooLarge;
  context_.counters.store_too_large.Add();
  return Progress::kDone;
}

std::optional<Progress> Place::Refused(Reserve reserve, Reply* reply) {
  switch (reserve) {
    case Reserve::kOk:
      return std::nullopt;
    case Reserve::kTooLarge:
      return TooLarge(reply);
    case Reserve::kRetry:
      if (MayRetry()) return Progress::kRetry;
      break;
    case Reserve::kNoMemory:
      break;
  }
  return NoMemory(reply);
}

std::optional<Progress> Place::NewDraft(uint64_t value_size, uint32_t client_flags, Seconds expiry, store::Draft* draft,
                                        Reply* reply) {
  store::DraftShape shape{.key = key_, .value_size = value_size, .client_flags = client_flags, .expiry = expiry};
  shape.session = rule_ != nullptr;
  shape.keep_expiry_room = request_.flags.Has('I');  // a stale value takes over the expiry of the one before
  return Refused(context_.access.NewDraft(shape, draft), reply);
}

std::optional<Progress> Place::Publish(store::Slot& slot, store::Draft&& draft, session::WriteKind kind,
                                       const store::Slot::PublishOptions& options, Reply* reply) {
  if (rule_ == nullptr) {
    slot.Publish(std::move(draft), options);
    return std::nullopt;
  }
  if (rule_->is_strict()) {
    // A stale value takes over the expiry of the one before.
    const bool keeps_expiry = options.stale && request_.verb == protocol::Verb::kStore;
    const Seconds expiry = keeps_expiry ? slot.item().expiry() : draft.item().expiry();
    if (keeps_expiry) kind = session::WriteKind::kRewrite;
    const session::Waiter waiter = WaiterOf();
    uint64_t stamp = 0;
    const WriteOutcome outcome = context_.sessions->strict_writes().Write(
        slot, draft, {*rule_, key_, kind, frame_.connection, context_.now, options}, expiry, {waiter, frame_.waits},
        &stamp);
    return Submitted(outcome, stamp, reply);
  }
  if (StandsInLine()) return AwaitRoom(reply);
  return Settled(context_.sessions->Write(slot, std::move(draft),
                                          {*rule_, key_, kind, frame_.connection, context_.now, options, provisional_}),
                 reply);
}

std::optional<Progress> Place::Settled(WriteOutcome outcome, Reply* reply) {
  switch (outcome) {
    case WriteOutcome::kStored:
    case WriteOutcome::kDropped:
      return std::nullopt;
    case WriteOutcome::kNoRoom:
      return AwaitRoom(reply);
    case WriteOutcome::kTooLarge:
      return TooLarge(reply);
    case WriteOutcome::kUnavailable:
      return Refuse(reply);
    case WriteOutcome::kBehindDirty:
      if (MayRetry()) return Progress::kRetry;
      break;
    case WriteOutcome::kBehindAnother:
      frame_.in_hand = session::LoadOutcome::kNone;
      return Progress::kParked;
    case WriteOutcome::kSubmitted:
    case WriteOutcome::kRefused:
      break;
  }
  return NoMemory(reply);
}

// What a change of a strict session came to. Empty: it was submitted, or there was nothing to change.
std::optional<Progress> Place::Submitted(WriteOutcome outcome, uint64_t stamp, Reply* reply) {
  if (outcome == WriteOutcome::kDropped) {
    // Nothing is acknowledged that was not committed.
    reply->code = ReplyCode::kNotStored;
    return Progress::kDone;
  }
  if (outcome != WriteOutcome::kSubmitted) return Settled(outcome, reply);
  frame_.in_hand = session::LoadOutcome::kNone;
  submitted_ = true;
  submitted_stamp_ = stamp;
  return std::nullopt;
}

uint64_t Place::CasOf(const store::Slot& slot) const {
  if (submitted_) return submitted_stamp_;
  return slot.item() ? slot.item().cas() : 0;
}

// The wake-up may come at once: until the connection is parked it waits in the worker's mailbox.
Progress Place::AwaitRoom(Reply* reply) {
  const size_t bytes = session::kRecordBytesMin + request_.key.size() + request_.value_size;
  if (context_.sessions->AwaitRoom(*rule_, WaiterOf(), frame_.in_hand, bytes, &frame_.waits)) {
    frame_.in_hand = session::LoadOutcome::kNone;
    return Progress::kParked;
  }
  return NoMemory(reply);
}

std::optional<Progress> Place::Touch(store::Slot slot, Seconds expiry, Reply* reply) {
  if (rule_ != nullptr) {
    if (expiry == base::kAlreadyPast) return Remove(std::move(slot), reply);
    if (rule_->is_strict()) {
      const session::Waiter waiter = WaiterOf();
      return Submitted(context_.sessions->strict_writes().Touch(slot, *rule_, key_, expiry, {waiter, frame_.waits}), 0,
                       reply);
    }
    if (StandsInLine()) return AwaitRoom(reply);
    return Settled(context_.sessions->Touch(slot, *rule_, key_, expiry, context_.now), reply);
  }
  if (slot.SetExpiry(expiry)) return std::nullopt;
  const store::ItemRef seen = slot.item();
  { const store::Slot gone = std::move(slot); }
  return RepublishWith(seen, expiry, reply);
}

void Place::KeepExpiry(store::Slot& slot, Seconds expiry_before) {
  if (submitted_) return;  // it was submitted so
  if (rule_ == nullptr) {
    CHECK(slot.SetExpiry(expiry_before));
  } else if (context_.sessions->Touch(slot, *rule_, key_, expiry_before, context_.now) != WriteOutcome::kStored) {
    context_.counters.store_no_memory.Add();  // the journal is full: the new expiry stands
  }
}

// A copy of the item that has room for an expiry takes its place, cas and history unchanged.
std::optional<Progress> Place::RepublishWith(const store::ItemRef& seen, Seconds expiry, Reply* reply) {
  store::DraftShape shape{
      .key = key_, .value_size = seen.value_size(), .client_flags = seen.client_flags(), .expiry = expiry};
  shape.keep_expiry_room = true;
  store::Draft draft;
  if (auto refused = Refused(context_.access.NewDraft(shape, &draft), reply)) return refused;
  seen.ForEachPiece([&](std::string_view piece) { draft.Append(piece); });
  store::Slot slot = Lock();
  // Somebody was quicker: begin again with what is there now.
  if (!(slot.item() == seen)) return Progress::kRetry;
  slot.Publish(std::move(draft),
               {.cas = seen.cas(), .stale = seen.is_stale(), .won = seen.is_won(), .keep_history = true});
  return std::nullopt;
}

std::optional<Progress> Place::Remove(store::Slot slot, Reply* reply) {
  if (rule_ == nullptr) {
    slot.Remove();
    return std::nullopt;
  }
  if (rule_->is_strict()) {
    frame_.ends = true;
    const session::Waiter waiter = WaiterOf();
    return Submitted(context_.sessions->strict_writes().Delete(slot, *rule_, key_, {waiter, frame_.waits}), 0, reply);
  }
  { const store::Slot gone = std::move(slot); }
  store::Draft tombstone;
  if (auto refused = Refused(context_.access.NewDraft(session::Sessions::TombstoneShape(key_), &tombstone), reply))
    return refused;
  store::Slot again = Lock();
  const Presence presence = Decide(again.state());
  if (presence == Presence::kAbsent) return std::nullopt;  // another's delete came first
  if (presence == Presence::kUnknown && !unavailable()) return Progress::kRetry;
  if (StandsInLine()) return AwaitRoom(reply);
  const WriteOutcome outcome = context_.sessions->Delete(again, std::move(tombstone), *rule_, key_, context_.now);
  if (const auto interrupted = Settled(outcome, reply)) return interrupted;
  { const store::Slot gone = std::move(again); }
  NoteEnd();
  return std::nullopt;
}

void Place::NoteEnd() {
  const bool is_delete = request_.verb == protocol::Verb::kDelete;
  context_.sessions->NoteEnd(key_, is_delete ? session::End::kDeleted : session::End::kExpiredByClient,
                             session::ClientAddress::Of(context_.socket));
}

Seconds Place::ExpiryOf(int64_t exptime, bool is_store) const {
  if (exptime == 0) return base::kNever;
  if (exptime < 0) return base::kAlreadyPast;
  const bool lenient = is_store && rule_ != nullptr && rule_->lenient_ttl;
  int64_t seconds = exptime;
  if (exptime > protocol::kRelativeExptimeMax) {
    seconds = exptime - context_.clock.WallMicros() / 1'000'000;
    if (seconds <= 0 && lenient) seconds = exptime;
    if (seconds <= 0) return base::kAlreadyPast;
  }
  constexpr int64_t kLatest = std::numeric_limits<Seconds>::max();
  return static_cast<Seconds>(std::min(kLatest, static_cast<int64_t>(context_.now) + seconds));
}

}  // namespace holdfast::command
