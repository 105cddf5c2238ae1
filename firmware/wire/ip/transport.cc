// TCP (RFC 9293), UDP (RFC 768), ICMP (RFC 792), ICMPv6 (RFC 4443) and the messages of neighbour
// discovery that concern hosts (RFC 4861).
#include "firmware/wire/ip/headers.h"

namespace fedge::ip {

namespace {

constexpr size_t kNdSize = 24;  // ICMPv6 head, flags, target
constexpr size_t kNdOptionUnit = 8;
constexpr uint8_t kNdHopLimit = 255;

bool is_possible(uint8_t flags) {
  const uint8_t kind = flags & (kTcpSyn | kTcpFin | kTcpRst);
  if (kind == kTcpSyn || kind == kTcpRst) return true;
  // FIN and plain segments always acknowledge (RFC 9293 section 3.10.7.4).
  return (kind == kTcpFin || kind == 0) && (flags & kTcpAck) != 0;
}

Malformed parse_tcp(PacketView& view) {
  const Bytes tcp = view.transport();
  if (tcp.size() < kTcpSize) return Malformed::tcp_short;
  view.source_port = load_be16(&tcp[0]);
  view.destination_port = load_be16(&tcp[2]);
  view.tcp_flags = std::to_integer<uint8_t>(tcp[13]);
  const size_t header = size_t{4} * (std::to_integer<size_t>(tcp[12]) >> 4);
  if (header < kTcpSize || header > tcp.size()) return Malformed::tcp_header_length;
  if (!is_possible(view.tcp_flags)) return Malformed::tcp_flags;
  if (view.source_port == 0 || view.destination_port == 0) return Malformed::tcp_port_zero;
  view.payload_at = static_cast<uint16_t>(view.transport_at + header);
  return Malformed::none;
}

Malformed parse_udp(PacketView& view) {
  const Bytes udp = view.transport();
  if (udp.size() < kUdpSize) return Malformed::udp_short;
  view.source_port = load_be16(&udp[0]);
  view.destination_port = load_be16(&udp[2]);
  const uint16_t size = load_be16(&udp[4]);
  if (size < kUdpSize || size > udp.size()) return Malformed::udp_length;
  if (view.destination_port == 0) return Malformed::udp_port_zero;
  if (view.network == Network::ipv6 && load_be16(&udp[6]) == 0) return Malformed::udp_no_checksum;
  view.transport_size = size;
  view.payload_at = static_cast<uint16_t>(view.transport_at + kUdpSize);
  return Malformed::none;
}

// RFC 4861 sections 7.1.1 and 7.1.2.
Malformed parse_neighbour(PacketView& view) {
  const Bytes nd = view.transport();
  if (view.ttl != kNdHopLimit) return Malformed::nd_hop_limit;
  if (view.icmp_code != 0) return Malformed::nd_code;
  if (nd.size() < kNdSize) return Malformed::nd_short;
  view.nd_target = read_ipv6(&nd[8]);
  if (view.nd_target.is_multicast()) return Malformed::nd_target;
  Bytes options = nd.subspan(kNdSize);
  while (!options.empty()) {
    const size_t size =
        options.size() < 2 ? 0 : kNdOptionUnit * std::to_integer<size_t>(options[1]);
    if (size == 0 || size > options.size()) return Malformed::nd_option;
    options = options.subspan(size);
  }
  return Malformed::none;
}

Malformed parse_icmp(PacketView& view) {
  const bool v6 = view.network == Network::ipv6;
  if (v6 != (view.protocol == kIcmp6)) return Malformed::icmp_family;
  const Bytes icmp = view.transport();
  if (icmp.size() < kIcmpSize) return Malformed::icmp_short;
  view.icmp_type = std::to_integer<uint8_t>(icmp[0]);
  view.icmp_code = std::to_integer<uint8_t>(icmp[1]);
  if (v6 &&
      (view.icmp_type == kNeighbourSolicitation || view.icmp_type == kNeighbourAdvertisement)) {
    return parse_neighbour(view);
  }
  return Malformed::none;
}

}  // namespace

Malformed parse_transport(PacketView& view) {
  switch (view.protocol) {
    case kTcp:
      return parse_tcp(view);
    case kUdp:
      return parse_udp(view);
    case kIcmp:
    case kIcmp6:
      return parse_icmp(view);
    default:
      return Malformed::none;
  }
}

}  // namespace fedge::ip
