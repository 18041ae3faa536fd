// manual.cc - the words of holdfast(1) around its options.
//
// Only what no row can say stands here: what the program is, its files, signals and exit statuses.

#include "server/manual.h"

#include "base/option_document.h"
#include "config.h"

namespace holdfast::server {
namespace {

constexpr char kDescription[] =
    R"(Holdfast is a cache server that speaks the protocols of memcached, so that every memcached client works with it
unchanged. It knows which keys are sessions and carries those, in batches and in the background, to a database: an SQLite
file with --sessions=sqlite:PATH. A session that was acknowledged outlives restarts, flush_all and eviction.

The server runs in the foreground unless -d is given, and listens on the loopback address unless -l or -s is given.)";

constexpr char kFiles[] =
    R"(/var/lib/holdfast/sessions.db

Where the system service and scripts/run as root keep the sessions. It is an ordinary SQLite database.

/etc/default/holdfast

Flags for the system service, in the variable HOLDFAST_FLAGS.)";

constexpr char kSignals[] =
    "SIGTERM and SIGINT stop the server: it writes the sessions that the database has not seen yet and ends.";

constexpr char kExitStatus[] =
    "0 after a stop by signal, 1 when the server cannot start or go on, 64 for flags it does not understand.";

}  // namespace

std::string Manual(const base::OptionSet& options) {
  return base::ManualText({.name = PACKAGE_NAME,
                           .version = PACKAGE_VERSION,
                           .summary = "memcached-compatible cache and session server",
                           .synopsis = "holdfast [option...]",
                           .description = kDescription,
                           .after = {{"FILES", kFiles},
                                     {"SIGNALS", kSignals},
                                     {"EXIT STATUS", kExitStatus},
                                     {"SEE ALSO", "memcached(1), sqlite3(1)"}}},
                          options);
}

}  // namespace holdfast::server
