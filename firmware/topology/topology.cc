#include "firmware/topology/topology.h"

#include <algorithm>

namespace fedge::topology {

uint16_t usual_port(Service service, Transport transport) {
  if (service == Service::mras) return 5062;
  if (service != Service::av) return 5061;
  return transport == Transport::udp ? 3478 : transport == Transport::tcp ? 443 : 5349;
}

PortRange usual_ports(PoolUse use) {
  return use == PoolUse::turn ? PortRange{50000, 59999} : PortRange{60000, 65535};
}

std::string_view turn_realm_of(const Media& media, std::string_view fqdn) {
  if (!media.turn_realm.empty()) return media.turn_realm;
  while (fqdn.size() > kLongestTurnRealm) {
    const size_t dot = fqdn.find('.');
    if (dot == fqdn.npos) return {};
    fqdn.remove_prefix(dot + 1);
    if (fqdn.find('.') == fqdn.npos) return {};
  }
  return fqdn;
}

uint32_t media_capacity(const std::vector<MediaPool>& pools) {
  uint64_t allocations = 0;
  uint64_t anchor_ports = 0;
  for (const MediaPool& pool : pools) {
    if (pool.last_port < pool.first_port) continue;
    const uint64_t ports = uint64_t{pool.last_port - pool.first_port + 1u} * pool.addresses.size();
    (pool.use == PoolUse::turn ? allocations : anchor_ports) += ports;
  }
  const uint64_t all = allocations + anchor_ports / 4;
  return static_cast<uint32_t>(std::min<uint64_t>(all, kMostMediaSessions));
}

}  // namespace fedge::topology
