// Starting one process: its namespace, its user, its link on descriptor 3, and nothing else.
#pragma once

#include <sys/types.h>

#include <string>
#include <utility>
#include <vector>

#include "firmware/base/result.h"

namespace fedge::init {

struct Launch {
  std::string program{};  // path, as the started process sees it
  std::vector<std::string> arguments{};
  int link = -1;     // becomes descriptor 3
  int network = -1;  // namespace to enter; -1 stays
  uid_t uid = 0;     // 0 stays root; gid is the same number
  bool locks_memory = false;
  // Folders bound into the process's own mount namespace, from → to: users other than root
  // cannot reach every place where an operator puts state and programs.
  std::vector<std::pair<std::string, std::string>> binds{};
};

// Blocks until the program runs. It dies with the calling thread; it has a session of its own, a
// clean environment, /dev/null as input, and standard error of the caller. Errors of the started
// side come back in words. The caller has one thread.
Result<pid_t> launch(const Launch& launch);

// "exited with status 1", "was killed by signal 9 (Killed)", …
std::string describe_end(int wait_status);

}  // namespace fedge::init
