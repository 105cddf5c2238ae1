// Every field of the topology, once: its key, its meaning, what it may hold. What a field is when
// left out is the member's initial value in topology.h. Internal to topology.
#pragma once

#include "firmware/snapshot/sections.h"
#include "firmware/topology/description_media.h"
#include "firmware/topology/description_routing.h"
#include "firmware/topology/field.h"

namespace fedge::topology {

template <>
struct Fields<Appliance> {
  static constexpr std::string_view kWhat = "Who this appliance is.";
  template <class V>
  static void each(V&& v) {
    v(Field{"name", "Short name for people, logs and metrics."}.required().as(Format::name),
      &Appliance::name);
    v(Field{"fqdn", "What Via, Record-Route and certificates call this edge."}.required().as(
          Format::dns_name),
      &Appliance::fqdn);
    v(Field{"site", "The site it stands at; the federation route names the same."},
      &Appliance::site);
  }
};

template <>
struct Fields<Port> {
  static constexpr std::string_view kWhat = "A network port under a name of your choice.";
  static std::string key(const Port& p) { return p.name; }
  template <class V>
  static void each(V&& v) {
    v(Field{"name", "What realms call it."}.required().as(Format::name), &Port::name);
    v(Field{"device", "What the board calls it, such as port0."}.required().as(Format::name),
      &Port::device);
  }
};

template <>
struct Fields<Dscp> {
  static constexpr std::string_view kWhat = "DSCP of packets this realm sends.";
  template <class V>
  static void each(V&& v) {
    v(Field{"signalling", "Of SIP and everything that is not media."}.range(0, 63),
      &Dscp::signalling);
    v(Field{"media", "Of relayed media."}.range(0, 63), &Dscp::media);
  }
};

template <>
struct Fields<RealmAddress> {
  static constexpr std::string_view kWhat = "One of a realm's own addresses.";
  static std::string key(const RealmAddress& a) { return a.address.text(); }
  template <class V>
  static void each(V&& v) {
    v(Field{"address", "The address with its subnet's length: 192.0.2.1/24, 2001:db8::1/64."}
          .required(),
      &RealmAddress::address);
    v(Field{"public", "What the world sees instead, when a 1:1 NAT stands in front."},
      &RealmAddress::public_address);
  }
};

template <>
struct Fields<RealmRoute> {
  static constexpr std::string_view kWhat = "A route inside a realm.";
  static std::string key(const RealmRoute& r) { return r.to.text(); }
  template <class V>
  static void each(V&& v) {
    v(Field{"to", "Destination network; 0.0.0.0/0 or ::/0 is the default route."}.required(),
      &RealmRoute::to);
    v(Field{"via", "The router, inside one of the realm's subnets."}.required(), &RealmRoute::via);
  }
};

template <>
struct Fields<Realm> {
  static constexpr std::string_view kWhat =
      "A network the appliance is part of: a port, an optional VLAN, addresses and routes.";
  static std::string key(const Realm& r) { return r.name; }
  template <class V>
  static void each(V&& v) {
    v(Field{"name", "What everything else calls it."}.required().as(Format::realm_name),
      &Realm::name);
    v(Field{"port", "The port it is on."}.required().as(Format::name), &Realm::port);
    v(Field{"vlan", "802.1Q tag; 0 is untagged."}.range(0, 4094), &Realm::vlan);
    v(Field{"mtu", "Largest IP packet in octets."}.range(576, 9216), &Realm::mtu);
    v(Field{"dscp", "Marking of what is sent."}, &Realm::dscp);
    v(Field{"addresses", "Its own addresses, IPv4 and IPv6."}.required().not_empty().up_to(64),
      &Realm::addresses);
    v(Field{"routes", "Networks behind routers."}.up_to(1024), &Realm::routes);
  }
};

template <>
struct Fields<TlsContext> {
  static constexpr std::string_view kWhat = "How TLS is spoken by listeners and to next hops.";
  static std::string key(const TlsContext& t) { return t.name; }
  template <class V>
  static void each(V&& v) {
    v(Field{"name", "What listeners and next hops call it."}.required().as(Format::name),
      &TlsContext::name);
    v(Field{"certificates", "Ids of imported certificates to present; the first is the usual one."}
          .required()
          .not_empty()
          .as(Format::name)
          .up_to(16),
      &TlsContext::certificates);
    v(Field{"trust", "Ids of imported CAs whose certificates are accepted."}
          .as(Format::name)
          .up_to(64),
      &TlsContext::trust);
    v(Field{"client_certificate", "Whether clients must show a certificate: mutual TLS."},
      &TlsContext::client_certificate);
    v(Field{"versions", "TLS versions."}.not_empty().up_to(2), &TlsContext::versions);
    v(Field{"ciphers", "Cipher suites, preferred first; left out or empty: all, in a good order."}
          .as(Format::name)
          .up_to(32),
      &TlsContext::ciphers);
  }
};

template <>
struct Fields<Listener> {
  static constexpr std::string_view kWhat = "An address and port where connections are accepted.";
  static std::string key(const Listener& l) { return l.name; }
  template <class V>
  static void each(V&& v) {
    v(Field{"name", "For people, logs and metrics."}.required().as(Format::name), &Listener::name);
    v(Field{"realm", "The realm it listens in."}.required().as(Format::realm_name),
      &Listener::realm);
    v(Field{"address", "One of that realm's addresses."}.required(), &Listener::address);
    v(Field{"port",
            "TCP or UDP port; left out: 5061 for access, 5062 for mras, and for av 3478 with udp, "
            "443 with tcp, 5349 with tls."}
          .range(1, 65535)
          .follows(),
      &Listener::port);
    v(Field{"transport",
            "tls; tcp where a peer can do no better; udp for av. Clients of av may begin with a "
            "TLS-like hello over tcp (MS-TURN)."},
      &Listener::transport);
    v(Field{"service",
            "What answers there; an address and port has one service. access: SIP; av: TURN and "
            "MS-TURN; mras: the A/V authentication service, for internal servers."},
      &Listener::service);
    v(Field{"tls", "The TLS context; only and always with transport tls."}.as(Format::name),
      &Listener::tls);
  }
  static void complete(Listener& l) {
    if (l.port == 0) l.port = usual_port(l.service, l.transport);
  }
};

template <>
struct Fields<Resolver> {
  static constexpr std::string_view kWhat = "DNS servers.";
  template <class V>
  static void each(V&& v) {
    v(Field{"servers", "Their addresses, tried in order."}.required().not_empty().up_to(8),
      &Resolver::servers);
    v(Field{"port", "Their port, over UDP and TCP."}.range(1, 65535), &Resolver::port);
    v(Field{"realm", "The realm they are reached through."}.required().as(Format::realm_name),
      &Resolver::realm);
  }
};

template <>
struct Fields<Timers> {
  static constexpr std::string_view kWhat = "SIP timers, in milliseconds.";
  template <class V>
  static void each(V&& v) {
    v(Field{"t1_ms", "Round-trip estimate, RFC 3261 section 17.1.1.1."}.range(50, 10000),
      &Timers::t1_ms);
    v(Field{"t2_ms", "Longest retransmission interval."}.range(100, 60000), &Timers::t2_ms);
    v(Field{"t4_ms", "Longest time a message stays in the network."}.range(100, 60000),
      &Timers::t4_ms);
    v(Field{"timer_c_ms", "A proxied INVITE without final answer; above 3 minutes, section 16.6."}
          .range(180001, 3600000),
      &Timers::timer_c_ms);
    v(Field{"connect_ms", "TCP and TLS set-up to a next hop before the next target."}.range(100,
                                                                                            30000),
      &Timers::connect_ms);
    v(Field{"first_response_ms", "First answer of a next hop before the next target."}.range(100,
                                                                                             60000),
      &Timers::first_response_ms);
    v(Field{"health_interval_ms",
            "A next hop that failed is asked with OPTIONS and serves again within this time."}
          .range(500, 600000),
      &Timers::health_interval_ms);
    v(Field{"overload_delay_ms",
            "When messages wait longer than this to be read, new requests are refused with 503."}
          .range(20, 10000),
      &Timers::overload_delay_ms);
    v(Field{"handshake_ms", "TLS handshake of an accepted connection."}.range(500, 60000),
      &Timers::handshake_ms);
    v(Field{"idle_ms", "A connection without traffic is closed."}.range(10000, 86400000),
      &Timers::idle_ms);
    v(Field{"partial_message_ms", "From the first octet of a message to its last."}.range(1000,
                                                                                          120000),
      &Timers::partial_message_ms);
  }
};

template <>
struct Fields<Limits> {
  static constexpr std::string_view kWhat = "What signalling takes on at most.";
  template <class V>
  static void each(V&& v) {
    v(Field{"message_bytes", "One SIP message, headers and body."}.range(
          4096, snapshot::Signalling::kMostMessage),
      &Limits::message_bytes);
    v(Field{"connections", "Open connections."}.range(16, snapshot::Signalling::kMostConnections),
      &Limits::connections);
    v(Field{"connections_per_source", "Open connections of one address."}.range(
          1, snapshot::Signalling::kMostConnections),
      &Limits::connections_per_source);
    v(Field{"handshakes", "TLS handshakes at once."}.range(1, 65536), &Limits::handshakes);
    v(Field{"transactions", "Transactions at once."}.range(100,
                                                           snapshot::Signalling::kMostTransactions),
      &Limits::transactions);
    v(Field{"queue_bytes", "Waiting to be sent on one connection before senders are held back."}
          .range(65536, 67108864),
      &Limits::queue_bytes);
  }
};

template <>
struct Fields<Management> {
  static constexpr std::string_view kWhat = "Where the REST interface answers.";
  template <class V>
  static void each(V&& v) {
    v(Field{"addresses", "Addresses of the management port, none of a realm."}
          .required()
          .not_empty()
          .up_to(8),
      &Management::addresses);
    v(Field{"port", "TCP port."}.range(1, 65535), &Management::port);
    v(Field{"certificate", "Id of the certificate it presents."}.as(Format::name),
      &Management::certificate);
    v(Field{"max_connections", "Open connections."}.range(1, 4096), &Management::max_connections);
    v(Field{"max_body_bytes", "A request's body."}.range(65536, kMostBody),
      &Management::max_body_bytes);
    v(Field{"kept_revisions",
            "Revisions to roll back to; older ones go, but for what runs and ran just before it."}
          .range(1, 1000000),
      &Management::kept_revisions);
    v(Field{"kept_events", "Entries in the list of who changed what."}.range(100, 10000000),
      &Management::kept_events);
  }
};

template <>
struct Fields<Topology> {
  static constexpr std::string_view kWhat = "The configuration of one fedge appliance.";
  template <class V>
  static void each(V&& v) {
    v(Field{"version", "Of this document's form."}.required().range(1, 1), &Topology::version);
    v(Field{"appliance", "Who this appliance is."}.required(), &Topology::appliance);
    v(Field{"ports", "Network ports in use."}.up_to(64), &Topology::ports);
    v(Field{"realms", "Networks the appliance is part of."}.up_to(1024), &Topology::realms);
    v(Field{"tls_contexts", "How TLS is spoken."}.up_to(1024), &Topology::tls_contexts);
    v(Field{"listeners", "Where connections are accepted."}.up_to(4096), &Topology::listeners);
    v(Field{"presence_domains", "SIP domains that are ours."}.as(Format::dns_name).up_to(10000),
      &Topology::presence_domains);
    v(Field{"edge_pool", "The pool of edges this appliance belongs to."}, &Topology::edge_pool);
    v(Field{"next_hop_pools", "Groups of internal hosts."}.up_to(1024), &Topology::next_hop_pools);
    v(Field{"federation_route", "Where requests for the presence domains go."},
      &Topology::federation_route);
    v(Field{"static_routes", "Where requests for other destinations go."}.up_to(1000000),
      &Topology::static_routes);
    v(Field{"partners", "Federated organisations."}.up_to(100000), &Topology::partners);
    v(Field{"resolver", "DNS."}, &Topology::resolver);
    v(Field{"media", "TURN, A/V authentication and anchored calls."}, &Topology::media);
    v(Field{"timers", "SIP timers."}, &Topology::timers);
    v(Field{"limits", "What signalling takes on at most."}, &Topology::limits);
    v(Field{"management", "Where the REST interface answers."}.required(), &Topology::management);
  }
};

}  // namespace fedge::topology
