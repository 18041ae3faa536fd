// How it works: a row and a function each, under memcached's names.

#include "server/process_stats.h"

#include <event2/event.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstdio>

#include "config.h"

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
    {.name = "rejected_connections", .field = Stat<&Rejected>, .help = "connections refused over the limit"},
    {.name = "idle_kicks", .field = Stat<&IdleKicks>, .help = "connections closed for being idle"},
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
};

}  // namespace

std::span<const base::StatRow> ProcessStats() { return kRows; }

}  // namespace holdfast::server
