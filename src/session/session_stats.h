// session_stats.h - what the session module counts. Always there, from zero.
//
// Threads: any; each is an atomic of its own. A histogram is recorded by one thread, which stands beside it.

#ifndef HOLDFAST_SESSION_SESSION_STATS_H_
#define HOLDFAST_SESSION_SESSION_STATS_H_

#include <atomic>
#include <cstdint>
#include <limits>

#include "base/histogram.h"

namespace holdfast::session {

class SharedCounter {
 public:
  void Add(uint64_t n = 1) { value_.fetch_add(n, std::memory_order_relaxed); }
  void Set(uint64_t n) { value_.store(n, std::memory_order_relaxed); }  // of a gauge
  uint64_t value() const { return value_.load(std::memory_order_relaxed); }

 private:
  std::atomic<uint64_t> value_{0};
};

// Since when no call of the database has succeeded, whoever makes it.
class AwaySince {
 public:
  void Note(bool is_answered, int64_t now_us) {
    int64_t since_us = kAnswers;
    if (is_answered) {
      since_us_.store(kAnswers, std::memory_order_relaxed);
    } else {
      since_us_.compare_exchange_strong(since_us, now_us, std::memory_order_relaxed);
    }
  }
  // Begun seconds; 0 while it answers.
  uint64_t Seconds(int64_t now_us) const {
    const int64_t since_us = since_us_.load(std::memory_order_relaxed);
    return since_us == kAnswers || now_us < since_us ? 0 : static_cast<uint64_t>((now_us - since_us) / 1'000'000 + 1);
  }

 private:
  static constexpr int64_t kAnswers = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> since_us_{kAnswers};  // steady
};

struct SessionStats {
  AwaySince database_away;        // a gauge
  SharedCounter synced_rows;      // rows the database took
  SharedCounter synced_bytes;     // of values in them
  SharedCounter synced_expiries;  // of those rows, expiry alone
  SharedCounter synced_deletes;   // of those rows, tombstones
  SharedCounter batches;
  SharedCounter write_failures;           // batches that failed
  SharedCounter overtaken;                // rows for which the database had something later
  SharedCounter quarantined_total;        // rows set aside because they can never be written
  SharedCounter quarantined_without_row;  // of those, for a delete may have been forgotten
  SharedCounter coalesced;                // writes that needed no row of their own
  SharedCounter load_queries;
  SharedCounter load_failures;
  SharedCounter loads_found;
  SharedCounter loads_deleted;  // found a tombstone
  SharedCounter loads_expired;
  SharedCounter loads_absent;
  SharedCounter loads_no_memory;    // found, but memory had no room
  SharedCounter loads_unavailable;  // requests whose budget passed
  SharedCounter loads_refused;      // requests beyond the cap of parked ones
  SharedCounter negative_hits;
  SharedCounter tombstones;                // deletes
  SharedCounter resurrections_refused;     // writes from before a delete, dropped
  SharedCounter provisional_writes;        // sets stored while the database could not be asked
  SharedCounter provisional_won;           // settled: there was no row, or an expired one
  SharedCounter provisional_merged;        // settled: took the place of a live row
  SharedCounter provisional_lost_delete;   // settled: the session had been deleted
  SharedCounter provisional_lost_empty;    // settled: an empty value over a live row
  SharedCounter provisional_lost_refused;  // settled: over a live row that a reader was refused
  SharedCounter provisional_lost_later;    // settled: the row is later
  SharedCounter strict_writes;             // changes of strict sessions that the database has committed
  SharedCounter strict_conflicts;          // of these attempts, overtaken by another server's and decided anew
  SharedCounter strict_in_doubt;           // changes of which nobody knows whether they were committed
  SharedCounter reservations;              // empty values kept in memory only
  SharedCounter refused_dirty_full;        // writes refused: too much unsynced
  SharedCounter refused_too_large;         // writes refused: more than the database takes
  SharedCounter refused_journal;           // writes for which the journal had no room in time
  SharedCounter journal_waits;             // writes that waited for room in the journal
  SharedCounter journal_bytes;             // a gauge: ring and segments
  SharedCounter journal_replayed;          // records found at start
  SharedCounter journal_forwarded;         // records copied to a newer segment
  SharedCounter journal_overtaken;         // records that a later one made needless before they were written
  SharedCounter journal_bad_extents;       // damaged stretches skipped at start
  SharedCounter journal_failures;          // failed writes of its files
  SharedCounter journal_sync_failures;     // failed syncs, after which the unsynced was written anew
  SharedCounter superseded;      // values that never reached the database and never will: a later one was there
  SharedCounter maybe_stale;     // rows taken over from a server that did not answer
  SharedCounter peer_questions;  // keys that other servers were asked for
  SharedCounter peer_silent;     // of these, in vain
  SharedCounter yields;          // sessions handed to a server that asked
  SharedCounter claims;          // rows whose owner was changed to this server
  SharedCounter polls;
  SharedCounter stale_copies_dropped;  // copies of which a poll found something later
  SharedCounter serving_unverified;    // hits while the others' changes could not be looked for
  SharedCounter unverified_asked;      // copies looked up before they were served
  SharedCounter database_replaced;     // times that it was found to be another one, or older
  SharedCounter reaped;
  SharedCounter reaper_failures;
  SharedCounter samples_read;       // changes read back from the database
  SharedCounter sample_misses;      // of these, not there
  SharedCounter calls_retried;      // calls of the database that failed, by what is done about it: the same again
  SharedCounter calls_reconnected;  // a new connection first, to the next node where there are several
  SharedCounter calls_blocked;      // waits until somebody changes something
  base::Histogram batch_rows;       // rows a batch that was written; the writer
  base::Histogram batch_bytes;      // bytes of keys and values in it; the writer
  base::Histogram write_micros;     // a batch took in the database; the writer
  base::Histogram load_micros;      // a query took; the reader
  base::Histogram fsync_micros;     // a sync of the journal took; the journal's thread
};

}  // namespace holdfast::session

#endif  // HOLDFAST_SESSION_SESSION_STATS_H_
