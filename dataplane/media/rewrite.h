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

// Writes the headers and turns `packet` into that frame. False: no room, packet.reason says so.
// `arrival` null: the datagram's checksum is made anew.
bool write_headers(Packet& packet, const Arrival* arrival, const Address& arrived_at,
                   const Departure& out);

}  // namespace fedge::media
