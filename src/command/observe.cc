// How it works: what happened to a key is known from the request and its reply, so the verbs know nothing of those who
// watch.

#include <limits>

#include "command/operations.h"
#include "command/verbs.h"

namespace holdfast::command {

using protocol::ReplyCode;
using protocol::RequestError;
using protocol::StoreMode;
using protocol::Syntax;
using protocol::Verb;

namespace {

constexpr uint32_t kKinds = kWatchFetchers | kWatchMutations | kWatchDeletions;

const char* MissStatus(store::ItemState missed) {
  if (missed == store::ItemState::kExpired) return "expired";
  return missed == store::ItemState::kFlushed ? "flushed" : "not_found";
}

const char* StoreStatus(ReplyCode code) {
  switch (code) {
    case ReplyCode::kStored:
      return "stored";
    case ReplyCode::kExists:
      return "exists";
    case ReplyCode::kNotFound:
      return "not_found";
    case ReplyCode::kNotStored:
      return "not_stored";
    case ReplyCode::kTooLarge:
      return "too_large";
    case ReplyCode::kNoMemory:
      return "no_memory";
    default:
      return "error";
  }
}

const char* StoreCommand(const Request& request) {
  switch (request.mode) {
    case StoreMode::kAdd:
      return "add";
    case StoreMode::kReplace:
      return "replace";
    case StoreMode::kAppend:
      return "append";
    case StoreMode::kPrepend:
      return "prepend";
    case StoreMode::kSet:
      break;
  }
  return request.has_compare_cas ? "cas" : "set";
}

WatchRecord RecordOf(Context& context, const Request& request, WatchRecord::Type type) {
  WatchRecord record;
  record.type = type;
  record.socket = context.socket;
  const store::Key key = store::Key::Of(request.key);
  record.hash = key.hash;
  record.session = context.sessions != nullptr && context.sessions->Match(request.key) != nullptr;
  const store::Found found = context.access.Find(key, context.now);
  if (found.live()) record.size_class = context.access.SizeClassOf(found.item);
  return record;
}

void ObserveGet(Context& context, const Request& request, const Reply& reply, Tap& tap) {
  const bool found = reply.code == ReplyCode::kHit || reply.code == ReplyCode::kTouched;
  if (!found && reply.code != ReplyCode::kMiss && reply.code != ReplyCode::kNotFound) return;
  WatchRecord record = RecordOf(context, request, WatchRecord::Type::kGet);
  const bool is_get = request.verb == Verb::kGet;
  record.status = found ? "found" : MissStatus(is_get ? context.missed : store::ItemState::kAbsent);
  record.size = reply.value_size;
  tap.Note(record, request.key);
}

void ObserveStore(Context& context, const Request& request, const Reply& reply, Tap& tap) {
  WatchRecord record = RecordOf(context, request, WatchRecord::Type::kStore);
  record.status = StoreStatus(reply.code);
  record.command = StoreCommand(request);
  record.ttl = static_cast<int32_t>(std::min<int64_t>(request.exptime, std::numeric_limits<int32_t>::max()));
  record.size = reply.code == ReplyCode::kStored ? reply.value_size : request.value_size;
  tap.Note(record, request.key);
}

void ObserveDelete(Context& context, const Request& request, Tap& tap) {
  WatchRecord record = RecordOf(context, request, WatchRecord::Type::kDelete);
  record.command = request.syntax == Syntax::kMeta ? "md" : "delete";
  tap.Note(record, request.key);
}

void CountPrefix(Context& context, const Request& request, const Reply& reply) {
  PrefixStats::Counts counts;
  if (request.verb == Verb::kGet) {
    counts.gets = 1;
    counts.hits = reply.code == ReplyCode::kHit;
  } else if (request.verb == Verb::kStore) {
    counts.sets = 1;
  } else if (request.verb == Verb::kDelete) {
    counts.deletes = 1;
  } else {
    return;
  }
  context.operations->prefixes.Count(context.worker, request.key, counts);
}

}  // namespace

bool IsObserved(const Context& context) {
  Operations* const operations = context.operations;
  return operations != nullptr &&
         (operations->watch.tap(context.worker).Wants(kKinds) || operations->prefixes.enabled());
}

void Observe(Context& context, const Request& request, const Reply& reply) {
  Operations& operations = *context.operations;
  if (request.key.empty()) return;
  if (operations.prefixes.enabled()) CountPrefix(context, request, reply);
  Tap& tap = operations.watch.tap(context.worker);
  const bool is_store =
      request.verb == Verb::kStore || (request.verb == Verb::kInvalid && request.error == RequestError::kTooLarge);
  const bool is_read = request.verb == Verb::kGet || request.verb == Verb::kTouch;
  if (is_read && tap.Wants(kWatchFetchers)) ObserveGet(context, request, reply, tap);
  if (is_store && tap.Wants(kWatchMutations)) ObserveStore(context, request, reply, tap);
  if (reply.code == ReplyCode::kDeleted && tap.Wants(kWatchDeletions)) ObserveDelete(context, request, tap);
}

}  // namespace holdfast::command
