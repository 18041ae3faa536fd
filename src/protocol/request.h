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
// Owns:    a decoded base64 key. All else are views into the connection's input (or its upload), valid for the turn;
//          KeepText makes them last.

#ifndef HOLDFAST_PROTOCOL_REQUEST_H_
#define HOLDFAST_PROTOCOL_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <new>
#include <span>
#include <string>
#include <string_view>

namespace holdfast::protocol {

inline constexpr size_t kKeyBytesMax = 250;
inline constexpr size_t kMetaWordsMax = 20;  // on a line, with command and key
inline constexpr size_t kMetaOpaqueBytesMax = 31;

enum class Syntax : uint8_t { kText, kMeta, kBinary };

enum class Verb : uint8_t {
  kGet,         // get gets gat gats mg; binary GET* and GAT*. has_exptime: also gives the item a new expiry.
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
  kUnknownCommand,  // ERROR
  kBadLine,         // CLIENT_ERROR bad command line format
  kBadExptime,      // CLIENT_ERROR invalid exptime argument
  kBadDelta,        // CLIENT_ERROR invalid numeric delta argument
  kBadDataChunk,    // CLIENT_ERROR bad data chunk
  kTooLarge,       // SERVER_ERROR object too large for cache. key, mode and compare_cas are set, for the old value must
                   // not stay: any ms and a plain set remove it.
  kBadToken,       // CLIENT_ERROR bad token in command line format
  kInvalidFlag,    // CLIENT_ERROR invalid flag
  kDuplicateFlag,  // CLIENT_ERROR duplicate flag
  kTooManyFlags,   // CLIENT_ERROR options flags are too long
  kOpaqueTooLong,  // CLIENT_ERROR opaque token too long
  kBadBase64,      // CLIENT_ERROR error decoding key
  kBadModeStore,   // CLIENT_ERROR invalid mode for ms M token
  kBadModeLength,  // CLIENT_ERROR incorrect length for M token
  kBadMetaDelta,   // CLIENT_ERROR invalid numeric delta value
  kBadInitial,     // CLIENT_ERROR invalid numeric initial value
  kBadModeArithmetic,  // CLIENT_ERROR invalid mode for ma M token
  kBadFlagArithmetic,  // CLIENT_ERROR invalid or duplicate flag
  kDeleteUsage,        // CLIENT_ERROR bad command line format.  Usage: delete <key> [noreply]
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

// The fields of a Request that every request starts anew. All views point into the connection's input (or its upload)
// and are valid for the turn.
struct RequestFields {
  Verb verb = Verb::kInvalid;
  Syntax syntax = Syntax::kText;
  RequestError error = RequestError::kNone;  // kNone unless verb is kInvalid

  // How to answer
  bool quiet = false;          // text noreply; binary quiet opcodes; meta q
  bool close = false;          // after the answer the connection is to be closed: quit, a binary header that lies
  bool first_of_batch = true;  // the first key of a text multiget
  bool last_of_batch = true;   // the last: after it comes END
  bool return_key = false;     // classic get, binary GETK/GATK, meta k
  bool return_cas = false;     // gets/gats, meta c; binary always
  bool binary_key = false;     // meta b: the key came in base64 and goes back so
  uint8_t opcode = 0;          // binary: as received

  StoreMode mode = StoreMode::kSet;  // kStore
  bool decrement = false;            // kArithmetic
  bool has_exptime = false;          // kGet: touch it too (gat, mg T); kArithmetic and kStore: given
  bool has_compare_cas = false;
  bool has_new_cas = false;  // meta E
  bool create = false;  // binary incr with expiry != 0xffffffff; meta N (also on mg, and ms append): create on a miss
  bool has_recache = false;  // meta R

  uint32_t binary_opaque = 0;  // binary: as received, host order of the wire's big-endian number
  uint32_t client_flags = 0;   // kStore
  uint32_t level = 0;          // kVerbosity

  std::string_view key;        // decoded
  std::string_view arguments;  // kStats, kShutdown, kControl, kSasl

  // kStore. The pieces together are value_size bytes; mostly it is one.
  uint64_t value_size = 0;  // known before the value has come
  std::span<const std::string_view> value;

  // Expiry as the client said it: see kRelativeExptimeMax. kFlushAll: the delay.
  int64_t exptime = 0;
  int64_t create_exptime = 0;
  int64_t recache_seconds = 0;  // kGet, meta: win the recache when the remaining time is below this
  uint64_t compare_cas = 0;
  uint64_t new_cas = 0;

  // kArithmetic
  uint64_t delta = 1;
  uint64_t initial = 0;

  // Meta: which flags were given, and their text as written, for a reply returns them in the order of the request.
  FlagSet flags;
  char lifetime_flags[4] = {};  // T, N, R and t as given, up to a zero: they act in this order
  std::string_view meta_flags;
};

struct Request : RequestFields {
  Request() {}  // leaves key_storage as it is
  Request(const Request& other) { *this = other; }
  // Views into the input stay views into the input; those into this object follow it.
  Request& operator=(const Request& other);

  void Clear() { new (static_cast<RequestFields*>(this)) RequestFields(); }  // in place, without a copy
  // A value in one piece.
  void SetValue(std::string_view bytes) {
    piece = bytes;
    value = {&piece, 1};
    value_size = bytes.size();
  }
  // Makes it a request that is only to be refused; quiet and what else is known of it stay.
  void Refuse(RequestError why) {
    verb = Verb::kInvalid;
    error = why;
  }
  // Copies what key, arguments and meta_flags point to into storage and lets them point there, so that the request
  // survives its input: an upload, a parked request. The value stays where it is; storage must not move.
  void KeepText(std::string* storage);

  std::string_view piece;          // behind value when that was set by SetValue
  char key_storage[kKeyBytesMax];  // behind key when it came in base64; untouched otherwise
};

// How clients write expiry: 0 never; negative already past; up to 30 days relative seconds; above that an absolute Unix
// time.
inline constexpr int64_t kRelativeExptimeMax = 60 * 60 * 24 * 30;

}  // namespace holdfast::protocol

#endif  // HOLDFAST_PROTOCOL_REQUEST_H_
