// One small section of every kind, made through the writer.
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "firmware/snapshot/checksum.h"
#include "firmware/snapshot/routes.h"
#include "firmware/snapshot/writer.h"

namespace fedge::snapshot {

inline IpAddress address(std::string_view text) { return *IpAddress::parse(text); }
inline Endpoint endpoint(std::string_view text) { return *Endpoint::parse(text); }

inline std::string sample_appliance() {
  Writer w(Kind::appliance);
  return w.finish(Appliance{w.text("edge1"), w.text("sip.example.com"), w.text("hq")});
}

inline std::string sample_realms() {
  Writer w(Kind::realms);
  const auto ports = w.slice<Port>({{w.text("wan"), w.text("port0")}});
  const auto addresses =
      w.slice<RealmAddress>({{*Prefix::parse("10.1.0.1/24"), address("198.51.100.1")},
                             {*Prefix::parse("fd00:1::1/64"), {}}});
  const auto routes = w.slice<RealmRoute>({{*Prefix::parse("0.0.0.0/0"), address("10.1.0.254")}});
  const auto realms =
      w.slice<Realm>({{w.text("outside"), 0, 100, 1500, 24, 46, addresses, routes}});
  return w.finish(Realms{ports, realms});
}

inline std::string sample_listeners() {
  Writer w(Kind::listeners);
  return w.finish(Listeners{w.slice<Listener>(
      {{w.text("access"), endpoint("10.1.0.1:5061"), 0, 0, Transport::tls, Service::access},
       {w.text("plain"), endpoint("[fd00:1::1]:5060"), 0, kNone16, Transport::tcp,
        Service::access}})});
}

inline std::string sample_tls() {
  Writer w(Kind::tls);
  const auto chain = w.slice<Text>({w.text("leaf"), w.text("intermediate")});
  const auto certificates = w.slice<Certificate>({{w.text("access"), chain, 7, 1700000000}});
  return w.finish(Tls{w.slice<TlsContext>(
      {{w.text("external"), certificates, w.slice<Text>({w.text("ca")}),
        w.slice<uint16_t>({0xc02f, 0xc030}), 0x0303, 0x0303, ClientCertificate::required}})});
}

// Routes to one next hop, one for each pattern.
inline std::string sample_routing(const std::vector<std::string>& patterns) {
  Writer w(Kind::routing);
  const auto hops =
      w.slice<NextHop>({{w.text("fe1.example.com"), w.slice<Endpoint>({endpoint("10.2.0.2:5061")}),
                         0, 0, Transport::tls}});
  const auto targets = w.slice<Target>({{0, 1, 1}});
  std::vector<Route> routes;
  for (const std::string& pattern : patterns) {
    routes.push_back({w.text(pattern), w.text("/static_routes/" + std::to_string(routes.size())),
                      targets, RouteKind::static_domain});
  }
  const auto peers = w.slice<Peer>(
      {{w.text("fe1.example.com"), {}, 0, 1, PeerSide::inside},
       {w.text("sip.partner.example"), w.text("partner.example"), 0, 0, PeerSide::partner},
       {w.text("sip.partner.example"), w.text("partner.example"), 0, 2, PeerSide::partner}});
  Routing root{hops, {}, {}, peers, 1};
  write_routes(w, std::move(routes), root);
  return w.finish(root);
}

inline std::string sample_signalling() {
  return Writer(Kind::signalling)
      .finish(Signalling{500, 4000, 5000, 181000, 2000, 4000, 5000, 600000, 10000, 65536, 20000,
                         20000, 256, 200000, 1048576, 10000, 200});
}

inline std::string sample_management() {
  Writer w(Kind::management);
  const auto endpoints = w.slice<Endpoint>({endpoint("127.0.0.1:8443")});
  const Certificate certificate{w.text("management"), w.slice<Text>({w.text("leaf")}), 1, 0};
  return w.finish(Management{endpoints, certificate, 64, 1 << 20});
}

inline std::string sample_resolver() {
  Writer w(Kind::resolver);
  return w.finish(Resolver{w.slice<Endpoint>({endpoint("10.1.0.53:53")}), 0});
}

inline std::string sample_media() {
  Writer w(Kind::media);
  const auto address = [](const char* text) { return *IpAddress::parse(text); };
  Media root{};
  root.turn_realm = w.text("edge.example.com");
  root.pools = w.slice<MediaPool>(
      {{w.slice<IpAddress>({address("203.0.113.5")}), 0, 50000, 54999, PoolUse::turn},
       {w.slice<IpAddress>({address("203.0.113.5")}), 0, 55000, 59999, PoolUse::anchor}});
  root.peer_rules = w.slice<PeerRule>({{*Prefix::parse("10.1.0.0/16"), 1}});
  root.token_keys = w.slice<TokenKey>({{7, 0, 2'000'000'000, 99}});
  root.alternates = w.slice<Endpoint>({endpoint("203.0.113.9:3478")});
  root.max_sessions = root.max_sessions_per_user = root.max_sessions_per_source = 100;
  root.credential_minutes = 480;
  root.lifetime_default_s = 600;
  root.lifetime_max_s = 3600;
  root.nonce_s = 3600;
  return w.finish(root);
}

inline std::vector<std::pair<Kind, std::string>> all_samples() {
  return {{Kind::appliance, sample_appliance()},
          {Kind::realms, sample_realms()},
          {Kind::listeners, sample_listeners()},
          {Kind::tls, sample_tls()},
          {Kind::routing, sample_routing({"a.example", "*.b.example", "u@c.example"})},
          {Kind::signalling, sample_signalling()},
          {Kind::management, sample_management()},
          {Kind::resolver, sample_resolver()},
          {Kind::media, sample_media()}};
}

inline Status open_as(Kind kind, Bytes bytes) {
  const auto check = [&]<class Root>(Root*) -> Status {
    auto section = Section<Root>::open(bytes);
    if (!section) return std::unexpected(section.error());
    return {};
  };
  switch (kind) {
    case Kind::appliance:
      return check(static_cast<Appliance*>(nullptr));
    case Kind::realms:
      return check(static_cast<Realms*>(nullptr));
    case Kind::listeners:
      return check(static_cast<Listeners*>(nullptr));
    case Kind::tls:
      return check(static_cast<Tls*>(nullptr));
    case Kind::routing:
      return check(static_cast<Routing*>(nullptr));
    case Kind::signalling:
      return check(static_cast<Signalling*>(nullptr));
    case Kind::management:
      return check(static_cast<Management*>(nullptr));
    case Kind::resolver:
      return check(static_cast<Resolver*>(nullptr));
    case Kind::media:
      return check(static_cast<Media*>(nullptr));
    default:
      return check_envelope(bytes, kind);
  }
}

// Makes the header fit the bytes again, as damage before sealing would.
inline void reseal(std::string& section) {
  const uint64_t size = section.size();
  std::memcpy(section.data() + offsetof(SectionHeader, size), &size, sizeof size);
  const auto checksum = checksum_of(as_bytes(section));
  std::memcpy(section.data() + offsetof(SectionHeader, checksum), checksum.data(), 16);
}

}  // namespace fedge::snapshot
