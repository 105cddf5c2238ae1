#include "dataplane/media/rewrite.h"

#include "firmware/wire/ip/checksum.h"

namespace fedge::media {

namespace {

// RFC 8656 section 13.2 (RFC 7915 section 5.1): from IPv6, what is larger may not be cut.
constexpr size_t kLargestCuttable = 1260;

uint16_t swap(uint16_t value) { return __builtin_bswap16(value); }

void write_ipv4(std::byte* ip, size_t udp_size, const Arrival* arrival, const Departure& out) {
  const size_t total = ip::kIpv4Size + udp_size;
  const bool from_v6 = arrival != nullptr && !arrival->is_v4;
  const bool dont_fragment = out.dont_fragment || (from_v6 && total > kLargestCuttable);
  const uint32_t first =
      0x45u | uint32_t{out.class_and_ecn} << 8 | uint32_t{swap(static_cast<uint16_t>(total))} << 16;
  const uint32_t second = dont_fragment ? uint32_t{wire::kDontFragment} << 16 : out.id;
  const uint32_t third = out.ttl | uint32_t{ip::kUdp} << 8;
  const uint32_t source = out.source.v4_octets();
  const uint32_t to = out.to.v4_octets();
  const auto checksum =
      static_cast<uint16_t>(~fold(uint64_t{first} + second + third + source + to));
  const std::array<uint32_t, 5> words{first, second, third | uint32_t{checksum} << 16, source, to};
  std::memcpy(ip, words.data(), sizeof words);
}

void write_ipv6(std::byte* ip, size_t udp_size, const Departure& out) {
  store_be32(ip, 6u << 28 | uint32_t{out.class_and_ecn} << 20);
  store_be16(ip + 4, static_cast<uint16_t>(udp_size));
  ip[6] = std::byte{ip::kUdp};
  ip[7] = std::byte{out.ttl};
  std::memcpy(ip + 8, out.source.words.data(), 16);
  std::memcpy(ip + 24, out.to.words.data(), 16);
}

// In place, over the whole datagram whose header stands but for the checksum.
uint16_t checksum_anew(const std::byte* udp, size_t udp_size, const Departure& out) {
  const uint64_t sum = sum_of(out.source) + sum_of(out.to) + swap(static_cast<uint16_t>(udp_size)) +
                       (uint64_t{ip::kUdp} << 8) + sum_of(udp, udp_size);
  return static_cast<uint16_t>(~fold(sum));
}

uint16_t carry_over(const Arrival& arrival, size_t udp_size, const Departure& out) {
  const uint64_t after = sum_of(out.source) + sum_of(out.to) + swap(out.from_port) +
                         swap(out.to_port) + 2u * swap(static_cast<uint16_t>(udp_size)) + out.added;
  return carry_checksum(arrival.checksum, arrival.sum + out.removed, after);
}

}  // namespace

uint64_t sum_of(const std::byte* at, size_t size) {
  uint64_t sum = 0;
  for (; size >= 4; at += 4, size -= 4) sum += load<uint32_t>(at);
  if (size >= 2) {
    sum += load<uint16_t>(at);
    at += 2;
    size -= 2;
  }
  if (size != 0) sum += std::to_integer<uint8_t>(*at);
  return sum;
}

uint64_t sum_behind(const std::byte* at, size_t size, size_t place) {
  const uint64_t sum = sum_of(at, size);
  return place % 2 == 0 ? sum : swap(fold(sum));
}

bool write_headers(Packet& packet, const Arrival* arrival, const Departure& out) {
  const bool to_v4 = out.to.is_v4();
  const size_t tag = out.vlan != 0 ? ip::kVlanSize : 0;
  const size_t before =
      ip::kEthernetSize + tag + (to_v4 ? ip::kIpv4Size : ip::kIpv6Size) + ip::kUdpSize + out.head;
  const ptrdiff_t at = static_cast<ptrdiff_t>(out.payload_at) - static_cast<ptrdiff_t>(before);
  if (at < -static_cast<ptrdiff_t>(packet.room_before)) {
    packet.reason = Reason::above_mtu;
    return false;
  }
  std::byte* const frame = packet.frame + at;
  const size_t udp_size = ip::kUdpSize + out.head + out.payload_size + out.padding;
  std::byte* const ip_at = frame + ip::kEthernetSize + tag;
  std::byte* const udp = ip_at + (to_v4 ? ip::kIpv4Size : ip::kIpv6Size);

  std::memcpy(frame, &out.mac_word, ip::kMacSize);
  std::memcpy(frame + ip::kMacSize, &out.from->mac_word, ip::kMacSize);
  const uint16_t type = to_v4 ? wire::kIpv4 : wire::kIpv6;
  if (tag != 0) {
    store_be16(frame + 12, ip::kEtherTypeVlan);
    store_be16(frame + 14, out.vlan);
  }
  std::memcpy(frame + 12 + tag, &type, sizeof type);
  if (to_v4) {
    write_ipv4(ip_at, udp_size, arrival, out);
  } else {
    write_ipv6(ip_at, udp_size, out);
  }
  store_be16(udp, out.from_port);
  store_be16(udp + 2, out.to_port);
  store_be16(udp + 4, static_cast<uint16_t>(udp_size));
  uint16_t checksum = 0;
  if (arrival != nullptr && arrival->checksum != 0) {
    checksum = carry_over(*arrival, udp_size, out);
  } else if (arrival == nullptr || !to_v4) {
    store_be16(udp + 6, 0);
    checksum = checksum_anew(udp, udp_size, out);
    if (checksum == 0) checksum = 0xffff;
  }
  std::memcpy(udp + 6, &checksum, sizeof checksum);

  move_ends(packet, at, before, out);
  return true;
}

}  // namespace fedge::media
