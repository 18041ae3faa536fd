// How it works: a round starts a server and loads ordinary keys; then gets of them are measured, the attack comes, and
// gets of the attacked keys and of the others are measured, all with the same number of keys. To memcached, which does
// not hash with CRC-32C, the attacked keys are ordinary ones.
//
// Whether inserts take linear time: the second half of the attack over the first. An index that grows meanwhile makes
// the halves differ too, so the same is done to a second server with ordinary keys, and both halves are taken relative
// to it.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <thread>

#include "bench/load.h"
#include "bench/study.h"

namespace holdfast::bench {
namespace {

constexpr size_t kValueBytes = 100;
constexpr uint32_t kFillDepth = 100;
constexpr auto kRest = std::chrono::milliseconds(5);

constexpr Workload kGets{.name = "one-crc",
                         .title = "gets",
                         .verb = Verb::kGet,
                         .syntax = Syntax::kText,
                         .memcached_syntax = Syntax::kMeta,
                         .keys = Keys::kSmall,
                         .draw = Draw::kUniform,
                         .connections = 16,
                         .depth = 32,
                         .target = 0};

Keyspace OthersOf(const Options& options) {
  return {.prefix = "user:",
          .value_bytes = kValueBytes,
          .keys = std::min(kOneCrcKeysMax, options.items),
          .counters = false};
}

// What sets of all keys of the keyspace cost, half by half.
std::array<double, 2> InsertionCosts(ServerProcess& server, const Keyspace& keyspace) {
  const Workload fill = FillOf(Keys::kSmall);
  Load load(server, fill, Syntax::kText, keyspace, 0);
  std::array<double, 2> costs{};
  for (double& cost_ns : costs) {
    const uint64_t before_ns = server.CpuNs();
    load.SendBatches(keyspace.keys / kFillDepth / 2);
    std::this_thread::sleep_for(kRest);
    cost_ns = static_cast<double>(server.CpuNs() - before_ns);
  }
  return costs;
}

struct Costs {
  double others_before_ns;
  std::array<double, 2> insertions_ns;
  double attacked_ns, others_ns;
};

Costs MeasureAttack(ServerProcess& server, const Options& options, uint64_t seed) {
  const Keyspace others = OthersOf(options);
  Keyspace attacked = others;
  attacked.one_crc = true;
  const auto get = [&](const Keyspace& keyspace) {
    const Syntax syntax = server.role() == Role::kMemcached ? kGets.memcached_syntax : kGets.syntax;
    return Load(server, kGets, syntax, keyspace, seed).Measure(options.warm_up, options.run).cpu_per_operation_ns();
  };
  Costs costs{};
  Preload(server, Keys::kSmall, others);
  costs.others_before_ns = get(others);
  costs.insertions_ns = InsertionCosts(server, attacked);
  costs.attacked_ns = get(attacked);
  costs.others_ns = get(others);
  return costs;
}

// The same insertions on a server that nobody attacks.
std::array<double, 2> MeasureOrdinary(ServerProcess& server, const Options& options) {
  Keyspace keyspace = OthersOf(options);
  Preload(server, Keys::kSmall, keyspace);
  keyspace.prefix = "page:";
  return InsertionCosts(server, keyspace);
}

}  // namespace

std::vector<Finding> MeasureOneCrc(ServerStarter& starter) {
  const Options& options = starter.options();
  std::vector<Finding> findings{
      {.title = "100,000 keys of one CRC32C: CPU of a get of theirs, over that of others before (1)", .target = 1.5},
      {.title = "and of a get of the others, over before (1)", .target = 1.05},
      {.title = "inserting them: second half over first, both relative to ordinary keys", .target = 1.25},
  };
  for (int round = 0; round < options.rounds; ++round) {
    ForBoth(findings, [&](Role role) {
      auto server = StartOrSkip(starter, role, {}, findings);
      if (server == nullptr) return;
      const Costs costs = MeasureAttack(*server, options, static_cast<uint64_t>(round) + 1);
      server = starter.Start(role, {});
      const std::array<double, 2> ordinary = MeasureOrdinary(*server, options);
      const std::array samples = {costs.attacked_ns / costs.others_before_ns, costs.others_ns / costs.others_before_ns,
                                  costs.insertions_ns[1] / ordinary[1] / (costs.insertions_ns[0] / ordinary[0])};
      for (size_t i = 0; i < samples.size(); ++i) {
        findings[i].cell(role).samples.push_back(samples[i]);
        std::fprintf(stderr, " %.2f", samples[i]);
      }
    });
  }
  return findings;
}

}  // namespace holdfast::bench
