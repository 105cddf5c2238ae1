#include "firmware/wire/ip/packet.h"

#include <gtest/gtest.h>

#include <set>

#include "tests/unit/wire_ip/packet_builder.h"

namespace fedge::ip {
namespace {

using std::string_literals::operator""s;

constexpr const char* kA = "10.0.0.2";
constexpr const char* kB = "10.0.0.1";
constexpr const char* kA6 = "fd00::2";
constexpr const char* kB6 = "fd00::1";

PacketBuilder eth() { return PacketBuilder().ethernet(); }
PacketBuilder v4(uint8_t protocol, uint16_t flags = 0, std::string_view options = {}) {
  return eth().ipv4(kA, kB, protocol, flags, options);
}
PacketBuilder v6(uint8_t next, uint8_t hops = 64) { return eth().ipv6(kA6, kB6, next, hops); }
PacketBuilder from4(const char* from, const char* to = kB) {
  return eth().ipv4(from, to, kTcp).tcp(1, 2, kTcpAck);
}
PacketBuilder from6(const char* from, const char* to = kB6) {
  return eth().ipv6(from, to, kTcp).tcp(1, 2, kTcpAck);
}
// Changes one octet of a finished frame; for IPv4 the header's checksum follows.
std::string with(const PacketBuilder& builder, size_t at, uint8_t value) {
  std::string out = builder.finish();
  out.at(at) = static_cast<char>(value);
  if (builder.network_at() == 0 || static_cast<uint8_t>(out[builder.network_at()]) >> 4 != 4) {
    return out;
  }
  const size_t n = builder.network_at();
  const size_t header = size_t{4} * (static_cast<uint8_t>(out[n]) & 15);
  if (n + header > out.size() || header < kIpv4Size) return out;
  store_be16(&out[n + 10], 0);
  store_be16(&out[n + 10], checksum(as_bytes(out).subspan(n, header)));
  return out;
}

struct Case {
  Malformed expected;
  std::string frame;
};

std::vector<Case> ethernet_cases() {
  const auto arp = [](std::string_view from = kA) { return eth().arp(kArpRequest, from, kB); };
  return {
      {Malformed::frame_short, std::string(13, '\x02')},
      {Malformed::frame_length_field, eth().type(0x05ff).finish()},
      {Malformed::source_mac_group,
       PacketBuilder().ethernet(PacketBuilder::kOurs, {1, 0, 0, 0, 0, 1}).type(0x800).finish()},
      {Malformed::source_mac_zero, PacketBuilder().ethernet(PacketBuilder::kOurs, {}).finish()},
      {Malformed::vlan_short, eth().type(kEtherTypeVlan).be16(7).finish()},
      {Malformed::vlan_stacked, eth().vlan(7).vlan(8).finish()},
      {Malformed::vlan_stacked, eth().type(kEtherTypeServiceVlan).be32(0).finish()},
      {Malformed::vlan_reserved, eth().vlan(0xfff).type(0x800).finish()},
      {Malformed::arp_short, eth().type(kEtherTypeArp).raw(std::string(27, '\0')).finish()},
      {Malformed::arp_form, with(arp(), 15, 6)},
      {Malformed::arp_operation, eth().arp(3, kA, kB).finish()},
      {Malformed::arp_sender_mac, eth().arp(1, kA, kB, kBroadcastMac).finish()},
      {Malformed::arp_sender_mac, eth().arp(1, kA, kB, Mac{}).finish()},
      {Malformed::arp_sender_address, arp("224.0.0.1").finish()},
      {Malformed::arp_sender_address, arp("255.255.255.255").finish()},
      {Malformed::none, arp("0.0.0.0").finish()},
      {Malformed::none, arp().finish()},
      {Malformed::none, eth().type(0x88cc).raw("lldp").finish()},
  };
}

std::vector<Case> ipv4_cases() {
  const auto tcp = v4(kTcp).tcp(1, 2, kTcpAck);
  const size_t ip = tcp.network_at();
  std::string spoiled = tcp.finish();
  spoiled[ip + 8] ^= 1;
  return {
      {Malformed::ipv4_short, eth().type(kEtherTypeIpv4).raw(std::string(19, 'E')).finish()},
      {Malformed::ipv4_version, with(tcp, ip, 0x55)},
      {Malformed::ipv4_header_length, with(tcp, ip, 0x44)},
      {Malformed::ipv4_header_length, with(tcp, ip, 0x4f)},
      {Malformed::ipv4_total_length, with(tcp, ip + 3, 19)},
      {Malformed::ipv4_total_length, with(tcp, ip + 3, 41)},
      {Malformed::ipv4_checksum, spoiled},
      {Malformed::ipv4_reserved_flag, v4(kTcp, kIpv4Reserved).tcp(1, 2, kTcpAck).finish()},
      {Malformed::ipv4_options, v4(kTcp, 0, "\x07\x01\x00\x00"s).tcp(1, 2, kTcpAck).finish()},
      {Malformed::ipv4_options, v4(kTcp, 0, "\x07\x05\x00\x00"s).tcp(1, 2, kTcpAck).finish()},
      {Malformed::ipv4_options, v4(kTcp, 0, "\x01\x01\x01\x07"s).tcp(1, 2, kTcpAck).finish()},
      {Malformed::ipv4_source_route, v4(kTcp, 0, "\x83\x03\x04\x00"s).tcp(1, 2, kTcpAck).finish()},
      {Malformed::ipv4_source_route, v4(kTcp, 0, "\x89\x03\x04\x00"s).tcp(1, 2, kTcpAck).finish()},
      {Malformed::none, v4(kTcp, 0, "\x94\x04\x00\x00"s).tcp(1, 2, kTcpAck).finish()},
      {Malformed::none, v4(kTcp, 0, "\x01\x00\xff\xff"s).tcp(1, 2, kTcpAck).finish()},
      {Malformed::ipv4_source, from4("224.0.0.1").finish()},
      {Malformed::ipv4_source, from4("255.255.255.255").finish()},
      {Malformed::ipv4_source, from4("127.0.0.1").finish()},
      {Malformed::ipv4_source, from4("0.0.0.0").finish()},
      {Malformed::ipv4_destination, from4(kA, "0.0.0.0").finish()},
      {Malformed::ipv4_destination, from4(kA, "127.0.0.1").finish()},
      {Malformed::ipv4_fragment_end, v4(kUdp, 0x1fff).raw("12345678").finish()},
      {Malformed::ipv4_fragment_size, v4(kUdp, kIpv4MoreFragments).raw("1234567").finish()},
      {Malformed::ipv4_fragment_size, v4(kUdp, kIpv4MoreFragments).finish()},
      {Malformed::ipv4_fragment_dont, v4(kUdp, kIpv4DontFragment | 8).raw("12345678").finish()},
      {Malformed::none, v4(kUdp, kIpv4MoreFragments).raw("12345678").finish()},
      {Malformed::none, v4(kUdp, 8).raw("1234567").finish()},
      {Malformed::none, tcp.finish()},
      {Malformed::none, tcp.finish() + std::string(6, '\0')},  // padded to 60
      {Malformed::none, v4(132).raw("sctp").finish()},
  };
}

std::vector<Case> ipv6_cases() {
  const auto tcp = v6(kTcp).tcp(1, 2, kTcpAck);
  const size_t ip = tcp.network_at();
  auto many = v6(kHopByHop).extension(kDestinationOptions);
  for (int i = 0; i < 8; ++i) many.extension(kDestinationOptions);
  return {
      {Malformed::ipv6_short, eth().type(kEtherTypeIpv6).raw(std::string(39, '`')).finish()},
      {Malformed::ipv6_version, with(tcp, ip, 0x70)},
      {Malformed::ipv6_payload_length, with(tcp, ip + 5, 21)},
      {Malformed::ipv6_jumbogram, with(tcp, ip + 5, 0)},
      {Malformed::ipv6_source, from6("ff02::1").finish()},
      {Malformed::ipv6_source, from6("::1").finish()},
      {Malformed::ipv6_source, from6("::").finish()},
      {Malformed::ipv6_source, from6("::ffff:10.0.0.1").finish()},
      {Malformed::ipv6_destination, from6(kA6, "::").finish()},
      {Malformed::ipv6_destination, from6(kA6, "::1").finish()},
      {Malformed::ipv6_destination, from6(kA6, "::ffff:10.0.0.1").finish()},
      {Malformed::ipv6_header_short, v6(kDestinationOptions).raw("1234567").finish()},
      {Malformed::ipv6_header_short, v6(kDestinationOptions).raw("\x06\x01 12345"s).finish()},
      {Malformed::ipv6_header_order,
       v6(kDestinationOptions).extension(kHopByHop).extension(kTcp).finish()},
      {Malformed::ipv6_header_many, many.finish()},
      {Malformed::ipv6_routing_header, v6(kRoutingHeader).extension(kTcp).finish()},
      {Malformed::ipv6_fragment_end,
       v6(kFragmentHeader).extension(kUdp, "\xff\xf8"s).raw("12345678").finish()},
      {Malformed::ipv6_fragment_size,
       v6(kFragmentHeader).extension(kUdp, "\x00\x01"s).raw("1234567").finish()},
      {Malformed::none, v6(kFragmentHeader).extension(kTcp).tcp(1, 2, kTcpAck).finish()},
      {Malformed::none,
       v6(kHopByHop).extension(kDestinationOptions).extension(kTcp).tcp(1, 2, kTcpAck).finish()},
      {Malformed::none, v6(kNoNextHeader).finish()},
      {Malformed::none, tcp.finish()},
  };
}

std::vector<Case> transport_cases() {
  const auto flags = [](uint8_t f) { return v4(kTcp).tcp(1, 2, f).finish(); };
  const auto tcp = v4(kTcp).tcp(1, 2, kTcpAck);
  const auto nd = [](uint8_t hops = 255) { return v6(kIcmp6, hops); };
  const auto udp6 = v6(kUdp).udp(1, 2);
  std::string no_checksum = udp6.finish();
  store_be16(&no_checksum[udp6.transport_at() + 6], 0);
  return {
      {Malformed::tcp_short, v4(kTcp).raw(std::string(19, '\1')).finish()},
      {Malformed::tcp_header_length, with(tcp, tcp.transport_at() + 12, 0x40)},
      {Malformed::tcp_header_length, with(tcp, tcp.transport_at() + 12, 0x60)},
      {Malformed::tcp_flags, flags(0)},
      {Malformed::tcp_flags, flags(kTcpFin)},
      {Malformed::tcp_flags, flags(kTcpSyn | kTcpFin)},
      {Malformed::tcp_flags, flags(kTcpSyn | kTcpRst)},
      {Malformed::tcp_flags, flags(kTcpFin | kTcpRst | kTcpAck)},
      {Malformed::tcp_flags, flags(0x29)},  // FIN, PSH, URG
      {Malformed::none, flags(kTcpSyn)},
      {Malformed::none, flags(kTcpSyn | 0xc0)},  // ECN set-up
      {Malformed::none, flags(kTcpRst)},
      {Malformed::none, flags(kTcpFin | kTcpAck)},
      {Malformed::tcp_port_zero, v4(kTcp).tcp(0, 2, kTcpAck).finish()},
      {Malformed::tcp_port_zero, v4(kTcp).tcp(1, 0, kTcpAck).finish()},
      {Malformed::udp_short, v4(kUdp).raw("1234567").finish()},
      {Malformed::udp_length, v4(kUdp).be16(1).be16(2).be16(7).be16(0).finish()},
      {Malformed::udp_length, v4(kUdp).be16(1).be16(2).be16(9).be16(0).finish()},
      {Malformed::udp_port_zero, v4(kUdp).udp(1, 0).finish()},
      {Malformed::udp_no_checksum, no_checksum},
      {Malformed::none, udp6.finish()},
      {Malformed::icmp_short, v4(kIcmp).raw("1234567").finish()},
      {Malformed::icmp_family, v4(kIcmp6).icmp(128, 0).finish()},
      {Malformed::icmp_family, v6(kIcmp).icmp(8, 0).finish()},
      {Malformed::nd_hop_limit, nd(254).neighbour(135, kB6).finish()},
      {Malformed::nd_code, nd().neighbour(135, kB6, 1).finish()},
      {Malformed::nd_short, nd().icmp(135, 0, "123456789012345").finish()},
      {Malformed::nd_target, nd().neighbour(136, "ff02::1").finish()},
      {Malformed::nd_option, nd().neighbour(135, kB6).raw("\x01\x00 12345"s).finish()},
      {Malformed::nd_option, nd().neighbour(135, kB6).raw("\x01\x02 12345"s).finish()},
      {Malformed::nd_option, nd().neighbour(135, kB6).raw("\x01").finish()},
      {Malformed::none, nd().neighbour(135, kB6).raw("\x01\x01\2\0\0\0\0\2"s).finish()},
  };
}

std::vector<Case> all_cases() {
  std::vector<Case> out;
  for (const auto& list : {ethernet_cases(), ipv4_cases(), ipv6_cases(), transport_cases()}) {
    out.insert(out.end(), list.begin(), list.end());
  }
  return out;
}

TEST(Packet, R11_EachMalformedFormHasItsReason) {
  std::set<Malformed> seen;
  int number = 0;
  for (const Case& c : all_cases()) {
    PacketView view;
    const Malformed found = parse_frame(as_bytes(c.frame), view);
    EXPECT_EQ(text(found), text(c.expected)) << "case " << number;
    seen.insert(found);
    ++number;
  }
  EXPECT_EQ(seen.size(), static_cast<size_t>(kMalformedCount)) << "some reason has no case";
}

TEST(Packet, R11_EveryPrefixOfEveryFrameIsTakenSafely) {
  for (const Case& c : all_cases()) {
    for (size_t size = 0; size < c.frame.size(); ++size) {
      const std::string cut = c.frame.substr(0, size);  // of its own, for the sanitizer
      PacketView view;
      (void)parse_frame(as_bytes(cut), view);
    }
  }
}

TEST(Packet, R11_TakesAFrameApart) {
  const auto builder =
      eth().vlan(0x2007).ipv4(kA, kB, kTcp).tcp(40000, 5061, kTcpSyn).raw("payload");
  const std::string frame = builder.finish() + "padding";
  PacketView view;
  ASSERT_EQ(parse_frame(as_bytes(frame), view), Malformed::none);
  EXPECT_TRUE(view.tagged);
  EXPECT_EQ(view.vlan, 7);
  EXPECT_EQ(view.network, Network::ipv4);
  EXPECT_EQ(view.source.text(), kA);
  EXPECT_EQ(view.destination.text(), kB);
  EXPECT_EQ(view.source_port, 40000);
  EXPECT_EQ(view.destination_port, 5061);
  EXPECT_EQ(view.tcp_flags, kTcpSyn);
  EXPECT_EQ(view.transport_size, kTcpSize + 7);
  EXPECT_EQ(frame.substr(view.payload_at, 7), "payload");
}

TEST(Packet, R11_FindsTheTransportBehindExtensionHeaders) {
  const std::string frame = v6(kHopByHop)
                                .extension(kDestinationOptions)
                                .extension(kUdp)
                                .udp(53, 40000, "answer")
                                .finish();
  PacketView view;
  ASSERT_EQ(parse_frame(as_bytes(frame), view), Malformed::none);
  EXPECT_EQ(view.protocol, kUdp);
  EXPECT_EQ(view.source_port, 53);
  EXPECT_EQ(frame.substr(view.payload_at), "answer");
}

TEST(Packet, R11_MarksFragmentsOfBothFamilies) {
  PacketView view;
  (void)parse_frame(as_bytes(v4(kUdp, kIpv4MoreFragments).raw("12345678").finish()), view);
  EXPECT_EQ(view.fragment, Fragment::first);
  (void)parse_frame(as_bytes(v4(kUdp, 4).raw("12345678").finish()), view);
  EXPECT_EQ(view.fragment, Fragment::later);
  EXPECT_FALSE(view.has_transport());
  (void)parse_frame(
      as_bytes(v6(kFragmentHeader).extension(kUdp, "\x00\x01"s).raw("12345678").finish()), view);
  EXPECT_EQ(view.fragment, Fragment::first);
}

TEST(Packet, R11_ReadsWhatAnIcmpErrorQuotes) {
  const auto quoted = [](PacketBuilder sent) { return sent.finish().substr(kEthernetSize); };
  PacketView view;
  Quoted out;
  const std::string v4_quote =
      quoted(eth().ipv4(kB, kA, kTcp).tcp(12345, 5061, kTcpSyn)).substr(0, 28);
  const std::string error = v4(kIcmp).icmp(kIcmpUnreachable, 4, v4_quote).finish();
  ASSERT_EQ(parse_frame(as_bytes(error), view), Malformed::none);
  ASSERT_TRUE(parse_quoted(view, out));
  EXPECT_EQ(out.source.text(), kB);
  EXPECT_EQ(out.source_port, 12345);
  EXPECT_EQ(out.destination_port, 5061);

  const std::string cut = v4(kIcmp).icmp(kIcmpUnreachable, 4, v4_quote.substr(0, 23)).finish();
  ASSERT_EQ(parse_frame(as_bytes(cut), view), Malformed::none);
  EXPECT_FALSE(parse_quoted(view, out));

  const std::string too_big =
      v6(kIcmp6)
          .icmp(kIcmp6TooBig, 0, quoted(eth().ipv6(kB6, kA6, kTcp).tcp(12346, 5061, kTcpAck)))
          .finish();
  ASSERT_EQ(parse_frame(as_bytes(too_big), view), Malformed::none);
  ASSERT_TRUE(parse_quoted(view, out));
  EXPECT_EQ(out.source.text(), kB6);
  EXPECT_EQ(out.source_port, 12346);
}

TEST(Packet, R11_ReasonsHaveDistinctTexts) {
  std::set<std::string_view> texts;
  for (int i = 0; i < kMalformedCount; ++i) texts.insert(text(static_cast<Malformed>(i)));
  EXPECT_EQ(texts.size(), static_cast<size_t>(kMalformedCount));
}

}  // namespace
}  // namespace fedge::ip
