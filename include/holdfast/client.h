// client.h - a client of Holdfast and of any memcached from 1.6 on, over a consistent-hash ring of servers.
//
//     holdfast::ClientOptions options;
//     options.servers = {{"cache1:11211"}, {"cache2:11211"}, {"cache3:11211"}};
//     auto client = holdfast::Client::Make(options);      // client.status says why there is none
//     holdfast::GetResult found = client->Get("user:5");
//     if (found.ok()) Use(found.value);
//
// Every call has a deadline (Call::timeout) and comes back by then. A call without a callback does its work on the
// calling thread; one with a callback returns at once, and the callback is run on the client's own thread, or before
// the return when the call is refused outright.
//
// Threads: one Client for all threads; every method may be called from any, at any time. The destructor must come last;
//          callbacks that are outstanding then get kClosed, and none runs after it.
// Owns:    its connections and one thread (two where a server is given by a host name, which must be looked up).
// Blocks:  a call without a callback, until its deadline at most. Those with one: never. A callback must not take long,
//          for all others wait behind it; it may use the client, calls with a callback preferred.
// Errors:  every result carries a Status; failures name the server. Nothing throws but for want of memory, or what a
//          callback or function of the caller throws: that ends the program, except in GetOrCompute.
// Limits:  keys of 250 bytes, prefix included; others are fields of ClientOptions.

#ifndef HOLDFAST_CLIENT_H_
#define HOLDFAST_CLIENT_H_

#include <holdfast/export.h>
#include <holdfast/ring.h>
#include <holdfast/status.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace holdfast {

// -- What a client is made of ---------------------------------------------------------------------

struct Server {
  std::string address;  // "host", "host:port", "10.0.0.1:11211", "[::1]:11211", "/run/holdfast.sock"
  std::string name;     // what the ring hashes; empty: as libmemcached would, KetamaName of the address
  uint32_t weight = 1;
};

// What happens to the keys of a server that is ejected.
enum class WhenDown {
  kFail,        // kServerDown, at once
  kMiss,        // reads find nothing (GetResult::skipped tells), writes get kServerDown: no key is ever on two servers
  kNextServer,  // the next server of the ring has them until it returns: no failures, but old values may come back
};

struct ClientOptions {
  std::vector<Server> servers;
  std::string ring = "slots";  // see doc/client.md: if other clients share the cache, take their scheme
  std::string prefix;          // put before every key, not hashed: libmemcached's namespace

  std::chrono::milliseconds timeout{1000};         // of a call that has none of its own
  std::chrono::milliseconds connect_timeout{500};  // the part of it that connecting may take

  WhenDown when_down = WhenDown::kFail;
  uint32_t failures_before_ejection = 3;              // in a row; 0: never eject
  std::chrono::milliseconds probe_interval{1000};     // how often an ejected server is asked whether it is back
  std::chrono::milliseconds resolve_interval{60000};  // how old the addresses of a host name may become

  bool check_keys = true;  // false: keys may hold any byte, and those that a line cannot hold travel in base64
  uint32_t connections_idle_max = 16;  // kept for each server
  uint32_t connections_max = 1024;     // at one time for each server
  uint32_t multiget_keys_max = 1000;   // in one request; a larger multiget is sent in pieces, two under way at a time
  uint64_t value_bytes_max = uint64_t{128} << 20;  // larger values are neither sent nor received
};

// -- What a call takes ----------------------------------------------------------------------------

// A master key: it alone decides the server, the item keeps its own key. Text is hashed as a key is (libmemcached's
// _by_key functions); a number is used as the hash itself (Perl's [number, key]).
class Master {
 public:
  Master(std::string_view text) : text_(text) {}    // NOLINT: implicit on purpose
  Master(const std::string& text) : text_(text) {}  // NOLINT
  Master(const char* text) : text_(text) {}         // NOLINT
  template <class T>
  requires std::integral<T> Master(T number) : number_(static_cast<uint64_t>(number)), is_number_(true) {}  // NOLINT

  bool is_number() const { return is_number_; }
  std::string_view text() const { return text_; }
  uint64_t number() const { return number_; }

 private:
  std::string_view text_;  // borrowed for the call
  uint64_t number_ = 0;
  bool is_number_ = false;
};

struct Call {
  std::optional<Master> master = {};       // none: the key decides
  std::chrono::milliseconds timeout{0};    // 0: ClientOptions::timeout
  std::optional<WhenDown> when_down = {};  // none: ClientOptions::when_down. kNextServer has to be the client's own.
};

struct StoreOptions {
  std::chrono::seconds ttl{0};  // 0: never expires; negative: at once. Above 30 days it is turned into a date for you.
  uint32_t flags = 0;           // 32 bits that come back with the value; what they mean is the application's affair
};

struct NumberOptions {
  std::optional<uint64_t> initial = {};  // the value that an absent item is made with; none: kNotFound
  std::chrono::seconds ttl{0};           // of an item made so
};

struct RemoveOptions {
  uint64_t cas = 0;         // not 0: only if the item is still this one, else kExists
  bool make_stale = false;  // keep the item, marked as stale: the next GetOrCompute computes it anew while others are
                            // given the old value
  std::chrono::seconds stale_ttl{30};
};

// -- What a call gives ----------------------------------------------------------------------------

struct GetResult {
  Status status;
  std::string value;
  uint32_t flags = 0;
  uint64_t cas = 0;      // of Gets alone
  bool skipped = false;  // kNotFound because the server is down and WhenDown::kMiss holds
  bool ok() const { return status.ok(); }
};

struct StoreResult {
  Status status;
  uint64_t cas = 0;  // of the item stored; 0 where the server tells none
  bool ok() const { return status.ok(); }
};

struct NumberResult {
  Status status;
  uint64_t number = 0;
  bool ok() const { return status.ok(); }
};

struct Found {
  Status status;
  std::string_view value;  // owned by the GetManyResult
  uint32_t flags = 0;
  uint64_t cas = 0;      // of GetsMany alone
  bool skipped = false;  // as in GetResult
  bool ok() const { return status.ok(); }
};

// One Found for each key, in the order of the keys. A server that failed costs its own keys only.
class HOLDFAST_API GetManyResult {
 public:
  GetManyResult();
  GetManyResult(GetManyResult&&) noexcept;
  GetManyResult& operator=(GetManyResult&&) noexcept;
  ~GetManyResult();

  size_t size() const { return found_.size(); }
  const Found& operator[](size_t index) const { return found_[index]; }
  auto begin() const { return found_.begin(); }
  auto end() const { return found_.end(); }

  size_t hits() const;
  // No key failed: each was found or is not there.
  bool complete() const;
  // The first failure; ok when complete.
  Status status() const;

 private:
  friend struct GetManyAccess;
  struct Bytes;
  std::vector<Found> found_;
  std::unique_ptr<Bytes> bytes_;  // behind the values; null when there are none
};

struct ServerResult {
  std::string server;  // its address
  Status status;
  std::string text;                                       // Version
  std::vector<std::pair<std::string, std::string>> rows;  // Stats
};

struct ServerState {
  std::string address;
  std::string name;
  bool down = false;         // ejected
  uint64_t failures = 0;     // since it was added
  uint64_t ejections = 0;    // since it was added
  uint32_t connections = 0;  // now, idle ones included
};

// -- GetOrCompute ---------------------------------------------------------------------------------

// Makes the value; nullopt: there is none. What it throws is caught and reported as kComputeFailed.
using Compute = std::function<std::optional<std::string>()>;

struct ComputeOptions {
  std::chrono::seconds ttl{0};
  uint32_t flags = 0;
  std::chrono::seconds recache{0};       // compute anew when less than this remains of the ttl; 0: not before the end
  std::chrono::seconds compute_ttl{30};  // how long one caller may compute before another is let in its place
};

struct ComputeResult {
  Status status;
  std::string value;
  uint32_t flags = 0;
  bool computed = false;  // by this very call
  bool stale = false;     // the item is out of date, another caller is making it anew
  Status stored;          // computed: whether the value has reached the cache
  bool ok() const { return status.ok(); }
};

// -- The client -----------------------------------------------------------------------------------

template <class Result>
using Callback = std::function<void(Result)>;

class Client;

struct MakeResult {
  std::unique_ptr<Client> client;  // null exactly when status is not ok
  Status status;
  bool ok() const { return status.ok(); }
  Client* operator->() const { return client.get(); }
  Client& operator*() const { return *client; }
};

class HOLDFAST_API Client {
 public:
  // Connects nowhere yet: a server that is away shows when it is used.
  static MakeResult Make(const ClientOptions& options);
  // The same with the defaults: "cache1:11211,cache2:11211/?3,/run/holdfast.sock" (3 is a weight).
  static MakeResult Make(std::string_view servers);
  static Status ParseServers(std::string_view text, std::vector<Server>* servers);
  ~Client();
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  // Reads. Gets brings the cas value too.
  GetResult Get(std::string_view key, const Call& call = {});
  GetResult Gets(std::string_view key, const Call& call = {});
  GetResult GetAndTouch(std::string_view key, std::chrono::seconds ttl, const Call& call = {});
  GetManyResult GetMany(std::span<const std::string_view> keys, const Call& call = {});
  GetManyResult GetMany(std::span<const std::string> keys, const Call& call = {});
  GetManyResult GetsMany(std::span<const std::string_view> keys, const Call& call = {});

  // Writes.
  StoreResult Set(std::string_view key, std::string_view value, const StoreOptions& options = {},
                  const Call& call = {});
  StoreResult Add(std::string_view key, std::string_view value, const StoreOptions& options = {},
                  const Call& call = {});
  StoreResult Replace(std::string_view key, std::string_view value, const StoreOptions& options = {},
                      const Call& call = {});
  StoreResult Append(std::string_view key, std::string_view value, const Call& call = {});
  StoreResult Prepend(std::string_view key, std::string_view value, const Call& call = {});
  // Only if the item still has this cas value: else kExists, or kNotFound.
  StoreResult Cas(std::string_view key, std::string_view value, uint64_t cas, const StoreOptions& options = {},
                  const Call& call = {});
  NumberResult Increment(std::string_view key, uint64_t delta = 1, const NumberOptions& options = {},
                         const Call& call = {});
  NumberResult Decrement(std::string_view key, uint64_t delta = 1, const NumberOptions& options = {},
                         const Call& call = {});
  Status Touch(std::string_view key, std::chrono::seconds ttl, const Call& call = {});
  Status Remove(std::string_view key, const RemoveOptions& options = {}, const Call& call = {});

  // Gets the item, or lets exactly one of all callers everywhere compute and store it while the others wait for that,
  // or take the old value where there is one (recache, make_stale). The deadline is that of asking and waiting; computing
  // takes what it takes on the calling thread, and storing has as much time again.
  ComputeResult GetOrCompute(std::string_view key, const Compute& compute, const ComputeOptions& options = {},
                             const Call& call = {});

  // The same with a callback.
  void Get(std::string_view key, const Call& call, Callback<GetResult> done);
  void Gets(std::string_view key, const Call& call, Callback<GetResult> done);
  void GetAndTouch(std::string_view key, std::chrono::seconds ttl, const Call& call, Callback<GetResult> done);
  void GetMany(std::span<const std::string_view> keys, const Call& call, Callback<GetManyResult> done);
  void GetsMany(std::span<const std::string_view> keys, const Call& call, Callback<GetManyResult> done);
  void Set(std::string_view key, std::string_view value, const StoreOptions& options, const Call& call,
           Callback<StoreResult> done);
  void Add(std::string_view key, std::string_view value, const StoreOptions& options, const Call& call,
           Callback<StoreResult> done);
  void Replace(std::string_view key, std::string_view value, const StoreOptions& options, const Call& call,
               Callback<StoreResult> done);
  void Append(std::string_view key, std::string_view value, const Call& call, Callback<StoreResult> done);
  void Prepend(std::string_view key, std::string_view value, const Call& call, Callback<StoreResult> done);
  void Cas(std::string_view key, std::string_view value, uint64_t cas, const StoreOptions& options, const Call& call,
           Callback<StoreResult> done);
  void Increment(std::string_view key, uint64_t delta, const NumberOptions& options, const Call& call,
                 Callback<NumberResult> done);
  void Decrement(std::string_view key, uint64_t delta, const NumberOptions& options, const Call& call,
                 Callback<NumberResult> done);
  void Touch(std::string_view key, std::chrono::seconds ttl, const Call& call, Callback<Status> done);
  void Remove(std::string_view key, const RemoveOptions& options, const Call& call, Callback<Status> done);

  // All servers, side by side; call.master: that of this key alone.
  std::vector<ServerResult> Flush(std::chrono::seconds delay = std::chrono::seconds(0), const Call& call = {});
  std::vector<ServerResult> Stats(std::string_view what = {}, const Call& call = {});
  std::vector<ServerResult> Version(const Call& call = {});

  // The list may change while other threads are calling. A call that is under way ends where it began.
  Status AddServer(const Server& server);
  Status RemoveServer(std::string_view name);
  Status SetServers(const std::vector<Server>& servers);
  std::vector<ServerState> Servers() const;
  // The address of the server that has a key now.
  std::string ServerOf(std::string_view key, const Call& call = {}) const;

  struct HOLDFAST_HIDDEN Core;  // the library's own
  Core& core() { return *core_; }

 private:
  HOLDFAST_HIDDEN explicit Client(std::unique_ptr<Core> core);
  std::unique_ptr<Core> core_;  // never null
};

}  // namespace holdfast

#endif  // HOLDFAST_CLIENT_H_
