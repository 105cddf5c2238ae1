#include "dataplane/sip/next_hops.h"

#include <algorithm>

#include "dataplane/sip/hash.h"
#include "firmware/net/address.h"

namespace fedge::sip {

namespace {

constexpr size_t kLongestHost = 255;

uint64_t hash_of_address(const IpAddress& address) {
  return hash_of({reinterpret_cast<const char*>(address.octets.data()), address.octets.size()},
                 address.family);
}

bool looks_like_address(std::string_view host) {
  return !host.empty() &&
         (host.find(':') != host.npos || (host.back() >= '0' && host.back() <= '9'));
}

}  // namespace

uint64_t hash_of_host(std::string_view host) {
  if (looks_like_address(host)) {
    if (const auto address = IpAddress::parse(host)) return hash_of_address(*address);
  }
  if (host.ends_with('.')) host.remove_suffix(1);
  if (host.size() > kLongestHost) return 0;
  char lower[kLongestHost];
  std::transform(host.begin(), host.end(), lower,
                 [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c; });
  return hash_of({lower, host.size()}, uint64_t{0});
}

NextHops::NextHops(const snapshot::Section<snapshot::Routing>& routing,
                   const snapshot::Section<snapshot::Realms>& realms) {
  const auto& root = routing.root();
  const auto hops = routing.items(root.next_hops);
  const auto realm_list = realms.items(realms.root().realms);
  for (uint32_t i = 0; i < hops.size(); ++i) {
    const snapshot::NextHop& hop = hops[i];
    const auto endpoints = routing.items(hop.endpoints);
    const uint16_t port = endpoints.empty() ? hop.port : endpoints[0].port;
    const std::string_view host = routing.text(hop.host);
    uint64_t h = hash_of(host, static_cast<uint64_t>(hop.lookup) << 32 | uint64_t{port} << 8 |
                                   static_cast<uint64_t>(hop.transport));
    if (hop.realm < realm_list.size()) h = hash_of(realms.text(realm_list[hop.realm].name), h);
    keys_.push_back(static_cast<uint32_t>(h) | 1);
    by_key_.push_back({keys_.back(), i, 0});
    by_host_.push_back({hash_of_host(host), i, port});
    for (const Endpoint& e : endpoints) {
      by_host_.push_back({hash_of_address(e.address), i, e.port});
    }
  }
  std::sort(by_key_.begin(), by_key_.end());
  std::sort(by_host_.begin(), by_host_.end());

  origins_.resize(hops.size(), Origin::inside);
  const auto set_partner = [&](uint32_t i) {
    const bool is_named = hops[i].lookup == snapshot::Lookup::none;
    origins_[i] = is_named ? Origin::direct_partner : Origin::found_partner;
  };
  for (const snapshot::Route& route : routing.items(root.routes)) {
    if (route.kind != snapshot::RouteKind::partner) continue;
    for (const auto& target : routing.items(route.targets)) set_partner(target.next_hop);
  }
  for (const snapshot::Peer& peer : routing.items(root.peers)) {
    if (peer.next_hop >= hops.size()) continue;
    if (peer.side == snapshot::PeerSide::partner) {
      set_partner(peer.next_hop);
    } else {
      origins_[peer.next_hop] = Origin::inside;
    }
  }
}

uint32_t NextHops::find_key(uint32_t key) const {
  const auto it = std::lower_bound(by_key_.begin(), by_key_.end(), Entry{key, 0, 0});
  return it != by_key_.end() && it->hash == key ? it->next_hop : kNoNextHop;
}

uint32_t NextHops::find_host(std::string_view host, uint16_t port, uint32_t likely) const {
  const uint64_t hash = hash_of_host(host);
  auto it = std::lower_bound(by_host_.begin(), by_host_.end(), Entry{hash, 0, 0});
  const Entry* found = nullptr;
  const auto rank = [&](const Entry& e) {
    return (port == 0 || e.port == port ? 2 : 0) + (e.next_hop == likely ? 1 : 0);
  };
  for (; it != by_host_.end() && it->hash == hash; ++it) {
    if (found == nullptr || rank(*it) > rank(*found)) found = &*it;
  }
  return found != nullptr ? found->next_hop : kNoNextHop;
}

}  // namespace fedge::sip
