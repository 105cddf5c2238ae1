#include "firmware/wire/ip/fragments.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "firmware/wire/ip/checksum.h"

namespace fedge::ip {

namespace {

constexpr size_t kUnit = 8;

void write_ipv4(std::byte* ip, size_t header, size_t payload, uint16_t flags) {
  store_be16(ip + 2, static_cast<uint16_t>(header + payload));
  store_be16(ip + 6, flags);
  store_be16(ip + 10, 0);
  store_be16(ip + 10, checksum({ip, header}));
}

Piece parse_piece_ipv4(const PacketView& view) {
  const Bytes ip = view.frame.subspan(view.network_at);
  const uint16_t flags = load_be16(&ip[6]);
  Piece out;
  out.id = load_be16(&ip[4]);
  out.offset = kUnit * (flags & kIpv4OffsetMask);
  out.last = (flags & kIpv4MoreFragments) == 0;
  out.protocol = view.protocol;
  out.head_size = view.transport_at;
  out.payload = view.transport();
  return out;
}

// The extension headers were checked when the frame was parsed: the fragment header is there.
Piece parse_piece_ipv6(const PacketView& view) {
  const Bytes ip = view.frame.subspan(view.network_at);
  size_t next_at = 6;
  size_t at = kIpv6Size;
  while (std::to_integer<uint8_t>(ip[next_at]) != kFragmentHeader) {
    next_at = at;
    at += kUnit * (1 + std::to_integer<size_t>(ip[at + 1]));
  }
  const uint16_t word = load_be16(&ip[at + 2]);
  const size_t end = kIpv6Size + load_be16(&ip[4]);
  Piece out;
  out.id = load_be32(&ip[at + 4]);
  out.offset = word & 0xfff8u;
  out.last = (word & 1) == 0;
  out.protocol = std::to_integer<uint8_t>(ip[at]);
  out.head_size = view.network_at + at;
  out.next_header_at = view.network_at + next_at;
  out.payload = ip.subspan(at + kUnit, end - at - kUnit);
  return out;
}

}  // namespace

Piece parse_piece(const PacketView& view) {
  return view.network == Network::ipv4 ? parse_piece_ipv4(view) : parse_piece_ipv6(view);
}

void make_head_whole(MutableBytes head, const Piece& first, size_t size) {
  const bool tagged = load_be16(&head[2 * kMacSize]) == kEtherTypeVlan;
  const MutableBytes ip = head.subspan(kEthernetSize + (tagged ? kVlanSize : 0));
  if (first.next_header_at == 0) return write_ipv4(ip.data(), ip.size(), size, 0);
  head[first.next_header_at] = std::byte{first.protocol};
  store_be16(&ip[4], static_cast<uint16_t>(ip.size() - kIpv6Size + size));
}

size_t cut_ipv4(const PacketView& whole, uint16_t mtu, size_t offset, MutableBytes out,
                size_t& frame_size) {
  constexpr size_t kSmallest = kIpv4Size + kUnit;
  if (whole.network != Network::ipv4 || mtu < kSmallest) return 0;
  const Bytes ip = whole.frame.subspan(whole.network_at);
  const size_t header = size_t{4} * (std::to_integer<size_t>(ip[0]) & 0x0f);
  const uint16_t flags = load_be16(&ip[6]);
  // Options would have to be sorted into those that are copied and those that are not.
  if ((flags & kIpv4DontFragment) != 0 || header != kIpv4Size) return 0;
  const Bytes payload = ip.subspan(header, load_be16(&ip[2]) - header);
  if (offset >= payload.size()) return 0;
  const size_t left = payload.size() - offset;
  const size_t most = mtu - header;
  const size_t size = left <= most ? left : most / kUnit * kUnit;
  // A piece can be cut again: its place counts from the whole's beginning.
  const size_t place = (flags & kIpv4OffsetMask) + offset / kUnit;
  const bool more = size < left || (flags & kIpv4MoreFragments) != 0;
  const size_t head = whole.network_at + header;
  std::memcpy(out.data(), whole.frame.data(), head);
  std::memcpy(&out[head], &payload[offset], size);
  write_ipv4(&out[whole.network_at], header, size,
             static_cast<uint16_t>(place | (more ? kIpv4MoreFragments : 0)));
  frame_size = head + size;
  return size;
}

size_t cut_ipv6(const PacketView& whole, uint16_t mtu, uint32_t id, size_t offset, MutableBytes out,
                size_t& frame_size) {
  constexpr size_t kHeader = kIpv6Size + kUnit;  // with the fragment header
  if (whole.network != Network::ipv6 || mtu < kHeader + kUnit) return 0;
  if (whole.transport_at != whole.network_at + kIpv6Size) return 0;
  const Bytes payload = whole.transport();
  if (offset >= payload.size()) return 0;
  const size_t left = payload.size() - offset;
  const size_t most = mtu - kHeader;
  const size_t size = left <= most ? left : most / kUnit * kUnit;
  const size_t head = whole.transport_at;
  std::memcpy(out.data(), whole.frame.data(), head);
  std::byte* const ip = &out[whole.network_at];
  store_be16(ip + 4, static_cast<uint16_t>(kUnit + size));
  std::byte* const fragment = &out[head];
  fragment[0] = std::exchange(ip[6], std::byte{kFragmentHeader});
  fragment[1] = std::byte{0};
  store_be16(fragment + 2, static_cast<uint16_t>(offset | (size < left ? 1 : 0)));
  store_be32(fragment + 4, id);
  std::memcpy(fragment + kUnit, &payload[offset], size);
  frame_size = head + kUnit + size;
  return size;
}

}  // namespace fedge::ip
