// Packets as data: what comes in on which port, and the verdict.
#include "dataplane/admission/classifier.h"

#include <gtest/gtest.h>

#include "tests/unit/admission/sample.h"

namespace fedge::admission {
namespace {

using ip::Mac;
using ip::PacketBuilder;
using std::string_literals::operator""s;

constexpr uint16_t kOutside = 0;
constexpr uint16_t kDmz = 1;
constexpr uint16_t kInside = 2;
constexpr Mac kSolicited{0x33, 0x33, 0xff, 0, 0, 1};

struct Passes {
  uint16_t realm;
  Class as;
  PeerClass peer = PeerClass::stranger;
};

class Classifier : public testing::Test {
 protected:
  Classifier() : sections_(sample_sections()), tables_(*build_sample(sections_)) {
    peers_.connect(kOutside, *Endpoint::parse("10.0.0.8:40000"), true);
    peers_.connect(kOutside, *Endpoint::parse("10.0.0.8:40001"), false);
  }

  Verdict in(const PacketBuilder& packet, uint16_t port = 0) {
    const std::string frame = packet.finish();
    return classify_inbound(*tables_, peers_, port, as_bytes(frame), view_);
  }
  Verdict out(const PacketBuilder& packet, uint16_t realm = kOutside) {
    const std::string frame = packet.finish();
    return classify_outbound(*tables_, peers_, realm, as_bytes(frame), view_);
  }
  static void expect(const Verdict& verdict, const Passes& wanted) {
    EXPECT_TRUE(verdict.passes()) << verdict.drop.text();
    EXPECT_EQ(verdict.realm, wanted.realm);
    EXPECT_EQ(text(verdict.as), text(wanted.as));
    EXPECT_EQ(text(verdict.peer), text(wanted.peer));
  }
  static void expect(const Verdict& verdict, Reason wanted) {
    EXPECT_EQ(verdict.drop.text(), wanted.text());
  }

  SampleSections sections_;
  std::unique_ptr<const Tables> tables_;
  Peers peers_{1};
  ip::PacketView view_;
};

PacketBuilder eth(const Mac& to = kMac0) { return PacketBuilder().ethernet(to); }
PacketBuilder tcp(const char* from, const char* to, uint16_t to_port, uint8_t flags,
                  uint16_t from_port = 40000) {
  return eth().ipv4(from, to, ip::kTcp).tcp(from_port, to_port, flags);
}
PacketBuilder tcp6(const char* from, const char* to, uint16_t to_port, uint8_t flags) {
  return eth().ipv6(from, to, ip::kTcp).tcp(40000, to_port, flags);
}
PacketBuilder echo(const char* to) { return eth().ipv4("10.0.0.2", to, ip::kIcmp).icmp(8, 0); }

TEST_F(Classifier, R1_TcpToAListenerPasses) {
  for (const uint8_t flags : {ip::kTcpSyn, ip::kTcpAck, ip::kTcpRst}) {
    expect(in(tcp("10.0.0.2", "10.0.0.1", 5061, flags)), {kOutside, Class::listener});
    expect(in(tcp6("fd00::2", "fd00::1", 5061, flags)), {kOutside, Class::listener});
  }
  expect(in(tcp("203.0.113.5", "10.0.0.1", 5061, ip::kTcpSyn)), {kOutside, Class::listener});
  expect(in(tcp("10.0.0.2", "10.0.0.1", 443, ip::kTcpSyn)), Refusal::tcp_closed_port);
  expect(in(tcp("10.0.0.2", "10.0.0.1", 22, ip::kTcpAck)), Refusal::tcp_closed_port);
}

TEST_F(Classifier, R1_EphemeralPortsTakeEverythingButANewConnection) {
  for (const uint16_t port : {kEphemeralFirst, uint16_t{30000}, kEphemeralLast}) {
    expect(in(tcp("10.0.0.2", "10.0.0.1", port, ip::kTcpSyn)), Refusal::tcp_syn_ephemeral);
    expect(in(tcp("10.0.0.2", "10.0.0.1", port, ip::kTcpSyn | 0xc0)), Refusal::tcp_syn_ephemeral);
    expect(in(tcp("10.0.0.2", "10.0.0.1", port, ip::kTcpSyn | ip::kTcpAck)),
           {kOutside, Class::established});
    expect(in(tcp6("fd00::2", "fd00::1", port, ip::kTcpAck)), {kOutside, Class::established});
  }
  expect(in(tcp("10.0.0.2", "10.0.0.1", kEphemeralFirst - 1, ip::kTcpAck)),
         Refusal::tcp_closed_port);
  expect(in(tcp("10.0.0.2", "10.0.0.1", kEphemeralLast + 1, ip::kTcpAck)),
         Refusal::tcp_closed_port);
}

TEST_F(Classifier, R1_AListenerInTheEphemeralRangeTakesConnections) {
  expect(in(eth().vlan(7).ipv4("10.7.0.2", "10.7.0.1", ip::kTcp).tcp(1, 20000, ip::kTcpSyn)),
         {kDmz, Class::listener});
}

TEST_F(Classifier, R11_PortAndTagChooseTheRealm) {
  expect(in(eth().vlan(7).ipv4("10.7.0.2", "10.7.0.1", ip::kTcp).tcp(1, 443, ip::kTcpSyn)),
         {kDmz, Class::listener});
  expect(in(eth().vlan(8).ipv4("10.7.0.2", "10.7.0.1", ip::kTcp).tcp(1, 443, ip::kTcpSyn)),
         Refusal::unknown_realm);
  // A listener of one realm is no listener of another.
  expect(in(eth().vlan(7).ipv4("10.7.0.2", "10.0.0.1", ip::kTcp).tcp(1, 5061, ip::kTcpSyn)),
         Refusal::not_our_address);
  expect(in(tcp("10.0.0.2", "10.7.0.1", 443, ip::kTcpSyn)), Refusal::not_our_address);
  // A priority tag is no tag.
  expect(in(eth().vlan(0x6000).ipv4("10.0.0.2", "10.0.0.1", ip::kTcp).tcp(1, 5061, ip::kTcpSyn)),
         {kOutside, Class::listener});
  expect(in(eth(kMac1).ipv4("10.2.0.2", "10.2.0.1", ip::kIcmp).icmp(8, 0), 1),
         {kInside, Class::icmp});
  expect(in(tcp("10.0.0.2", "10.0.0.1", 5061, ip::kTcpSyn), 2), Refusal::unknown_realm);
}

TEST_F(Classifier, R11_OnlyFramesForUs) {
  expect(in(eth({2, 9, 9, 9, 9, 9}).ipv4("10.0.0.2", "10.0.0.1", ip::kTcp).tcp(1, 5061, 2)),
         Refusal::other_mac);
  expect(in(eth(ip::kBroadcastMac).ipv4("10.0.0.2", "10.0.0.1", ip::kTcp).tcp(1, 5061, 2)),
         Refusal::other_mac);
  expect(in(eth(ip::kBroadcastMac).ipv4("10.0.0.2", "10.0.0.255", ip::kUdp).udp(68, 67)),
         Refusal::other_mac);
  expect(in(eth().type(0x88cc).raw("lldp")), Refusal::ether_type);
  expect(in(tcp("10.0.0.1", "10.0.0.1", 5061, ip::kTcpSyn)), Refusal::source_is_ours);
  expect(in(eth().ipv4("10.0.0.2", "10.0.0.1", 132).raw("sctp")), Refusal::protocol);
  expect(in(eth().raw("\x01")), ip::Malformed::frame_length_field);
}

TEST_F(Classifier, R11_ArpForOurSubnetOnly) {
  const auto arp = [](uint16_t op, const char* from, const char* target) {
    return eth(ip::kBroadcastMac).arp(op, from, target);
  };
  expect(in(arp(1, "10.0.0.2", "10.0.0.1")), {kOutside, Class::neighbour});
  expect(in(arp(2, "10.0.0.2", "10.0.0.1")), {kOutside, Class::neighbour});
  expect(in(arp(1, "0.0.0.0", "10.0.0.1")), {kOutside, Class::neighbour});  // a probe
  expect(in(arp(1, "10.0.0.9", "10.0.0.9")),
         {kOutside, Class::neighbour, PeerClass::known});  // an announcement
  expect(in(arp(1, "10.0.0.2", "10.0.0.3")), Refusal::arp_not_ours);
  expect(in(arp(1, "0.0.0.0", "10.0.0.3")), Refusal::arp_not_ours);
  expect(in(arp(1, "10.5.0.2", "10.0.0.1")), Refusal::arp_outside_subnet);
  expect(in(arp(1, "10.0.0.1", "10.0.0.1")), Refusal::arp_conflict);
}

TEST_F(Classifier, R11_NeighbourDiscoveryForOurAddressesOnly) {
  const auto solicit = [](const char* target) {
    return eth(kSolicited)
        .ipv6("fd00::2", "ff02::1:ff00:1", ip::kIcmp6, 255)
        .neighbour(135, target);
  };
  expect(in(solicit("fd00::1")), {kOutside, Class::neighbour});
  expect(in(solicit("fe80::ff:fe00:1")), {kOutside, Class::neighbour});  // of the port's MAC
  expect(in(solicit("fd00::3")), Refusal::nd_not_ours);
  expect(
      in(eth(kSolicited).ipv6("::", "ff02::1:ff00:1", ip::kIcmp6, 255).neighbour(135, "fd00::1")),
      {kOutside, Class::neighbour});
  const auto advertise = [](const char* target, const char* to) {
    return eth().ipv6("fd00::2", to, ip::kIcmp6, 255).neighbour(136, target);
  };
  expect(in(advertise("fd00::2", "fd00::1")), {kOutside, Class::neighbour});
  expect(in(advertise("fd00::1", "fd00::1")), Refusal::nd_conflict);
  expect(in(advertise("fd05::2", "fd00::1")), Refusal::nd_not_ours);
  // Routers are configured, not discovered.
  expect(in(eth().ipv6("fe80::9", "fd00::1", ip::kIcmp6, 255).icmp(134, 0)), Refusal::icmp_type);
}

TEST_F(Classifier, R11_EchoToOurAddressesOnly) {
  expect(in(echo("10.0.0.1")), {kOutside, Class::icmp});
  expect(in(eth().ipv6("fd00::2", "fd00::1", ip::kIcmp6).icmp(128, 0)), {kOutside, Class::icmp});
  expect(in(echo("10.0.0.3")), Refusal::not_our_address);
  expect(in(eth().ipv4("10.0.0.2", "10.0.0.1", ip::kIcmp).icmp(13, 0)), Refusal::icmp_type);
  expect(in(eth().ipv4("10.0.0.2", "10.0.0.1", ip::kIcmp).icmp(0, 0)), Refusal::icmp_type);
  expect(in(eth().ipv4("10.0.0.2", "10.0.0.1", ip::kIcmp).icmp(5, 0)), Refusal::icmp_type);
}

TEST_F(Classifier, R11_IcmpErrorsMatchWhatTheyQuote) {
  const auto quoted = [](const PacketBuilder& sent) {
    return sent.finish().substr(ip::kEthernetSize);
  };
  const auto error = [&](const PacketBuilder& sent, uint8_t type = 3, uint8_t code = 4) {
    return in(eth().ipv4(kRouter, "10.0.0.1", ip::kIcmp).icmp(type, code, quoted(sent)));
  };
  const auto sent = [](const char* from, uint16_t port) {
    return eth().ipv4(from, "203.0.113.5", ip::kTcp).tcp(port, 5061, ip::kTcpAck);
  };
  expect(error(sent("10.0.0.1", 5061)), {kOutside, Class::icmp, PeerClass::known});
  expect(error(sent("10.0.0.1", 30000)), {kOutside, Class::icmp, PeerClass::known});
  expect(error(sent("10.0.0.1", 22)), Refusal::icmp_unrelated);
  expect(error(sent("10.0.0.3", 30000)), Refusal::icmp_unrelated);
  expect(error(eth().ipv4("10.0.0.1", "10.0.0.53", ip::kUdp).udp(30000, 53)),
         {kOutside, Class::icmp, PeerClass::known});
  expect(error(eth().ipv4("10.0.0.1", "10.0.0.54", ip::kUdp).udp(30000, 53)),
         Refusal::icmp_unrelated);
  expect(error(sent("10.0.0.1", 30000), 5, 1), Refusal::icmp_type);  // redirects never
  const std::string too_big = quoted(eth().ipv6("fd00::1", "fd09::1", ip::kTcp).tcp(30000, 1, 16));
  expect(in(eth().ipv6("fe80::9", "fd00::1", ip::kIcmp6).icmp(2, 0, too_big)),
         {kOutside, Class::icmp});
}

TEST_F(Classifier, R4_UdpFromConfiguredServersOnly) {
  const auto answer = [&](const char* from, uint16_t port) {
    return in(eth().ipv4(from, "10.0.0.1", ip::kUdp).udp(port, 30000));
  };
  const Passes resolver{kOutside, Class::resolver, PeerClass::known};
  expect(answer("10.0.0.53", 53), resolver);
  expect(in(eth().ipv6("fd00::53", "fd00::1", ip::kUdp).udp(5353, 30000)), resolver);
  expect(answer("10.0.0.53", 54), Refusal::udp_port);
  expect(answer("10.0.0.54", 53), Refusal::udp_port);
  expect(answer("10.0.0.9", 53), Refusal::udp_port);  // a next hop is no name server
  expect(in(eth().ipv6("fd00::53", "fd00::1", ip::kUdp).udp(53, 30000)), Refusal::udp_port);
  // The same server in the other realms of the port is a stranger.
  expect(in(eth().vlan(7).ipv4("10.0.0.53", "10.7.0.1", ip::kUdp).udp(53, 30000)),
         Refusal::udp_port);
  expect(in(eth(kMac1).ipv4("10.0.0.53", "10.2.0.1", ip::kUdp).udp(53, 30000), 1),
         Refusal::udp_port);
}

TEST_F(Classifier, R4_ServersAreAskedOverTcpTooAndFromTheirRealmOnly) {
  expect(in(tcp("10.0.0.53", "10.0.0.1", 30000, ip::kTcpSyn | ip::kTcpAck, 53)),
         {kOutside, Class::established, PeerClass::known});
  const auto ask = [&](const Mac& mac, const char* from, const char* server, uint16_t realm) {
    return out(PacketBuilder()
                   .ethernet(PacketBuilder::kPeer, mac)
                   .ipv4(from, server, ip::kUdp)
                   .udp(30000, 53),
               realm);
  };
  expect(ask(kMac0, "10.0.0.1", "10.0.0.53", kOutside),
         {kOutside, Class::resolver, PeerClass::known});
  expect(ask(kMac0, "10.0.0.1", "10.0.0.54", kOutside), Refusal::udp_port);
  expect(ask(kMac1, "10.2.0.1", "10.0.0.53", kInside), Refusal::udp_port);
}

TEST_F(Classifier, B6_FragmentsAreHeldWhenTheWholeCouldBeServed) {
  const auto piece = [](const char* from, uint8_t protocol, const char* to = "10.0.0.1") {
    return eth().ipv4(from, to, protocol, ip::kIpv4MoreFragments).raw("12345678");
  };
  const auto piece6 = [](const char* from, uint8_t protocol) {
    return eth()
        .ipv6(from, "fd00::1", ip::kFragmentHeader)
        .extension(protocol, "\x00\x01"s)
        .raw("12345678");
  };
  expect(in(piece("10.0.0.2", ip::kTcp)), {kOutside, Class::fragment});
  expect(in(piece("10.0.0.2", ip::kIcmp)), {kOutside, Class::fragment});
  expect(in(piece6("fd00::2", ip::kIcmp6)), {kOutside, Class::fragment});
  expect(in(eth().ipv4("10.0.0.2", "10.0.0.1", ip::kTcp, 8).raw("12345678")),
         {kOutside, Class::fragment});
  expect(in(piece("10.0.0.53", ip::kUdp)), {kOutside, Class::fragment, PeerClass::known});
  expect(in(piece6("fd00::53", ip::kUdp)), {kOutside, Class::fragment, PeerClass::known});
  // What would be refused whole takes no room.
  expect(in(piece("10.0.0.2", ip::kUdp)), Refusal::udp_port);
  expect(in(piece6("fd00::2", ip::kUdp)), Refusal::udp_port);
  expect(in(piece("10.0.0.2", 132)), Refusal::protocol);
  expect(in(piece("10.0.0.2", ip::kTcp, "10.0.0.3")), Refusal::not_our_address);
  expect(in(piece("10.0.0.1", ip::kTcp)), Refusal::source_is_ours);
}

TEST_F(Classifier, M1_WhatIsForMediaNeverReachesTheKernel) {
  const auto datagram = [](const char* from, uint16_t port) {
    return eth().ipv4(from, "10.0.0.1", ip::kUdp).udp(53, port);
  };
  const auto piece = [](const char* to) {
    return eth().ipv4("10.0.0.2", to, ip::kUdp, ip::kIpv4MoreFragments).raw("12345678");
  };
  expect(in(datagram("10.0.0.53", 50004)), {kOutside, Class::resolver, PeerClass::known});
  sections_.media = sample_media();
  auto tables = build_sample(sections_);
  ASSERT_TRUE(tables) << tables.error().text();
  tables_ = std::move(*tables);
  for (const uint16_t port : {uint16_t{50000}, uint16_t{50009}, uint16_t{51004}}) {
    expect(in(datagram("10.0.0.53", port)), Refusal::media_udp);
    expect(in(datagram("10.0.0.2", port)), Refusal::media_udp);
  }
  expect(in(datagram("10.0.0.53", 50010)), {kOutside, Class::resolver, PeerClass::known});
  // TCP relays are front's (RFC 6062), but none of anchored calls.
  expect(in(tcp("10.0.0.2", "10.0.0.1", 50004, ip::kTcpSyn)), {kOutside, Class::relay});
  expect(in(tcp("10.0.0.2", "10.0.0.1", 51004, ip::kTcpSyn)), Refusal::tcp_closed_port);
  // Whose port it is for is seen when it is whole.
  expect(in(piece("10.0.0.1")), {kOutside, Class::fragment});
  expect(in(eth()
                .vlan(7)
                .ipv4("10.0.0.2", "10.7.0.1", ip::kUdp, ip::kIpv4MoreFragments)
                .raw("12345678")),
         Refusal::udp_port);
}

TEST(AdmittedPeers, T7_FollowTheirRealmsToANewPlace) {
  Peers peers(1);
  const auto remote = [](const char* text) { return *Endpoint::parse(text); };
  ASSERT_TRUE(peers.connect(0, remote("10.0.0.1:5061"), true));
  ASSERT_TRUE(peers.connect(1, remote("[fd00::1]:5061"), true));
  ASSERT_TRUE(peers.connect(2, remote("10.0.0.3:5061"), false));
  const uint16_t places[] = {1, kNoRealm, 2};
  peers.renumber(places);
  EXPECT_EQ(peers.size(), 2u);
  EXPECT_EQ(peers.find(1, remote("10.0.0.1:5061")), PeerClass::trusted);
  EXPECT_EQ(peers.find(0, remote("10.0.0.1:5061")), PeerClass::stranger);
  EXPECT_EQ(peers.find(1, remote("[fd00::1]:5061")), PeerClass::stranger);
  EXPECT_EQ(peers.find(2, remote("10.0.0.3:5061")), PeerClass::known);
  peers.disconnect(1, remote("10.0.0.1:5061"));
  EXPECT_EQ(peers.size(), 1u);
}

TEST(AdmittedPeers, B6_AnAddressIsKnownAsLongAsOneConnectionIsThere) {
  Peers peers(1);
  const auto remote = [](const char* text) { return *Endpoint::parse(text); };
  const auto at = [&](uint16_t realm) { return peers.find(realm, remote("10.0.0.1:0")); };
  ASSERT_TRUE(peers.connect(0, remote("10.0.0.1:40000"), true));
  ASSERT_TRUE(peers.connect(0, remote("10.0.0.1:40000"), false));  // told anew
  ASSERT_TRUE(peers.connect(0, remote("10.0.0.1:40001"), true));
  EXPECT_EQ(peers.size(), 2u);
  EXPECT_EQ(at(0), PeerClass::known);
  const uint16_t places[] = {1};
  peers.renumber(places);
  EXPECT_EQ(at(0), PeerClass::stranger);
  EXPECT_EQ(at(1), PeerClass::known);
  peers.disconnect(1, remote("10.0.0.1:40000"));
  peers.disconnect(1, remote("10.0.0.1:40000"));
  EXPECT_EQ(at(1), PeerClass::known);
  peers.disconnect(1, remote("10.0.0.1:40001"));
  EXPECT_EQ(at(1), PeerClass::stranger);
  EXPECT_EQ(peers.size(), 0u);
}

TEST_F(Classifier, T7_TellsStrangersKnownAndTrustedPeersApart) {
  const auto from = [&](const char* address, uint16_t port) {
    return in(tcp(address, "10.0.0.1", 5061, ip::kTcpAck, port));
  };
  expect(from("10.0.0.2", 40000), {kOutside, Class::listener, PeerClass::stranger});
  expect(from("10.0.0.9", 40000), {kOutside, Class::listener, PeerClass::known});
  expect(from("10.0.0.8", 40000), {kOutside, Class::listener, PeerClass::trusted});
  expect(from("10.0.0.8", 40001), {kOutside, Class::listener, PeerClass::known});
  peers_.disconnect(kOutside, *Endpoint::parse("10.0.0.8:40000"));
  expect(from("10.0.0.8", 40000), {kOutside, Class::listener, PeerClass::stranger});
  peers_.clear();
  expect(from("10.0.0.8", 40001), {kOutside, Class::listener, PeerClass::stranger});
}

TEST_F(Classifier, R11_TheKernelSendsFromItsRealmsAddressesOnly) {
  const auto eth_out = [](const Mac& from = kMac0) {
    return PacketBuilder().ethernet(PacketBuilder::kPeer, from);
  };
  expect(out(eth_out().ipv4("10.0.0.1", "10.0.0.2", ip::kTcp).tcp(5061, 40000, 18)),
         {kOutside, Class::listener});
  expect(out(eth_out().ipv4("10.0.0.1", "10.0.0.9", ip::kTcp).tcp(30000, 5061, 2)),
         {kOutside, Class::established, PeerClass::known});
  expect(out(eth_out().arp(1, "10.0.0.1", "10.0.0.2", kMac0)), {kOutside, Class::neighbour});
  expect(out(eth_out().ipv4("10.0.0.1", "10.0.0.2", ip::kIcmp).icmp(0, 0)),
         {kOutside, Class::icmp});
  expect(out(eth_out().ipv6("fd00::1", "fd00::2", ip::kIcmp6, 255).neighbour(136, "fd00::1")),
         {kOutside, Class::neighbour});
  expect(out(eth_out().ipv6("::", "ff02::16", ip::kHopByHop).extension(ip::kIcmp6).icmp(143, 0)),
         {kOutside, Class::neighbour});
  // The kernel's own fragments.
  expect(out(eth_out().ipv4("10.0.0.1", "10.0.0.53", ip::kUdp, 8).raw("12345678")),
         {kOutside, Class::resolver, PeerClass::known});
  expect(out(eth_out().ipv4("10.0.0.1", "10.0.0.2", ip::kUdp, 8).raw("12345678")),
         Refusal::udp_port);
  expect(out(eth_out().ipv4("10.0.0.1", "10.0.0.2", ip::kUdp).udp(5353, 5353)), Refusal::udp_port);
  expect(out(eth_out().ipv4("10.2.0.1", "10.0.0.2", ip::kTcp).tcp(5061, 40000, 18)),
         Refusal::foreign_source);
  expect(out(eth_out().arp(1, "10.2.0.1", "10.0.0.2", kMac0)), Refusal::foreign_source);
  expect(out(eth_out(kMac1).ipv4("10.0.0.1", "10.0.0.2", ip::kTcp).tcp(5061, 40000, 18)),
         Refusal::foreign_source);
  expect(out(eth_out().vlan(7).ipv4("10.0.0.1", "10.0.0.2", ip::kTcp).tcp(5061, 40000, 18)),
         Refusal::ether_type);
}

}  // namespace
}  // namespace fedge::admission
