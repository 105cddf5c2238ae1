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

// Findings as lines "path: found (allowed …)".
inline std::string lines(const Findings& findings) {
  std::string out;
  for (const Finding& finding : findings) out += finding.error().text() + "\n";
  return out;
}

}  // namespace fedge::topology
