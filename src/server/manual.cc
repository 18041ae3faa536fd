// manual.cc - the words of holdfast(1) and holdfast.conf(5) around the options.
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

constexpr char kConfigDescription[] =
    R"(The file that holdfast(1) reads with --config=FILE. It has one option a line, under the names of the long flags and of
memcached's -o options, with hyphens or underscores:

  # memory for items, in megabytes
  memory-limit = 1024
  listen = 10.0.0.5, 127.0.0.1
  idle_timeout = 10m
  user = "holdfast"

Empty lines and those that begin with # or ; are comments, as is what follows # behind a blank. A line [name] is for the
reader only. A value in double quotes keeps blanks and #, and knows \", \\ and \n. Flags without a value are yes or no. Sizes
may end in k, m, g or t, times in s, m, h or d (ms where a plain number means milliseconds). A line has at most 4096 bytes.

A name may stand once; an option that takes a list, several times. An unknown name, a wrong value or one given twice ends
the start with exit status 1 and one line that names file and line, before anything is opened. So does a file that everybody
may write to, or that has a password in it and everybody may read, a pipe, and a file with a byte 0 in it.

Each option is also a variable of the environment: HOLDFAST_ and its name in capital letters, with underscores. An empty
variable counts as not given. HOLDFAST_CONFIG names the file. A flag is stronger than the environment, that than the file,
and that than the default. holdfast --dump-config prints all values in the form of this file, each with where it came from;
holdfast --check-config says whether they are right; holdfast --default-config prints a file to start from.)";

constexpr char kReload[] =
    R"(On SIGHUP the server reads flags, environment and file again. If they are not right it says why and goes on as before. Else
it applies those changes that it can, marked below with "SIGHUP changes it", and names those that need a restart. The last
line it logs begins with "SIGHUP: done" or "SIGHUP: nothing is changed". As an ordinary user it must still be able to read the file.)";

constexpr char kEnvironment[] =
    R"(HOLDFAST_NAME gives the option NAME, see holdfast.conf(5).

MEMCACHED_PORT_FILENAME is a file that gets a line for each address with its port ("TCP INET: 11211") once the server
listens, as with memcached; with -p -1 that is how to know it. memcached's other variables have no meaning here.)";

constexpr char kFiles[] =
    R"(/etc/holdfast/holdfast.conf

Options of the system service.

/etc/default/holdfast

Flags for the system service, in the variable HOLDFAST_FLAGS.

/var/lib/holdfast/sessions.db

Where the system service and scripts/run as root keep the sessions. It is an ordinary SQLite database.)";

constexpr char kSignals[] =
    R"(SIGTERM and SIGINT stop the server: it writes the sessions that the database has not seen yet and ends. A second one ends
it at once; then the journal keeps what was not written.

SIGUSR1 stops it too, but lets connections finish what they have in hand first, for at most 10 seconds.

SIGUSR2 starts the program anew with the same arguments and --takeover: the new process takes this one's place, without a
pause. If that fails this one goes on.

SIGHUP reads the options again, see holdfast.conf(5).)";

constexpr char kExitStatus[] =
    "0 after a stop by signal, 1 when the server cannot start or go on, 64 for flags it does not understand.";

constexpr char kDefaultConfigHead[] =
    R"(holdfast.conf - options of the Holdfast server, see holdfast.conf(5). All are commented out and show their
defaults. "holdfast --check-config --config=FILE" checks the file, "systemctl reload holdfast" applies what
can change in a running server and names what needs a restart.)";

}  // namespace

std::string Manual(const base::OptionSet& options) {
  return base::ManualText({.name = PACKAGE_NAME,
                           .version = PACKAGE_VERSION,
                           .summary = "memcached-compatible cache and session server",
                           .synopsis = "holdfast [option...]",
                           .description = kDescription,
                           .after = {{"ENVIRONMENT", kEnvironment},
                                     {"FILES", kFiles},
                                     {"SIGNALS", kSignals},
                                     {"EXIT STATUS", kExitStatus},
                                     {"SEE ALSO", "holdfast.conf(5), memcached(1), sqlite3(1)"}}},
                          options);
}

std::string ConfigManual(const base::OptionSet& options) {
  return base::ConfigManualText({.name = "holdfast.conf",
                                 .section = 5,
                                 .version = PACKAGE_VERSION,
                                 .summary = "options of the Holdfast server",
                                 .synopsis = "holdfast --config=FILE",
                                 .description = kConfigDescription,
                                 .after = {{"RELOADING", kReload}, {"SEE ALSO", "holdfast(1)"}}},
                                options);
}

std::string DefaultConfig(const base::OptionSet& options) { return base::ConfigTemplate(options, kDefaultConfigHead); }

}  // namespace holdfast::server
