// What a topology must fulfil beyond its shape (row P2): references, uniqueness, and that what
// is written can work.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/topology/finding.h"
#include "firmware/topology/topology.h"

namespace fedge::topology {

// What only the box knows. What is left empty is not checked.
struct Environment {
  std::vector<std::string> devices;  // the board's ports
  std::function<bool(const std::string& id)> has_certificate;
  std::function<bool(const std::string& id)> has_trust;
  std::function<bool(const std::string& name)> has_cipher;
  bool has_tls13 = false;
};

// Every finding; empty when the topology can be published.
Findings check_rules(const Topology& topology, const Environment& environment);

}  // namespace fedge::topology
