// A document with something in every part of it, and the same as a value.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <string_view>

#include "firmware/topology/document.h"

namespace fedge::topology {

inline constexpr std::string_view kSample = R"({
  "version": 1,
  "appliance": {"name": "edge1", "fqdn": "sip.example.com", "site": "hq"},
  "ports": [{"name": "wan", "device": "port0"}, {"name": "lan", "device": "port1"}],
  "realms": [
    {"name": "outside", "port": "wan", "vlan": 0, "mtu": 1500,
     "dscp": {"signalling": 24, "media": 46},
     "addresses": [{"address": "10.1.0.1/24", "public": "198.51.100.1"},
                   {"address": "fd00:1::1/64"}],
     "routes": [{"to": "0.0.0.0/0", "via": "10.1.0.254"}]},
    {"name": "inside", "port": "lan",
     "addresses": [{"address": "10.2.0.1/24"}, {"address": "fd00:2::1/64"}]}
  ],
  "tls_contexts": [
    {"name": "external", "certificates": ["access"], "trust": ["partners"],
     "client_certificate": "required", "versions": ["1.2"],
     "ciphers": ["ECDHE-RSA-AES128-GCM-SHA256"]},
    {"name": "internal", "certificates": ["internal"], "trust": ["inside-ca"]}
  ],
  "listeners": [
    {"name": "access-v4", "realm": "outside", "address": "10.1.0.1", "port": 5061,
     "transport": "tls", "service": "access", "tls": "external"},
    {"name": "access-v6", "realm": "outside", "address": "fd00:1::1", "tls": "external"},
    {"name": "inside-v4", "realm": "inside", "address": "10.2.0.1", "tls": "internal"}
  ],
  "presence_domains": ["example.com"],
  "edge_pool": {"fqdn": "sip.example.com", "services": ["access"], "federation": true},
  "next_hop_pools": [
    {"name": "frontend", "members": [
      {"host": "fe1.example.com", "addresses": ["10.2.0.2", "fd00:2::2"], "realm": "inside",
       "tls": "internal", "priority": 1, "weight": 1},
      {"host": "fe2.example.com", "addresses": ["10.2.0.3"], "realm": "inside",
       "tls": "internal", "priority": 2}]}
  ],
  "federation_route": {"site": "hq", "next_hop": "frontend"},
  "static_routes": [
    {"pattern": ".com.branch", "next_hop": {"host": "imp.branch.com",
     "addresses": ["10.2.0.9"], "realm": "inside", "tls": "internal"}, "priority": 1},
    {"pattern": "branch.com", "next_hop_pool": "frontend", "priority": 2},
    {"pattern": "alice@example.com", "type": "user", "next_hop_pool": "frontend"}
  ],
  "partners": [
    {"domain": "partner.example", "edge": "sip.partner.example", "addresses": ["10.1.0.2"],
     "realm": "outside", "tls": "external"}
  ],
  "resolver": {"servers": ["10.1.0.53"], "realm": "outside"},
  "management": {"addresses": ["127.0.0.1"]}
})";

inline Topology sample() {
  const Reading reading = decode(kSample);
  for (const Finding& finding : reading.findings) ADD_FAILURE() << finding.error().text();
  return reading.topology;
}

// The sample with its first `from` replaced.
inline std::string changed(std::string_view from, std::string_view to) {
  std::string text(kSample);
  const size_t at = text.find(from);
  if (at == std::string::npos) {
    ADD_FAILURE() << from << " is not in the sample";
    return text;
  }
  return text.replace(at, from.size(), to);
}

// What the sample becomes with media: TURN outside, A/V authentication inside, anchoring on both
// sides.
inline constexpr std::string_view kMediaListeners = R"([
    {"name": "turn-v4", "realm": "outside", "address": "10.1.0.1", "transport": "udp",
     "service": "av"},
    {"name": "turn-v6", "realm": "outside", "address": "fd00:1::1", "transport": "udp",
     "service": "av"},
    {"name": "turn-tcp", "realm": "outside", "address": "10.1.0.1", "transport": "tcp",
     "service": "av"},
    {"name": "turn-tls", "realm": "outside", "address": "10.1.0.1", "transport": "tls",
     "service": "av", "tls": "external"},
    {"name": "mras", "realm": "inside", "address": "10.2.0.1", "transport": "tls",
     "service": "mras", "tls": "internal"}
  ])";
inline constexpr std::string_view kMedia = R"({
    "certificates": ["av"],
    "pools": [
      {"realm": "outside", "addresses": ["10.1.0.1", "fd00:1::1"]},
      {"realm": "outside", "addresses": ["10.1.0.1", "fd00:1::1"], "use": "anchor"},
      {"realm": "inside", "addresses": ["10.2.0.1"], "first_port": 60000, "last_port": 60999,
       "use": "anchor"}],
    "peer_rules": [{"prefix": "10.9.0.0/16", "allow": true}],
    "alternate_servers": [{"address": "198.51.100.9"}]
  })";

inline Topology media_sample() {
  std::string text(kSample);
  text.insert(text.rfind('}'), R"(, "media": )" + std::string(kMedia));
  const Reading whole = decode(text);
  for (const Finding& finding : whole.findings) ADD_FAILURE() << finding.error().text();
  Topology t = whole.topology;
  const Reading more = decode(R"({"listeners": )" + std::string(kMediaListeners) + "}");
  for (const Listener& l : more.topology.listeners) t.listeners.push_back(l);
  t.edge_pool->services.push_back(Service::av);
  t.next_hop_pools[0].media_edge = true;
  t.partners[0].media = MediaHandling::anchor;
  return t;
}

// Findings as lines "path: found (allowed …)".
inline std::string lines(const Findings& findings) {
  std::string out;
  for (const Finding& finding : findings) out += finding.error().text() + "\n";
  return out;
}

}  // namespace fedge::topology
