// simulation.h - one site, for a minute or so of virtual time, from one seed: nodes, a database, visitors, and all that
// can go wrong. What the visitors saw is judged at the end.
//
// Threads: one; several simulations may run in one process, one after the other.
// Owns:    files of the nodes' journals under `directory`, removed at the end.

#ifndef HOLDFAST_T_SIM_SIMULATION_H_
#define HOLDFAST_T_SIM_SIMULATION_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "lib/judge.h"
#include "sim/bugs.h"

namespace holdfast::sim {

inline constexpr uint32_t kCutDatabase = 1;
inline constexpr uint32_t kCutPeers = 2;

struct SimulationSettings {
  uint64_t seed = 1;
  Bug bug = Bug::kNone;
  uint32_t nodes = 0;     // 0: as the seed says, mostly one
  int strict = -1;        // a bit for each rule that is strict; -1: as the seed says, mostly none
  int cuts = -1;          // which links are cut now and then, kCutDatabase + kCutPeers; -1: as the seed says
  bool tells = false;     // prints all that happens
  std::string directory;  // exists; best in memory
};

struct SimulationResult {
  std::vector<std::string> failures;  // in words; none: all that was promised was kept
  std::array<uint32_t, test::kFaults> faults{};
  size_t operations = 0;
  size_t acknowledged = 0;
  uint32_t kills = 0;
  uint32_t handovers = 0;  // that were begun
  uint32_t cuts = 0;       // of one node's links
};

SimulationResult Simulate(const SimulationSettings& settings);

}  // namespace holdfast::sim

#endif  // HOLDFAST_T_SIM_SIMULATION_H_
