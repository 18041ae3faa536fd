// machine.h - the machine that a server believes to run on: its clocks can step, its disk can be slow, fail, and lose
// what was never synced.
//
// Threads: one.
// Owns:    the control file, and the directory that stands for the disk.

#ifndef HOLDFAST_T_FAULTS_MACHINE_H_
#define HOLDFAST_T_FAULTS_MACHINE_H_

#include <cstdint>
#include <string>

#include "faults/machine_control.h"

namespace holdfast::faults {

class Machine {
 public:
  // The server's files lie in data; what the machine needs for itself in directory.
  Machine(const std::string& directory, const std::string& data);
  ~Machine();
  Machine(const Machine&) = delete;
  Machine& operator=(const Machine&) = delete;

  // For the server's environment; nothing when the library is not there.
  bool exists() const { return control_ != nullptr; }
  const std::string& library() const { return library_; }
  const std::string& control_path() const { return control_path_; }

  void StepWall(int64_t micros);
  int64_t wall_step_us() const { return exists() ? control_->wall_step_us.load() : 0; }
  void SetSync(int takes_ms, bool fails);
  uint64_t syncs() const { return exists() ? control_->syncs.load() : 0; }
  uint64_t failures() const { return exists() ? control_->failures.load() : 0; }

  // After the server was killed: power was lost. Shared memory is gone, data has what was synced, and the steady clock
  // begins anew.
  void LosePower();

 private:
  const std::string data_;
  const std::string disk_;
  const std::string control_path_;
  std::string library_;
  bool mounted_ = false;
  MachineControl* control_ = nullptr;
};

}  // namespace holdfast::faults

#endif  // HOLDFAST_T_FAULTS_MACHINE_H_
