// How it works: the rows of one scale share three servers, started and loaded once. A row is measured in rounds, and a
// round visits every server once (A B C A B C ...), so that a slow spell of the machine falls on all of them; only one
// server works at a time, the others sleep. The first core this process may use is the servers', the second is ours.
#include "bench/driver.h"

#include <algorithm>
#include <cstdio>

namespace holdfast::bench {
namespace {

constexpr uint64_t kUsualMemoryMib = 1024;  // holds all items of a row at 1 M items in any of the servers
constexpr uint64_t kHugeMemoryMib = 4096;

uint64_t MemoryMib(Scale scale) { return scale == Scale::kHuge ? kHugeMemoryMib : kUsualMemoryMib; }

// Empty where the kernel does not tell.
std::string HugePages(const ServerProcess& server) {
  try {
    return std::to_string(100 * server.HugePageBytes() / server.ResidentBytes()) + " % in huge pages";
  } catch (const BenchError&) {
    return "";
  }
}

bool Fails(const Cell& cell) { return !cell.failed.empty() || !cell.skipped.empty(); }

}  // namespace

std::vector<Row> Driver::Run() {
  std::vector<Row> rows;
  for (const Workload& workload : AllWorkloads()) {
    if (options_.Wants(workload.name)) rows.push_back(Row{.workload = &workload});
  }
  RunScale(Scale::kUsual, rows);
  RunScale(Scale::kBusyPoll, rows);
  RunScale(Scale::kHuge, rows);
  return rows;
}

void Driver::RunScale(Scale scale, std::vector<Row>& all_rows) {
  std::vector<Row*> rows;
  for (Row& row : all_rows) {
    if (row.workload->scale == scale) rows.push_back(&row);
  }
  const uint32_t items = scale == Scale::kHuge ? options_.items_huge : options_.items;
  std::string reason;
  if (items == 0) {
    for (Row* row : rows) row->left_out = reason = "only in a full run";
  }
  if (AvailableMemoryMib() < 2 * MemoryMib(scale)) reason = "needs " + std::to_string(2 * MemoryMib(scale)) + " MiB";
  if (!reason.empty()) {
    for (Row* row : rows) {
      for (Cell& cell : row->cells) cell.skipped = reason;
    }
    return;
  }
  if (rows.empty()) return;
  Servers servers = StartServers(scale);
  PreloadFor(rows, servers, items);
  for (Row* row : rows) MeasureRow(*row, servers, items);
}

Driver::Servers Driver::StartServers(Scale scale) {
  const ServerShape shape{.memory_mib = MemoryMib(scale), .busy_poll = scale == Scale::kBusyPoll};
  Servers servers;
  for (const Role role : {Role::kHoldfast, Role::kMemcached, Role::kEcho}) {
    if (auto server = starter_.Start(role, shape)) servers.push_back(std::move(server));
  }
  return servers;
}

void Driver::PreloadFor(const std::vector<Row*>& rows, Servers& servers, uint32_t items) {
  for (const Keys keys : {Keys::kSmall, Keys::kLarge, Keys::kCounter}) {
    const auto uses = [keys](const Row* row) { return row->workload->keys == keys; };
    if (std::none_of(rows.begin(), rows.end(), uses)) continue;
    for (const auto& server : servers) {
      if (server->role() == Role::kEcho) continue;
      const Keyspace keyspace = KeyspaceOf(keys, items);
      std::fprintf(stderr, "loading %u items of %zu bytes into %s\n", keyspace.keys, keyspace.value_bytes,
                   server->role() == Role::kHoldfast ? "Holdfast" : "memcached");
      Preload(*server, keys, keyspace);
    }
  }
}

void Driver::MeasureRow(Row& row, Servers& servers, uint32_t items) {
  const Workload& workload = *row.workload;
  std::fprintf(stderr, "%.*s:", static_cast<int>(workload.name.size()), workload.name.data());
  row.cell(Role::kMemcached).skipped = starter_.circumstances().memcached_missing;
  for (const auto& server : servers) row.cell(server->role()).skipped = ReasonToSkip(workload, *server);
  for (int round = 0; round < options_.rounds; ++round) {
    for (const auto& server : servers) {
      Cell& cell = row.cell(server->role());
      if (Fails(cell)) continue;
      try {
        const Syntax syntax = server->role() == Role::kMemcached ? workload.memcached_syntax : workload.syntax;
        const auto seed = static_cast<uint64_t>(round) + 1;
        Load load(*server, workload, syntax, KeyspaceOf(workload.keys, items), seed);
        const Measurement measured = load.Measure(options_.warm_up, options_.run);
        if (workload.scale == Scale::kHuge && server->role() != Role::kEcho) cell.aside = HugePages(*server);
        cell.cpu_ns.push_back(measured.cpu_per_operation_ns());
        cell.samples.push_back(workload.quantity == Quantity::kRoundTrip ? static_cast<double>(measured.round_trip_ns)
                                                                         : cell.cpu_ns.back());
        if (workload.quantity == Quantity::kRoundTrip) cell.aside = "cpu " + WithThousands(Median(cell.cpu_ns));
        std::fprintf(stderr, " %.0f", cell.samples.back());
      } catch (const BenchError& error) {
        cell.failed = error.what();
        std::fprintf(stderr, " (%s)", error.what());
      }
    }
    std::fprintf(stderr, round + 1 < options_.rounds ? " |" : "\n");
  }
}

// Empty: measure it.
std::string Driver::ReasonToSkip(const Workload& workload, const ServerProcess& server) const {
  const Role role = server.role();
  if (workload.memcached_only && role != Role::kMemcached) return "for comparison only";
  if (!workload.has_floor && role == Role::kEcho) return "batches of many sizes";
  const Syntax syntax = role == Role::kMemcached ? workload.memcached_syntax : workload.syntax;
  if (server.Speaks(syntax)) return "";
  return syntax == Syntax::kMeta ? "does not speak meta yet" : "does not speak binary yet";
}

}  // namespace holdfast::bench
