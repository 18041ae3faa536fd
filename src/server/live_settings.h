// live_settings.h - what SIGHUP may change while workers read it.
//
// Threads: Set on the main thread; the members may be read on any.

#ifndef HOLDFAST_SERVER_LIVE_SETTINGS_H_
#define HOLDFAST_SERVER_LIVE_SETTINGS_H_

#include <atomic>
#include <cstdint>

#include "server/settings.h"

namespace holdfast::server {

struct LiveSettings {
  explicit LiveSettings(const ServerSettings& settings) { Set(settings); }

  void Set(const ServerSettings& settings) {
    requests_per_turn = settings.requests_per_turn;
    flush_allowed = settings.flush_allowed;
    shutdown_allowed = settings.shutdown_allowed;
    dump_allowed = settings.dump_allowed;
    watch_allowed = settings.watch_allowed;
    idle_timeout_seconds = settings.idle_timeout_seconds;
  }

  std::atomic<uint32_t> requests_per_turn;
  std::atomic<bool> flush_allowed;
  std::atomic<bool> shutdown_allowed;
  std::atomic<bool> dump_allowed;
  std::atomic<bool> watch_allowed;
  std::atomic<uint32_t> idle_timeout_seconds;  // the workers are told as well
};

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_LIVE_SETTINGS_H_
