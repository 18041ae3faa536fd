// server_control.h - what verbs may ask of the whole process: statistics, the log's level, the version.
//
// Threads: any worker; ShowSettings from the main thread. Owns: nothing; borrows the statistics, the log and the live
// settings, which outlive the workers.

#ifndef HOLDFAST_SERVER_SERVER_CONTROL_H_
#define HOLDFAST_SERVER_SERVER_CONTROL_H_

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/option.h"
#include "base/stat.h"
#include "command/command.h"
#include "command/operations.h"
#include "server/live_settings.h"

namespace holdfast::server {

class ServerControl final : public command::Control {
 public:
  ServerControl(const base::OptionSet& options, base::StatSet& stats, base::Log& log, const LiveSettings& live)
      : stats_(stats), log_(log), live_(live) {
    ShowSettings(options);
  }

  // What `stats settings` shows from now on. The options may change afterwards: this is a copy.
  void ShowSettings(const base::OptionSet& options);

  std::string_view version() const override;
  void SetVerbosity(uint32_t level) override;
  bool Stats(std::string_view arguments, const std::function<void(std::string_view, std::string_view)>& row) override;
  void ResetStats() override { stats_.Reset(); }
  void SetOperations(const command::Operations& operations) { operations_ = &operations; }
  bool flush_allowed() const override { return live_.flush_allowed; }

 private:
  using SettingRows = std::vector<std::pair<std::string, std::string>>;

  std::shared_ptr<const SettingRows> ShownSettings();
  std::string Present(std::string_view name, std::string_view value) const;

  base::StatSet& stats_;
  base::Log& log_;
  const LiveSettings& live_;
  std::mutex settings_mutex_;  // guards shown_settings_
  std::shared_ptr<const SettingRows> shown_settings_;
  const command::Operations* operations_ = nullptr;  // null before the workers are made
};

// -v, -vv, -vvv
base::LogLevel LogLevelOf(uint32_t verbosity);
int VerbosityOf(base::LogLevel level);

// "jemalloc 5.3.0", or what else gives the memory that is not the arena's.
std::string MallocName();

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SERVER_CONTROL_H_
