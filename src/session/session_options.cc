// How it works: two tables. The limits in them are those that the code relies on.

#include "session/session_options.h"

#include <algorithm>

#include "session/session.h"

namespace holdfast::session {

using base::Member;
using base::OptionUnit;
using base::Stat;
using base::StatKind;
using base::StatUnit;

namespace {

constexpr base::OptionRow kOptions[] = {
    {.name = "sessions",
     .argument = "URL",
     .field = Member<&SessionSettings::database>,
     .has_password = true,
     .help = "database that keeps sessions: sqlite:PATH, mysql://user@host/database or postgres://user@host/database",
     .more =
         "Without it no key is a session and everything is a cache. An SQLite file is created if it is missing; only "
         "one server may use it. The nodes of a cluster are given in the order of preference, separated by commas: "
         "mysql://user@a:3306,b:3306/database. Behind a ? stand tls-ca=FILE, tls-cert=FILE, tls-key=FILE, timeout=10 "
         "and connect-timeout=2, with & between. See --init-schema."},
    {.name = "database-password-file",
     .argument = "FILE",
     .field = Member<&SessionSettings::database_password_file>,
     .help = "file whose first line is the password of the user in --sessions",
     .more = "Without it the environment's HOLDFAST_DATABASE_PASSWORD is taken. A password in the URL is refused: the "
             "process list shows it to everybody."},
    {.name = "session-rule",
     .argument = "RULE",
     .field = Member<&SessionSettings::rules>,
     .help = "which keys are sessions: a preset (php pecl express memjs django rack rails) or prefix=...",
     .more =
         "May be given several times; the longest rule that fits a key wins. Words after a preset change it: 'php "
         "prefix=PHPSESS.', 'prefix=sess: action=close budget=4s'. Settings: prefix, suffix, id, alphabet, policy, "
         "action, budget, sync, window, connections, lenient-ttl, locks. Without this option: php, django, rack and "
         "rails; pecl, express and memjs know their keys by the shape alone and must be asked for."},
    {.name = "sync-interval",
     .argument = "TIME",
     .field = Member<&SessionSettings::sync_interval_s>,
     .unit = OptionUnit::kSeconds,
     .min = 1,
     .max = 86400,
     .help = "longest time that a changed session waits for the database"},
    {.name = "session-immediate-writes",
     .argument = "NUMBER",
     .field = Member<&SessionSettings::immediate_writes>,
     .max = 200,
     .help = "changes of a session that go to the database at once; one more each sync interval"},
    {.name = "session-batch-rows",
     .argument = "NUMBER",
     .field = Member<&SessionSettings::batch_rows_max>,
     .min = 1,
     .max = 1000,
     .help = "sessions written in one transaction"},
    {.name = "session-batch-bytes",
     .argument = "BYTES",
     .field = Member<&SessionSettings::batch_bytes_max>,
     .unit = OptionUnit::kBytes,
     .min = 1 << 12,
     .max = 64 << 20,
     .help = "bytes written in one transaction, unless one session is larger"},
    {.name = "dirty-share",
     .argument = "PERCENT",
     .field = Member<&SessionSettings::dirty_share_percent>,
     .min = 1,
     .max = 70,
     .help = "share of the memory that sessions may take which the database lacks",
     .more = "At three quarters of it everything is written at once; at the share, sets that need more are refused."},
    {.name = "journal",
     .argument = "DIRECTORY",
     .field = Member<&SessionSettings::journal>,
     .help = "where acknowledged session writes are kept until the database has them; none: nowhere",
     .more = "Default: the SQLite file's name with .journal behind it; with a database server, a directory of the "
             "database's name in $STATE_DIRECTORY, which systemd sets. With it kill -9 loses nothing that was "
             "acknowledged; loss of the machine loses at most what was written since the last sync. The newest records "
             "are in shared memory (/dev/shm/holdfast-*), which outlives the process."},
    {.name = "journal-sync",
     .argument = "TIME",
     .field = Member<&SessionSettings::journal_sync_ms>,
     .unit = OptionUnit::kMillis,
     .max = 60'000,
     .help = "how often the journal is synced to the disk"},
    {.name = "journal-memory",
     .argument = "BYTES",
     .field = Member<&SessionSettings::journal_memory_bytes>,
     .unit = OptionUnit::kBytes,
     .min = 1 << 20,
     .max = 1 << 30,
     .help = "shared memory of the journal; when it is full session writes are refused",
     .more = "It fills only while the disk takes nothing. One session takes at most half of it."},
    {.name = "drain-timeout",
     .argument = "TIME",
     .field = Member<&SessionSettings::drain_timeout_s>,
     .unit = OptionUnit::kSeconds,
     .max = 86400,
     .help = "longest time that a stop waits until all sessions are written"},
    {.name = "session-parked-max",
     .argument = "NUMBER",
     .field = Member<&SessionSettings::parked_max>,
     .min = 1,
     .max = 10'000'000,
     .help = "requests that may wait for the database at a time"},
    {.name = "session-load-keys",
     .argument = "NUMBER",
     .field = Member<&SessionSettings::load_keys_max>,
     .min = 1,
     .max = 1000,
     .help = "sessions asked for in one query"},
    {.name = "session-negative-time",
     .argument = "TIME",
     .field = Member<&SessionSettings::negative_ms>,
     .unit = OptionUnit::kMillis,
     .max = 1000,
     .help = "how long it is remembered that the database has no such session"},
    {.name = "tombstone-life",
     .argument = "TIME",
     .field = Member<&SessionSettings::tombstone_life_s>,
     .unit = OptionUnit::kSeconds,
     .min = 60,
     .max = 365.0 * 86400,
     .help = "how long the database remembers that a session was deleted"},
    {.name = "session-grace",
     .argument = "TIME",
     .field = Member<&SessionSettings::grace_s>,
     .unit = OptionUnit::kSeconds,
     .max = 365.0 * 86400,
     .help = "how long expired sessions stay in the database before they are removed"},
    {.name = "reaper-interval",
     .argument = "TIME",
     .field = Member<&SessionSettings::reaper_interval_s>,
     .unit = OptionUnit::kSeconds,
     .min = 1,
     .max = 86400,
     .help = "how often expired sessions are looked for in the database"},
};

template <SharedCounter SessionStats::*counter>
uint64_t Count(const Sessions& sessions) {
  return (sessions.stats().*counter).value();
}

uint64_t DirtyItems(const Sessions& sessions) { return sessions.write_behind().dirty_items(); }
uint64_t DirtyBytes(const Sessions& sessions) {
  return static_cast<uint64_t>(std::max<int64_t>(0, sessions.write_behind().dirty_bytes()));
}
uint64_t Quarantined(const Sessions& sessions) { return sessions.write_behind().quarantined(); }
uint64_t ProvisionalItems(const Sessions& sessions) { return sessions.provisional().size(); }
uint64_t Parked(const Sessions& sessions) { return sessions.read_through().parked(); }
uint64_t OldestDue(const Sessions& sessions) {
  return static_cast<uint64_t>(sessions.write_behind().LateMicros() / 1000);
}

constexpr base::StatRow kStats[] = {
    {.name = "dirty_items",
     .field = Stat<&DirtyItems>,
     .kind = StatKind::kGauge,
     .help = "sessions that the database lacks something of"},
    {.name = "dirty_bytes",
     .field = Stat<&DirtyBytes>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "memory that these take"},
    {.name = "dirty_late_ms",
     .field = Stat<&OldestDue>,
     .kind = StatKind::kGauge,
     .help = "how long the most overdue of these is late"},
    {.name = "quarantined",
     .field = Stat<&Quarantined>,
     .kind = StatKind::kGauge,
     .help = "sessions that cannot be written as they are"},
    {.name = "parked", .field = Stat<&Parked>, .kind = StatKind::kGauge, .help = "requests that wait for the database"},
    {.name = "synced_rows", .field = Stat<&Count<&SessionStats::synced_rows>>, .help = "rows written to the database"},
    {.name = "synced_bytes",
     .field = Stat<&Count<&SessionStats::synced_bytes>>,
     .unit = StatUnit::kBytes,
     .help = "bytes of values in these"},
    {.name = "synced_expiries",
     .field = Stat<&Count<&SessionStats::synced_expiries>>,
     .help = "of these rows, expiry alone"},
    {.name = "synced_deletes", .field = Stat<&Count<&SessionStats::synced_deletes>>, .help = "of these rows, deletes"},
    {.name = "write_batches", .field = Stat<&Count<&SessionStats::batches>>, .help = "transactions that wrote them"},
    {.name = "write_failures",
     .field = Stat<&Count<&SessionStats::write_failures>>,
     .help = "transactions that failed and were tried again"},
    {.name = "coalesced",
     .field = Stat<&Count<&SessionStats::coalesced>>,
     .help = "changes that went with a later one"},
    {.name = "overtaken",
     .field = Stat<&Count<&SessionStats::overtaken>>,
     .help = "changes for which the database had something later"},
    {.name = "quarantined_total",
     .field = Stat<&Count<&SessionStats::quarantined_total>>,
     .help = "changes set aside because they could not be written"},
    {.name = "load_queries", .field = Stat<&Count<&SessionStats::load_queries>>, .help = "queries for sessions"},
    {.name = "load_failures",
     .field = Stat<&Count<&SessionStats::load_failures>>,
     .help = "of these, failed and tried again"},
    {.name = "loads_found",
     .field = Stat<&Count<&SessionStats::loads_found>>,
     .help = "sessions brought back from the database"},
    {.name = "loads_deleted",
     .field = Stat<&Count<&SessionStats::loads_deleted>>,
     .help = "sessions asked for that were deleted"},
    {.name = "loads_expired",
     .field = Stat<&Count<&SessionStats::loads_expired>>,
     .help = "sessions asked for that had expired"},
    {.name = "loads_absent",
     .field = Stat<&Count<&SessionStats::loads_absent>>,
     .help = "sessions asked for that are not in the database, the expired ones included"},
    {.name = "loads_no_memory",
     .field = Stat<&Count<&SessionStats::loads_no_memory>>,
     .help = "sessions found for which memory had no room"},
    {.name = "loads_unavailable",
     .field = Stat<&Count<&SessionStats::loads_unavailable>>,
     .help = "requests that waited for the database in vain"},
    {.name = "loads_refused",
     .field = Stat<&Count<&SessionStats::loads_refused>>,
     .help = "requests that could not wait because too many did"},
    {.name = "negative_hits",
     .field = Stat<&Count<&SessionStats::negative_hits>>,
     .help = "misses answered from memory of a moment before"},
    {.name = "tombstones", .field = Stat<&Count<&SessionStats::tombstones>>, .help = "sessions deleted by clients"},
    {.name = "resurrections_refused",
     .field = Stat<&Count<&SessionStats::resurrections_refused>>,
     .help = "writes dropped because they came from before a delete"},
    {.name = "provisional",
     .field = Stat<&ProvisionalItems>,
     .kind = StatKind::kGauge,
     .help = "sessions stored while the database could not be asked, not settled yet"},
    {.name = "provisional_writes",
     .field = Stat<&Count<&SessionStats::provisional_writes>>,
     .help = "sets stored while the database could not be asked"},
    {.name = "provisional_won",
     .field = Stat<&Count<&SessionStats::provisional_won>>,
     .help = "of these, settled over no row or an expired one"},
    {.name = "provisional_merged",
     .field = Stat<&Count<&SessionStats::provisional_merged>>,
     .help = "of these, settled over a live row that was older"},
    {.name = "provisional_lost_delete",
     .field = Stat<&Count<&SessionStats::provisional_lost_delete>>,
     .help = "of these, dropped because the session had been deleted"},
    {.name = "provisional_lost_empty",
     .field = Stat<&Count<&SessionStats::provisional_lost_empty>>,
     .help = "of these, dropped: an empty value over a live session"},
    {.name = "provisional_lost_refused",
     .field = Stat<&Count<&SessionStats::provisional_lost_refused>>,
     .help = "of these, dropped: a reader of the live session had been refused"},
    {.name = "provisional_lost_later",
     .field = Stat<&Count<&SessionStats::provisional_lost_later>>,
     .help = "of these, dropped because the row is later"},
    {.name = "reservations",
     .field = Stat<&Count<&SessionStats::reservations>>,
     .help = "empty values kept in memory only"},
    {.name = "refused_dirty_full",
     .field = Stat<&Count<&SessionStats::refused_dirty_full>>,
     .help = "writes refused because too much was unsynced"},
    {.name = "journal_bytes",
     .field = Stat<&Count<&SessionStats::journal_bytes>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "size of the journal"},
    {.name = "journal_replayed",
     .field = Stat<&Count<&SessionStats::journal_replayed>>,
     .help = "records that the process before had left"},
    {.name = "journal_forwarded",
     .field = Stat<&Count<&SessionStats::journal_forwarded>>,
     .help = "records copied to a newer segment, for the database lacked them"},
    {.name = "journal_bad_extents",
     .field = Stat<&Count<&SessionStats::journal_bad_extents>>,
     .help = "damaged stretches of the journal, skipped"},
    {.name = "journal_failures",
     .field = Stat<&Count<&SessionStats::journal_failures>>,
     .help = "failed writes of the journal's files"},
    {.name = "refused_journal",
     .field = Stat<&Count<&SessionStats::refused_journal>>,
     .help = "writes refused by the journal"},
    {.name = "reaped", .field = Stat<&Count<&SessionStats::reaped>>, .help = "expired rows removed from the database"},
    {.name = "reaper_failures", .field = Stat<&Count<&SessionStats::reaper_failures>>, .help = "removals that failed"},
};

}  // namespace

std::span<const base::OptionRow> SessionOptions() { return kOptions; }
std::span<const base::StatRow> SessionStatRows() { return kStats; }

}  // namespace holdfast::session
