// server_control.h - what verbs may ask of the whole process: statistics, the log's level, the version.
//
// Threads: any worker. Owns: nothing; borrows the sets, the log and the settings, which outlive the workers.

#ifndef HOLDFAST_SERVER_SERVER_CONTROL_H_
#define HOLDFAST_SERVER_SERVER_CONTROL_H_

#include <string>

#include "base/log.h"
#include "base/option.h"
#include "base/stat.h"
#include "command/command.h"

namespace holdfast::server {

class ServerControl final : public command::Control {
 public:
  ServerControl(const base::OptionSet& options, base::StatSet& stats, base::Log& log, bool flush_allowed)
      : options_(options), stats_(stats), log_(log), flush_allowed_(flush_allowed) {}

  std::string_view version() const override;
  void SetVerbosity(uint32_t level) override;
  bool Stats(std::string_view arguments, const std::function<void(std::string_view, std::string_view)>& row) override;
  void ResetStats() override { stats_.Reset(); }
  std::string Run(std::string_view line) override;
  bool flush_allowed() const override { return flush_allowed_; }

 private:
  const base::OptionSet& options_;
  base::StatSet& stats_;
  base::Log& log_;
  const bool flush_allowed_;
};

// -v, -vv, -vvv
base::LogLevel LogLevelOf(uint32_t verbosity);

// "jemalloc 5.3.0", or what else gives the memory that is not the arena's.
std::string MallocName();

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_SERVER_CONTROL_H_
