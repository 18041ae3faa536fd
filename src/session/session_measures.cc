// How it works: a histogram is shown as its median, its 99th percentile and its largest value, and times also as counts
// of what was within a limit, which can be subtracted from each other: a percentile cannot say what the last minute was
// like. Percentiles are the upper end of a bucket, at most a sixteenth too large.

#include "base/histogram.h"
#include "session/session.h"
#include "session/session_options.h"

namespace holdfast::session {

using base::Stat;
using base::StatKind;
using base::StatUnit;

namespace {

template <base::Histogram SessionStats::*histogram, int percent>
uint64_t Percentile(const Sessions& sessions) {
  return (sessions.stats().*histogram).PercentileMicros(percent);
}

template <base::Histogram SessionStats::*histogram>
uint64_t Largest(const Sessions& sessions) {
  return (sessions.stats().*histogram).max_micros();
}

template <base::Histogram SessionStats::*histogram>
uint64_t CountAll(const Sessions& sessions) {
  return (sessions.stats().*histogram).count();
}

template <base::Histogram SessionStats::*histogram, uint64_t micros>
uint64_t CountWithin(const Sessions& sessions) {
  return (sessions.stats().*histogram).CountUpTo(micros);
}

constexpr base::StatRow kRows[] = {
    {.name = "database_write_us_p50",
     .field = Stat<&Percentile<&SessionStats::write_micros, 50>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "50 % of batches written took no longer"},
    {.name = "database_write_us_p99",
     .field = Stat<&Percentile<&SessionStats::write_micros, 99>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "99 % of batches written took no longer"},
    {.name = "database_write_us_max",
     .field = Stat<&Largest<&SessionStats::write_micros>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "the longest of batches written"},
    {.name = "database_write_calls",
     .field = Stat<&CountAll<&SessionStats::write_micros>>,
     .help = "batches written, failed ones too"},
    {.name = "database_write_within_1ms",
     .field = Stat<&CountWithin<&SessionStats::write_micros, 1000>>,
     .help = "of these, within a millisecond"},
    {.name = "database_write_within_10ms",
     .field = Stat<&CountWithin<&SessionStats::write_micros, 10000>>,
     .help = "of these, within 10 milliseconds"},
    {.name = "database_write_within_100ms",
     .field = Stat<&CountWithin<&SessionStats::write_micros, 100000>>,
     .help = "of these, within 100 milliseconds"},
    {.name = "database_write_within_1s",
     .field = Stat<&CountWithin<&SessionStats::write_micros, 1000000>>,
     .help = "of these, within a second"},
    {.name = "database_write_within_10s",
     .field = Stat<&CountWithin<&SessionStats::write_micros, 10000000>>,
     .help = "of these, within 10 seconds"},
    {.name = "database_read_us_p50",
     .field = Stat<&Percentile<&SessionStats::load_micros, 50>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "50 % of look-ups took no longer"},
    {.name = "database_read_us_p99",
     .field = Stat<&Percentile<&SessionStats::load_micros, 99>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "99 % of look-ups took no longer"},
    {.name = "database_read_us_max",
     .field = Stat<&Largest<&SessionStats::load_micros>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "the longest of look-ups"},
    {.name = "database_read_calls",
     .field = Stat<&CountAll<&SessionStats::load_micros>>,
     .help = "look-ups, failed ones too"},
    {.name = "database_read_within_1ms",
     .field = Stat<&CountWithin<&SessionStats::load_micros, 1000>>,
     .help = "of these, within a millisecond"},
    {.name = "database_read_within_10ms",
     .field = Stat<&CountWithin<&SessionStats::load_micros, 10000>>,
     .help = "of these, within 10 milliseconds"},
    {.name = "database_read_within_100ms",
     .field = Stat<&CountWithin<&SessionStats::load_micros, 100000>>,
     .help = "of these, within 100 milliseconds"},
    {.name = "database_read_within_1s",
     .field = Stat<&CountWithin<&SessionStats::load_micros, 1000000>>,
     .help = "of these, within a second"},
    {.name = "database_read_within_10s",
     .field = Stat<&CountWithin<&SessionStats::load_micros, 10000000>>,
     .help = "of these, within 10 seconds"},
    {.name = "journal_fsync_us_p50",
     .field = Stat<&Percentile<&SessionStats::fsync_micros, 50>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "50 % of syncs of the journal to the disk took no longer"},
    {.name = "journal_fsync_us_p99",
     .field = Stat<&Percentile<&SessionStats::fsync_micros, 99>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "99 % of syncs of the journal to the disk took no longer"},
    {.name = "journal_fsync_us_max",
     .field = Stat<&Largest<&SessionStats::fsync_micros>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kMicros,
     .help = "the longest of syncs of the journal to the disk"},
    {.name = "journal_fsync_calls",
     .field = Stat<&CountAll<&SessionStats::fsync_micros>>,
     .help = "syncs of the journal to the disk, failed ones too"},
    {.name = "journal_fsync_within_1ms",
     .field = Stat<&CountWithin<&SessionStats::fsync_micros, 1000>>,
     .help = "of these, within a millisecond"},
    {.name = "journal_fsync_within_10ms",
     .field = Stat<&CountWithin<&SessionStats::fsync_micros, 10000>>,
     .help = "of these, within 10 milliseconds"},
    {.name = "journal_fsync_within_100ms",
     .field = Stat<&CountWithin<&SessionStats::fsync_micros, 100000>>,
     .help = "of these, within 100 milliseconds"},
    {.name = "journal_fsync_within_1s",
     .field = Stat<&CountWithin<&SessionStats::fsync_micros, 1000000>>,
     .help = "of these, within a second"},
    {.name = "journal_fsync_within_10s",
     .field = Stat<&CountWithin<&SessionStats::fsync_micros, 10000000>>,
     .help = "of these, within 10 seconds"},
    {.name = "batch_rows_p50",
     .field = Stat<&Percentile<&SessionStats::batch_rows, 50>>,
     .kind = StatKind::kGauge,
     .help = "50 % of the batches had no more rows"},
    {.name = "batch_rows_p99",
     .field = Stat<&Percentile<&SessionStats::batch_rows, 99>>,
     .kind = StatKind::kGauge,
     .help = "99 % of the batches had no more rows"},
    {.name = "batch_rows_max",
     .field = Stat<&Largest<&SessionStats::batch_rows>>,
     .kind = StatKind::kGauge,
     .help = "the most rows that a batch had"},
    {.name = "batch_bytes_p50",
     .field = Stat<&Percentile<&SessionStats::batch_bytes, 50>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "50 % of the batches had no more bytes of keys and values"},
    {.name = "batch_bytes_p99",
     .field = Stat<&Percentile<&SessionStats::batch_bytes, 99>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "99 % of the batches had no more bytes of keys and values"},
    {.name = "batch_bytes_max",
     .field = Stat<&Largest<&SessionStats::batch_bytes>>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "the most bytes of keys and values that a batch had"},
};

}  // namespace

std::span<const base::StatRow> SessionMeasureRows() { return kRows; }

}  // namespace holdfast::session
