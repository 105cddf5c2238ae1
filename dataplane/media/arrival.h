// A frame as the packet's path sees it: the few fields that relaying needs, taken off Ethernet, at
// most one tag, IPv4 without options or IPv6 without extension headers, and UDP. Everything else is
// admission's.
#pragma once

#include <cstdint>
#include <cstring>

#include "dataplane/media/address.h"
#include "dataplane/media/packet.h"
#include "dataplane/media/plan.h"
#include "firmware/base/bytes.h"

namespace fedge::media {

// Not initialized: a burst has many, and read_arrival() writes all of it.
struct Arrival {
  Address source;
  Address destination;
  uint16_t source_port;
  uint16_t destination_port;
  uint16_t payload_at;  // offset of UDP's payload in the frame
  uint16_t payload_size;
  // Of the pseudo header and UDP's but for the checksum: sum_of() these, not folded.
  uint64_t sum;
  uint16_t local;     // our address, among Plan::locals
  uint16_t checksum;  // of UDP as it stands in the header, not swapped; 0: none
  uint8_t ttl;
  uint8_t class_and_ecn;  // TOS or traffic class
  bool is_v4;
  bool dont_fragment;

  const std::byte* payload(const Packet& packet) const { return packet.frame + payload_at; }
};

// Sums for the Internet checksum, of words as they lie in memory: it does not mind their order
// (RFC 1071 section 2 B). Not folded.
inline uint64_t sum_of(const Address& address) {
  const uint64_t high = address.words[1] >> 32;
  if (address.is_v4()) return high;
  return high + (address.words[1] & 0xffffffff) + (address.words[0] >> 32) +
         (address.words[0] & 0xffffffff);
}
// With end-around carry.
inline uint16_t fold(uint64_t sum) {
  auto half = static_cast<uint32_t>(sum);
  const auto upper = static_cast<uint32_t>(sum >> 32);
  half += upper;
  half += half < upper ? 1 : 0;
  const uint32_t quarter = (half & 0xffff) + (half >> 16);
  return static_cast<uint16_t>(quarter + (quarter >> 16));
}
template <class T>
T load(const std::byte* at) {
  T value;
  std::memcpy(&value, at, sizeof value);
  return value;
}

namespace wire {
// As a little-endian load sees them.
inline constexpr uint16_t kIpv4 = 0x0008;
inline constexpr uint16_t kIpv6 = 0xdd86;
inline constexpr uint16_t kVlan = 0x0081;
inline constexpr uint16_t kDontFragment = 0x0040;
}  // namespace wire

inline bool read_ipv4(const std::byte* ip, size_t left, Arrival& out, size_t& udp_size) {
  if (left < ip::kIpv4Size + ip::kUdpSize) return false;
  // Version and length, protocol; neither fragment nor reserved flag.
  if (std::to_integer<uint8_t>(ip[0]) != 0x45 || ip[9] != std::byte{ip::kUdp}) return false;
  const auto fragment = load<uint16_t>(ip + 6);
  if ((fragment & ~wire::kDontFragment) != 0) return false;
  const size_t total = load_be16(ip + 2);
  if (total > left || total < ip::kIpv4Size + ip::kUdpSize) return false;
  const auto source = load<uint32_t>(ip + 12);
  const auto target = load<uint32_t>(ip + 16);
  const uint64_t sum = uint64_t{load<uint32_t>(ip)} + load<uint32_t>(ip + 4) +
                       load<uint32_t>(ip + 8) + source + target;
  if (fold(sum) != 0xffff) return false;
  out.source = Address::of_v4_octets(source);
  out.destination = Address::of_v4_octets(target);
  out.ttl = std::to_integer<uint8_t>(ip[8]);
  out.class_and_ecn = std::to_integer<uint8_t>(ip[1]);
  out.is_v4 = true;
  out.dont_fragment = fragment != 0;
  out.sum = uint64_t{source} + target;
  udp_size = total - ip::kIpv4Size;
  return true;
}

inline bool read_ipv6(const std::byte* ip, size_t left, Arrival& out, size_t& udp_size) {
  if (left < ip::kIpv6Size + ip::kUdpSize) return false;
  const uint32_t first = load_be32(ip);
  udp_size = load_be16(ip + 4);
  if (first >> 28 != 6 || ip[6] != std::byte{ip::kUdp}) return false;
  if (udp_size > left - ip::kIpv6Size || udp_size < ip::kUdpSize) return false;
  std::memcpy(out.source.words.data(), ip + 8, 16);
  std::memcpy(out.destination.words.data(), ip + 24, 16);
  // A mapped address in a packet would pass for an IPv4 one.
  if (out.source.is_v4() || out.destination.is_v4()) return false;
  out.sum = sum_of(out.source) + sum_of(out.destination);
  out.ttl = std::to_integer<uint8_t>(ip[7]);
  out.class_and_ecn = static_cast<uint8_t>(first >> 20);
  out.is_v4 = false;
  out.dont_fragment = false;
  return true;
}

// False: not UDP to an address of ours, or anything unusual about it.
inline bool read_arrival(const Plan& plan, const Packet& packet, Arrival& out) {
  if (packet.size < ip::kEthernetSize + ip::kIpv4Size + ip::kUdpSize) return false;
  const std::byte* const frame = packet.frame;
  size_t at = ip::kEthernetSize;
  auto type = load<uint16_t>(frame + 12);
  uint16_t vlan = 0;
  if (type == wire::kVlan) {
    vlan = load_be16(frame + 14) & 0x0fff;
    type = load<uint16_t>(frame + 16);
    at += ip::kVlanSize;
  }
  size_t udp_size = 0;
  const size_t left = packet.size - at;
  if (type == wire::kIpv4) {
    if (!read_ipv4(frame + at, left, out, udp_size)) return false;
    at += ip::kIpv4Size;
  } else if (type == wire::kIpv6) {
    if (!read_ipv6(frame + at, left, out, udp_size)) return false;
    at += ip::kIpv6Size;
  } else {
    return false;
  }
  const std::byte* const udp = frame + at;
  if (load_be16(udp + 4) != udp_size) return false;
  const int local = plan.find_local(packet.port, vlan, out.destination);
  if (local < 0) return false;
  const LocalAddress& ours = plan.locals()[static_cast<size_t>(local)];
  if ((load<uint64_t>(frame) ^ ours.mac_word) << 16 != 0) return false;
  out.local = static_cast<uint16_t>(local);
  out.source_port = load_be16(udp);
  out.destination_port = load_be16(udp + 2);
  out.checksum = load<uint16_t>(udp + 6);
  if (out.source_port == 0) return false;
  // The size stands in both.
  out.sum += uint64_t{load<uint32_t>(udp)} + 2u * load<uint16_t>(udp + 4);
  out.payload_at = static_cast<uint16_t>(at + ip::kUdpSize);
  out.payload_size = static_cast<uint16_t>(udp_size - ip::kUdpSize);
  return true;
}

}  // namespace fedge::media
