// ARP (RFC 826) and IPv4 (RFC 791, RFC 1122 section 3.2.1).
#include <algorithm>
#include <cstring>

#include "firmware/wire/ip/checksum.h"
#include "firmware/wire/ip/headers.h"

namespace fedge::ip {

namespace {

constexpr uint8_t kOptionEnd = 0;
constexpr uint8_t kOptionNone = 1;
constexpr uint8_t kOptionLooseRoute = 131;
constexpr uint8_t kOptionStrictRoute = 137;
constexpr size_t kLargest = 65535;

bool is_bad_source(const IpAddress& a) {
  // 0.0.0.0/8, loopback, and everything from multicast up to broadcast (RFC 1122 3.2.1.3).
  return a.octets[0] == 0 || a.octets[0] == 127 || a.octets[0] >= 224;
}

Malformed check_options(Bytes options) {
  while (!options.empty()) {
    const auto kind = std::to_integer<uint8_t>(options[0]);
    if (kind == kOptionEnd) return Malformed::none;
    if (kind == kOptionNone) {
      options = options.subspan(1);
      continue;
    }
    if (kind == kOptionLooseRoute || kind == kOptionStrictRoute) {
      return Malformed::ipv4_source_route;
    }
    const size_t size = options.size() < 2 ? 0 : std::to_integer<size_t>(options[1]);
    if (size < 2 || size > options.size()) return Malformed::ipv4_options;
    options = options.subspan(size);
  }
  return Malformed::none;
}

Malformed check_fragment(PacketView& view, uint16_t flags, size_t payload) {
  const size_t offset = size_t{8} * (flags & kIpv4OffsetMask);
  const bool more = (flags & kIpv4MoreFragments) != 0;
  if (!more && offset == 0) return Malformed::none;
  view.fragment = offset == 0 ? Fragment::first : Fragment::later;
  if ((flags & kIpv4DontFragment) != 0) return Malformed::ipv4_fragment_dont;
  if (offset + payload > kLargest) return Malformed::ipv4_fragment_end;
  if (more && (payload % 8 != 0 || payload == 0)) return Malformed::ipv4_fragment_size;
  return Malformed::none;
}

}  // namespace

IpAddress read_ipv4(const std::byte* p) { return IpAddress::v4(load_be32(p)); }

Malformed parse_arp(PacketView& view) {
  const Bytes arp = view.frame.subspan(view.network_at);
  if (arp.size() < kArpSize) return Malformed::arp_short;
  constexpr uint64_t kForm = 0x0001'0800'0604;  // Ethernet, IPv4, their address sizes
  const uint64_t form = uint64_t{load_be32(arp.data())} << 16 | load_be16(&arp[4]);
  if (form != kForm) return Malformed::arp_form;
  view.network = Network::arp;
  view.arp_operation = load_be16(&arp[6]);
  if (view.arp_operation != kArpRequest && view.arp_operation != kArpReply) {
    return Malformed::arp_operation;
  }
  std::memcpy(view.arp_sender_mac.data(), &arp[8], kMacSize);
  if (is_group(view.arp_sender_mac) || view.arp_sender_mac == Mac{}) {
    return Malformed::arp_sender_mac;
  }
  view.source = read_ipv4(&arp[14]);
  view.destination = read_ipv4(&arp[24]);
  // A probe (RFC 5227) has no sender address yet.
  if (!view.source.is_unspecified() && is_bad_source(view.source)) {
    return Malformed::arp_sender_address;
  }
  return Malformed::none;
}

Malformed parse_ipv4(PacketView& view) {
  const Bytes ip = view.frame.subspan(view.network_at);
  if (ip.size() < kIpv4Size) return Malformed::ipv4_short;
  const auto first = std::to_integer<unsigned>(ip[0]);
  if (first >> 4 != 4) return Malformed::ipv4_version;
  const size_t header = size_t{4} * (first & 0x0f);
  if (header < kIpv4Size || header > ip.size()) return Malformed::ipv4_header_length;
  const size_t total = load_be16(&ip[2]);
  if (total < header || total > ip.size()) return Malformed::ipv4_total_length;
  if (!checksum_is_right(ip.first(header))) return Malformed::ipv4_checksum;
  const uint16_t flags = load_be16(&ip[6]);
  if ((flags & kIpv4Reserved) != 0) return Malformed::ipv4_reserved_flag;
  if (header > kIpv4Size) {
    const auto fault = check_options(ip.subspan(kIpv4Size, header - kIpv4Size));
    if (fault != Malformed::none) return fault;
  }
  view.network = Network::ipv4;
  view.dscp = std::to_integer<uint8_t>(ip[1]) >> 2;
  view.ttl = std::to_integer<uint8_t>(ip[8]);
  view.protocol = std::to_integer<uint8_t>(ip[9]);
  view.source = read_ipv4(&ip[12]);
  view.destination = read_ipv4(&ip[16]);
  if (is_bad_source(view.source)) return Malformed::ipv4_source;
  if (view.destination.octets[0] == 0 || view.destination.octets[0] == 127) {
    return Malformed::ipv4_destination;
  }
  view.transport_at = static_cast<uint16_t>(view.network_at + header);
  view.transport_size = static_cast<uint16_t>(total - header);
  return check_fragment(view, flags, total - header);
}

}  // namespace fedge::ip
