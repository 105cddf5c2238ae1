#include "dataplane/admission/classifier.h"

namespace fedge::admission {

namespace {

using ip::Network;
using ip::PacketView;

struct Scene {
  const Tables& tables;
  const Peers& peers;
  const PacketView& view;
  uint16_t realm;

  const Local* local(const IpAddress& address) const { return tables.find_local(realm, address); }
  Verdict drop(Reason reason) const { return {.realm = realm, .drop = reason}; }
  Verdict pass(Class as, const Endpoint& remote) const {
    PeerClass peer = peers.find(realm, remote);
    if (peer == PeerClass::stranger && tables.is_named(realm, remote.address)) {
      peer = PeerClass::known;
    }
    return {.realm = realm, .drop = {}, .as = as, .peer = peer};
  }
};

bool is_ephemeral(uint16_t port) { return port >= kEphemeralFirst && port <= kEphemeralLast; }

bool is_ours(const Local& local, uint16_t tcp_port) {
  return local.listens(tcp_port) || local.may_relay(tcp_port) || is_ephemeral(tcp_port);
}

// 33:33:xx: a group that an IPv6 host joins for neighbour discovery (RFC 2464 section 7).
bool is_ipv6_group(const ip::Mac& mac) { return mac[0] == 0x33 && mac[1] == 0x33; }

bool is_neighbour_message(const PacketView& view) {
  return view.network == Network::ipv6 && view.protocol == ip::kIcmp6 &&
         (view.icmp_type == ip::kNeighbourSolicitation ||
          view.icmp_type == ip::kNeighbourAdvertisement);
}

bool mac_concerns_us(const Scene& s) {
  const ip::Mac& mac = s.view.destination_mac;
  if (mac == s.tables.realms()[s.realm].mac) return true;
  if (s.view.network == Network::arp) return mac == ip::kBroadcastMac;
  return is_neighbour_message(s.view) && is_ipv6_group(mac) && s.view.destination.is_multicast();
}

Verdict judge_arp(const Scene& s) {
  const PacketView& view = s.view;
  if (s.local(view.source) != nullptr) return s.drop(Refusal::arp_conflict);
  const bool for_us = s.local(view.destination) != nullptr;
  // Somebody asks whether our address is free (RFC 5227): we answer that it is not.
  if (view.source.is_unspecified()) {
    return for_us ? s.pass(Class::neighbour, {}) : s.drop(Refusal::arp_not_ours);
  }
  if (!s.tables.in_subnet(s.realm, view.source)) return s.drop(Refusal::arp_outside_subnet);
  // An announcement: a next hop that moved to another MAC says so.
  const bool announcement = view.source == view.destination;
  if (!for_us && !announcement) return s.drop(Refusal::arp_not_ours);
  return s.pass(Class::neighbour, {view.source, 0});
}

Verdict judge_neighbour(const Scene& s) {
  const PacketView& view = s.view;
  const Endpoint sender{view.source, 0};
  const bool ours = s.local(view.nd_target) != nullptr;
  if (view.icmp_type == ip::kNeighbourSolicitation) {
    return ours ? s.pass(Class::neighbour, sender) : s.drop(Refusal::nd_not_ours);
  }
  if (ours) return s.drop(Refusal::nd_conflict);
  const bool to_us = view.destination.is_multicast() || s.local(view.destination) != nullptr;
  if (!to_us || !s.tables.in_subnet(s.realm, view.nd_target)) {
    return s.drop(Refusal::nd_not_ours);
  }
  return s.pass(Class::neighbour, sender);
}

bool is_error(const PacketView& view) {
  if (view.network == Network::ipv4) {
    return view.icmp_type == ip::kIcmpUnreachable || view.icmp_type == ip::kIcmpTimeExceeded ||
           view.icmp_type == ip::kIcmpParameterProblem;
  }
  return view.icmp_type >= ip::kIcmp6Unreachable && view.icmp_type <= ip::kIcmp6ParameterProblem;
}

Verdict judge_icmp(const Scene& s) {
  const PacketView& view = s.view;
  const Endpoint sender{view.source, 0};
  const bool echo = view.network == Network::ipv4 ? view.icmp_type == ip::kIcmpEcho
                                                  : view.icmp_type == ip::kIcmp6Echo;
  if (echo) return s.pass(Class::icmp, sender);
  if (!is_error(view)) return s.drop(Refusal::icmp_type);
  ip::Quoted quoted;
  if (!parse_quoted(view, quoted)) return s.drop(Refusal::icmp_unrelated);
  const Local* local = s.local(quoted.source);
  if (local == nullptr) return s.drop(Refusal::icmp_unrelated);
  const bool tcp = quoted.protocol == ip::kTcp && is_ours(*local, quoted.source_port);
  const bool udp = quoted.protocol == ip::kUdp &&
                   s.tables.is_udp_server(s.realm, {quoted.destination, quoted.destination_port});
  return tcp || udp ? s.pass(Class::icmp, sender) : s.drop(Refusal::icmp_unrelated);
}

Verdict judge_tcp(const Scene& s, const Local& local) {
  const PacketView& view = s.view;
  const Endpoint remote{view.source, view.source_port};
  if (local.listens(view.destination_port)) return s.pass(Class::listener, remote);
  if (local.may_relay(view.destination_port)) return s.pass(Class::relay, remote);
  if (!is_ephemeral(view.destination_port)) return s.drop(Refusal::tcp_closed_port);
  const bool bare_syn = (view.tcp_flags & (ip::kTcpSyn | ip::kTcpAck)) == ip::kTcpSyn;
  return bare_syn ? s.drop(Refusal::tcp_syn_ephemeral) : s.pass(Class::established, remote);
}

// Media has looked at it before and takes nothing of this form; the kernel never sees it.
Verdict judge_udp(const Scene& s, const Local& local) {
  const Endpoint remote{s.view.source, s.view.source_port};
  if (local.is_media(s.view.destination_port)) return s.drop(Refusal::media_udp);
  return s.tables.is_udp_server(s.realm, remote) ? s.pass(Class::resolver, remote)
                                                 : s.drop(Refusal::udp_port);
}

// What could be served when it is whole; ports are judged then.
Verdict judge_fragment(const Scene& s, const Local& local) {
  const Endpoint sender{s.view.source, 0};
  switch (s.view.protocol) {
    case ip::kTcp:
    case ip::kIcmp:
    case ip::kIcmp6:
      return s.pass(Class::fragment, sender);
    case ip::kUdp:
      return s.tables.is_udp_server(s.realm, s.view.source) || !local.media_udp.empty()
                 ? s.pass(Class::fragment, sender)
                 : s.drop(Refusal::udp_port);
    default:
      return s.drop(Refusal::protocol);
  }
}

Verdict judge_ip(const Scene& s) {
  const PacketView& view = s.view;
  if (s.local(view.source) != nullptr) return s.drop(Refusal::source_is_ours);
  if (is_neighbour_message(view)) return judge_neighbour(s);
  const Local* local = s.local(view.destination);
  if (local == nullptr) return s.drop(Refusal::not_our_address);
  if (view.fragment != ip::Fragment::whole) return judge_fragment(s, *local);
  switch (view.protocol) {
    case ip::kTcp:
      return judge_tcp(s, *local);
    case ip::kUdp:
      return judge_udp(s, *local);
    case ip::kIcmp:
    case ip::kIcmp6:
      return judge_icmp(s);
    default:
      return s.drop(Refusal::protocol);
  }
}

// The kernel cuts what does not fit; only the first piece has ports.
bool is_to_server(const Scene& s, const Endpoint& remote) {
  return s.view.fragment == ip::Fragment::whole ? s.tables.is_udp_server(s.realm, remote)
                                                : s.tables.is_udp_server(s.realm, remote.address);
}

Verdict judge_outbound_ip(const Scene& s) {
  const PacketView& view = s.view;
  const Endpoint remote{view.destination, view.destination_port};
  const Local* local = s.local(view.source);
  // Before an address is ours (RFC 4862) and for MLD (RFC 3590) the source may be unspecified.
  const bool nameless = view.source.is_unspecified() && view.protocol == ip::kIcmp6;
  if (local == nullptr && !nameless) return s.drop(Refusal::foreign_source);
  switch (view.protocol) {
    case ip::kTcp:
      if (local->may_relay(view.source_port)) return s.pass(Class::relay, remote);
      return s.pass(local->listens(view.source_port) ? Class::listener : Class::established,
                    remote);
    case ip::kUdp:
      return is_to_server(s, remote) ? s.pass(Class::resolver, remote) : s.drop(Refusal::udp_port);
    case ip::kIcmp:
      return s.pass(Class::icmp, remote);
    case ip::kIcmp6:
      return s.pass(view.icmp_type >= ip::kRouterSolicitation || view.destination.is_multicast()
                        ? Class::neighbour
                        : Class::icmp,
                    remote);
    default:
      return s.drop(Refusal::protocol);
  }
}

}  // namespace

Verdict classify_inbound(const Tables& tables, const Peers& peers, uint16_t port, Bytes frame,
                         PacketView& view) {
  const auto fault = parse_frame(frame, view);
  // A tag that could be read tells whose broken frame it is.
  const uint16_t realm = tables.find_realm(port, view.vlan);
  if (fault != ip::Malformed::none) return {.realm = realm, .drop = fault};
  if (realm == kNoRealm) return {.realm = realm, .drop = Refusal::unknown_realm};
  const Scene scene{tables, peers, view, realm};
  if (view.network == Network::other) return scene.drop(Refusal::ether_type);
  if (!mac_concerns_us(scene)) return scene.drop(Refusal::other_mac);
  return view.network == Network::arp ? judge_arp(scene) : judge_ip(scene);
}

Verdict classify_outbound(const Tables& tables, const Peers& peers, uint16_t realm, Bytes frame,
                          PacketView& view) {
  const auto fault = parse_frame(frame, view);
  if (fault != ip::Malformed::none) return {.realm = realm, .drop = fault};
  const Scene scene{tables, peers, view, realm};
  if (view.tagged || view.network == Network::other) return scene.drop(Refusal::ether_type);
  if (view.source_mac != tables.realms()[realm].mac) return scene.drop(Refusal::foreign_source);
  if (view.network != Network::arp) return judge_outbound_ip(scene);
  return scene.local(view.source) != nullptr ? scene.pass(Class::neighbour, {view.destination, 0})
                                             : scene.drop(Refusal::foreign_source);
}

}  // namespace fedge::admission
