// How it works: a second configuration is read from the same sources and compared with the running one, which takes
// over value by value what the server has taken.

#include "server/reload.h"

#include <string>
#include <vector>

#include "base/text.h"

namespace holdfast::server {

namespace {

// "threads = 8 (file h.conf:3)"
std::string Described(const base::Option& option) {
  return std::string(option.row->name) + " = " + base::ShownText(option) + " (" + base::SourceText(option) + ")";
}

}  // namespace

void Reload(const Sources& sources, Configuration& running, Server& server, base::Log& log) {
  Configuration wanted;
  base::Status status = wanted.ReadFlags(sources);
  if (status.ok()) status = wanted.ReadRest(sources);
  if (!status.ok()) {
    log.Error("SIGHUP: nothing is changed: " + status.message());
    return;
  }
  std::vector<std::string> waiting;
  size_t changed = 0;
  size_t refused = 0;
  for (const base::OptionSet::Change& change : running.options().ChangesTo(wanted.options())) {
    const base::OptionRow& row = *change.running->row;
    const std::string description = Described(wanted.options().Find(row.name));
    if (!row.reloadable) {
      waiting.push_back(description);
      continue;
    }
    if (base::Status taken = server.Change(row.name, wanted.settings()); !taken.ok()) {
      log.Error("SIGHUP: not changed: " + description + ": " + taken.message());
      ++refused;
      continue;
    }
    log.Notice("SIGHUP: changed: " + description + ", was " + base::ShownText(*change.running));
    running.options().Adopt(wanted.options(), row.name);
    ++changed;
  }
  server.ShowSettings();
  if (!waiting.empty()) log.Warning("SIGHUP: needs a restart: " + base::Join(waiting, ", "));
  if (waiting.empty() && changed + refused == 0) {
    log.Notice("SIGHUP: done: the options are as before");
  } else {
    log.Notice("SIGHUP: done: " + std::to_string(changed) + " changed, " + std::to_string(waiting.size()) +
               " need a restart, " + std::to_string(refused) + " refused");
  }
}

}  // namespace holdfast::server
