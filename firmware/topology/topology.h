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
using snapshot::IceHandling;
using snapshot::MediaHandling;
using snapshot::PoolUse;
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
  uint16_t port = 0;  // left out: see usual_port()
  Transport transport = Transport::tls;
  Service service = Service::access;
  std::string tls;  // only with transport tls
  bool operator==(const Listener&) const = default;
};
uint16_t usual_port(Service service, Transport transport);

struct EdgePool {
  std::string fqdn;
  std::vector<Service> services = {Service::access};
  bool federation = true;
  bool operator==(const EdgePool&) const = default;
};

// What becomes of the media of calls with a host (M4).
struct HostMedia {
  MediaHandling media = MediaHandling::pass;
  IceHandling ice = IceHandling::strip;
  uint8_t latch_v4 = 32;
  uint8_t latch_v6 = 64;
  bool operator==(const HostMedia&) const = default;
};

struct NextHop : HostMedia {
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
  bool media_edge = false;
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

struct Partner : HostMedia {
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

struct MediaPool {
  std::string realm;
  std::vector<IpAddress> addresses;
  // Left out: see usual_ports().
  uint16_t first_port = 0;
  uint16_t last_port = 0;
  PoolUse use = PoolUse::turn;
  bool operator==(const MediaPool&) const = default;
};
struct PortRange {
  uint16_t first;
  uint16_t last;
};
PortRange usual_ports(PoolUse use);

struct PeerRule {
  Prefix prefix;
  bool allow = false;
  bool operator==(const PeerRule&) const = default;
};

struct MediaQuotas {
  uint32_t sessions = 0;  // 0: what the pools hold, see media_capacity()
  uint32_t sessions_per_user = 100;
  uint32_t sessions_per_source = 1000;
  uint32_t kbps_per_session = 3000;  // 0: no limit; likewise the next two
  uint32_t kbps_per_user = 10000;
  uint32_t kbps_total = 0;
  bool operator==(const MediaQuotas&) const = default;
};

inline constexpr uint32_t kMostCredentialMinutes = 180 * 24 * 60;
struct MediaCredentials {
  uint32_t minutes = 480;
  bool operator==(const MediaCredentials&) const = default;
};

struct MediaLifetimes {
  uint32_t allocation_s = 600;
  uint32_t allocation_most_s = 3600;
  uint32_t nonce_s = 3600;
  bool operator==(const MediaLifetimes&) const = default;
};

struct Anchoring {
  uint32_t silence_s = 300;  // 0: never
  bool relatch = false;
  bool operator==(const Anchoring&) const = default;
};

struct AlternateServer {
  IpAddress address;
  uint16_t port = 3478;
  bool operator==(const AlternateServer&) const = default;
};

struct Media {
  std::vector<std::string> certificates;  // ids in the certificate store
  std::string turn_realm;                 // empty: see turn_realm_of()
  std::vector<MediaPool> pools;
  std::vector<PeerRule> peer_rules;
  MediaQuotas quotas;
  MediaCredentials credentials;
  MediaLifetimes lifetimes;
  Anchoring anchoring;
  bool draining = false;
  std::vector<AlternateServer> alternate_servers;
  bool operator==(const Media&) const = default;
};
// An answer to a stranger is at most 1.5 times its request: a longer realm would leave clients with
// the shortest Allocate (28 octets, as browsers send it) without one.
inline constexpr size_t kLongestTurnRealm = 20;
// As configured, or of the appliance's FQDN so many last labels, at least two, as fit; empty when
// none do.
std::string_view turn_realm_of(const Media& media, std::string_view fqdn);
// What these pools can hold, TURN allocations and anchored streams together; a stream takes two
// ports on each side. At most what the box is made for.
inline constexpr uint32_t kMostMediaSessions = 1'000'000;
uint32_t media_capacity(const std::vector<MediaPool>& pools);

// Octets of a request's body: a million routes with their own next hops need about 200 MB.
inline constexpr uint32_t kMostBody = 256u << 20;

struct Management {
  std::vector<IpAddress> addresses;
  uint16_t port = 8443;
  std::string certificate = "management";
  uint32_t max_connections = 64;
  uint32_t max_body_bytes = kMostBody;
  uint32_t kept_revisions = 1000;
  uint32_t kept_events = 100'000;
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
  std::optional<Media> media;
  Timers timers;
  Limits limits;
  Management management;
  bool operator==(const Topology&) const = default;
};

// What a box without configuration runs: management only.
Topology factory(std::string fqdn, const Endpoint& management);

}  // namespace fedge::topology
