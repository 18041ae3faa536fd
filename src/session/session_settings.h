// session_settings.h - the limits and times of the session module. Each is an option; doc/sessions.md says what it
// trades.

#ifndef HOLDFAST_SESSION_SESSION_SETTINGS_H_
#define HOLDFAST_SESSION_SESSION_SETTINGS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace holdfast::session {

// Handlers whose keys have a prefix of their own. Those known by the shape of the id alone (pecl, express, memjs) must
// be asked for: other keys may look like theirs.
inline constexpr const char* kDefaultRules = "php; django; rack; rails";

struct SessionSettings {
  std::string database;                // URL; empty: no sessions, every key is a cache key
  std::string database_password_file;  // of a server's user; empty: database_password
  std::string database_password;
  std::vector<std::string> rules;  // as in rule.h; none: kDefaultRules

  std::string journal;                        // directory; empty: beside the database; "none": off
  uint32_t journal_sync_ms = 1000;            // between syncs to the disk; 0: after every write of a segment
  uint64_t journal_memory_bytes = 32u << 20;  // the ring

  uint32_t node = 0;  // number of this server where none is leased
  // Several servers on one database (Database::is_shared); the rest of this paragraph counts only then.
  bool shared = false;
  std::string node_name;           // for people; empty: the machine's
  std::string node_address;        // where other servers reach this one, host:port
  std::string node_token;          // what they must know to ask; not an option: made anew by each process
  uint32_t node_lease_s = 10;      // how long a server that says nothing keeps its number and its sessions
  uint32_t poll_ms = 500;          // how often the others' changes are looked for
  uint32_t peer_timeout_ms = 250;  // how long a server is asked to let go of a session
  uint32_t stall_ms = 1000;        // who did not run for longer serves nothing unverified

  uint32_t sync_interval_s = 120;  // N: the longest that a changed session stays unsynced
  uint32_t immediate_writes = 4;   // value changes of a session that are synced at once; one comes back each N
  uint32_t batch_rows_max = 100;   // rows a transaction
  uint32_t batch_bytes_max = 1 << 20;
  uint32_t dirty_share_percent = 50;  // of the memory that unsynced sessions may take
  uint32_t retry_ms_min = 20;         // back-off after a failed call, doubling
  uint32_t retry_ms_max = 500;
  uint32_t drain_timeout_s = 60;
  uint32_t database_wait_s = 10;  // how long a start waits for a database server that cannot be asked yet

  uint32_t load_keys_max = 100;  // keys a query
  uint32_t parked_max = 65536;   // requests that wait for the database
  uint32_t negative_ms = 1000;   // how long "no such session" is remembered

  uint32_t tombstone_life_s = 86400;  // how long the database remembers a deleted session
  uint32_t grace_s = 3600;            // how long it keeps an expired one: longer than any delay of a sync
  uint32_t reaper_interval_s = 60;
  uint32_t reaper_rows_max = 100;  // rows a transaction

  uint32_t read_back_rate = 60;  // changes a minute that are read back from the database
  uint32_t ends_max = 65536;     // ended sessions that are remembered for `why`
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SESSION_SETTINGS_H_
