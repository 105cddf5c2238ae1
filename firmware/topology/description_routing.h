// The fields of pools, routes and partners, as description.h has those of everything else.
// Internal to topology.
#pragma once

#include "firmware/topology/field.h"

namespace fedge::topology {

template <>
struct Fields<EdgePool> {
  static constexpr std::string_view kWhat = "The pool of edges this appliance belongs to.";
  template <class V>
  static void each(V&& v) {
    v(Field{"fqdn", "The pool's name, as internal servers know it."}.required().as(
          Format::dns_name),
      &EdgePool::fqdn);
    v(Field{"services", "What the pool offers."}.not_empty().up_to(6), &EdgePool::services);
    v(Field{"federation", "Whether this pool federates: partners' requests come and go here."},
      &EdgePool::federation);
  }
};

template <>
struct Fields<HostMedia> {
  template <class V>
  static void each(V&& v) {
    v(Field{"media",
            "pass: SDP is not touched; anchor: the media of its calls goes through relay ports of "
            "pools for anchoring."},
      &HostMedia::media);
    v(Field{"ice",
            "ICE candidates in SDP that it is sent, when media is anchored: strip takes them out, "
            "pass leaves them (the ends may find a way around the relay), relay_only leaves one, "
            "the relay port."},
      &HostMedia::ice);
    v(Field{"latch_v4",
            "Its anchored media may come from any IPv4 address that shares this many leading bits "
            "with the one in its SDP; 32: from that one only, 0: from anywhere (RFC 7362)."}
          .range(0, 32),
      &HostMedia::latch_v4);
    v(Field{"latch_v6", "The same for IPv6."}.range(0, 128), &HostMedia::latch_v6);
  }
};

template <>
struct Fields<NextHop> {
  static constexpr std::string_view kWhat = "A host that requests are sent to.";
  template <class V>
  static void each(V&& v) {
    v(Field{"host", "Its name, checked in its certificate; or its address."}.required().as(
          Format::host),
      &NextHop::host);
    v(Field{"addresses", "Where it is, tried in order; left out: what DNS says of the host."}.up_to(
          16),
      &NextHop::addresses);
    v(Field{"port", "TCP port."}.range(1, 65535), &NextHop::port);
    v(Field{"transport", "TLS, or plain TCP where it can do no better."}, &NextHop::transport);
    v(Field{"realm", "The realm it is reached through."}.required().as(Format::realm_name),
      &NextHop::realm);
    v(Field{"tls", "The TLS context; only and always with transport tls."}.as(Format::name),
      &NextHop::tls);
    Fields<HostMedia>::each(v);
  }
};

inline constexpr Field kPriority =
    Field{"priority", "Lower is tried first; the higher ones are its fail-over."}.range(1, 65535);
inline constexpr Field kWeight =
    Field{"weight", "Share of the requests among equals of one priority."}.range(1, 65535);

template <>
struct Fields<PoolMember> {
  static constexpr std::string_view kWhat = "One host of a next-hop pool.";
  static std::string key(const PoolMember& m) { return m.host + ":" + std::to_string(m.port); }
  template <class V>
  static void each(V&& v) {
    Fields<NextHop>::each(v);
    v(kPriority, &PoolMember::priority);
    v(kWeight, &PoolMember::weight);
  }
};

template <>
struct Fields<NextHopPool> {
  static constexpr std::string_view kWhat = "Hosts that serve the same users.";
  static std::string key(const NextHopPool& p) { return p.name; }
  template <class V>
  static void each(V&& v) {
    v(Field{"name", "What routes call it."}.required().as(Format::name), &NextHopPool::name);
    v(Field{"members", "Its hosts."}.required().not_empty().up_to(64), &NextHopPool::members);
    v(Field{"media_edge",
            "Whether its users are given this edge for media from outside: the A/V authentication "
            "service answers members of such pools only."},
      &NextHopPool::media_edge);
  }
};

template <>
struct Fields<FederationRoute> {
  static constexpr std::string_view kWhat =
      "Where requests for the presence domains go: a site has one.";
  template <class V>
  static void each(V&& v) {
    v(Field{"site", "The appliance's site."}, &FederationRoute::site);
    v(Field{"next_hop", "The next-hop pool inside."}.required().as(Format::name),
      &FederationRoute::next_hop);
  }
};

template <>
struct Fields<StaticRoute> {
  static constexpr std::string_view kWhat =
      "Requests to a destination go to a host. Several routes of one pattern fail over in order.";
  static std::string key(const StaticRoute& r) {
    return r.pattern + " to " + (r.next_hop ? r.next_hop->host : r.next_hop_pool);
  }
  template <class V>
  static void each(V&& v) {
    v(Field{"pattern",
            "example.com or reversed .com.example; *.example.com or .com.example.* for its "
            "children; alice@example.com with type user. The longest match wins."}
          .required()
          .as(Format::pattern),
      &StaticRoute::pattern);
    v(Field{"type", "Whether the pattern is a domain or one user."}, &StaticRoute::type);
    v(Field{"next_hop",
            "The host; this or next_hop_pool. A host that also sends requests belongs in a pool: "
            "its "
            "members are known as peers."},
      &StaticRoute::next_hop);
    v(Field{"next_hop_pool", "A next-hop pool; this or next_hop."}.as(Format::name),
      &StaticRoute::next_hop_pool);
    v(kPriority, &StaticRoute::priority);
    v(kWeight, &StaticRoute::weight);
    v(Field{"forking",
            "one: one target of the best priority, by weight; all: every one of them at once."},
      &StaticRoute::forking);
  }
};

template <>
struct Fields<Partner> {
  static constexpr std::string_view kWhat = "A federated organisation.";
  static std::string key(const Partner& p) { return p.domain; }
  template <class V>
  static void each(V&& v) {
    v(Field{"domain", "Its SIP domain."}.required().as(Format::dns_name), &Partner::domain);
    v(Field{"edge",
            "Its edge's name, checked in the edge's certificate; left out: found by the SRV record "
            "_sipfederationtls._tcp of the domain."}
          .as(Format::dns_name),
      &Partner::edge);
    v(Field{"addresses", "Where the edge is, tried in order; left out: what DNS says of the edge."}
          .up_to(16),
      &Partner::addresses);
    v(Field{"port", "TCP port of the edge."}.range(1, 65535), &Partner::port);
    v(Field{"transport", "TLS, or plain TCP where it can do no better."}, &Partner::transport);
    v(Field{"realm", "The realm it is reached through and connects from."}.required().as(
          Format::realm_name),
      &Partner::realm);
    v(Field{"tls", "The TLS context; only and always with transport tls."}.as(Format::name),
      &Partner::tls);
    Fields<HostMedia>::each(v);
  }
};

}  // namespace fedge::topology
