// write_request.h - a change of a session as a command wants it, and what can become of it.
//
// Threads: values.

#ifndef HOLDFAST_SESSION_WRITE_REQUEST_H_
#define HOLDFAST_SESSION_WRITE_REQUEST_H_

#include <cstdint>

#include "base/clock.h"
#include "session/rule.h"
#include "store/store.h"

namespace holdfast::session {

enum class WriteKind : uint8_t {
  kSet,       // blind: set, replace
  kAdd,       // only where there was none
  kCompared,  // only where there is what it was made from: cas
  kRewrite,   // made here from what is there, and to live as long: append, prepend, incr, decr
};

enum class WriteOutcome : uint8_t {
  kStored,
  kDropped,   // answer as if stored; nothing was: from before the latest delete, or a provisional one that has lost
  kRefused,   // SERVER_ERROR out of memory storing object; the previous value stays
  kTooLarge,  // SERVER_ERROR object too large for cache: database or journal do not take it; the previous value stays
  kNoRoom,    // the journal is full now: AwaitRoom, and then all over again; the previous value stays

  // Of a strict session (strict_writes.h), where nothing is stored yet:
  kSubmitted,      // the reply is to wait for what becomes of it
  kBehindAnother,  // parked: all over again, when woken
  kBehindDirty,    // all over again soon: memory has something that the database lacks
  kUnavailable,    // answer what the rule's action says
};

struct WriteRequest {
  const Rule& rule;
  const store::Key& key;
  WriteKind kind;
  uint64_t connection;
  base::Seconds now;
  store::Slot::PublishOptions options{};  // stale, won, keep_history; cas and dirty are filled in by the module
  bool provisional = false;               // MayWriteUnknown
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_WRITE_REQUEST_H_
