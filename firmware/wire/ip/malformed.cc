#include "firmware/wire/ip/malformed.h"

#include <array>

namespace fedge::ip {

namespace {

// In the order of the enumeration.
constexpr std::array<std::string_view, kMalformedCount> kTexts{{
    "none",
    "frame_short",
    "frame_length_field",
    "source_mac_group",
    "source_mac_zero",
    "vlan_short",
    "vlan_stacked",
    "vlan_reserved",
    "arp_short",
    "arp_form",
    "arp_operation",
    "arp_sender_mac",
    "arp_sender_address",
    "ipv4_short",
    "ipv4_version",
    "ipv4_header_length",
    "ipv4_total_length",
    "ipv4_checksum",
    "ipv4_reserved_flag",
    "ipv4_options",
    "ipv4_source_route",
    "ipv4_source",
    "ipv4_destination",
    "ipv4_fragment_end",
    "ipv4_fragment_size",
    "ipv4_fragment_dont",
    "ipv6_short",
    "ipv6_version",
    "ipv6_payload_length",
    "ipv6_jumbogram",
    "ipv6_source",
    "ipv6_destination",
    "ipv6_header_short",
    "ipv6_header_order",
    "ipv6_header_many",
    "ipv6_routing_header",
    "ipv6_fragment_end",
    "ipv6_fragment_size",
    "tcp_short",
    "tcp_header_length",
    "tcp_flags",
    "tcp_port_zero",
    "udp_short",
    "udp_length",
    "udp_port_zero",
    "udp_no_checksum",
    "icmp_short",
    "icmp_family",
    "nd_short",
    "nd_hop_limit",
    "nd_code",
    "nd_target",
    "nd_option",
}};
static_assert(!kTexts.back().empty());

}  // namespace

std::string_view text(Malformed reason) {
  const auto index = static_cast<size_t>(reason);
  return index < kTexts.size() ? kTexts[index] : "unknown";
}

}  // namespace fedge::ip
