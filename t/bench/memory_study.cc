// How it works: a server is filled until it evicts, and a tenth of that again so that no corner is left empty. What
// counts is what its resident memory has grown by since it was started, over the items that it then holds: with index,
// head, cas, expiry and everything. For connections: some have come and been served before, so that what the first ones
// need is there; what counts is the growth with those that come then, each of which has been served once.
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstring>
#include <memory>
#include <string>

#include "bench/load.h"
#include "bench/study.h"

namespace holdfast::bench {
namespace {

struct ValueSize {
  size_t bytes;
  double target_bytes;  // an item
};
constexpr std::array<ValueSize, 3> kValueSizes = {{{10, 80}, {100, 168}, {1024, 1100}}};
constexpr std::string_view kLife = "100000";
constexpr uint64_t kBatchesAtATime = 20;  // between two looks whether it evicts

constexpr uint32_t kCrowdBefore = 250;
constexpr uint32_t kConnectionsMore = 50;  // that the server takes beyond those measured, and files that we open beside

double BytesAnItem(ServerProcess& server, size_t value_bytes) {
  const uint64_t before = server.ResidentBytes();
  const Workload fill = FillOf(Keys::kSmall);
  Load load(server, fill, Syntax::kText, {"user:", value_bytes, kKeysMax, false, kLife}, 0);
  uint64_t stored = 0;
  do {
    load.SendBatches(kBatchesAtATime);
    ++stored;
  } while (server.Statistic("evictions") == 0);
  load.SendBatches(stored * kBatchesAtATime / 10);
  return static_cast<double>(server.ResidentBytes() - before) / static_cast<double>(server.Statistic("curr_items"));
}

// Connections that have been served once and are silent since.
class Idle {
 public:
  explicit Idle(const ServerProcess& server) : server_(server) {}
  ~Idle() {
    for (const int fd : sockets_) close(fd);
  }
  Idle(const Idle&) = delete;
  Idle& operator=(const Idle&) = delete;

  void Add(uint32_t count) {
    constexpr std::string_view kQuestion = "version\r\n";
    for (uint32_t i = 0; i < count; ++i) {
      const int fd = ConnectLoopback(server_.port(), true);
      if (fd < 0) throw BenchError(std::string("cannot connect so often: ") + std::strerror(errno));
      sockets_.push_back(fd);
      char answer[256];
      if (send(fd, kQuestion.data(), kQuestion.size(), MSG_NOSIGNAL) < 0 || recv(fd, answer, sizeof answer, 0) <= 0) {
        throw BenchError("a connection was not served");
      }
    }
  }

 private:
  const ServerProcess& server_;
  std::vector<int> sockets_;
};

// False: the limit that only root may raise is lower.
bool MayOpenFiles(uint64_t files) {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  if (limit.rlim_max < files) return false;
  limit.rlim_cur = limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0;
}

}  // namespace

std::vector<Finding> MeasureMemory(ServerStarter& starter) {
  const uint32_t memory_mib = starter.options().memory_mib;
  std::vector<Finding> findings;
  for (const ValueSize& size : kValueSizes) {
    findings.push_back({.title = "memory of an item, -m " + std::to_string(memory_mib) + " full: 30 B + " +
                                 std::to_string(size.bytes) + " B, cas, expiry",
                        .target = size.target_bytes,
                        .unit = " B",
                        .decimals = 1});
    ForBoth({&findings.back(), 1}, [&](Role role) {
      const auto server = StartOrSkip(starter, role, {.memory_mib = memory_mib}, {&findings.back(), 1});
      if (server == nullptr) return;
      findings.back().cell(role).samples.push_back(BytesAnItem(*server, size.bytes));
      std::fprintf(stderr, " %.1f", findings.back().cell(role).median());
    });
  }
  return findings;
}

std::vector<Finding> MeasureConnections(ServerStarter& starter) {
  const uint32_t idle = starter.options().idle_connections;
  const uint32_t all = kCrowdBefore + idle + kConnectionsMore;
  std::vector<Finding> findings{{.title = "memory of an idle connection, " + std::to_string(idle) + " of them",
                                 .target = 512,
                                 .unit = " B",
                                 .decimals = 0}};
  // Server and client each have one end of every connection open.
  if (!MayOpenFiles(all + kConnectionsMore)) {
    findings[0].left_out = "too few files may be open (ulimit -Hn)";
    return findings;
  }
  ForBoth(findings, [&](Role role) {
    const auto server = StartOrSkip(starter, role, {.connections_max = static_cast<int>(all)}, findings);
    if (server == nullptr) return;
    Idle crowd(*server);
    crowd.Add(kCrowdBefore);
    const uint64_t before = server->ResidentBytes();
    crowd.Add(idle);
    const auto grown = static_cast<double>(server->ResidentBytes() - before);
    findings[0].cell(role).samples.push_back(grown / idle);
    std::fprintf(stderr, " %.0f", findings[0].cell(role).median());
  });
  return findings;
}

}  // namespace holdfast::bench
