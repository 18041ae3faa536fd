// command.h - executes a Request and fills the Reply: one function a verb, whatever syntax it came in.
//
// A verb reads as a sentence: find the key's place, decide by what is there, publish or refuse. What differs between a
// cache key and a session is in keyspace.h. A verb never waits: what it cannot answer now it leaves as kParked (the
// session module wakes the connection) or kRetry (memory that readers still hold); either way the whole request is
// executed again later.
//
// Threads: a Context belongs to one worker. Execute on that worker's thread.
// Owns:    Context owns the scratch that replies point into; it is valid until the next Execute.
// Errors:  a client's mistake is a Reply. Nothing else can go wrong here.

#ifndef HOLDFAST_COMMAND_COMMAND_H_
#define HOLDFAST_COMMAND_COMMAND_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "command/counters.h"
#include "command/feed.h"
#include "protocol/reply.h"
#include "protocol/request.h"
#include "session/session.h"
#include "store/store.h"

namespace holdfast::command {

using base::Seconds;
using protocol::Reply;
using protocol::Request;

class Operations;  // operations.h

// What verbs need of the process beyond store and sessions; the server implements it.
class Control {
 public:
  virtual ~Control() = default;
  virtual std::string_view version() const = 0;
  virtual void SetVerbosity(uint32_t level) = 0;
  // Calls row(name, value) for each statistic of `arguments` as in "stats ARGUMENTS". False: no such statistics.
  virtual bool Stats(std::string_view arguments,
                     const std::function<void(std::string_view, std::string_view)>& row) = 0;
  virtual void ResetStats() = 0;
  virtual bool flush_allowed() const = 0;
};

struct Context {
  store::Access& access;
  session::Sessions* sessions;  // null: no key is a session
  const base::Clock& clock;
  Control& control;
  CommandCounters& counters;
  uint32_t worker = 0;
  Seconds now = 0;                   // set at the beginning of every turn
  Operations* operations = nullptr;  // null: there are no commands for operators (tests)
  int socket = -1;                   // of the connection whose turn it is, for those who watch
  // Makes the function that gives this connection a turn, from any thread.
  std::function<std::function<void()>(uint64_t connection)> waker = {};

  // What the latest Reply points into.
  std::vector<std::string_view> pieces = {};
  std::string_view piece = {};
  std::string text = {};
  // After kFeeds: where the reply comes from.
  std::shared_ptr<Feed> feed = {};
  store::ItemState missed = store::ItemState::kAbsent;  // what the latest miss was
};

// One request's way through parking: the connection keeps it while the request is tried again.
struct Frame {
  store::Key key;                  // of the request, hashed by whoever prefetched it; empty: not yet
  store::Index::Ahead ahead = {};  // what prefetching saw
  uint64_t connection = 0;
  uint64_t request = 0;  // which of the connection's requests: a late wake-up is known by it
  session::LoadOutcome in_hand = session::LoadOutcome::kNone;  // what it was woken with
  uint32_t retries = 0;
  int64_t retry_until_us = 0;  // steady; then memory is taken to be out. 0: no retry for memory yet
  session::Waits waits;
  bool begun = false;           // it was executed before, and counted
  bool won = false;             // the recache is this request's, which is executed again
  bool ends = false;            // the change that was submitted is the session's end
  bool abandons_batch = false;  // for the caller: an error has taken the place of the rest of this get
};

enum class Progress : uint8_t {
  kDone,    // the reply is ready
  kParked,  // to be executed again when the session module wakes this connection
  kRetry,   // to be executed again after this worker's next quiescent state
  kFeeds,   // the reply comes through Context::feed
  // The reply is ready, but true only when the database has committed the change of a strict session: to be kept until
  // the session module wakes this connection, and then Conclude.
  kCommits,
};

// A reply that is kept, with all it points to.
class KeptReply {
 public:
  explicit KeptReply(const Reply& reply);
  KeptReply(const KeptReply&) = delete;
  KeptReply& operator=(const KeptReply&) = delete;
  const Reply& reply() const { return reply_; }

 private:
  Reply reply_;
  std::string key_;
  std::string text_;
  std::string value_;
  std::string_view piece_;
};

// How long a request waits for memory that readers still hold: longer than a worker that was preempted stays away, and
// time, not rounds, for rounds pass in no time when there is nothing else to do.
inline constexpr int64_t kRetryMicrosMax = 5'000'000;

// *reply is as it was made.
Progress Execute(Context& context, const Request& request, Frame& frame, Reply* reply);

// After kCommits, when it was woken: with that reply, if the change was committed; else with another, or as Execute
// does, for then it is executed again. *reply is as it was made, and points into kept.
Progress Conclude(Context& context, const Request& request, Frame& frame, const KeptReply& kept, Reply* reply);

// Calls `write` for each reply to kStats; Execute does not answer that verb, for its reply is many. kDone or kFeeds.
Progress ExecuteStats(Context& context, const Request& request, Frame& frame,
                      const std::function<void(const Reply&)>& write);

// What Execute will look at, to be fetched ahead (Access::FetchAhead) when there are several requests.
inline store::Lookup LookupOf(const Request& request) {
  if (request.verb > protocol::Verb::kMetaDebug) return {};
  return {.key = store::Key::Of(request.key), .is_write = request.verb != protocol::Verb::kGet};
}

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_COMMAND_H_
