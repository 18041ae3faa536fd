// How it works: tables, read by base::OptionSet.

#include "server/server_options.h"

#include <limits>

#include "security/privileges.h"
#include "server/listen_address.h"
#include "server/memcached_options.h"
#include "session/rule.h"
#include "session/session_options.h"
#include "store/store_options.h"

namespace holdfast::server {

namespace {

using base::Member;
using base::OptionOrigin;
using base::OptionUnit;

constexpr char kNoUdp[] = "UDP is not built, for it has been the means of amplification attacks";
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
     .field = Member<&ServerSettings::udp_port>,
     .min = 0,
     .max = 65535,
     .help = "there is no UDP; without -p it names the TCP port, as in memcached",
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
     .more =
         "Several are given separated by commas, or with several -l. Without one only this machine can connect. As "
         "in memcached, proto[ascii]:, proto[binary]: or proto[negotiating]: before an address is the protocol of its "
         "connections; tag[NAME]: and notls: are accepted.",
     .setting = "inter",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'c',
     .name = "conn-limit",
     .argument = "COUNT",
     .field = Member<&ServerSettings::connections>,
     .min = 1,
     .max = 10'000'000,
     .reloadable = true,
     .help = "connections at a time",
     .setting = "maxconns",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'b',
     .name = "listen-backlog",
     .argument = "COUNT",
     .field = Member<&ServerSettings::backlog>,
     .max = std::numeric_limits<int>::max(),
     .help = "connections that may wait to be accepted",
     .setting = "tcp_backlog",
     .origin = OptionOrigin::kMemcached},
    {.name = "maxconns_fast",
     .field = Member<&ServerSettings::reject_when_full>,
     .extended = true,
     .reloadable = true,
     .help = "refuse connections over the limit with an error; no_maxconns_fast: let them wait",
     .setting = "maxconns_fast",
     .setting_words = "no|yes",
     .origin = OptionOrigin::kMemcached},
    {.name = "idle_timeout",
     .argument = "SECONDS",
     .field = Member<&ServerSettings::idle_timeout_seconds>,
     .unit = OptionUnit::kSeconds,
     .extended = true,
     .reloadable = true,
     .help = "close connections that were idle so long; 0: never",
     .setting = "idle_timeout",
     .origin = OptionOrigin::kMemcached},
    {.name = "read_buf_mem_limit",
     .argument = "MEGABYTES",
     .field = Member<&ServerSettings::read_buffer_bytes>,
     .unit = OptionUnit::kMegabytes,
     .extended = true,
     .help = "memcached's name for --connection-memory; 0: as that says",
     .setting = "read_buf_mem_limit",
     .origin = OptionOrigin::kMemcached},
    {.name = "sock_cookie_id",
     .argument = "NUMBER",
     .field = Member<&ServerSettings::socket_mark>,
     .extended = true,
     .help = "mark (SO_MARK) of the listening sockets, for the firewall; 0: none",
     .origin = OptionOrigin::kMemcached},
    {.name = "connection-memory",
     .argument = "BYTES",
     .field = Member<&ServerSettings::connection_memory_bytes>,
     .unit = OptionUnit::kBytes,
     .min = 1 << 20,
     .reloadable = true,
     .help = "memory for what connections have unread and unsent, all together",
     .more = "At the limit the connection with most unsent bytes is closed, and uploads are refused."},
    {.letter = 't',
     .name = "threads",
     .argument = "COUNT",
     .field = Member<&ServerSettings::threads>,
     .min = 1,
     .max = 192,
     .help = "worker threads; more than the machine has processors gain nothing",
     .setting = "num_threads",
     .origin = OptionOrigin::kMemcached},
    {.name = "busy-poll",
     .argument = "MICROSECONDS",
     .field = Member<&ServerSettings::busy_poll_us>,
     .max = 1000,
     .reloadable = true,
     .help = "look so long for the next request before a worker sleeps; 0: sleep at once",
     .more = "It shortens the answer to clients that send one request at a time, and costs up to a processor while "
             "they do: one worker at a time looks, only while requests follow each other so closely that it pays, and "
             "not while other threads want the processor. 50 is a good value."},
    {.letter = 'R',
     .name = "max-reqs-per-event",
     .argument = "COUNT",
     .field = Member<&ServerSettings::requests_per_turn>,
     .min = 1,
     .max = std::numeric_limits<int>::max(),
     .reloadable = true,
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
     .reloadable = true,
     .help = "refuse flush_all",
     .setting = "flush_enabled",
     .setting_words = "no|yes",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'A',
     .name = "enable-shutdown",
     .field = Member<&ServerSettings::shutdown_allowed>,
     .reloadable = true,
     .help = "allow the command shutdown",
     .setting = "shutdown_command",
     .setting_words = "no|yes",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'X',
     .name = "disable-dumping",
     .field = Member<&ServerSettings::dump_allowed>,
     .inverts = true,
     .reloadable = true,
     .help = "refuse what lists keys: stats cachedump, lru_crawler metadump and mgdump",
     .setting = "dump_enabled",
     .setting_words = "no|yes",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'W',
     .name = "disable-watch",
     .field = Member<&ServerSettings::watch_allowed>,
     .inverts = true,
     .reloadable = true,
     .help = "refuse the command watch",
     .origin = OptionOrigin::kMemcached},
    {.name = "list-sessions",
     .field = Member<&ServerSettings::list_sessions>,
     .help = "name the keys of sessions too in lists (metadump, mgdump, cachedump) and events (watch)",
     .more = "Who knows the key of a session can take it over, so lists leave them out and events show a hash."},
    {.letter = 'D',
     .name = "prefix-delimiter",
     .argument = "CHARACTER",
     .field = Member<&ServerSettings::prefix_delimiter>,
     .help = "end of a key's prefix in stats detail; the flag switches that on",
     .setting = "stat_key_prefix",
     .origin = OptionOrigin::kMemcached},
    {.name = "prefix-stats",
     .field = Member<&ServerSettings::prefix_stats>,
     .help = "count by prefix from the start (stats detail), as with -D",
     .setting = "detail_enabled"},
    {.letter = 'd',
     .name = "daemon",
     .field = Member<&ServerSettings::background>,
     .help = "run in the background",
     .origin = OptionOrigin::kMemcached},
    {.name = "track_sizes",
     .field = Member<&ServerSettings::track_sizes>,
     .extended = true,
     .help = "count items by size for stats sizes",
     .setting = "track_sizes",
     .origin = OptionOrigin::kMemcached},
    {.name = "watcher_logbuf_size",
     .argument = "KILOBYTES",
     .field = Member<&ServerSettings::watcher_log_bytes>,
     .unit = OptionUnit::kKilobytes,
     .min = 4 << 10,
     .max = 1 << 30,
     .extended = true,
     .help = "what may wait for a slow watcher before lines are skipped",
     .setting = "watcher_logbuf_size",
     .origin = OptionOrigin::kMemcached},
    {.name = "worker_logbuf_size",
     .argument = "KILOBYTES",
     .field = Member<&ServerSettings::worker_log_bytes>,
     .unit = OptionUnit::kKilobytes,
     .min = 4 << 10,
     .max = 1 << 30,
     .extended = true,
     .help = "what a worker may have noted for watchers before lines are dropped",
     .setting = "worker_logbuf_size",
     .origin = OptionOrigin::kMemcached},
    {.name = "modern",
     .field = Member<&ServerSettings::modern>,
     .extended = true,
     .help = "nothing; no_modern: no_maxconns_fast, as in memcached 1.4",
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
    {.name = "takeover",
     .field = Member<&ServerSettings::takeover>,
     .flag_only = true,
     .help = "take the place of the server that runs with the same flags, without a pause",
     .more = "It hands over its sockets, its connections and its sessions and ends; if this fails it goes on. See "
             "doc/operations.md."},
    {.name = "takeover-socket",
     .argument = "PATH",
     .field = Member<&ServerSettings::takeover_socket>,
     .help = "where a server that takes over finds this one; none: nowhere",
     .more = "By default in $RUNTIME_DIRECTORY, else in the journal's directory, else by the port in $XDG_RUNTIME_DIR "
             "or, with a database server, where --journal lies by default."},
    {.letter = 'v',
     .name = "verbose",
     .field = Member<&ServerSettings::verbosity>,
     .max = 3,
     .counts = true,
     .reloadable = true,
     .help = "say more on standard error; -vv and -vvv still more",
     .setting = "verbosity",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'h',
     .name = "help",
     .field = Member<&ServerSettings::help>,
     .flag_only = true,
     .help = "this text",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'i',
     .name = "license",
     .field = Member<&ServerSettings::license>,
     .flag_only = true,
     .help = "print the license",
     .origin = OptionOrigin::kMemcached},
    {.letter = 'V',
     .name = "version",
     .field = Member<&ServerSettings::version>,
     .flag_only = true,
     .help = "print the version",
     .origin = OptionOrigin::kMemcached},
    {.name = "config",
     .argument = "FILE",
     .field = Member<&ServerSettings::config>,
     .not_in_file = true,
     .help = "file with options, see holdfast.conf(5); flags and environment override it",
     .more = "It is read again on SIGHUP."},
    {.name = "check-config",
     .field = Member<&ServerSettings::check_config>,
     .flag_only = true,
     .help = "check flags, environment and file, and end"},
    {.name = "dump-config",
     .field = Member<&ServerSettings::dump_config>,
     .flag_only = true,
     .help = "print all values as a file, each with where it came from"},
    {.name = "default-config",
     .field = Member<&ServerSettings::default_config>,
     .flag_only = true,
     .help = "print a file with all options and their defaults in comments"},
    {.name = "man",
     .argument = "PAGE",
     .field = Member<&ServerSettings::manual>,
     .choices = "holdfast|holdfast.conf",
     .implied = "holdfast",
     .flag_only = true,
     .help = "print the manual page holdfast(1) or holdfast.conf(5) as roff"},
    {.name = "print-schema",
     .field = Member<&ServerSettings::print_schema>,
     .flag_only = true,
     .help = "print the SQL that sets up the database server of --sessions, with the grants it takes"},
    {.name = "init-schema",
     .field = Member<&ServerSettings::init_schema>,
     .flag_only = true,
     .help = "set up the database server of --sessions, unless it is, and end"},
};

// What one option, when it is given, says about another that is not.
void Derive(base::OptionSet& options, ServerSettings& server) {
  if (server.udp_port > 0 && !options.IsGiven("port")) {
    server.port = server.udp_port;
    options.Follows("port", "udp-port");
  }
  if (!server.modern && !options.IsGiven("maxconns_fast")) {
    server.reject_when_full = false;
    options.Follows("maxconns_fast", "modern");
  }
  if (server.read_buffer_bytes > 0 && !options.IsGiven("connection-memory")) {
    server.connection_memory_bytes = server.read_buffer_bytes;
    options.Follows("connection-memory", "read_buf_mem_limit");
  }
  if (options.Find("prefix-delimiter").source == base::OptionSource::kFlag && !server.prefix_stats) {
    server.prefix_stats = true;
    options.Follows("prefix-stats", "prefix-delimiter");
  }
}

}  // namespace

void AddOptions(base::OptionSet& options, Settings& settings) {
  options.Add(kOptions, settings.server);
  options.Add(store::StoreOptions(), settings.store);
  options.Add(MemcachedOptions(), settings.server);
  options.Add(session::SessionOptions(), settings.session);
}

base::Status CheckTogether(base::OptionSet& options, Settings& settings) {
  ServerSettings& server = settings.server;
  Derive(options, server);
  if (security::IsRoot() && !server.user.empty()) {
    if (auto user = security::FindUser(server.user); !user.ok())
      return options.Complain("user", user.status().message());
  }
  if (server.prefix_delimiter.size() != 1) {
    return options.Complain("prefix-delimiter", "'" + server.prefix_delimiter + "' is not one character");
  }

  if (options.Find("database-password").source == base::OptionSource::kFlag) {
    return options.Complain("database-password",
                            "everybody on this machine can read a flag in the process list; use "
                            "--database-password-file, or the environment's HOLDFAST_DATABASE_PASSWORD");
  }
  if (auto rules = session::Rules::Parse(settings.session.rules); !rules.ok()) {
    return options.Complain("session-rule", rules.status().message());
  }
  for (const std::string& address : server.listen) {
    if (auto parsed = ParseListenAddress(address); !parsed.ok()) {
      return options.Complain("listen", parsed.status().message());
    }
  }

  store::StoreSettings& store = settings.store;
  store.threads = server.threads;
  if (store.item_bytes_max > store.memory_limit_bytes / 2) {
    if (options.IsGiven("max-item-size")) {
      return options.Complain("max-item-size",
                              "an item may take at most half of the memory (-m); choose a smaller -I or a larger -m");
    }
    store.item_bytes_max = store.memory_limit_bytes / 2;
    options.Follows("max-item-size", "memory-limit");
  }
  if (server.port == 0 && server.unix_path.empty()) {
    return options.Complain("port", "port 0 means no TCP, and there is no unix socket (-s): nothing to listen on");
  }
  return {};
}

}  // namespace holdfast::server
