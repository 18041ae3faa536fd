// reply.h - what is answered, before it becomes bytes in one of the three syntaxes.
//
// Threads: a value, used by one worker.
// Owns:    nothing. key, value and text are views into the request, the store or the caller's, valid until the worker's
// next
//          quiescent state.

#ifndef HOLDFAST_PROTOCOL_REPLY_H_
#define HOLDFAST_PROTOCOL_REPLY_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "protocol/request.h"

namespace holdfast::protocol {

enum class ReplyCode : uint8_t {
  kNone,  // nothing to say (yet): quit, or a reply already written in parts
  kHit,   // a retrieval found it: the item fields are set
  kMiss,  // a retrieval did not
  kStored,
  kNotStored,  // add on a present key, replace/append on an absent one
  kExists,     // cas differs
  kNotFound,   // cas, incr, delete, touch on an absent key
  kDeleted,
  kTouched,  // binary TOUCH and GAT carry the flags
  kNumber,   // incr, decr, ma: number
  kOk,       // flush_all, verbosity
  kReset,    // stats reset
  kVersion,  // text
  kNoop,
  kStat,  // one row: key = name, text = value; more follow
  kStatEnd,
  kMetaDebug,    // me: text is all behind the key
  kText,         // text is the whole answer line, the writer adds \r\n (control commands: "BUSY ...", "MEMLIMIT_...")
  kInvalid,      // the request was wrong: error says how; kNone means as the request's error does
  kTooLarge,     // SERVER_ERROR object too large for cache
  kNoMemory,     // SERVER_ERROR out of memory storing object (and its per-verb variants)
  kNonNumeric,   // CLIENT_ERROR cannot increment or decrement non-numeric value
  kClientError,  // CLIENT_ERROR text
  kServerError,  // SERVER_ERROR text; binary status 0x84 with the text
  kUnknownCommand,
  kAuthError,
};

// Made anew for every request: small fields first, so that it is cleared by a few instructions.
struct Reply {
  ReplyCode code = ReplyCode::kNone;
  RequestError error = RequestError::kNone;
  bool close = false;  // close the connection once this is sent

  // Meta
  bool binary_key = false;      // the item was stored under a base64 key: k shows it so, however it was asked for
  bool withhold_value = false;  // mg C: the client has this value already; say HD although it asked for v
  bool hit_before = false;
  bool won = false;           // W
  bool stale = false;         // X
  bool won_by_other = false;  // Z

  uint32_t client_flags = 0;
  std::string_view key;                     // as stored; the request's key on a miss
  std::span<const std::string_view> value;  // pieces; empty for an empty value
  uint64_t value_size = 0;
  uint64_t cas = 0;
  uint64_t number = 0;
  std::string_view text;

  // Meta
  int64_t ttl_seconds = -1;  // -1: never expires
  uint64_t seconds_since_access = 0;
};

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_REPLY_H_
