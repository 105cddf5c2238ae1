// The records of every section. Each record names, in each(), its references, enumerations and
// addresses: the checker behind reader.h walks them. Numbers that index another list are checked
// by check_references() in references.cc. Names are in lower case throughout. Records have no
// padding but Endpoint's (the writer clears that): equal records are equal bytes.
#pragma once

#include <cstddef>
#include <cstdint>

#include "firmware/net/address.h"
#include "firmware/snapshot/layout.h"
#include "firmware/snapshot/media_section.h"

namespace fedge::snapshot {

inline constexpr uint16_t kNone16 = 0xffff;

enum class Transport : uint8_t { tcp, tls, udp };
constexpr bool is_valid(Transport t) { return t <= Transport::udp; }

enum class Service : uint8_t { access, av, webconf, mras, xmpp, autodiscover };
constexpr bool is_valid(Service s) { return s <= Service::autodiscover; }

// --- appliance ---------------------------------------------------------------------------------

struct Appliance {
  static constexpr Kind kKind = Kind::appliance;
  Text name;
  Text fqdn;  // what Via, Record-Route and certificates call this edge
  Text site;
  template <class F>
  void each(F&& f) const {
    f(name), f(fqdn), f(site);
  }
};

// --- realms ------------------------------------------------------------------------------------

struct Port {
  Text name;
  Text device;  // the board's name of the port
  template <class F>
  void each(F&& f) const {
    f(name), f(device);
  }
};

struct RealmAddress {
  Prefix address;            // the interface address with its subnet's length
  IpAddress public_address;  // what the world sees (1:1 NAT); family 0 when the same
  template <class F>
  void each(F&& f) const {
    f(address), f(public_address);
  }
};

struct RealmRoute {
  Prefix to;
  IpAddress via;
  template <class F>
  void each(F&& f) const {
    f(to), f(via);
  }
};

struct Realm {
  Text name;      // also the tap's interface name: at most 15 octets of a-z 0-9 -
  uint16_t port;  // index into Realms::ports
  uint16_t vlan;  // 802.1Q tag, 0 for untagged
  uint16_t mtu;   // IP MTU in octets
  uint8_t dscp_signalling;
  uint8_t dscp_media;
  Slice<RealmAddress> addresses;
  Slice<RealmRoute> routes;
  template <class F>
  void each(F&& f) const {
    f(name), f(addresses), f(routes);
  }
};

struct Realms {
  static constexpr Kind kKind = Kind::realms;
  Slice<Port> ports;
  Slice<Realm> realms;
  template <class F>
  void each(F&& f) const {
    f(ports), f(realms);
  }
};

// --- listeners ---------------------------------------------------------------------------------

struct Listener {
  Text name;
  Endpoint endpoint;
  uint16_t realm;        // index into Realms::realms of the same snapshot
  uint16_t tls_context;  // index into Tls::contexts, kNone16 for plain TCP and UDP
  Transport transport;   // udp: media only (service av)
  Service service;
  uint8_t reserved[2] = {};
  template <class F>
  void each(F&& f) const {
    f(name), f(endpoint), f(transport), f(service);
  }
};

struct Listeners {
  static constexpr Kind kKind = Kind::listeners;
  Slice<Listener> listeners;
  template <class F>
  void each(F&& f) const {
    f(listeners);
  }
};

// --- TLS contexts ------------------------------------------------------------------------------

struct Certificate {
  Text id;            // as the operator named it
  Slice<Text> chain;  // DER, leaf first, no root
  uint64_t key;       // which key of the process's key section belongs to it
  // Seconds since 1970: of those in force, the latest serves new handshakes.
  int64_t effective_from;
  template <class F>
  void each(F&& f) const {
    f(id), f(chain);
  }
};

enum class ClientCertificate : uint8_t { none, optional, required };
constexpr bool is_valid(ClientCertificate c) { return c <= ClientCertificate::required; }

struct TlsContext {
  Text name;
  Slice<Certificate> certificates;  // the assigned one and its staged successors
  Slice<Text> trust;                // DER of each CA whose chains are accepted
  Slice<uint16_t> ciphersuites;     // IANA numbers, preferred first
  uint16_t version_min;             // 0x0303 is TLS 1.2
  uint16_t version_max;
  ClientCertificate client_certificate;
  uint8_t reserved[3] = {};
  template <class F>
  void each(F&& f) const {
    f(name), f(certificates), f(trust), f(ciphersuites), f(client_certificate);
  }
};

struct Tls {
  static constexpr Kind kKind = Kind::tls;
  Slice<TlsContext> contexts;
  template <class F>
  void each(F&& f) const {
    f(contexts);
  }
};

// --- routing -----------------------------------------------------------------------------------

// Where the addresses of a next hop come from.
enum class Lookup : uint8_t {
  none,     // they are listed
  address,  // A and AAAA of `host` (RFC 3263 section 4.2)
  srv,      // `host` is a SIP domain: SRV _sipfederationtls._tcp, targets inside that domain only
};
constexpr bool is_valid(Lookup l) { return l <= Lookup::srv; }

// What becomes of the media of calls with a host (M4).
enum class MediaHandling : uint8_t {
  pass,    // SDP is not touched
  anchor,  // RTP goes through our relay ports
};
constexpr bool is_valid(MediaHandling m) { return m <= MediaHandling::anchor; }

// ICE candidates in anchored SDP.
enum class IceHandling : uint8_t {
  strip,       // taken out: the host sees plain RTP
  pass,        // left as they are: ends may find a way around us
  relay_only,  // replaced by one candidate, our port
};
constexpr bool is_valid(IceHandling i) { return i <= IceHandling::relay_only; }

// One host that requests can be sent to, or that may send to us.
struct NextHop {
  // Its name, checked in its certificate (of an SRV target, the target's name is checked); an
  // address in text otherwise.
  Text host;
  Slice<Endpoint> endpoints;  // addresses to try, in order; empty exactly when they are looked up
  uint16_t realm;
  uint16_t tls_context;  // kNone16 for plain TCP
  Transport transport;
  Lookup lookup = Lookup::none;
  uint16_t port = 0;  // where it listens, when its addresses are looked up
  MediaHandling media = MediaHandling::pass;
  IceHandling ice = IceHandling::strip;
  // Its anchored media may come from this many leading bits of the address in its SDP (RFC 7362).
  uint8_t latch_v4 = 32;
  uint8_t latch_v6 = 64;
  template <class F>
  void each(F&& f) const {
    f(host), f(endpoints), f(transport), f(lookup), f(media), f(ice);
  }
};

struct Target {
  uint32_t next_hop;  // index into Routing::next_hops
  uint16_t priority;  // lower is tried first
  uint16_t weight;    // share among targets of one priority
  Text path = {};     // JSON path of the rule that names it; empty: the route's own
  template <class F>
  void each(F&& f) const {
    f(path);
  }
};

enum class RouteKind : uint8_t {
  presence_domain,  // ours: to the next-hop pool of the federation route
  partner,          // a federated organisation: to its edge
  static_domain,    // operator's static route for a domain
  static_user,      // operator's static route for one user@domain
};
constexpr bool is_valid(RouteKind k) { return k <= RouteKind::static_user; }

// What becomes of several targets of one priority.
enum class Forking : uint8_t {
  one,  // one of them, by weight; the next when it fails
  all,  // all of them at once (RFC 3261 16.6), bounded by Max-Breadth (RFC 5393)
};
constexpr bool is_valid(Forking x) { return x <= Forking::all; }

struct Route {
  static constexpr size_t kMostShared = 4;
  Text pattern;  // "domaina.com", "*.domaina.com" (children only), "user@domaina.com"
  Text path;     // JSON path of its first rule in the topology, for explain
  // Sorted by priority; never empty. Of up to kMostShared, others may have the same list: it then
  // stays in the processor's caches.
  Slice<Target> targets;
  RouteKind kind;
  Forking forking = Forking::one;
  uint8_t reserved[2] = {};
  // The pattern's first octets, zeros behind them: comparing it needs this cache line only.
  char head[36] = {};
  template <class F>
  void each(F&& f) const {
    f(pattern), f(path), f(targets), f(kind), f(forking);
  }
};
static_assert(sizeof(Route) == 64);

// Routes whose patterns' XXH3-64 lead to one group, in the order of these. The top octet of a hash
// is its mark: most of what has no route is found out by the marks, two octets a route, which stay
// in the processor's caches.
struct RouteGroup {
  uint32_t first;     // among Routing::routes
  uint8_t count;      // how many; few groups have more than there are marks
  uint8_t marks[27];  // of the first ones, zeros behind them
  template <class F>
  void each(F&&) const {}
};
static_assert(sizeof(RouteGroup) == 32);

// Where a pattern is among the routes.
struct RouteIndex {
  Slice<RouteGroup> groups;  // about sixteen routes each
  uint8_t users;             // 1: there are routes of a user@domain
  uint8_t children;          // 1: there are routes of a "*.domain"
  uint8_t reserved[2] = {};
  template <class F>
  void each(F&& f) const {
    f(groups);
  }
};

// Who a connected peer is: the names its certificate may carry, and what it then counts as.
enum class PeerSide : uint8_t { inside, partner };
constexpr bool is_valid(PeerSide s) { return s <= PeerSide::partner; }

// A peer of several domains (a hosting provider's edge) has a record for each.
struct Peer {
  // The host name expected in the peer's certificate; "*.example.com" is any host inside that
  // domain, or the domain itself: a partner that is found by SRV.
  Text name;
  Text domain;  // the partner's SIP domain; empty for inside peers
  uint32_t next_hop;
  uint16_t realm;  // where its connections come from
  PeerSide side;
  // 1: its users are given this edge for media; the A/V authentication service answers it (R5).
  uint8_t media_edge = 0;
  template <class F>
  void each(F&& f) const {
    f(name), f(domain), f(side);
  }
};

struct Routing {
  static constexpr Kind kKind = Kind::routing;
  Slice<NextHop> next_hops;
  Slice<Route> routes;  // as their index wants them
  RouteIndex index;
  Slice<Peer> peers;   // sorted by name, realm, side, domain
  uint8_t federation;  // 0: the federation route is off, partners are answered 403
  uint8_t reserved[3] = {};
  template <class F>
  void each(F&& f) const {
    f(next_hops), f(routes), index.each(f), f(peers);
  }
};

// --- signalling: timers and limits -------------------------------------------------------------

struct Signalling {
  static constexpr Kind kKind = Kind::signalling;
  uint32_t t1_ms, t2_ms, t4_ms;  // RFC 3261 section 17
  uint32_t timer_c_ms;
  uint32_t connect_ms;          // TCP and TLS to a next hop
  uint32_t first_response_ms;   // before the next target is tried
  uint32_t handshake_ms;        // an accepted connection's TLS handshake
  uint32_t idle_ms;             // a connection without traffic
  uint32_t partial_message_ms;  // from the first octet of a message to its last
  uint32_t max_message;         // octets of one SIP message, headers and body
  uint32_t max_connections;
  uint32_t max_connections_per_source;
  uint32_t max_handshakes;  // at once
  uint32_t max_transactions;
  uint32_t queue_bytes;  // of one connection, waiting to be sent, before senders are held back
  uint32_t health_interval_ms;  // a next hop that failed serves again within this time (R3)
  uint32_t overload_delay_ms;   // messages that waited longer for us than this mean overload
  // What no snapshot goes beyond: so much address space is set aside for.
  static constexpr uint32_t kMostMessage = 1u << 20;
  static constexpr uint32_t kMostConnections = 1'000'000;
  static constexpr uint32_t kMostTransactions = 10'000'000;
  template <class F>
  void each(F&&) const {}
};

// --- resolver: DNS servers ---------------------------------------------------------------------

struct Resolver {
  static constexpr Kind kKind = Kind::resolver;
  Slice<Endpoint> servers;  // tried in order; empty: no names are looked up
  uint16_t realm;           // through which they are reached; kNone16 when there are none
  uint16_t reserved = 0;
  template <class F>
  void each(F&& f) const {
    f(servers);
  }
};

// --- management --------------------------------------------------------------------------------

struct Management {
  static constexpr Kind kKind = Kind::management;
  Slice<Endpoint> endpoints;
  Certificate certificate;
  uint32_t max_connections;
  uint32_t max_body;  // octets of a request's body
  template <class F>
  void each(F&& f) const {
    f(endpoints), certificate.each(f);
  }
};

}  // namespace fedge::snapshot
