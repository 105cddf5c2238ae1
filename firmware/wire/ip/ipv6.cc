// IPv6 and its extension headers (RFC 8200, RFC 5095, RFC 4291).
#include <algorithm>
#include <cstring>

#include "firmware/wire/ip/headers.h"

namespace fedge::ip {

namespace {

constexpr int kMostExtensions = 8;
constexpr size_t kExtensionUnit = 8;
constexpr size_t kLargest = 65535;

bool is_mapped_v4(const IpAddress& a) {
  constexpr std::array<uint8_t, 12> kMapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return std::equal(kMapped.begin(), kMapped.end(), a.octets.begin());
}

Malformed check_fragment(Bytes header, size_t payload, ExtensionWalk& walk) {
  const uint16_t word = load_be16(&header[2]);
  const size_t offset = word & 0xfff8u;
  const bool more = (word & 1) != 0;
  // An atomic fragment (RFC 6946) is a whole packet.
  if (offset == 0 && !more) return Malformed::none;
  walk.fragment = offset == 0 ? Fragment::first : Fragment::later;
  if (offset + payload > kLargest) return Malformed::ipv6_fragment_end;
  if (more && (payload % 8 != 0 || payload == 0)) return Malformed::ipv6_fragment_size;
  return Malformed::none;
}

}  // namespace

IpAddress read_ipv6(const std::byte* p) {
  IpAddress out;
  std::memcpy(out.octets.data(), p, out.octets.size());
  out.family = 6;
  return out;
}

Malformed walk_extensions(Bytes bytes, ExtensionWalk& walk) {
  for (int count = 0;; ++count) {
    const uint8_t kind = walk.protocol;
    const bool extension = kind == kHopByHop || kind == kRoutingHeader || kind == kFragmentHeader ||
                           kind == kDestinationOptions;
    if (!extension) return Malformed::none;
    if (count == kMostExtensions) return Malformed::ipv6_header_many;
    if (kind == kHopByHop && count != 0) return Malformed::ipv6_header_order;
    const Bytes left = bytes.subspan(walk.at);
    if (left.size() < kExtensionUnit) return Malformed::ipv6_header_short;
    const size_t size = kind == kFragmentHeader
                            ? kExtensionUnit
                            : kExtensionUnit * (1 + std::to_integer<size_t>(left[1]));
    if (size > left.size()) return Malformed::ipv6_header_short;
    if (kind == kRoutingHeader && std::to_integer<uint8_t>(left[2]) == 0) {
      return Malformed::ipv6_routing_header;
    }
    walk.protocol = std::to_integer<uint8_t>(left[0]);
    walk.at += size;
    if (kind == kFragmentHeader) {
      const auto fault = check_fragment(left, left.size() - size, walk);
      if (fault != Malformed::none || walk.fragment == Fragment::later) return fault;
    }
  }
}

Malformed parse_ipv6(PacketView& view) {
  const Bytes ip = view.frame.subspan(view.network_at);
  if (ip.size() < kIpv6Size) return Malformed::ipv6_short;
  const uint32_t first = load_be32(ip.data());
  if (first >> 28 != 6) return Malformed::ipv6_version;
  const size_t payload = load_be16(&ip[4]);
  if (payload > ip.size() - kIpv6Size) return Malformed::ipv6_payload_length;
  const auto next = std::to_integer<uint8_t>(ip[6]);
  if (payload == 0 && next != kNoNextHeader) return Malformed::ipv6_jumbogram;
  view.network = Network::ipv6;
  view.dscp = static_cast<uint8_t>((first >> 22) & 0x3f);
  view.ttl = std::to_integer<uint8_t>(ip[7]);
  view.source = read_ipv6(&ip[8]);
  view.destination = read_ipv6(&ip[24]);
  if (view.source.is_multicast() || view.source.is_loopback() || is_mapped_v4(view.source)) {
    return Malformed::ipv6_source;
  }
  if (view.destination.is_unspecified() || view.destination.is_loopback() ||
      is_mapped_v4(view.destination)) {
    return Malformed::ipv6_destination;
  }
  ExtensionWalk walk{.protocol = next};
  const auto fault = walk_extensions(ip.subspan(kIpv6Size, payload), walk);
  view.protocol = walk.protocol;
  view.fragment = walk.fragment;
  if (fault != Malformed::none) return fault;
  // Only duplicate address detection speaks without an address (RFC 4862), MLD beside it.
  if (view.source.is_unspecified() && view.protocol != kIcmp6) return Malformed::ipv6_source;
  view.transport_at = static_cast<uint16_t>(view.network_at + kIpv6Size + walk.at);
  view.transport_size = static_cast<uint16_t>(payload - walk.at);
  return Malformed::none;
}

}  // namespace fedge::ip
