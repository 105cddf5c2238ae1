// The instance's places on the machine: /run/fedge/NAME with its lock and its status, the state
// folder, and control's folder in it.
#pragma once

#include "firmware/base/fd.h"
#include "firmware/init/config.h"
#include "firmware/init/supervisor.h"

namespace fedge::init {

class Instance {
 public:
  // Makes the folders and takes the locks; fails when this instance, or another one with the
  // same state, runs already.
  static Result<Instance> open(const Config& config);
  // Removes what lies in /run.
  void close();

  std::string control_folder() const { return state_ + "/control"; }
  std::string seal_folder() const { return state_ + "/seal"; }
  // Where started processes find the programs and control its folder: within everybody's reach.
  std::string bound_programs() const { return run_ + "/bin"; }
  std::string bound_control() const { return run_ + "/control"; }

  // One JSON object for people and tests: /run/fedge/NAME/status.json.
  void write_status(const Supervisor& supervisor, uint64_t generation, uint64_t revision) const;

 private:
  std::string name_;
  std::string state_;
  std::string run_;
  Fd run_lock_;
  Fd state_lock_;
};

}  // namespace fedge::init
