// The instance's description, a JSON file: who this appliance is on its machine, where its state
// lies, which interfaces are its ports.
#pragma once

#include <expected>
#include <string>
#include <string_view>
#include <vector>

#include "board/hal.h"
#include "firmware/net/address.h"

namespace fedge::init {

struct Config {
  std::string instance;  // begins the names of its namespaces: 1-32 of a-z 0-9 -
  std::string board = "host";
  std::string state;     // folder, absolute
  std::string programs;  // folder of fedge-control and the others, absolute
  Endpoint management;   // where the REST interface listens before anything else is published
  std::vector<board::Port> ports;
  bool watchdog = false;        // this instance pets the machine's watchdog
  uint32_t signal_workers = 1;  // threads of fedge-signal that carry messages: 1 to 16
  // Threads of fedge-fastpath that carry packets: 1, 2, 4 or 8. Both sides of an anchored stream
  // have the same pair of ports modulo eight: so one worker owns both.
  uint8_t fastpath_workers = 1;
  // Of the command line: what the first control is told about a damaged database.
  bool recover_database = false;
};

// Everything that is wrong, each with its JSON path.
using Errors = std::vector<Error>;
std::expected<Config, Errors> parse_config(std::string_view text);
std::expected<Config, Errors> read_config(const std::string& path);

}  // namespace fedge::init
