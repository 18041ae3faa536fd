// How it works: a row and a function each, under memcached's names.

#include "server/process_stats.h"

#include <event2/event.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "config.h"
#include "server/settings.h"

namespace holdfast::server {

namespace {

using base::Stat;
using base::StatKind;
using base::StatUnit;

uint64_t Pid(const ProcessSource&) { return static_cast<uint64_t>(getpid()); }
uint64_t Uptime(const ProcessSource& source) {
  return static_cast<uint64_t>((source.clock->SteadyMicros() - source.started_steady_micros) / 1'000'000);
}
uint64_t Time(const ProcessSource& source) { return static_cast<uint64_t>(source.clock->WallMicros() / 1'000'000); }
std::string Version(const ProcessSource&) { return PACKAGE_VERSION_REPORTED; }
std::string Libevent(const ProcessSource&) { return event_get_version(); }
uint64_t PointerSize(const ProcessSource&) { return sizeof(void*) * 8; }

std::string Seconds(const timeval& time) {
  char text[48];
  std::snprintf(text, sizeof text, "%lld.%06ld", static_cast<long long>(time.tv_sec), static_cast<long>(time.tv_usec));
  return text;
}
std::string UserTime(const ProcessSource&) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_utime);
}
std::string SystemTime(const ProcessSource&) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return Seconds(usage.ru_stime);
}

uint64_t Sum(const ProcessSource& source, base::Counter network::WorkerCounters::*counter) {
  uint64_t sum = 0;
  for (const auto& worker : *source.workers) sum += (worker->counters().*counter).value();
  return sum;
}
uint64_t MaxConnections(const ProcessSource& source) { return source.limit->max(); }
uint64_t CurrentConnections(const ProcessSource& source) { return source.limit->taken(); }
uint64_t TotalConnections(const ProcessSource& source) {
  return Sum(source, &network::WorkerCounters::connections_total);
}
uint64_t Rejected(const ProcessSource& source) { return source.listener->counters().rejected.value(); }
uint64_t IdleKicks(const ProcessSource& source) { return Sum(source, &network::WorkerCounters::idle_kicks); }
uint64_t BytesRead(const ProcessSource& source) { return Sum(source, &network::WorkerCounters::bytes_read); }
uint64_t BytesWritten(const ProcessSource& source) { return Sum(source, &network::WorkerCounters::bytes_written); }
uint64_t Accepting(const ProcessSource& source) { return source.listener->accepting() ? 1 : 0; }
uint64_t ListenDisabled(const ProcessSource& source) { return source.listener->counters().listen_disabled.value(); }
uint64_t DisabledMicros(const ProcessSource& source) { return source.listener->counters().disabled_us.value(); }
uint64_t Threads(const ProcessSource& source) { return source.workers->size(); }
uint64_t ReservedDescriptors(const ProcessSource&) { return kOtherDescriptors; }
uint64_t BufferBytes(const ProcessSource& source) { return source.budget->used_bytes(); }
uint64_t BufferCount(const ProcessSource& source) { return source.budget->used_bytes() / base::kBlockBytes; }
uint64_t BufferBytesFree(const ProcessSource& source) {
  uint64_t blocks = 0;
  for (const auto& worker : *source.workers) blocks += worker->idle_blocks();
  return blocks * base::kBlockBytes;
}
uint64_t ClosedForMemory(const ProcessSource& source) {
  return Sum(source, &network::WorkerCounters::closed_for_memory);
}
uint64_t DumpsRunning(const ProcessSource& source) { return source.operations->background.dumps_running(); }
uint64_t DumpsStarted(const ProcessSource& source) { return source.operations->background.dumps_started(); }
uint64_t LogDropped(const ProcessSource& source) { return source.operations->watch.worker_dropped(); }
uint64_t LogWritten(const ProcessSource& source) { return source.operations->watch.worker_written(); }
uint64_t LogSkipped(const ProcessSource& source) { return source.operations->watch.watcher_skipped(); }
uint64_t LogSent(const ProcessSource& source) { return source.operations->watch.watcher_sent(); }
uint64_t Watchers(const ProcessSource& source) { return source.operations->watch.watchers(); }
uint64_t Never(const ProcessSource&) { return 0; }
uint64_t Sum(const ProcessSource& source, base::Counter network::BusyPollCounters::*counter) {
  uint64_t sum = 0;
  for (const auto& worker : *source.workers) sum += (worker->counters().busy_poll.*counter).value();
  return sum;
}
uint64_t PollsWon(const ProcessSource& source) { return Sum(source, &network::BusyPollCounters::won); }
uint64_t PollsLost(const ProcessSource& source) { return Sum(source, &network::BusyPollCounters::lost); }
uint64_t PollsContended(const ProcessSource& source) { return Sum(source, &network::BusyPollCounters::contended); }
uint64_t PollMicros(const ProcessSource& source) { return Sum(source, &network::BusyPollCounters::micros); }
uint64_t Yields(const ProcessSource& source) { return Sum(source, &network::WorkerCounters::yields); }

constexpr base::StatRow kRows[] = {
    {.name = "pid", .field = Stat<&Pid>, .kind = StatKind::kGauge, .help = "number of the process"},
    {.name = "uptime",
     .field = Stat<&Uptime>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kSeconds,
     .help = "since the start"},
    {.name = "time", .field = Stat<&Time>, .kind = StatKind::kGauge, .unit = StatUnit::kSeconds, .help = "Unix time"},
    {.name = "version", .field = Stat<&Version>, .kind = StatKind::kGauge, .help = "version of the server"},
    {.name = "libevent", .field = Stat<&Libevent>, .kind = StatKind::kGauge, .help = "version of libevent"},
    {.name = "pointer_size", .field = Stat<&PointerSize>, .kind = StatKind::kGauge, .help = "bits of a pointer"},
    {.name = "rusage_user", .field = Stat<&UserTime>, .kind = StatKind::kGauge, .help = "CPU seconds of the program"},
    {.name = "rusage_system",
     .field = Stat<&SystemTime>,
     .kind = StatKind::kGauge,
     .help = "CPU seconds of the system for it"},
    {.name = "max_connections",
     .field = Stat<&MaxConnections>,
     .kind = StatKind::kGauge,
     .help = "connections allowed (-c)"},
    {.name = "curr_connections",
     .field = Stat<&CurrentConnections>,
     .kind = StatKind::kGauge,
     .help = "connections now"},
    {.name = "total_connections", .field = Stat<&TotalConnections>, .help = "connections since the start"},
    {.name = "connection_structures",
     .field = Stat<&CurrentConnections>,
     .kind = StatKind::kGauge,
     .help = "connections that memory is held for: those that there are"},
    {.name = "reserved_fds",
     .field = Stat<&ReservedDescriptors>,
     .kind = StatKind::kGauge,
     .help = "descriptors kept for other things than connections"},
    {.name = "read_buf_count",
     .field = Stat<&BufferCount>,
     .kind = StatKind::kGauge,
     .help = "buffers for what is unread and unsent"},
    {.name = "read_buf_bytes",
     .field = Stat<&BufferBytes>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "memory of these"},
    {.name = "read_buf_bytes_free",
     .field = Stat<&BufferBytesFree>,
     .kind = StatKind::kGauge,
     .unit = StatUnit::kBytes,
     .help = "of this, kept for the next to come"},
    {.name = "read_buf_oom", .field = Stat<&ClosedForMemory>, .help = "connections closed for want of buffers"},
    {.name = "lru_crawler_running",
     .field = Stat<&DumpsRunning>,
     .kind = StatKind::kGauge,
     .help = "1: lru_crawler is at work"},
    {.name = "lru_crawler_starts", .field = Stat<&DumpsStarted>, .help = "how often it was told to"},
    {.name = "log_worker_dropped", .field = Stat<&LogDropped>, .help = "events that a worker had no room for"},
    {.name = "log_worker_written", .field = Stat<&LogWritten>, .help = "events that were watched"},
    {.name = "log_watcher_skipped", .field = Stat<&LogSkipped>, .help = "lines that a watcher missed"},
    {.name = "log_watcher_sent", .field = Stat<&LogSent>, .help = "lines for watchers"},
    {.name = "log_watchers", .field = Stat<&Watchers>, .kind = StatKind::kGauge, .help = "watchers now"},
    {.name = "bytes_read", .field = Stat<&BytesRead>, .unit = StatUnit::kBytes, .help = "received"},
    {.name = "bytes_written", .field = Stat<&BytesWritten>, .unit = StatUnit::kBytes, .help = "sent"},
    {.name = "accepting_conns",
     .field = Stat<&Accepting>,
     .kind = StatKind::kGauge,
     .help = "1: new connections are accepted"},
    {.name = "listen_disabled_num", .field = Stat<&ListenDisabled>, .help = "how often accepting stopped"},
    {.name = "time_in_listen_disabled_us",
     .field = Stat<&DisabledMicros>,
     .unit = StatUnit::kMicros,
     .help = "while accepting had stopped"},
    {.name = "threads", .field = Stat<&Threads>, .kind = StatKind::kGauge, .help = "worker threads"},
    {.name = "conn_yields", .field = Stat<&Yields>, .help = "turns that ended for others' sake (-R)"},
    // What cannot happen here.
    {.name = "response_obj_oom", .field = Stat<&Never>, .help = "always 0: replies have no objects"},
    {.name = "response_obj_count", .field = Stat<&Never>, .kind = StatKind::kGauge, .help = "always 0, as above"},
    {.name = "response_obj_bytes", .field = Stat<&Never>, .kind = StatKind::kGauge, .help = "always 0, as above"},
    {.name = "slab_reassign_inline_reclaim",
     .field = Stat<&Never>,
     .help = "always 0: cleaning a page evicts nothing else"},
    {.name = "slab_reassign_busy_deletes",
     .field = Stat<&Never>,
     .help = "always 0: nothing is deleted for being busy"},
    {.name = "slab_reassign_last_busy_status",
     .field = Stat<&Never>,
     .kind = StatKind::kGauge,
     .help = "always 0: a busy page is cleaned later"},
    {.name = "lru_maintainer_juggles",
     .field = Stat<&Never>,
     .help = "always 0: no thread shifts items between queues"},
    {.name = "malloc_fails", .field = Stat<&Never>, .help = "always 0: without memory beside -m the server ends"},
    {.name = "unexpected_napi_ids", .field = Stat<&Never>, .help = "always 0: -N is not there"},
    {.name = "round_robin_fallback", .field = Stat<&Never>, .help = "always 0, as above"},
    {.name = "lrutail_reflocked", .field = Stat<&Never>, .help = "always 0: readers lock nothing"},
    {.name = "moves_to_cold", .field = Stat<&Never>, .help = "always 0: there are two queues"},
    {.name = "lru_bumps_dropped", .field = Stat<&Never>, .help = "always 0: a hit is two bits in the item"},
};

constexpr base::StatRow kRejectionRows[] = {
    {.name = "rejected_connections", .field = Stat<&Rejected>, .help = "connections refused over the limit"},
};
constexpr base::StatRow kIdleRows[] = {
    {.name = "idle_kicks", .field = Stat<&IdleKicks>, .help = "connections closed for being idle"},
};

constexpr base::StatRow kDetailRows[] = {
    {.name = "busy_polls_won", .field = Stat<&PollsWon>, .help = "a request came while a worker looked (--busy-poll)"},
    {.name = "busy_polls_lost", .field = Stat<&PollsLost>, .help = "none came, and the worker slept"},
    {.name = "busy_polls_contended",
     .field = Stat<&PollsContended>,
     .help = "another thread wanted the processor; workers sleep at once for a while"},
    {.name = "busy_poll_us", .field = Stat<&PollMicros>, .unit = StatUnit::kMicros, .help = "spent looking"},
};

}  // namespace

std::span<const base::StatRow> ProcessDetailStats() { return kDetailRows; }
std::span<const base::StatRow> ProcessStats() { return kRows; }
std::span<const base::StatRow> RejectionStats() { return kRejectionRows; }
std::span<const base::StatRow> IdleStats() { return kIdleRows; }

}  // namespace holdfast::server
