// The configuration of one appliance as one value (row P1). What each field means, what it may
// hold and what it is when left out stands once, in description.h; the JSON codec, the published
// schema and the diff all come from there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "firmware/net/address.h"
#include "firmware/snapshot/sections.h"

namespace fedge::topology {

using snapshot::ClientCertificate;
using snapshot::Service;
using snapshot::Transport;

enum class TlsVersion : uint8_t { tls12, tls13 };
enum class RouteType : uint8_t { domain, user };
using snapshot::Forking;

struct Appliance {
  std::string name, fqdn, site;
  bool operator==(const Appliance&) const = default;
};

struct Port {
  std::string name, device;
  bool operator==(const Port&) const = default;
};

struct Dscp {
  uint8_t signalling = 24;
  uint8_t media = 46;
  bool operator==(const Dscp&) const = default;
};

struct RealmAddress {
  Prefix address;
  std::optional<IpAddress> public_address;
  bool operator==(const RealmAddress&) const = default;
};

struct RealmRoute {
  Prefix to;
  IpAddress via;
  bool operator==(const RealmRoute&) const = default;
};

struct Realm {
  std::string name, port;
  uint16_t vlan = 0;
  uint16_t mtu = 1500;
  Dscp dscp;
  std::vector<RealmAddress> addresses;
  std::vector<RealmRoute> routes;
  bool operator==(const Realm&) const = default;
};

struct TlsContext {
  std::string name;
  std::vector<std::string> certificates;  // ids in the certificate store
  std::vector<std::string> trust;         // ids in the trust store
  ClientCertificate client_certificate = ClientCertificate::required;
  std::vector<TlsVersion> versions = {TlsVersion::tls12};
  std::vector<std::string> ciphers;  // empty: all this build has, in its order
  bool operator==(const TlsContext&) const = default;
};

struct Listener {
  std::string name, realm;
  IpAddress address;
  uint16_t port = 5061;
  Transport transport = Transport::tls;
  Service service = Service::access;
  std::string tls;  // empty for plain TCP
  bool operator==(const Listener&) const = default;
};

struct EdgePool {
  std::string fqdn;
  std::vector<Service> services = {Service::access};
  bool federation = true;
  bool operator==(const EdgePool&) const = default;
};

struct NextHop {
  std::string host;  // a name, or an address in text
  std::vector<IpAddress> addresses;
  uint16_t port = 5061;
  Transport transport = Transport::tls;
  std::string realm;
  std::string tls;  // empty for plain TCP
  bool operator==(const NextHop&) const = default;
};

struct PoolMember : NextHop {
  uint16_t priority = 1;
  uint16_t weight = 1;
  bool operator==(const PoolMember&) const = default;
};

struct NextHopPool {
  std::string name;
  std::vector<PoolMember> members;
  bool operator==(const NextHopPool&) const = default;
};

struct FederationRoute {
  std::string site;
  std::string next_hop;  // a next-hop pool
  bool operator==(const FederationRoute&) const = default;
};

struct StaticRoute {
  std::string pattern;  // as the operator wrote it; see normal_pattern() in pattern.h
  RouteType type = RouteType::domain;
  std::optional<NextHop> next_hop;  // this one or next_hop_pool
  std::string next_hop_pool;
  uint16_t priority = 1;
  uint16_t weight = 1;
  Forking forking = Forking::one;
  bool operator==(const StaticRoute&) const = default;
};

struct Partner {
  std::string domain;
  std::string edge;                  // empty: found by SRV
  std::vector<IpAddress> addresses;  // empty: found by the edge's name
  uint16_t port = 5061;
  Transport transport = Transport::tls;
  std::string realm;
  std::string tls;
  bool operator==(const Partner&) const = default;
};

struct Resolver {
  std::vector<IpAddress> servers;
  uint16_t port = 53;
  std::string realm;
  bool operator==(const Resolver&) const = default;
};

struct Timers {
  uint32_t t1_ms = 500, t2_ms = 4000, t4_ms = 5000;
  uint32_t timer_c_ms = 181000;
  uint32_t connect_ms = 2000;
  uint32_t first_response_ms = 4000;
  uint32_t health_interval_ms = 10000;
  uint32_t overload_delay_ms = 200;
  uint32_t handshake_ms = 5000;
  uint32_t idle_ms = 600000;
  uint32_t partial_message_ms = 10000;
  bool operator==(const Timers&) const = default;
};

struct Limits {
  uint32_t message_bytes = 65536;
  uint32_t connections = 20000;
  uint32_t connections_per_source = 20000;
  uint32_t handshakes = 256;
  uint32_t transactions = 200000;
  uint32_t queue_bytes = 1048576;
  bool operator==(const Limits&) const = default;
};

struct Management {
  std::vector<IpAddress> addresses;
  uint16_t port = 8443;
  std::string certificate = "management";
  uint32_t max_connections = 64;
  uint32_t max_body_bytes = 64u << 20;
  bool operator==(const Management&) const = default;
};

struct Topology {
  uint32_t version = 1;
  Appliance appliance;
  std::vector<Port> ports;
  std::vector<Realm> realms;
  std::vector<TlsContext> tls_contexts;
  std::vector<Listener> listeners;
  std::vector<std::string> presence_domains;
  std::optional<EdgePool> edge_pool;
  std::vector<NextHopPool> next_hop_pools;
  std::optional<FederationRoute> federation_route;
  std::vector<StaticRoute> static_routes;
  std::vector<Partner> partners;
  std::optional<Resolver> resolver;
  Timers timers;
  Limits limits;
  Management management;
  bool operator==(const Topology&) const = default;
};

// What a box without configuration runs: management only.
Topology factory(std::string fqdn, const Endpoint& management);

}  // namespace fedge::topology
