// Packets cut into fragments, for tests.
#pragma once

#include <string>
#include <string_view>

#include "tests/unit/wire_ip/packet_builder.h"

namespace fedge::admission {

// UDP from one host to ours; a fragment of it is octets [from, from + size) of header and payload.
struct Datagram {
  bool v6 = false;
  std::string source = v6 ? "fd00::53" : "10.0.0.53";
  std::string to = v6 ? "fd00::1" : "10.0.0.1";
  uint8_t protocol = ip::kUdp;
  uint32_t id = 7;
  uint16_t vlan = 0;
  std::string payload = std::string(3000, 'x');

  ip::PacketBuilder head() const {
    ip::PacketBuilder out;
    out.ethernet();
    if (vlan != 0) out.vlan(vlan);
    return out;
  }
  ip::PacketBuilder network(uint8_t next, uint16_t flags = 0) const {
    return v6 ? head().ipv6(source, to, next) : head().ipv4(source, to, next, flags);
  }
  // The same packet, never cut.
  std::string whole() const {
    auto packet = network(protocol);
    return (protocol == ip::kUdp ? packet.udp(53, 30000, payload) : packet.icmp(8, 0, payload))
        .finish();
  }
  std::string transport() const {
    const std::string frame = whole();
    return frame.substr(network(protocol).transport_at());
  }
  std::string piece(size_t from, size_t size) const {
    const std::string all = transport();
    const bool more = from + size < all.size();
    return raw_piece(from, all.substr(from, size), more);
  }
  std::string raw_piece(size_t from, std::string_view bytes, bool more) const {
    if (v6) {
      std::string rest(6, '\0');
      store_be16(&rest[0], static_cast<uint16_t>(from | (more ? 1 : 0)));
      store_be32(&rest[2], id);
      return network(ip::kFragmentHeader).extension(protocol, rest).raw(bytes).finish_network();
    }
    const auto flags = static_cast<uint16_t>(from / 8 | (more ? ip::kIpv4MoreFragments : 0));
    return network(protocol, flags)
        .identification(static_cast<uint16_t>(id))
        .raw(bytes)
        .finish_network();
  }
};

}  // namespace fedge::admission
