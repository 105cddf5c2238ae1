// Names of next hops as they are looked up: what the directory's entries and the workers' trunks
// have in common.
#pragma once

#include <cstdint>
#include <string>

#include "dataplane/signal/generation.h"

namespace fedge::signal {

struct HopName {
  std::string host;  // a SIP domain for SRV
  uint16_t port = 0;
  snapshot::Lookup lookup = snapshot::Lookup::none;  // none: nothing is
  bool use_v4 = false;                               // families that the next hop's realm has
  bool use_v6 = false;
  friend bool operator==(const HopName&, const HopName&) = default;
  // In words: "SRV _sipfederationtls._tcp.partner.example".
  std::string text() const;
};
struct HopNameHash {
  size_t operator()(const HopName& name) const;
};
HopName name_of(const Generation& generation, const snapshot::NextHop& next_hop);

}  // namespace fedge::signal
