// request.h - what a client asks for, whichever of the three wire syntaxes it was said in.
//
// A parser fills a Request, a verb in command/ executes it, a writer turns the Reply back into bytes. One Request is
// one key: a multiget of a thousand keys is a thousand Requests, of which the last says so (`last_of_batch`: END, or
// nothing in binary and meta).
//
// Source: memcached's protocol.txt as summed up in the project's compatibility notes; binary packet layout there as
// well.
//
// Threads: a value, used by one worker.
// Owns:    nothing. key, value, opaque and arguments are views into the connection's input (or its upload), valid for
// the turn.

#ifndef HOLDFAST_PROTOCOL_REQUEST_H_
#define HOLDFAST_PROTOCOL_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

namespace holdfast::protocol {

inline constexpr size_t kKeyBytesMax = 250;
inline constexpr size_t kMetaFlagsMax = 20;
inline constexpr size_t kMetaOpaqueBytesMax = 31;

enum class Syntax : uint8_t { kText, kMeta, kBinary };

enum class Verb : uint8_t {
  kGet,         // get gets gat gats mg; binary GET* and GAT*. touch_expiry set: also gives the item a new expiry.
  kStore,       // set add replace append prepend cas ms; mode and compare_cas say which
  kArithmetic,  // incr decr ma
  kTouch,
  kDelete,
  kMetaDebug,  // me
  kNoop,       // mn, binary NOOP
  kFlushAll,
  kVersion,
  kVerbosity,
  kStats,  // arguments: what stands after "stats "; binary: the key
  kQuit,
  kShutdown,  // arguments
  kControl,   // cache_memlimit, lru, lru_crawler, slabs, watch, ...: arguments is the whole line
  kSasl,      // binary SASL opcodes: key is the mechanism
  kInvalid,   // the parser refused it: error says how. Nothing is executed.
};

enum class StoreMode : uint8_t { kSet, kAdd, kReplace, kAppend, kPrepend };

// What a parser can find wrong. Each writer has memcached's words for it; kept as a kind, so that a verb may refuse the
// same way.
enum class RequestError : uint8_t {
  kNone,
  kUnknownCommand,     // ERROR
  kBadLine,            // CLIENT_ERROR bad command line format
  kBadExptime,         // CLIENT_ERROR invalid exptime argument
  kBadDelta,           // CLIENT_ERROR invalid numeric delta argument
  kBadDataChunk,       // CLIENT_ERROR bad data chunk
  kTooLarge,           // SERVER_ERROR object too large for cache
  kBadToken,           // CLIENT_ERROR bad token in command line format
  kInvalidFlag,        // CLIENT_ERROR invalid flag
  kDuplicateFlag,      // CLIENT_ERROR duplicate flag
  kTooManyFlags,       // CLIENT_ERROR options flags are too long
  kOpaqueTooLong,      // CLIENT_ERROR opaque token too long
  kBadBase64,          // CLIENT_ERROR error decoding key
  kBadModeStore,       // CLIENT_ERROR invalid mode for ms M token
  kBadModeArithmetic,  // CLIENT_ERROR invalid mode for ma M token
  kBadFlagArithmetic,  // CLIENT_ERROR invalid or duplicate flag
  kInvalidArguments,   // binary status 4
};

// A set of meta flag letters.
class FlagSet {
 public:
  void Add(char letter) { bits_ |= Bit(letter); }
  bool Has(char letter) const { return (bits_ & Bit(letter)) != 0; }
  bool empty() const { return bits_ == 0; }

 private:
  static uint64_t Bit(char letter) { return uint64_t{1} << (static_cast<unsigned char>(letter) & 63); }
  uint64_t bits_ = 0;
};

// One flag as the client wrote it, in its order: replies return what was asked for in that order.
struct MetaFlag {
  char letter;
  std::string_view token;
};

struct Request {
  Verb verb = Verb::kInvalid;
  Syntax syntax = Syntax::kText;
  RequestError error = RequestError::kNone;  // kNone unless verb is kInvalid

  // How to answer
  bool quiet = false;          // text noreply; binary quiet opcodes; meta q
  bool first_of_batch = true;  // the first key of a text multiget
  bool last_of_batch = true;   // the last: after it comes END
  bool return_key = false;     // classic get, binary GETK/GATK, meta k
  bool return_cas = false;     // gets/gats, meta c; binary always
  bool binary_key = false;     // meta b: the key came in base64 and goes back so
  uint8_t opcode = 0;          // binary: as received
  uint32_t binary_opaque = 0;  // binary: as received, host order of the wire's big-endian number

  std::string_view key;        // decoded
  std::string_view arguments;  // kStats, kShutdown, kControl

  // kStore
  StoreMode mode = StoreMode::kSet;
  uint32_t client_flags = 0;
  uint64_t value_size = 0;                  // known before the value has come
  std::span<const std::string_view> value;  // the value in pieces, together value_size bytes; mostly one piece

  // Expiry as the client said it: see Exptime.
  int64_t exptime = 0;
  bool has_exptime = false;  // kGet: touch it too (gat, mg T); kArithmetic and kStore: given
  bool has_compare_cas = false;
  uint64_t compare_cas = 0;
  bool has_new_cas = false;  // meta E
  uint64_t new_cas = 0;

  // kArithmetic
  bool decrement = false;
  uint64_t delta = 1;
  bool create = false;  // binary incr with expiry != 0xffffffff; meta N (also on mg, and ms append): create on a miss
  int64_t create_exptime = 0;
  uint64_t initial = 0;

  // kGet, meta: win the recache when the remaining time is below this
  bool has_recache = false;
  int64_t recache_seconds = 0;

  // kVerbosity: level; kFlushAll: has_exptime + exptime is the delay.
  uint32_t level = 0;

  // Meta flags, for behaviour by set and for the reply by order.
  FlagSet flags;
  uint8_t meta_flag_count = 0;
  MetaFlag meta_flags[kMetaFlagsMax];
};

// How clients write expiry: 0 never; negative already past; up to 30 days relative seconds; above that an absolute Unix
// time.
inline constexpr int64_t kRelativeExptimeMax = 60 * 60 * 24 * 30;

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_REQUEST_H_
