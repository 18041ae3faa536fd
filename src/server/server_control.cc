// How it works: every statistic is a row of some module's table; here they are only asked for by name.

#include "server/server_control.h"

#include <algorithm>

#include "config.h"

#include "server/memcached_options.h"

#ifdef HAVE_JEMALLOC
#include <jemalloc/jemalloc.h>
#endif

namespace holdfast::server {

std::string_view ServerControl::version() const { return PACKAGE_VERSION_REPORTED; }

void ServerControl::SetVerbosity(uint32_t level) { log_.set_level(LogLevelOf(level)); }

// What commands have changed since the start.
std::string ServerControl::Present(std::string_view name, std::string_view value) const {
  if (name == "verbosity") return std::to_string(VerbosityOf(log_.level()));
  if (operations_ == nullptr) return std::string(value);
  if (name == "maxbytes") return std::to_string(operations_->store.Totals().memory_limit_bytes);
  if (name == "detail_enabled") return operations_->prefixes.enabled() ? "yes" : "no";
  return std::string(value);
}

bool ServerControl::Stats(std::string_view arguments,
                          const std::function<void(std::string_view, std::string_view)>& row) {
  if (arguments == "settings") {
    const std::shared_ptr<const SettingRows> shown = ShownSettings();  // SIGHUP may replace it meanwhile
    for (const auto& [name, value] : *shown) row(name, Present(name, value));
    return true;
  }
  if (!stats_.HasGroup(arguments)) return false;
  stats_.ForEach(arguments, row);
  return true;
}

void ServerControl::ShowSettings(const base::OptionSet& options) {
  SettingRows shown;
  options.ForEachSetting([&](std::string_view name, std::string_view value) { shown.emplace_back(name, value); });
  for (const FixedSetting& setting : FixedSettings()) shown.emplace_back(setting.name, setting.value);
  shown.emplace_back("malloc", MallocName());
  const std::lock_guard<std::mutex> guard(settings_mutex_);
  shown_settings_ = std::make_shared<const SettingRows>(std::move(shown));
}

std::shared_ptr<const ServerControl::SettingRows> ServerControl::ShownSettings() {
  const std::lock_guard<std::mutex> guard(settings_mutex_);
  return shown_settings_;
}

base::LogLevel LogLevelOf(uint32_t verbosity) {
  if (verbosity == 0) return base::LogLevel::kNotice;
  if (verbosity == 1) return base::LogLevel::kVerbose;
  return verbosity == 2 ? base::LogLevel::kDebug : base::LogLevel::kTrace;
}

int VerbosityOf(base::LogLevel level) {
  return std::max(0, static_cast<int>(level) - static_cast<int>(base::LogLevel::kNotice));
}

std::string MallocName() {
#ifdef HAVE_JEMALLOC
  const char* version = nullptr;
  size_t size = sizeof version;
  if (mallctl("version", &version, &size, nullptr, 0) == 0) {
    const std::string_view whole = version;
    return "jemalloc " + std::string(whole.substr(0, whole.find('-')));
  }
#endif
  return "the system's";
}

}  // namespace holdfast::server
