#include "firmware/wire/ip/packet.h"

#include <algorithm>
#include <cstring>

#include "firmware/wire/ip/headers.h"

namespace fedge::ip {

namespace {

constexpr uint16_t kVlanIdMask = 0x0fff;
constexpr size_t kQuotedPorts = 4;  // both ports stand first in TCP and in UDP

Malformed parse_ethernet(PacketView& view) {
  const Bytes frame = view.frame;
  if (frame.size() < kEthernetSize) return Malformed::frame_short;
  std::memcpy(view.destination_mac.data(), frame.data(), kMacSize);
  std::memcpy(view.source_mac.data(), frame.data() + kMacSize, kMacSize);
  if (is_group(view.source_mac)) return Malformed::source_mac_group;
  if (view.source_mac == Mac{}) return Malformed::source_mac_zero;
  view.ether_type = load_be16(frame.data() + 2 * kMacSize);
  view.network_at = kEthernetSize;
  if (view.ether_type == kEtherTypeServiceVlan) return Malformed::vlan_stacked;
  if (view.ether_type == kEtherTypeVlan) {
    if (frame.size() < kEthernetSize + kVlanSize) return Malformed::vlan_short;
    view.tagged = true;
    view.vlan = load_be16(frame.data() + kEthernetSize) & kVlanIdMask;
    if (view.vlan == kVlanIdMask) return Malformed::vlan_reserved;
    view.ether_type = load_be16(frame.data() + kEthernetSize + 2);
    view.network_at = kEthernetSize + kVlanSize;
    if (view.ether_type == kEtherTypeVlan || view.ether_type == kEtherTypeServiceVlan) {
      return Malformed::vlan_stacked;
    }
  }
  return view.ether_type < kSmallestEtherType ? Malformed::frame_length_field : Malformed::none;
}

bool parse_quoted_ipv4(Bytes quoted, Quoted& out) {
  if (quoted.size() < kIpv4Size || std::to_integer<unsigned>(quoted[0]) >> 4 != 4) return false;
  const size_t header = (std::to_integer<size_t>(quoted[0]) & 0x0f) * 4;
  if (header < kIpv4Size || quoted.size() < header + kQuotedPorts) return false;
  // A later fragment quotes no ports.
  if ((load_be16(&quoted[6]) & kIpv4OffsetMask) != 0) return false;
  out.protocol = std::to_integer<uint8_t>(quoted[9]);
  out.source = read_ipv4(&quoted[12]);
  out.destination = read_ipv4(&quoted[16]);
  out.source_port = load_be16(&quoted[header]);
  out.destination_port = load_be16(&quoted[header + 2]);
  return true;
}

bool parse_quoted_ipv6(Bytes quoted, Quoted& out) {
  if (quoted.size() < kIpv6Size || std::to_integer<unsigned>(quoted[0]) >> 4 != 6) return false;
  ExtensionWalk walk{.protocol = std::to_integer<uint8_t>(quoted[6])};
  if (walk_extensions(quoted.subspan(kIpv6Size), walk) != Malformed::none) return false;
  if (walk.fragment == Fragment::later) return false;
  const size_t at = kIpv6Size + walk.at;
  if (quoted.size() < at + kQuotedPorts) return false;
  out.protocol = walk.protocol;
  out.source = read_ipv6(&quoted[8]);
  out.destination = read_ipv6(&quoted[24]);
  out.source_port = load_be16(&quoted[at]);
  out.destination_port = load_be16(&quoted[at + 2]);
  return true;
}

}  // namespace

Malformed parse_frame(Bytes frame, PacketView& out) {
  out = PacketView{};
  out.frame = frame;
  if (const auto fault = parse_ethernet(out); fault != Malformed::none) return fault;
  Malformed fault = Malformed::none;
  switch (out.ether_type) {
    case kEtherTypeArp:
      return parse_arp(out);
    case kEtherTypeIpv4:
      fault = parse_ipv4(out);
      break;
    case kEtherTypeIpv6:
      fault = parse_ipv6(out);
      break;
    default:
      return Malformed::none;
  }
  // What a fragment carries is judged when it is whole.
  if (fault != Malformed::none || out.fragment != Fragment::whole) return fault;
  return parse_transport(out);
}

bool parse_quoted(const PacketView& view, Quoted& out) {
  const Bytes message = view.transport();
  if (message.size() < kIcmpSize) return false;
  const Bytes quoted = message.subspan(kIcmpSize);
  return view.network == Network::ipv4 ? parse_quoted_ipv4(quoted, out)
                                       : parse_quoted_ipv6(quoted, out);
}

}  // namespace fedge::ip
