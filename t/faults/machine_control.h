// machine_control.h - what the tormentor and the library in the server's process share: a file that both have mapped.
//
// Threads: any, in both processes.

#ifndef HOLDFAST_T_FAULTS_MACHINE_CONTROL_H_
#define HOLDFAST_T_FAULTS_MACHINE_CONTROL_H_

#include <atomic>
#include <cstdint>

namespace holdfast::faults {

inline constexpr const char* kMachineVariable = "HOLDFAST_TEST_MACHINE";  // names the file

struct MachineControl {
  std::atomic<int64_t> wall_step_us;      // added to CLOCK_REALTIME
  std::atomic<int64_t> boot_step_us;      // added to CLOCK_BOOTTIME: a machine that was started anew counts from there
  std::atomic<uint64_t> power_losses;     // 0: the run of the machine has the name that it has
  std::atomic<int32_t> sync_takes_ms;     // every sync of the journal's files
  std::atomic<int32_t> sync_fails;        // every sync of the journal's files: 1 yes
  std::atomic<uint64_t> syncs, failures;  // that there were
  char root[512];                         // files below it are noted when they are synced
  char disk[512];                         // here: what would be left if the machine stopped
};
static_assert(std::atomic<int64_t>::is_always_lock_free);

}  // namespace holdfast::faults

#endif  // HOLDFAST_T_FAULTS_MACHINE_CONTROL_H_
