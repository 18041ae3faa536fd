// How it works: the flags are read first, for they may name the file; precedence is the set's business.

#include "server/configuration.h"

#include "base/option_document.h"
#include "config.h"
#include "server/manual.h"
#include "server/server_options.h"

namespace holdfast::server {

Configuration::Configuration() { AddOptions(options_, settings_); }

base::Status Configuration::ReadFlags(const Sources& sources) {
  return options_.ReadArguments(sources.argc, sources.argv);
}

base::Status Configuration::ReadRest(const Sources& sources) {
  if (base::Status status = options_.ReadEnvironment(sources.environment); !status.ok()) return status;
  std::string path = settings_.server.config;
  if (!path.empty()) {
    if (path[0] != '/') path = sources.directory + "/" + path;
    if (base::Status status = options_.ReadFile(path); !status.ok()) return status;
  }
  return CheckTogether(options_, settings_);
}

std::optional<std::string> ObeyFlags(const Configuration& configuration) {
  const ServerSettings& settings = configuration.settings().server;
  const std::string name_and_version = std::string(PACKAGE_NAME) + " " + PACKAGE_VERSION;
  if (settings.help) {
    return base::HelpText(
        configuration.options(),
        "usage: holdfast [OPTION...]\n\nA memcached-compatible cache that keeps sessions in a database.\n");
  }
  if (settings.version) return name_and_version + "\n";
  if (settings.license) return name_and_version + " comes without a license text: ask those you have it from.\n";
  if (settings.manual == "holdfast") return Manual(configuration.options());
  if (settings.manual == "holdfast.conf") return ConfigManual(configuration.options());
  if (settings.default_config) return DefaultConfig(configuration.options());
  return std::nullopt;
}

std::optional<std::string> ObeyConfiguration(const Configuration& configuration) {
  if (configuration.settings().server.dump_config) return configuration.options().DumpConfig();
  if (configuration.settings().server.check_config) return "the configuration is valid\n";
  return std::nullopt;
}

}  // namespace holdfast::server
