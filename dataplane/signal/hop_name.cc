#include "dataplane/signal/hop_name.h"

#include <functional>

#include "firmware/snapshot/lookup.h"

namespace fedge::signal {

std::string HopName::text() const { return snapshot::describe_lookup(lookup, host); }

size_t HopNameHash::operator()(const HopName& name) const {
  const size_t rest = size_t{name.port} << 4 | static_cast<size_t>(name.lookup) << 2 |
                      size_t{name.use_v4} << 1 | size_t{name.use_v6};
  return std::hash<std::string>{}(name.host) ^ rest * 0x9e3779b97f4a7c15;
}

HopName name_of(const Generation& generation, const snapshot::NextHop& next_hop) {
  if (next_hop.lookup == snapshot::Lookup::none) return {};
  HopName name{std::string(generation.routing.text(next_hop.host)), next_hop.port, next_hop.lookup};
  const snapshot::Realm& realm = generation.realm_list()[next_hop.realm];
  for (const snapshot::RealmAddress& a : generation.realms.items(realm.addresses)) {
    (a.address.address.is_v6() ? name.use_v6 : name.use_v4) = true;
  }
  return name;
}

}  // namespace fedge::signal
