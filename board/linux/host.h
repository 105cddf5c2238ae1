// The board "host": any Linux machine. Ports come from the instance's configuration, sealing
// keys lie in files, the watchdog is /dev/watchdog where there is one.
#pragma once

#include "board/hal.h"

namespace fedge::board {

struct HostOptions {
  std::vector<Port> ports;
  std::string seal_folder;  // of the sealing keys; made when it is not there, for root alone
  std::string dmi_folder = "/sys/class/dmi/id";
  std::string watchdog = "/dev/watchdog";
  // A machine's watchdog has one owner: only with this is it opened.
  bool use_watchdog = false;
};

std::unique_ptr<Hal> make_host(HostOptions options);

}  // namespace fedge::board
