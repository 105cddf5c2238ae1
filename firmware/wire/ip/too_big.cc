#include "firmware/wire/ip/too_big.h"

#include <algorithm>
#include <cstring>

#include "firmware/wire/ip/checksum.h"

namespace fedge::ip {

namespace {

constexpr uint8_t kHops = 64;
constexpr uint8_t kFragmentationNeeded = 4;

void write_address(std::byte* out, const IpAddress& address) {
  std::memcpy(out, address.octets.data(), address.bits() / 8);
}

size_t write_ipv4(const PacketView& packet, uint16_t mtu, Bytes quoted, std::byte* ip) {
  const size_t size = kIpv4Size + kIcmpSize + quoted.size();
  std::memset(ip, 0, kIpv4Size + kIcmpSize);
  ip[0] = std::byte{0x45};
  store_be16(ip + 2, static_cast<uint16_t>(size));
  ip[8] = std::byte{kHops};
  ip[9] = std::byte{kIcmp};
  write_address(ip + 12, packet.destination);
  write_address(ip + 16, packet.source);
  store_be16(ip + 10, checksum({ip, kIpv4Size}));
  std::byte* const icmp = ip + kIpv4Size;
  icmp[0] = std::byte{kIcmpUnreachable};
  icmp[1] = std::byte{kFragmentationNeeded};
  store_be16(icmp + 6, mtu);
  std::memcpy(icmp + kIcmpSize, quoted.data(), quoted.size());
  store_be16(icmp + 2, checksum({icmp, kIcmpSize + quoted.size()}));
  return size;
}

size_t write_ipv6(const PacketView& packet, uint16_t mtu, Bytes quoted, std::byte* ip) {
  const size_t payload = kIcmpSize + quoted.size();
  std::memset(ip, 0, kIpv6Size + kIcmpSize);
  ip[0] = std::byte{0x60};
  store_be16(ip + 4, static_cast<uint16_t>(payload));
  ip[6] = std::byte{kIcmp6};
  ip[7] = std::byte{kHops};
  write_address(ip + 8, packet.destination);
  write_address(ip + 24, packet.source);
  std::byte* const icmp = ip + kIpv6Size;
  icmp[0] = std::byte{kIcmp6TooBig};
  store_be32(icmp + 4, mtu);
  std::memcpy(icmp + kIcmpSize, quoted.data(), quoted.size());
  store_be16(icmp + 2,
             transport_checksum(packet.destination, packet.source, kIcmp6, {icmp, payload}));
  return kIpv6Size + payload;
}

}  // namespace

size_t make_too_big(const PacketView& packet, uint16_t mtu, MutableBytes out) {
  const bool v4 = packet.network == Network::ipv4;
  const size_t room = kMostTooBig - kEthernetSize - (v4 ? kIpv4Size : kIpv6Size) - kIcmpSize;
  const Bytes sent = packet.frame.subspan(packet.network_at);
  const Bytes quoted = sent.first(std::min(sent.size(), room));
  std::memcpy(&out[0], packet.source_mac.data(), kMacSize);
  std::memcpy(&out[kMacSize], packet.destination_mac.data(), kMacSize);
  store_be16(&out[2 * kMacSize], packet.ether_type);
  std::byte* const ip = &out[kEthernetSize];
  return kEthernetSize +
         (v4 ? write_ipv4(packet, mtu, quoted, ip) : write_ipv6(packet, mtu, quoted, ip));
}

}  // namespace fedge::ip
