// settings.h - what the server itself is told; the modules have settings of their own.

#ifndef HOLDFAST_SERVER_SETTINGS_H_
#define HOLDFAST_SERVER_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "session/session_settings.h"
#include "store/store.h"

namespace holdfast::server {

// Which protocol a connection speaks: what its first byte says, or always the same.
enum class WireProtocol : uint8_t { kAuto, kAscii, kBinary };

// Descriptors beside the connections: listeners, epoll and eventfds of the workers, database, log.
inline constexpr uint64_t kOtherDescriptors = 64;

struct ServerSettings {
  // Network
  int port = 11211;
  int udp_port = 0;                 // there is no UDP; alone it names the TCP port
  std::vector<std::string> listen;  // empty: loopback
  std::string unix_path;
  uint32_t unix_mask = 0700;
  uint32_t connections = 1024;
  uint32_t backlog = 1024;
  bool reject_when_full = true;
  uint32_t idle_timeout_seconds = 0;
  uint64_t connection_memory_bytes = 256ull << 20;
  uint64_t read_buffer_bytes = 0;  // memcached's way to say connection_memory_bytes; 0: not said
  uint32_t socket_mark = 0;        // SO_MARK of the listening sockets; 0: none

  // Work
  WireProtocol protocol = WireProtocol::kAuto;
  uint32_t threads = 4;
  uint32_t requests_per_turn = 20;
  uint32_t busy_poll_us = 0;  // 0: a worker without work sleeps at once
  bool flush_allowed = true;
  bool shutdown_allowed = false;  // -A
  bool dump_allowed = true;       // false: -X
  bool watch_allowed = true;      // false: -W
  bool list_sessions = false;     // also keys of sessions in lists and lines of events
  std::string prefix_delimiter = ":";
  bool prefix_stats = false;  // from the start
  bool track_sizes = false;
  uint64_t watcher_log_bytes = 256 << 10;  // of each watcher
  uint64_t worker_log_bytes = 64 << 10;    // of each worker
  bool modern = true;

  // Process
  bool background = false;
  bool core_dumps = false;
  bool lock_memory = false;
  std::string user;
  std::string pid_file;
  int verbosity = 0;

  bool takeover = false;
  std::string takeover_socket;  // empty: where the settings say; "none": there is none

  // Orders
  std::string config;  // name of the file; empty: none
  bool check_config = false;
  bool dump_config = false;
  bool default_config = false;
  bool help = false;
  bool version = false;
  bool license = false;
  std::string manual;  // which page
  bool print_schema = false;
  bool init_schema = false;
};

// Open files that so many connections need: beside them listeners, epoll and eventfds of the workers, database, log.
constexpr uint64_t DescriptorsFor(uint64_t connections) { return connections + 64; }

struct Settings {
  ServerSettings server;
  store::StoreSettings store;
  session::SessionSettings session;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SETTINGS_H_
