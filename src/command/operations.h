// operations.h - what the commands of operators need beside the store: threads for long replies, watchers, counts by
// prefix, the limits of what is allowed, and the settings that can be changed while the server runs.
//
// Threads: any worker; the parts say more.
// Owns:    the parts. Borrows store, clock and host, which outlive it.

#ifndef HOLDFAST_COMMAND_OPERATIONS_H_
#define HOLDFAST_COMMAND_OPERATIONS_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>

#include "base/clock.h"
#include "base/debug_clock.h"
#include "command/background.h"
#include "command/prefix_stats.h"
#include "command/watch.h"
#include "session/inquiry.h"
#include "session/session.h"
#include "store/store.h"

namespace holdfast::command {

// What only the process as a whole can do; the server implements it.
class Host {
 public:
  struct ConnectionRow {
    int socket = -1;
    std::string address;
    std::string listen_address;  // empty: it is a listener
    const char* state = "";
    uint32_t idle_seconds = 0;
  };
  virtual ~Host() = default;
  // Calls visit for every connection and listener. Waits for the workers: not to be called by one.
  virtual void ForEachConnection(const std::function<void(const ConnectionRow&)>& visit) = 0;
  // From any thread; a reload may change them.
  virtual bool dump_allowed() const = 0;
  virtual bool watch_allowed() const = 0;
  virtual bool shutdown_allowed() const = 0;
  // Begins to stop, as a signal would make it. From any thread.
  virtual void Shutdown(bool graceful) = 0;
  // Null: time cannot be moved, as in every build without checks.
  virtual base::DebugClock* debug_clock() = 0;
};

struct OperationSettings {
  uint32_t threads = 1;
  bool list_sessions = false;  // keys of sessions are secrets, and left out of lists
  bool track_sizes = false;
  bool prefix_stats = false;
  char prefix_delimiter = ':';
  uint64_t worker_log_bytes = 64 << 10;
  uint64_t watcher_log_bytes = 256 << 10;
};

// What `lru_crawler` and the like set. Nothing here reads most of it; it is kept for those who ask what they set.
struct Knobs {
  std::atomic<bool> crawler_enabled{true};
};

class Operations {
 public:
  Operations(const OperationSettings& settings_in, store::Store& store_in, const base::Clock& clock_in, Host& host_in)
      : settings(settings_in),
        store(store_in),
        clock(clock_in),
        host(host_in),
        watch({settings.threads, settings.worker_log_bytes, settings.watcher_log_bytes, settings.list_sessions},
              clock_in),
        prefixes(settings.threads, settings.prefix_delimiter, settings.prefix_stats) {}

  // Ends all threads; the feeds that are left say nothing more.
  void Stop() {
    background.Stop();
    watch.Stop();
  }

  const OperationSettings settings;
  store::Store& store;
  const base::Clock& clock;
  Host& host;
  const session::Sessions* sessions = nullptr;  // null: off. Set before the workers start
  session::Inquiry* inquiry = nullptr;          // the same
  Knobs knobs;
  Watch watch;
  PrefixStats prefixes;
  Background background;
};

}  // namespace holdfast::command

#endif  // HOLDFAST_COMMAND_OPERATIONS_H_
