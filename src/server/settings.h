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

struct ServerSettings {
  // Network
  int port = 11211;
  std::vector<std::string> listen;  // empty: loopback
  std::string unix_path;
  uint32_t unix_mask = 0700;
  uint32_t connections = 1024;
  uint32_t backlog = 1024;
  bool reject_when_full = true;
  uint32_t idle_timeout_seconds = 0;
  uint64_t connection_memory_bytes = 256ull << 20;

  // Work
  WireProtocol protocol = WireProtocol::kAuto;
  uint32_t threads = 4;
  uint32_t requests_per_turn = 20;
  bool flush_allowed = true;

  // Process
  bool background = false;
  bool core_dumps = false;
  bool lock_memory = false;
  std::string user;
  std::string pid_file;
  int verbosity = 0;

  // Orders
  bool help = false;
  bool version = false;
  bool manual = false;
};

struct Settings {
  ServerSettings server;
  store::StoreSettings store;
  session::SessionSettings session;
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SETTINGS_H_
