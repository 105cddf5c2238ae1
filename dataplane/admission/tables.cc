#include "dataplane/admission/tables.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "dataplane/admission/verdict.h"

namespace fedge::admission {

namespace {

constexpr size_t kVlans = 4096;
constexpr uint8_t kLinkLocalLength = 64;
using Key = std::pair<uint16_t, IpAddress>;

std::unexpected<Error> no_such_realm(std::string_view what, std::string_view name) {
  return fail(std::string(what) + " " + std::string(name), "its realm is not in the snapshot");
}

}  // namespace

IpAddress link_local_of(const ip::Mac& mac) {
  return IpAddress::v6({0xfe, 0x80, 0, 0, 0, 0, 0, 0, static_cast<uint8_t>(mac[0] ^ 0x02), mac[1],
                        mac[2], 0xff, 0xfe, mac[3], mac[4], mac[5]});
}

bool Local::listens(uint16_t port) const { return std::ranges::binary_search(tcp_ports, port); }

bool Local::is_media(uint16_t udp_port) const {
  return std::ranges::any_of(media_udp, [&](const PortRange& r) { return r.contains(udp_port); });
}

bool Local::may_relay(uint16_t tcp_port) const {
  return std::ranges::any_of(relay_tcp, [&](const PortRange& r) { return r.contains(tcp_port); });
}

AddressIndex::AddressIndex(std::span<const Key> keys)
    : buckets_(keys.empty() ? 0 : std::bit_ceil(2 * keys.size() + 1)) {
  for (size_t i = 0; i < keys.size(); ++i) {
    const auto& [realm, address] = keys[i];
    size_t at = first(realm, address);
    while (buckets_[at].value != kNone) at = (at + 1) & (buckets_.size() - 1);
    buckets_[at] = {address, realm, static_cast<uint32_t>(i)};
  }
}

size_t AddressIndex::first(uint16_t realm, const IpAddress& address) const {
  uint64_t high;
  uint64_t low;
  std::memcpy(&high, address.octets.data(), sizeof high);
  std::memcpy(&low, address.octets.data() + sizeof high, sizeof low);
  // The entries are the operator's; only the senders' addresses are probed with.
  uint64_t hash = (high ^ realm) * 0x9e3779b97f4a7c15u;
  hash = (hash ^ low ^ (hash >> 32)) * 0x9e3779b97f4a7c15u;
  return (hash >> 32) & (buckets_.size() - 1);
}

uint32_t AddressIndex::find(uint16_t realm, const IpAddress& address) const {
  if (buckets_.empty()) return kNone;
  for (size_t at = first(realm, address);; at = (at + 1) & (buckets_.size() - 1)) {
    const Bucket& bucket = buckets_[at];
    if (bucket.value == kNone) return kNone;
    if (bucket.realm == realm && bucket.address == address) return bucket.value;
  }
}

Result<std::unique_ptr<const Tables>> Tables::build(const Sections& sections,
                                                    std::span<const BoxPort> ports) {
  std::unique_ptr<Tables> tables(new Tables);
  if (auto done = tables->add_realms(sections, ports); !done) return std::unexpected(done.error());
  if (auto done = tables->add_listeners(sections); !done) return std::unexpected(done.error());
  if (auto done = tables->add_named(sections); !done) return std::unexpected(done.error());
  if (sections.media != nullptr) {
    if (auto done = tables->add_pools(*sections.media); !done) return std::unexpected(done.error());
  }
  return tables;
}

Status Tables::add_realms(const Sections& sections, std::span<const BoxPort> ports) {
  const auto& in = sections.realms;
  const auto configured = in.items(in.root().ports);
  by_vlan_.resize(ports.size());
  for (const snapshot::Realm& realm : in.items(in.root().realms)) {
    const std::string name(in.text(realm.name));
    const auto device = in.text(configured[realm.port].device);
    const auto port = std::ranges::find(ports, device, &BoxPort::name);
    if (port == ports.end()) {
      return fail("realm " + name, "this box has no port " + std::string(device),
                  "name one of the ports in the board's description");
    }
    const auto place = static_cast<uint16_t>(port - ports.begin());
    const auto index = static_cast<uint16_t>(realms_.size());
    auto& by_vlan = by_vlan_[place];
    if (by_vlan.empty()) by_vlan.assign(kVlans, kNoRealm);
    uint16_t& owner = by_vlan[realm.vlan % kVlans];
    if (owner != kNoRealm) {
      return fail("realm " + name, "realm " + realms_[owner].name + " has the same port and VLAN",
                  "give one of them another VLAN");
    }
    owner = index;
    realms_.push_back({name, place, realm.vlan, realm.mtu, port->mac, {}});
    for (const auto& a : in.items(realm.addresses)) add_local(index, a.address);
    add_local(index, {link_local_of(port->mac), kLinkLocalLength});
  }
  std::vector<Key> keys;
  keys.reserve(locals_.size());
  for (const Local& local : locals_) keys.emplace_back(local.realm, local.prefix.address);
  locals_index_ = AddressIndex(keys);
  return {};
}

void Tables::add_local(uint16_t realm, const Prefix& address) {
  const bool there = std::ranges::any_of(locals_, [&](const Local& local) {
    return local.realm == realm && local.prefix.address == address.address;
  });
  if (there) return;
  locals_.push_back({realm, address, {}, {}, {}});
  realms_[realm].subnets.push_back(address);
}

Status Tables::add_listeners(const Sections& sections) {
  const auto& in = sections.listeners;
  for (const snapshot::Listener& listener : in.items(in.root().listeners)) {
    if (listener.realm >= realms_.size()) {
      return no_such_realm("listener", in.text(listener.name));
    }
    const uint32_t at = locals_index_.find(listener.realm, listener.endpoint.address);
    if (at == AddressIndex::kNone) {
      return fail("listener " + std::string(in.text(listener.name)),
                  "realm " + realms_[listener.realm].name + " has no address " +
                      listener.endpoint.address.text());
    }
    const uint16_t port = listener.endpoint.port;
    if (listener.transport == snapshot::Transport::udp) {
      locals_[at].media_udp.push_back({port, port});
    } else {
      locals_[at].tcp_ports.push_back(port);
    }
  }
  for (Local& local : locals_) std::ranges::sort(local.tcp_ports);
  return {};
}

Status Tables::add_pools(const snapshot::Section<snapshot::Media>& media) {
  for (const snapshot::MediaPool& pool : media.items(media.root().pools)) {
    for (const IpAddress& address : media.items(pool.addresses)) {
      const uint32_t at = locals_index_.find(pool.realm, address);
      if (at == AddressIndex::kNone) {
        return fail("media pool", "its realm has no address " + address.text());
      }
      const PortRange range{pool.first_port, pool.last_port};
      locals_[at].media_udp.push_back(range);
      if (pool.use == snapshot::PoolUse::turn) locals_[at].relay_tcp.push_back(range);
    }
  }
  return {};
}

Status Tables::add_named(const Sections& sections) {
  const auto& in = sections.routing;
  std::vector<Key> keys;
  for (const snapshot::NextHop& hop : in.items(in.root().next_hops)) {
    if (hop.realm >= realms_.size()) return no_such_realm("next hop", in.text(hop.host));
    for (const Endpoint& endpoint : in.items(hop.endpoints)) {
      keys.emplace_back(hop.realm, endpoint.address);
    }
  }
  const auto& resolver = sections.resolver;
  const uint16_t realm = resolver.root().realm;
  for (const Endpoint& server : resolver.items(resolver.root().servers)) {
    if (realm >= realms_.size()) return no_such_realm("name server", server.text());
    udp_servers_.push_back({realm, server});
    keys.emplace_back(realm, server.address);
  }
  const auto& realms = sections.realms;
  uint16_t index = 0;
  for (const snapshot::Realm& r : realms.items(realms.root().realms)) {
    for (const snapshot::RealmRoute& route : realms.items(r.routes)) {
      keys.emplace_back(index, route.via);
    }
    ++index;
  }
  std::ranges::sort(keys);
  keys.erase(std::unique(keys.begin(), keys.end()), keys.end());
  named_ = AddressIndex(keys);
  return {};
}

uint16_t Tables::find_realm(uint16_t port, uint16_t vlan) const {
  if (port >= by_vlan_.size() || by_vlan_[port].empty()) return kNoRealm;
  return by_vlan_[port][vlan % kVlans];
}

uint16_t Tables::find_realm(std::string_view name) const {
  const auto found = std::ranges::find(realms_, name, &RealmEntry::name);
  return found == realms_.end() ? kNoRealm : static_cast<uint16_t>(found - realms_.begin());
}

bool Tables::in_subnet(uint16_t realm, const IpAddress& address) const {
  return std::ranges::any_of(realms_[realm].subnets,
                             [&](const Prefix& subnet) { return subnet.contains(address); });
}

bool Tables::is_udp_server(uint16_t realm, const Endpoint& endpoint) const {
  return std::ranges::any_of(udp_servers_, [&](const UdpServer& server) {
    return server.realm == realm && server.endpoint == endpoint;
  });
}

bool Tables::is_udp_server(uint16_t realm, const IpAddress& address) const {
  return std::ranges::any_of(udp_servers_, [&](const UdpServer& server) {
    return server.realm == realm && server.endpoint.address == address;
  });
}

}  // namespace fedge::admission
