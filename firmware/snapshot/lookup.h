// What DNS is asked for a next hop, in words for people.
#pragma once

#include <string>
#include <string_view>

#include "firmware/snapshot/sections.h"

namespace fedge::snapshot {

// Empty when its addresses are listed.
inline std::string describe_lookup(Lookup lookup, std::string_view host) {
  switch (lookup) {
    case Lookup::none:
      return {};
    case Lookup::address:
      return "A and AAAA of " + std::string(host);
    case Lookup::srv:
      return "SRV _sipfederationtls._tcp." + std::string(host);
  }
  return {};
}

}  // namespace fedge::snapshot
