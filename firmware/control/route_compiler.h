// The routing section: next hops, routes, their hash table, and peers. Internal to the compiler.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "firmware/base/result.h"
#include "firmware/topology/topology.h"

namespace fedge::control {

// Names of realms and TLS contexts to their places in the snapshot.
class NameIndex {
 public:
  explicit NameIndex(const topology::Topology& topology);
  std::optional<uint16_t> realm(std::string_view name) const;
  // kNone16 for plain TCP.
  std::optional<uint16_t> tls(topology::Transport transport, std::string_view name) const;

 private:
  std::unordered_map<std::string_view, uint16_t> realms_;
  std::unordered_map<std::string_view, uint16_t> contexts_;
};

Result<std::string> compile_routing(const topology::Topology& topology, const NameIndex& index);

}  // namespace fedge::control
