// A snapshot of two realms on one port (the second tagged) and one on another, for tests.
#pragma once

#include <memory>
#include <string>

#include "dataplane/admission/tables.h"
#include "firmware/snapshot/writer.h"
#include "tests/unit/wire_ip/packet_builder.h"

namespace fedge::admission {

struct SampleRealm {
  std::string name;
  std::string device;
  uint16_t vlan;
  std::vector<std::string> addresses;
  std::vector<std::string> listeners;
};

// Three realms: "outside" (0) on port0, "dmz" (1) on port0 with VLAN 7, and "inside" (2) on port1.
inline const std::vector<SampleRealm> kSample{
    {"outside", "port0", 0, {"10.0.0.1/24", "fd00::1/64"}, {"10.0.0.1:5061", "[fd00::1]:5061"}},
    {"dmz", "port0", 7, {"10.7.0.1/24"}, {"10.7.0.1:443", "10.7.0.1:20000"}},
    {"inside", "port1", 0, {"10.2.0.1/24", "fd02::1/64"}, {}}};

inline constexpr ip::Mac kMac0 = ip::PacketBuilder::kOurs;
inline constexpr ip::Mac kMac1{2, 0, 0, 0, 1, 1};

struct SampleSections {
  std::string realms, listeners, routing, resolver;
  std::string media{};  // empty: there is none
};

inline constexpr const char* kRouter = "10.0.0.254";  // of the first realm

inline std::string sample_realms(const std::vector<SampleRealm>& sample) {
  snapshot::Writer w(snapshot::Kind::realms);
  std::vector<snapshot::Port> ports;
  std::vector<snapshot::Realm> realms;
  for (const SampleRealm& s : sample) {
    std::vector<snapshot::RealmAddress> addresses;
    for (const auto& a : s.addresses) addresses.push_back({Prefix::parse(a).value(), {}});
    snapshot::Realm realm{};
    realm.name = w.text(s.name);
    realm.port = static_cast<uint16_t>(ports.size());
    realm.vlan = s.vlan;
    realm.mtu = 1500;
    realm.addresses = w.slice(addresses);
    if (realms.empty()) {
      realm.routes = w.slice<snapshot::RealmRoute>(
          {{Prefix::parse("0.0.0.0/0").value(), IpAddress::parse(kRouter).value()}});
    }
    realms.push_back(realm);
    ports.push_back({w.text("p" + s.name), w.text(s.device)});
  }
  snapshot::Realms root{};
  root.ports = w.slice(ports);
  root.realms = w.slice(realms);
  return w.finish(root);
}

inline std::string sample_listeners(const std::vector<SampleRealm>& sample) {
  snapshot::Writer w(snapshot::Kind::listeners);
  std::vector<snapshot::Listener> listeners;
  for (size_t realm = 0; realm < sample.size(); ++realm) {
    for (const auto& text : sample[realm].listeners) {
      snapshot::Listener listener{};
      listener.name = w.text("l" + text);
      listener.endpoint = Endpoint::parse(text).value();
      listener.realm = static_cast<uint16_t>(realm);
      listener.tls_context = snapshot::kNone16;
      listener.transport = snapshot::Transport::tcp;
      listeners.push_back(listener);
    }
  }
  snapshot::Listeners root{};
  root.listeners = w.slice(listeners);
  return w.finish(root);
}

// One next hop: 10.0.0.9 in `realm`.
inline std::string sample_routing(uint16_t realm) {
  snapshot::Writer w(snapshot::Kind::routing);
  snapshot::NextHop hop{};
  hop.host = w.text("sip.partner.example");
  const std::vector<Endpoint> endpoints{Endpoint::parse("10.0.0.9:5061").value()};
  hop.endpoints = w.slice(endpoints);
  hop.realm = realm;
  hop.tls_context = snapshot::kNone16;
  const std::vector<snapshot::NextHop> hops{hop};
  snapshot::Routing root{};
  root.next_hops = w.slice(hops);
  return w.finish(root);
}

// Two name servers, reached through `realm`.
inline std::string sample_resolver(uint16_t realm) {
  snapshot::Writer w(snapshot::Kind::resolver);
  snapshot::Resolver root{};
  root.servers = w.slice<Endpoint>(
      {Endpoint::parse("10.0.0.53:53").value(), Endpoint::parse("[fd00::53]:5353").value()});
  root.realm = realm;
  return w.finish(root);
}

// Relay ports 50000 to 50009 on 10.0.0.1, 51000 to 51009 for calls.
inline std::string sample_media() {
  snapshot::Writer w(snapshot::Kind::media);
  const std::vector<IpAddress> addresses{IpAddress::parse("10.0.0.1").value()};
  std::vector<snapshot::MediaPool> pools(2);
  pools[0] = {w.slice(addresses), 0, 50000, 50009, snapshot::PoolUse::turn};
  pools[1] = {w.slice(addresses), 0, 51000, 51009, snapshot::PoolUse::anchor};
  snapshot::Media root{};
  root.pools = w.slice(pools);
  root.max_sessions = root.max_sessions_per_user = root.max_sessions_per_source = 10;
  root.credential_minutes = 480;
  root.lifetime_default_s = root.lifetime_max_s = root.nonce_s = 600;
  return w.finish(root);
}

inline SampleSections sample_sections(const std::vector<SampleRealm>& sample = kSample,
                                      uint16_t next_hop_realm = 0, uint16_t resolver_realm = 0) {
  return {sample_realms(sample), sample_listeners(sample), sample_routing(next_hop_realm),
          sample_resolver(resolver_realm)};
}

inline Result<std::unique_ptr<const Tables>> build_sample(const SampleSections& sections) {
  const auto realms = snapshot::Section<snapshot::Realms>::open(as_bytes(sections.realms));
  if (!realms) return std::unexpected(realms.error());
  const auto listeners = snapshot::Section<snapshot::Listeners>::open(as_bytes(sections.listeners));
  if (!listeners) return std::unexpected(listeners.error());
  const auto routing = snapshot::Section<snapshot::Routing>::open(as_bytes(sections.routing));
  if (!routing) return std::unexpected(routing.error());
  const auto resolver = snapshot::Section<snapshot::Resolver>::open(as_bytes(sections.resolver));
  if (!resolver) return std::unexpected(resolver.error());
  const std::vector<BoxPort> ports{{"port0", kMac0}, {"port1", kMac1}};
  if (sections.media.empty()) {
    return Tables::build({*realms, *listeners, *routing, *resolver}, ports);
  }
  const auto media = snapshot::Section<snapshot::Media>::open(as_bytes(sections.media));
  if (!media) return std::unexpected(media.error());
  return Tables::build({*realms, *listeners, *routing, *resolver, &*media}, ports);
}

}  // namespace fedge::admission
