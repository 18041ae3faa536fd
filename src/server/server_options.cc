// How it works: tables, read by base::OptionSet.

#include "server/server_options.h"

#include "session/session_options.h"
#include "store/store_options.h"

namespace holdfast::server {

namespace {

using base::Member;
using base::OptionOrigin;
using base::OptionUnit;

constexpr char kNoUdp[] = "UDP is not built: it has been the means of amplification attacks; TCP is as before";
constexpr char kNoSasl[] = "SASL does not work yet, and an option that asks for security is never ignored";
constexpr char kNoAuthFile[] =
    "ASCII authentication does not work yet, and an option that asks for security is never ignored";
constexpr char kNoTls[] = "TLS does not work yet, and an option that asks for security is never ignored";

constexpr base::OptionRow kOptions[] = {
    {.letter = 'p',
     .name = "port",
     .argument = "PORT",
     .field = Member<&ServerSettings::port>,
     .min = -1,
     .max = 65535,
     .help = "TCP port; -1: one that is free; 0: no TCP",
     .setting = "tcpport",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'U',
     .name = "udp-port",
     .argument = "PORT",
     .help = "accepted, without effect: there is no UDP",
     .ignored = kNoUdp,
     .ignored_silently = "0",
     .setting = "udpport",
     .setting_fixed = "0",
     .origin = OptionOrigin::kMemcached},
    {.letter = 's',
     .name = "unix-socket",
     .argument = "PATH",
     .field = Member<&ServerSettings::unix_path>,
     .help = "unix socket to listen on instead of TCP",
     .setting = "domain_socket",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'a',
     .name = "unix-mask",
     .argument = "MODE",
     .field = Member<&ServerSettings::unix_mask>,
     .unit = OptionUnit::kOctal,
     .max = 0777,
     .help = "permissions of the unix socket",
     .setting = "umask",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'l',
     .name = "listen",
     .argument = "ADDRESS",
     .field = Member<&ServerSettings::listen>,
     .splits = true,
     .help = "addresses to listen on, with or without :port; default 127.0.0.1",
     .more = "Several are given separated by commas, or with several -l. Without one only this machine can connect.",
     .setting = "inter",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'c',
     .name = "conn-limit",
     .argument = "COUNT",
     .field = Member<&ServerSettings::connections>,
     .min = 1,
     .max = 10'000'000,
     .help = "connections at a time",
     .setting = "maxconns",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'b',
     .name = "listen-backlog",
     .argument = "COUNT",
     .field = Member<&ServerSettings::backlog>,
     .min = 1,
     .max = 1 << 20,
     .help = "connections that may wait to be accepted",
     .setting = "tcp_backlog",
     .origin = OptionOrigin::kMemcached},
    {.name = "maxconns_fast",
     .field = Member<&ServerSettings::reject_when_full>,
     .extended = true,
     .help = "refuse connections over the limit with an error; no_maxconns_fast: let them wait",
     .setting = "maxconns_fast",
     .setting_words = "no|yes",
     .origin = OptionOrigin::kMemcached},
    {.name = "idle_timeout",
     .argument = "SECONDS",
     .field = Member<&ServerSettings::idle_timeout_seconds>,
     .unit = OptionUnit::kSeconds,
     .extended = true,
     .help = "close connections that were idle so long; 0: never",
     .setting = "idle_timeout",
     .origin = OptionOrigin::kMemcached},
    {.name = "connection-memory",
     .argument = "BYTES",
     .field = Member<&ServerSettings::connection_memory_bytes>,
     .unit = OptionUnit::kBytes,
     .min = 1 << 20,
     .help = "memory for what connections have unread and unsent, all together",
     .more = "At the limit the connection with most unsent bytes is closed, and uploads are refused."},
    {.letter = 't',
     .name = "threads",
     .argument = "COUNT",
     .field = Member<&ServerSettings::threads>,
     .min = 1,
     .max = 64,
     .help = "worker threads",
     .setting = "num_threads",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'R',
     .name = "max-reqs-per-event",
     .argument = "COUNT",
     .field = Member<&ServerSettings::requests_per_turn>,
     .min = 1,
     .max = 1 << 30,
     .help = "requests of one connection in a turn, while others wait for theirs",
     .setting = "reqs_per_event",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'B',
     .name = "protocol",
     .argument = "PROTOCOL",
     .field = Member<&ServerSettings::protocol>,
     .choices = "auto|ascii|binary",
     .help = "the protocol to speak; auto: what a connection's first byte says",
     .setting = "binding_protocol",
     .setting_words = "auto-negotiate|ascii|binary",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'F',
     .name = "disable-flush-all",
     .field = Member<&ServerSettings::flush_allowed>,
     .inverts = true,
     .help = "refuse flush_all",
     .setting = "flush_enabled",
     .setting_words = "no|yes",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'S', .name = "enable-sasl", .help = "not yet", .refused = kNoSasl, .origin = OptionOrigin::kMemcached},
    {.letter = 'Y',
     .name = "auth-file",
     .argument = "FILE",
     .help = "not yet",
     .refused = kNoAuthFile,
     .origin = OptionOrigin::kMemcached},
    {.letter = 'Z', .name = "enable-ssl", .help = "not yet", .refused = kNoTls, .origin = OptionOrigin::kMemcached},
    {.letter = 'd',
     .name = "daemon",
     .field = Member<&ServerSettings::background>,
     .help = "run in the background",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'r',
     .name = "enable-coredumps",
     .field = Member<&ServerSettings::core_dumps>,
     .help = "raise the limit of core files",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'k',
     .name = "lock-memory",
     .field = Member<&ServerSettings::lock_memory>,
     .help = "keep all memory from being paged out",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'u',
     .name = "user",
     .argument = "NAME",
     .field = Member<&ServerSettings::user>,
     .help = "user to become when started as root, after opening sockets and state",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'P',
     .name = "pidfile",
     .argument = "FILE",
     .field = Member<&ServerSettings::pid_file>,
     .help = "file to write the process's number to",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'v',
     .name = "verbose",
     .field = Member<&ServerSettings::verbosity>,
     .max = 3,
     .counts = true,
     .help = "say more on standard error; -vv and -vvv still more",
     .setting = "verbosity",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'h',
     .name = "help",
     .field = Member<&ServerSettings::help>,
     .flag_only = true,
     .help = "this text",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'V',
     .name = "version",
     .field = Member<&ServerSettings::version>,
     .flag_only = true,
     .help = "print the version",
     .origin = OptionOrigin::kMemcached},
    {.name = "man",
     .field = Member<&ServerSettings::manual>,
     .flag_only = true,
     .help = "print the manual page as roff"},
};

}  // namespace

void AddOptions(base::OptionSet& options, Settings& settings) {
  options.Add(kOptions, settings.server);
  options.Add(store::StoreOptions(), settings.store);
  options.Add(session::SessionOptions(), settings.session);
}

base::Status CheckTogether(const base::OptionSet& options, Settings& settings) {
  store::StoreSettings& store = settings.store;
  store.threads = settings.server.threads;
  if (store.item_bytes_max > store.memory_limit_bytes / 2) {
    if (options.IsGiven("max-item-size")) {
      return options.Complain("max-item-size",
                              "an item may take at most half of the memory (-m); choose a smaller -I or a larger -m");
    }
    store.item_bytes_max = store.memory_limit_bytes / 2;
  }
  if (settings.server.port == 0 && settings.server.unix_path.empty()) {
    return options.Complain("port", "port 0 means no TCP, and there is no unix socket (-s): nothing to listen on");
  }
  return {};
}

}  // namespace holdfast::server
