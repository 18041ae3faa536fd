// How it works: one switch from verb to function.

#include <utility>

#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;
using protocol::RequestError;
using protocol::Syntax;
using protocol::Verb;

namespace {

Progress ExecuteVerb(Context& context, const Request& request, Frame& frame, Reply* reply) {
  reply->key = request.key;
  reply->binary_key = request.binary_key;
  if (request.syntax == Syntax::kMeta && !frame.begun) context.counters.cmd_meta.Add();
  switch (request.verb) {
    case Verb::kGet:
      return Retrieve(context, request, frame, reply);
    case Verb::kStore:
      return StoreValue(context, request, frame, reply);
    case Verb::kArithmetic:
      return Arithmetic(context, request, frame, reply);
    case Verb::kTouch:
      return Touch(context, request, frame, reply);
    case Verb::kDelete:
      return Remove(context, request, frame, reply);
    case Verb::kMetaDebug:
      return Debug(context, request, frame, reply);
    case Verb::kNoop:
      return Done(reply, ReplyCode::kNoop);
    case Verb::kFlushAll:
      return FlushAll(context, request, reply);
    case Verb::kVersion:
      reply->text = context.control.version();
      return Done(reply, ReplyCode::kVersion);
    case Verb::kVerbosity:
      context.control.SetVerbosity(request.level);
      return Done(reply, ReplyCode::kOk);
    case Verb::kQuit:
      reply->close = true;
      return Done(reply, request.syntax == Syntax::kBinary ? ReplyCode::kOk : ReplyCode::kNone);
    case Verb::kShutdown:
      return Shutdown(context, request, reply);
    case Verb::kControl:
      return RunControl(context, request, frame, reply);
    case Verb::kSasl:
      return Done(reply, ReplyCode::kUnknownCommand);
    case Verb::kInvalid:
      if (request.error == RequestError::kTooLarge) return RefuseTooLarge(context, request, frame, reply);
      reply->error = request.error;
      return Done(reply, ReplyCode::kInvalid);
    case Verb::kStats:
      break;  // ExecuteStats
  }
  return Done(reply, ReplyCode::kNone);
}

}  // namespace

Progress Execute(Context& context, const Request& request, Frame& frame, Reply* reply) {
  const Progress progress = ExecuteVerb(context, request, frame, reply);
  frame.begun = true;
  if (progress == Progress::kDone && IsObserved(context)) Observe(context, request, *reply);
  return progress;
}

KeptReply::KeptReply(const Reply& reply) : reply_(reply), key_(reply.key), text_(reply.text) {
  for (const std::string_view piece : reply.value) value_ += piece;
  piece_ = value_;
  reply_.key = key_;
  reply_.text = text_;
  reply_.value = std::span(&piece_, reply.value.empty() ? 0 : 1);
}

Progress Conclude(Context& context, const Request& request, Frame& frame, const KeptReply& kept, Reply* reply) {
  const session::LoadOutcome outcome = std::exchange(frame.in_hand, session::LoadOutcome::kNone);
  Place place(context, request, frame);
  reply->key = request.key;
  reply->binary_key = request.binary_key;
  switch (outcome) {
    case session::LoadOutcome::kCommitted:
      *reply = kept.reply();
      if (frame.ends) place.NoteEnd();
      break;
    case session::LoadOutcome::kUnavailable:
      place.Refuse(reply);
      break;
    case session::LoadOutcome::kUnwritable:
      context.counters.store_too_large.Add();
      reply->code = ReplyCode::kTooLarge;
      break;
    default:
      return Execute(context, request, frame, reply);
  }
  if (IsObserved(context)) Observe(context, request, *reply);
  return Progress::kDone;
}

void ShowItem(Context& context, const store::ItemRef& item, Reply* reply) {
  reply->key = item.key();
  if (item.is_chained()) {
    context.pieces.clear();
    item.ForEachPiece([&](std::string_view piece) { context.pieces.push_back(piece); });
    reply->value = context.pieces;
    reply->value_size = item.value_size();
  } else {
    context.piece = item.value();
    reply->value = {&context.piece, 1};
    reply->value_size = context.piece.size();
  }
  reply->client_flags = item.client_flags();
  reply->cas = item.cas();
}

int64_t TtlSeconds(Seconds expiry, Seconds now) {
  if (expiry == base::kNever) return -1;
  return expiry > now ? static_cast<int64_t>(expiry - now) : 0;
}

Lifetime ApplyLifetimeFlags(const Request& request, const Place& place, Seconds expiry, bool is_new, Seconds now) {
  Lifetime life{.expiry = expiry};
  for (const char flag : request.lifetime_flags) {
    const int64_t ttl = TtlSeconds(life.expiry, now);
    if (flag == 't') life.shown_ttl = ttl;
    if (flag == 'T') life.expiry = place.ExpiryOf(request.exptime, is_new);
    if (flag == 'N' && is_new) life.expiry = place.ExpiryOf(request.create_exptime, true);
    if (flag == 'R' && !is_new) life.recache_due = ttl >= 0 && ttl < request.recache_seconds;
  }
  return life;
}

bool RefusesNewCas(const Request& request, const Place& place, Reply* reply) {
  if (!request.has_new_cas || !place.is_session()) return false;
  reply->code = ReplyCode::kClientError;
  reply->text = "a session's cas is its version: E is not allowed";
  return true;
}

}  // namespace holdfast::command
