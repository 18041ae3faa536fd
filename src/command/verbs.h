// verbs.h - the verbs that Execute chooses from, and what several of them share. For this folder's own files.

#ifndef HOLDFAST_COMMAND_VERBS_H_
#define HOLDFAST_COMMAND_VERBS_H_

#include "command/background.h"
#include "command/command.h"
#include "command/keyspace.h"

namespace holdfast::command {

Progress Retrieve(Context& context, const Request& request, Frame& frame, Reply* reply);    // retrieve.cc
Progress StoreValue(Context& context, const Request& request, Frame& frame, Reply* reply);  // mutate.cc
Progress Extend(Context& context, const Request& request, Frame& frame, Reply* reply);  // extend.cc: append, prepend
Progress Arithmetic(Context& context, const Request& request, Frame& frame, Reply* reply);  // arithmetic.cc
Progress Touch(Context& context, const Request& request, Frame& frame, Reply* reply);       // touch.cc
Progress Remove(Context& context, const Request& request, Frame& frame, Reply* reply);      // remove.cc
Progress Debug(Context& context, const Request& request, Frame& frame, Reply* reply);       // inspect.cc
Progress FlushAll(Context& context, const Request& request, Reply* reply);                  // control.cc
Progress RunControl(Context& context, const Request& request, Frame& frame, Reply* reply);  // control.cc
Progress Shutdown(Context& context, const Request& request, Reply* reply);                  // control.cc

// Tells those who watch, and the counts by prefix, of a request that is done.                 observe.cc
void Observe(Context& context, const Request& request, const Reply& reply);
bool IsObserved(const Context& context);

// A reply that `work` makes on a thread of its own. False: too many are at work.             background replies
bool Begin(Context& context, const Frame& frame, Background::Kind kind, Background::Work work);

// A value that came too large: the old one goes, as in memcached, but a session keeps its own.
Progress RefuseTooLarge(Context& context, const Request& request, Frame& frame, Reply* reply);  // mutate.cc

// Fills the reply's item fields from an item that stays readable until the worker's next quiescent state.
void ShowItem(Context& context, const store::ItemRef& item, Reply* reply);
// What is left of a lifetime; -1: it does not end. 0: it has ended, which only the request that ends it gets to see.
int64_t TtlSeconds(Seconds expiry, Seconds now);

// What the flags of mg and ma make of an item's expiry and show of it. They act in the order in which they stand on the
// line, as in memcached: a t before T shows the old lifetime, an R behind T judges the new one.
struct Lifetime {
  Seconds expiry;
  int64_t shown_ttl = -1;
  bool recache_due = false;
};
Lifetime ApplyLifetimeFlags(const Request& request, const Place& place, Seconds expiry, bool is_new, Seconds now);
// What the meta syntax wants of a key that is a session but cannot have: a cas of the client's choice. True: reply is
// set.
bool RefusesNewCas(const Request& request, const Place& place, Reply* reply);

inline Progress Done(Reply* reply, protocol::ReplyCode code) {
  reply->code = code;
  return Progress::kDone;
}

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_VERBS_H_
