// watch.h - `watch`: what happens, as lines of text, for those who want to see it. Nobody is ever slowed down by it.
//
// A worker that somebody watches copies a record into a ring of its own; a thread turns records into lines and hands
// them to the watchers whose kinds they are. A ring that is full drops the record, a watcher that is behind misses
// lines and is told how many.
//
// Threads: a Tap by its worker; OnEviction by whoever cleans (store/eviction_watch.h); Add from any worker; Stop from
//          the main thread.
// Owns:    the rings, and the thread while there are watchers or were once. Feeds are shared with the connections.
// Blocks:  Stop, for one round of the thread.
// Limits:  kWatchersMax watchers; worker_log_bytes a ring, watcher_log_bytes a watcher.

#ifndef HOLDFAST_COMMAND_WATCH_H_
#define HOLDFAST_COMMAND_WATCH_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "base/clock.h"
#include "base/counter.h"
#include "command/feed.h"
#include "store/eviction_watch.h"

namespace holdfast::command {

// What can be watched; a bit each.
enum WatchKinds : uint32_t {
  kWatchFetchers = 1,
  kWatchMutations = 2,
  kWatchEvictions = 4,
  kWatchConnections = 8,
  kWatchDeletions = 16,
  kWatchNothing = 32,  // what is known to memcached and does not happen here
};

// The bit of a word behind `watch`; 0: no such.
uint32_t WatchKindOf(std::string_view word);

struct WatchRecord {
  enum class Type : uint8_t { kGet, kStore, kEviction, kDelete, kOpen, kClose };
  Type type = Type::kGet;
  uint8_t session = 0;     // 1: the key is a secret
  uint16_t text_size = 0;  // key or address, behind the record
  uint32_t size_class = 0;
  int32_t socket = -1;
  int32_t ttl = 0;
  uint32_t seconds_since_access = 0;
  uint32_t hash = 0;  // of the key
  uint64_t size = 0;
  int64_t wall_micros = 0;
  const char* status = "";   // a literal: status, or reason
  const char* command = "";  // a literal
};

// A ring of records: one writes, one reads.
class WatchRing {
 public:
  explicit WatchRing(uint64_t bytes);
  // False: no room.
  bool Put(const WatchRecord& record, std::string_view text);
  // False: nothing there.
  bool Get(WatchRecord* record, std::string* text);

 private:
  void CopyIn(uint64_t at, const void* from, size_t bytes);
  void CopyOut(uint64_t at, void* to, size_t bytes) const;

  std::vector<char> bytes_;
  std::atomic<uint64_t> written_{0};  // ever
  std::atomic<uint64_t> read_{0};
};

class Watch;

// A worker's side.
class Tap {
 public:
  Tap(Watch& watch, uint64_t bytes) : watch_(watch), ring_(bytes) {}
  bool Wants(uint32_t kinds) const;
  void Note(WatchRecord record, std::string_view text);

 private:
  friend class Watch;
  Watch& watch_;
  WatchRing ring_;
  base::Counter written_, dropped_;
};

struct WatchSettings {
  uint32_t threads = 1;
  uint64_t worker_log_bytes = 64 << 10;
  uint64_t watcher_log_bytes = 256 << 10;
  bool show_sessions = false;  // else a session's key is shown as ~ and a hash
};

class Watch final : public store::EvictionWatch {
 public:
  static constexpr uint32_t kWatchersMax = 20;

  Watch(const WatchSettings& settings, const base::Clock& clock);
  ~Watch() override { Stop(); }

  Tap& tap(uint32_t worker) { return *taps_[worker]; }
  void OnEviction(const store::ItemRef& item, uint32_t size_class, store::Seconds now) override;

  // A watcher's reply; null when there are too many.
  std::shared_ptr<Feed> Add(uint32_t kinds, std::function<void()> wake);
  void Stop();

  uint64_t worker_written() const;
  uint64_t worker_dropped() const;
  uint64_t watcher_sent() const { return sent_.value(); }
  uint64_t watcher_skipped() const { return skipped_.value(); }
  uint64_t watchers() const { return watchers_count_.load(std::memory_order_relaxed); }

 private:
  friend class Tap;
  struct Watcher {
    uint32_t kinds;
    std::shared_ptr<Feed> feed;
    uint64_t skipped = 0;
  };
  struct Event {
    WatchRecord record;
    std::string text;
  };

  void Run();
  bool DrainRings();
  void Tell(const Event& event);
  std::string LineOf(const Event& event);
  void UpdateWatchers();

  const WatchSettings settings_;
  const base::Clock& clock_;
  std::atomic<uint32_t> kinds_{0};           // that anybody watches
  std::vector<std::unique_ptr<Tap>> taps_;   // one a worker, and the last for evictions
  std::vector<Watcher> watchers_;            // the thread's, and Stop's after it
  std::vector<Event> events_;                // the thread's
  uint64_t next_number_ = 1;                 // the thread's
  base::Counter sent_, skipped_;             // the thread's
  std::atomic<uint64_t> watchers_count_{0};  // rises under the mutex

  std::mutex mutex_;  // guards all below, and kinds_ where it loses bits
  std::condition_variable wake_;
  std::vector<Watcher> arrived_;  // not yet among watchers_
  std::thread thread_;            // from the first watcher on
  bool stop_ = false;
};

inline bool Tap::Wants(uint32_t kinds) const { return (watch_.kinds_.load(std::memory_order_relaxed) & kinds) != 0; }

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_WATCH_H_
