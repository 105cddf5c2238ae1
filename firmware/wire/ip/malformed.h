// Every way in which a frame can be wrong has its own reason, so that a counter says what a
// broken or hostile sender does.
#pragma once

#include <cstdint>
#include <string_view>

namespace fedge::ip {

enum class Malformed : uint8_t {
  none,
  // Ethernet and 802.1Q
  frame_short,         // shorter than an Ethernet header
  frame_length_field,  // 802.3 with a length, not an EtherType
  source_mac_group,    // source MAC is a group address
  source_mac_zero,
  vlan_short,
  vlan_stacked,   // a second tag behind the first, or a service tag
  vlan_reserved,  // VLAN id 4095
  // ARP, RFC 826
  arp_short,
  arp_form,            // not Ethernet and IPv4
  arp_operation,       // neither request nor reply
  arp_sender_mac,      // a group address, or zero
  arp_sender_address,  // multicast, broadcast or loopback
  // IPv4, RFC 791 and RFC 1122
  ipv4_short,
  ipv4_version,
  ipv4_header_length,
  ipv4_total_length,
  ipv4_checksum,
  ipv4_reserved_flag,
  ipv4_options,        // an option runs over the header's end, or is shorter than its own head
  ipv4_source_route,   // RFC 7126: never honoured
  ipv4_source,         // multicast, broadcast, loopback, or of 0.0.0.0/8
  ipv4_destination,    // unspecified or loopback
  ipv4_fragment_end,   // ends beyond 65535 octets
  ipv4_fragment_size,  // not the last and not a multiple of eight octets
  ipv4_fragment_dont,  // a fragment that says "do not fragment"
  // IPv6, RFC 8200
  ipv6_short,
  ipv6_version,
  ipv6_payload_length,  // larger than the frame
  ipv6_jumbogram,       // payload length zero with payload
  ipv6_source,          // multicast, loopback, IPv4-mapped, or unspecified outside ND
  ipv6_destination,     // unspecified, loopback or IPv4-mapped
  ipv6_header_short,    // an extension header runs over the end
  ipv6_header_order,    // hop-by-hop options that are not first
  ipv6_header_many,     // more than eight extension headers
  ipv6_routing_header,  // type 0, RFC 5095
  ipv6_fragment_end,
  ipv6_fragment_size,
  // TCP, RFC 9293
  tcp_short,
  tcp_header_length,
  tcp_flags,  // a combination that no TCP sends
  tcp_port_zero,
  // UDP, RFC 768 and RFC 8200 section 8.1
  udp_short,
  udp_length,
  udp_port_zero,
  udp_no_checksum,  // over IPv6
  // ICMP, RFC 792 and RFC 4443
  icmp_short,
  icmp_family,  // ICMP over IPv6, or ICMPv6 over IPv4
  // Neighbour discovery, RFC 4861 section 7.1
  nd_short,
  nd_hop_limit,  // not 255: came through a router
  nd_code,
  nd_target,  // multicast
  nd_option,  // of length zero, or over the end
};
inline constexpr int kMalformedCount = static_cast<int>(Malformed::nd_option) + 1;

// The label of the counter: "ipv4_checksum".
std::string_view text(Malformed reason);

}  // namespace fedge::ip
