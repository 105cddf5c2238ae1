// The steps of parse_frame(), one per layer; inside this folder only.
#pragma once

#include "firmware/wire/ip/packet.h"

namespace fedge::ip {

// Each reads at view.network_at or view.transport_at and fills its own part.
Malformed parse_arp(PacketView& view);
Malformed parse_ipv4(PacketView& view);
Malformed parse_ipv6(PacketView& view);
Malformed parse_transport(PacketView& view);

// Walks IPv6 extension headers in `bytes`, which begin behind the fixed header.
struct ExtensionWalk {
  uint8_t protocol = 0;  // in: the fixed header's next header; out: the upper layer
  size_t at = 0;         // out: offset of the upper layer in `bytes`
  Fragment fragment = Fragment::whole;
};
Malformed walk_extensions(Bytes bytes, ExtensionWalk& walk);

IpAddress read_ipv4(const std::byte* p);
IpAddress read_ipv6(const std::byte* p);

}  // namespace fedge::ip
