// Destination patterns of static routes (row R2).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "firmware/topology/topology.h"

namespace fedge::topology {

// The form the route table uses, in lower case; nullopt when the pattern is not valid.
//   domain  "domaina.com", reversed ".com.domaina"      → "domaina.com"
//           "*.sip.com", reversed ".com.sip.*": children → "*.sip.com"
//   user    "alice@domaina.com"                          → "alice@domaina.com"
//   An address stands for a domain: "2001:DB8:0::10"     → "2001:db8::10"
std::optional<std::string> normal_pattern(std::string_view pattern, RouteType type);

}  // namespace fedge::topology
