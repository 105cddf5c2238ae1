// A frame taken apart: Ethernet, at most one 802.1Q tag, then ARP, IPv4 or IPv6 (extension headers
// included) and TCP, UDP or ICMP. parse_frame() looks at headers only, checks every length before
// it reads, never allocates, and says why when a frame is wrong.
#pragma once

#include <array>
#include <cstdint>

#include "firmware/base/bytes.h"
#include "firmware/net/address.h"
#include "firmware/wire/ip/constants.h"
#include "firmware/wire/ip/malformed.h"

namespace fedge::ip {

using Mac = std::array<uint8_t, kMacSize>;
inline constexpr Mac kBroadcastMac{0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
inline bool is_group(const Mac& mac) { return (mac[0] & 1) != 0; }

enum class Network : uint8_t { other, arp, ipv4, ipv6 };
// A first fragment has its transport header parsed as far as it is there; a later one has none.
enum class Fragment : uint8_t { whole, first, later };

struct PacketView {
  Bytes frame;  // as received, padding included
  Mac destination_mac{};
  Mac source_mac{};
  uint16_t vlan = 0;  // 0: untagged, or a priority tag (802.1Q 6.9)
  bool tagged = false;
  uint16_t ether_type = 0;  // behind the tag
  Network network = Network::other;

  // IP. `source` and `destination` of ARP are the sender's and the target's protocol address.
  IpAddress source;
  IpAddress destination;
  Fragment fragment = Fragment::whole;
  uint8_t protocol = 0;  // behind the extension headers
  uint8_t ttl = 0;
  uint8_t dscp = 0;

  uint16_t network_at = 0;      // offset of the ARP or IP header in `frame`
  uint16_t transport_at = 0;    // offset of the transport header
  uint16_t transport_size = 0;  // transport header and payload; without Ethernet padding
  uint16_t payload_at = 0;      // offset behind the transport header; TCP and UDP

  uint16_t source_port = 0;  // TCP and UDP
  uint16_t destination_port = 0;
  uint8_t tcp_flags = 0;
  uint8_t icmp_type = 0;
  uint8_t icmp_code = 0;
  uint16_t arp_operation = 0;
  Mac arp_sender_mac{};
  IpAddress nd_target;  // neighbour solicitation and advertisement

  bool has_transport() const { return fragment != Fragment::later && transport_size != 0; }
  Bytes transport() const { return frame.subspan(transport_at, transport_size); }
};

// Fills `out`; on anything but Malformed::none only `frame` and what was parsed before the fault
// hold. An EtherType or IP protocol that is not known is no fault: `network` is other, or only
// `protocol` is set. Transport checksums are not verified (the owner of the payload does that).
Malformed parse_frame(Bytes frame, PacketView& out);

// The packet quoted inside an ICMP error (RFC 792, RFC 4443 section 2.4): the header of what we
// are said to have sent. At least addresses and ports are there, or it fails.
struct Quoted {
  IpAddress source;
  IpAddress destination;
  uint8_t protocol = 0;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
};
// `view` is an ICMP or ICMPv6 error. False when too little is quoted to tell, or it is not IP.
bool parse_quoted(const PacketView& view, Quoted& out);

}  // namespace fedge::ip
