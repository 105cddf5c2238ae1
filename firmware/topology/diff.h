// What changed between two topologies, by meaning: list items are matched by what names them
// (realm name, partner domain, route pattern …), not by their place.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "firmware/topology/topology.h"

namespace fedge::topology {

struct Change {
  enum class Kind : uint8_t { added, removed, changed };
  Kind kind;
  std::string path;    // "/realms/outside/mtu": list items by name
  std::string before;  // compact JSON; empty when added
  std::string after;   // empty when removed
  bool operator==(const Change&) const = default;
};

// In the order of the document; empty when both mean the same.
std::vector<Change> diff(const Topology& before, const Topology& after);
// The first `most` of them; `all` is how many there are. A million changes are not worth writing.
std::vector<Change> diff(const Topology& before, const Topology& after, size_t most, size_t& all);

}  // namespace fedge::topology
