// configuration.h - all options of one start, or of one reload, from flags, environment and file to settings that are
// checked together.
//
// Threads: one.
// Owns:    the settings and the set over them; both stay where they are.
// Errors:  kUsage, kConfig: one line with place, cause and remedy. Nothing is opened but the file.

#ifndef HOLDFAST_SERVER_CONFIGURATION_H_
#define HOLDFAST_SERVER_CONFIGURATION_H_

#include <optional>
#include <string>

#include "base/option.h"
#include "base/status.h"
#include "server/settings.h"

namespace holdfast::server {

// Where a configuration comes from. A relative name of a file is taken from the directory of the start.
struct Sources {
  int argc;
  const char* const* argv;
  const char* const* environment;
  std::string directory;
};

class Configuration {
 public:
  Configuration();
  Configuration(const Configuration&) = delete;
  Configuration& operator=(const Configuration&) = delete;

  base::Status ReadFlags(const Sources& sources);
  // After ReadFlags: the environment, then the file that they name; and the check of all together.
  base::Status ReadRest(const Sources& sources);

  const Settings& settings() const { return settings_; }
  base::OptionSet& options() { return options_; }
  const base::OptionSet& options() const { return options_; }

 private:
  Settings settings_;
  base::OptionSet options_;
};

// The orders that are answered on standard output, without a server: what to print. Empty: there is none. Those that
// need no more than flags, and those that need a whole configuration.
std::optional<std::string> ObeyFlags(const Configuration& configuration);
std::optional<std::string> ObeyConfiguration(const Configuration& configuration);

}  // namespace holdfast::server

#endif  // HOLDFAST_SERVER_CONFIGURATION_H_
