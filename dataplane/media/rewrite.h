// Headers of a relayed packet: Ethernet, IP and UDP written in front of the payload where it lies
// (RFC 8656 sections 13 to 15), the UDP checksum carried over by difference (RFC 1624).
#pragma once

#include <cstdint>

#include "dataplane/media/arrival.h"
#include "dataplane/media/packet.h"

namespace fedge::media {

// What is known of a packet that leaves.
struct Departure {
  const LocalAddress* from = nullptr;
  Address source;  // `from`, or its public form when the packet stays inside
  Address to;
  uint16_t from_port = 0;
  uint16_t to_port = 0;
  uint64_t mac_word = 0;  // to_mac_word() of where it goes
  // The payload, in the frame; what is kept of the arrival's.
  uint32_t payload_at = 0;
  uint16_t payload_size = 0;
  // Octets written by the caller right before the payload already (ChannelData's or Data's head),
  // and right behind it (padding, zero).
  uint16_t head = 0;
  uint16_t padding = 0;
  // Of octets that were part of the arrival's payload and are none of this one's (`removed`), and
  // of `head` (`added`): sum_of(). Not used when the checksum is made anew.
  uint64_t removed = 0;
  uint64_t added = 0;
  uint8_t ttl = 0;
  uint8_t class_and_ecn = 0;
  bool dont_fragment = false;
  uint16_t id = 0;    // IPv4: of a packet that may be cut, another each time
  uint16_t vlan = 0;  // 0: untagged
};

// Of octets that begin at an even place of the datagram.
uint64_t sum_of(const std::byte* at, size_t size);
// Of those that stood behind the payload at `at`, which may have an odd size.
uint64_t sum_behind(const std::byte* at, size_t size, size_t place);

// The datagram's checksum, carried over from the arrival's (RFC 1624): what is not there any more
// is taken away from a multiple of 0xffff. 0 stands for none, so it is never the result.
inline uint16_t carry_checksum(uint16_t checksum, uint64_t before, uint64_t after) {
  constexpr uint64_t kZero = uint64_t{0xffff} << 44;
  const auto carried = static_cast<uint16_t>(
      ~fold(uint64_t{static_cast<uint16_t>(~checksum)} + after + (kZero - before)));
  return carried == 0 ? 0xffff : carried;
}

// Turns `packet`, whose payload is `size` octets behind `before` octets of headers that begin `at`
// octets behind (or before) its own beginning, into that frame.
inline void move_ends(Packet& packet, ptrdiff_t at, size_t before, const Departure& out) {
  packet.room_before = static_cast<uint16_t>(packet.room_before + at);
  packet.room_behind = static_cast<uint16_t>(packet.room_behind + packet.size - out.payload_at -
                                             out.payload_size - out.padding);
  packet.frame += at;
  packet.size = static_cast<uint16_t>(before + out.payload_size + out.padding);
}

// Writes the headers and turns `packet` into that frame. False: no room, packet.reason says so.
// `arrival` null: the datagram's checksum is made anew.
bool write_headers(Packet& packet, const Arrival* arrival, const Departure& out);

// What most packets need of it, in few words: from IPv4 to IPv4 without a tag.
inline bool write_ipv4_frame(Packet& packet, const Arrival& arrival, const Departure& out) {
  const size_t before = ip::kEthernetSize + ip::kIpv4Size + ip::kUdpSize + out.head;
  const ptrdiff_t at = static_cast<ptrdiff_t>(out.payload_at) - static_cast<ptrdiff_t>(before);
  if (at < -static_cast<ptrdiff_t>(packet.room_before)) [[unlikely]] {
    packet.reason = Reason::above_mtu;
    return false;
  }
  const auto swapped = [](size_t n) { return __builtin_bswap16(static_cast<uint16_t>(n)); };
  const size_t udp_size = ip::kUdpSize + out.head + out.payload_size + out.padding;
  const uint64_t from = out.source.v4_octets();
  const uint64_t to = out.to.v4_octets();
  const uint64_t ports = swapped(out.from_port) | uint64_t{swapped(out.to_port)} << 16;
  const uint32_t size = swapped(udp_size);

  const uint64_t first =
      0x45u | uint32_t{out.class_and_ecn} << 8 | uint32_t{swapped(ip::kIpv4Size + udp_size)} << 16;
  const uint64_t second = out.dont_fragment ? uint64_t{wire::kDontFragment} << 16 : out.id;
  const uint64_t third = out.ttl | uint32_t{ip::kUdp} << 8;
  const auto header_sum = static_cast<uint16_t>(~fold(first + second + third + from + to));

  uint64_t checksum = 0;
  if (arrival.checksum != 0) [[likely]] {
    checksum = carry_checksum(arrival.checksum, arrival.sum + out.removed,
                              from + to + ports + 2 * size + out.added);
  }

  // Few wide stores: Ethernet 14 octets, IPv4 20, UDP 8.
  std::byte* const frame = packet.frame + at;
  const auto put = [frame](size_t place, auto value) {
    std::memcpy(frame + place, &value, sizeof value);
  };
  constexpr uint64_t kMac = 0xffffffffffff;
  put(0, (out.mac_word & kMac) | out.from->mac_word << 48);
  put(8, static_cast<uint32_t>(out.from->mac_word >> 16));
  put(12, wire::kIpv4);
  put(14, first | second << 32);
  put(22, third | uint64_t{header_sum} << 16 | from << 32);
  put(30, to | ports << 32);
  put(38, static_cast<uint32_t>(size | checksum << 16));
  move_ends(packet, at, before, out);
  return true;
}

}  // namespace fedge::media
