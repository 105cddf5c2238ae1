// What a router says to a host whose packet does not fit: ICMP "fragmentation needed" (RFC 1191
// section 4) and ICMPv6 "packet too big" (RFC 4443 section 3.2).
#pragma once

#include <cstddef>

#include "firmware/wire/ip/packet.h"

namespace fedge::ip {

// Octets of the frame that make_too_big() writes, at most.
inline constexpr size_t kMostTooBig = kEthernetSize + 576;

// Writes the frame that tells the sender of `packet` (untagged, whole) that `mtu` is the most.
// It comes from the address that the packet went to. Returns its size.
size_t make_too_big(const PacketView& packet, uint16_t mtu, MutableBytes out);

}  // namespace fedge::ip
