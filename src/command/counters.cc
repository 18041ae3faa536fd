// How it works: one row a counter; the worker's copies are summed by base::StatSet.

#include "command/counters.h"

namespace holdfast::command {

namespace {

using base::Stat;

constexpr base::StatRow kRows[] = {
    {.name = "cmd_get", .field = Stat<&CommandCounters::cmd_get>, .help = "keys asked for"},
    {.name = "cmd_set", .field = Stat<&CommandCounters::cmd_set>, .help = "storage commands"},
    {.name = "cmd_flush", .field = Stat<&CommandCounters::cmd_flush>, .help = "flush_all commands"},
    {.name = "cmd_touch", .field = Stat<&CommandCounters::cmd_touch>, .help = "touch and gat commands"},
    {.name = "cmd_meta", .field = Stat<&CommandCounters::cmd_meta>, .help = "meta commands"},
    {.name = "get_hits", .field = Stat<&CommandCounters::get_hits>, .help = "keys found"},
    {.name = "get_misses", .field = Stat<&CommandCounters::get_misses>, .help = "keys not found"},
    {.name = "get_expired", .field = Stat<&CommandCounters::get_expired>, .help = "of the misses, expired items"},
    {.name = "get_flushed", .field = Stat<&CommandCounters::get_flushed>, .help = "of the misses, flushed items"},
    {.name = "delete_misses", .field = Stat<&CommandCounters::delete_misses>, .help = "deletes of absent keys"},
    {.name = "delete_hits", .field = Stat<&CommandCounters::delete_hits>, .help = "deletes"},
    {.name = "incr_misses", .field = Stat<&CommandCounters::incr_misses>, .help = "incr of absent keys"},
    {.name = "incr_hits", .field = Stat<&CommandCounters::incr_hits>, .help = "incr"},
    {.name = "decr_misses", .field = Stat<&CommandCounters::decr_misses>, .help = "decr of absent keys"},
    {.name = "decr_hits", .field = Stat<&CommandCounters::decr_hits>, .help = "decr"},
    {.name = "cas_misses", .field = Stat<&CommandCounters::cas_misses>, .help = "cas of absent keys"},
    {.name = "cas_hits", .field = Stat<&CommandCounters::cas_hits>, .help = "cas that stored"},
    {.name = "cas_badval",
     .field = Stat<&CommandCounters::cas_badval>,
     .help = "cas with another number than the item's"},
    {.name = "touch_hits", .field = Stat<&CommandCounters::touch_hits>, .help = "touched items"},
    {.name = "touch_misses", .field = Stat<&CommandCounters::touch_misses>, .help = "touches of absent keys"},
    {.name = "store_too_large",
     .field = Stat<&CommandCounters::store_too_large>,
     .help = "values refused for their size"},
    {.name = "store_no_memory",
     .field = Stat<&CommandCounters::store_no_memory>,
     .help = "values refused for want of memory"},
    {.name = "auth_cmds", .field = Stat<&CommandCounters::auth_cmds>, .help = "authentication commands"},
    {.name = "auth_errors", .field = Stat<&CommandCounters::auth_errors>, .help = "failed authentications"},
};

constexpr base::StatRow kSessionRows[] = {
    {.name = "reads_saved",
     .field = Stat<&CommandCounters::session_hits>,
     .help = "sessions that were read from memory, without a look into the database"},
};

}  // namespace

std::span<const base::StatRow> CommandStats() { return kRows; }
std::span<const base::StatRow> SessionCommandStats() { return kSessionRows; }

}  // namespace holdfast::command
