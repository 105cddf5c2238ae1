// ICMP errors of a peer's path, as frames.
#include "dataplane/media/turn_icmp.h"

#include <gtest/gtest.h>

#include "firmware/wire/ip/checksum.h"
#include "tests/unit/media/turn_site.h"

namespace fedge::media {
namespace {

constexpr size_t kRoom = 256;

struct Icmp : testing::Test {
  TurnSite site;
  TurnClient client{site, "8.1.1.1:4000"};
  IcmpReports reports{*site.sessions, *site.server};
  uint16_t relay_port = 0;
  std::array<std::byte, 2 * kRoom> frame{};
  Packet packet;

  void allocate() {
    const Answer made = client.allocate();
    ASSERT_TRUE(made.is_success());
    relay_port = made.xor_address(stun::Type::xor_relayed_address).port;
    ASSERT_TRUE(client.permit("8.8.8.8:9").is_success());
  }
  // From a router on the way, about a datagram of ours to that peer.
  void error(uint8_t type, uint8_t code, uint32_t rest, std::string_view peer, uint16_t from_port) {
    build(type, code, rest, peer, from_port);
    take(reports);
  }
  void build(uint8_t type, uint8_t code, uint32_t rest, std::string_view peer, uint16_t from_port) {
    std::byte* const at = frame.data() + kRoom / 2;
    const auto write_ip = [](std::byte* out, uint16_t size, uint8_t protocol,
                             std::string_view source, std::string_view target) {
      std::memset(out, 0, fedge::ip::kIpv4Size);
      out[0] = std::byte{0x45};
      store_be16(out + 2, size);
      out[8] = std::byte{60};
      out[9] = std::byte{protocol};
      std::memcpy(out + 12, fedge::media::ip(source).octets.data(), 4);
      std::memcpy(out + 16, fedge::media::ip(target).octets.data(), 4);
      store_be16(out + 10, fedge::ip::checksum({out, fedge::ip::kIpv4Size}));
    };
    std::memset(at, 0, fedge::ip::kEthernetSize);
    at[0] = std::byte{2};
    at[5] = std::byte{1};
    at[6] = std::byte{2};
    store_be16(at + 12, fedge::ip::kEtherTypeIpv4);
    write_ip(at + 14, 20 + 8 + 28, fedge::ip::kIcmp, "7.7.7.7", site.own_v4);
    std::byte* const icmp = at + 34;
    std::memset(icmp, 0, 36);
    icmp[0] = std::byte{type};
    icmp[1] = std::byte{code};
    store_be32(icmp + 4, rest);
    write_ip(icmp + 8, 200, fedge::ip::kUdp, site.own_v4, peer);
    store_be16(icmp + 28, from_port);
    store_be16(icmp + 30, 9);
    store_be16(icmp + 2, fedge::ip::checksum({icmp, 36}));
    packet = {};
    packet.frame = at;
    packet.size = 14 + 20 + 36;
    packet.room_before = kRoom / 2;
    packet.room_behind = kRoom;
  }
  void take(IcmpReports& by) {
    fedge::ip::PacketView view;
    ASSERT_EQ(fedge::ip::parse_frame(packet.bytes(), view), fedge::ip::Malformed::none);
    by.take(packet, view, *site.plan, site.now);
  }
  // What the client gets.
  turn::Icmp read(Bytes message, Endpoint& peer) {
    stun::Message parsed;
    EXPECT_EQ(stun::parse(message, parsed), stun::Malformed::none);
    EXPECT_TRUE(parsed.is(stun::Method::data, stun::Class::indication));
    peer = *stun::read_xor_address(*parsed.find_value(stun::Type::xor_peer_address),
                                   parsed.transaction);
    return *turn::read_icmp(*parsed.find_value(stun::Type::icmp));
  }
};

TEST_F(Icmp, M1_AClientHearsThatItsPeerIsUnreachable) {
  allocate();
  error(3, 4, 1400, "8.8.8.8", relay_port);
  ASSERT_EQ(packet.fate, Fate::send);
  fedge::ip::PacketView view;
  ASSERT_EQ(fedge::ip::parse_frame(packet.bytes(), view), fedge::ip::Malformed::none);
  EXPECT_EQ(view.source, ip("9.9.9.1"));
  EXPECT_EQ(view.source_port, TurnSite::kPort);
  EXPECT_EQ(view.destination, ip("8.1.1.1"));
  EXPECT_EQ(view.destination_port, 4000);
  EXPECT_EQ(view.destination_mac[5], 9);  // where its last request came from
  EXPECT_EQ(fedge::ip::transport_checksum(view.source, view.destination, fedge::ip::kUdp,
                                          view.transport()),
            0);
  Endpoint peer;
  const turn::Icmp icmp = read(view.transport().subspan(fedge::ip::kUdpSize), peer);
  EXPECT_EQ(peer, endpoint("8.8.8.8:9"));
  EXPECT_EQ(icmp.type, 3);
  EXPECT_EQ(icmp.code, 4);
  EXPECT_EQ(icmp.data, 1400u);
  error(3, 3, 1400, "8.8.8.8", relay_port);
  ASSERT_EQ(fedge::ip::parse_frame(packet.bytes(), view), fedge::ip::Malformed::none);
  EXPECT_EQ(read(view.transport().subspan(fedge::ip::kUdpSize), peer).data, 0u);
}

TEST_F(Icmp, M1_OverTcpItIsFronts) {
  client.connection = 5;
  allocate();
  error(11, 0, 0, "8.8.8.8", relay_port);
  ASSERT_EQ(packet.fate, Fate::front);
  EXPECT_EQ(packet.connection, 5u);
  Endpoint peer;
  EXPECT_EQ(read(packet.bytes(), peer).type, 11);
}

TEST_F(Icmp, M5_AboutWhomTheClientDidNotPermitItHearsNothing) {
  allocate();
  error(3, 3, 0, "8.8.4.4", relay_port);
  EXPECT_EQ(packet.fate, Fate::drop);
  EXPECT_EQ(packet.reason, Reason::no_permission);
  const auto other = static_cast<uint16_t>(relay_port == 50000 ? 50002 : 50000);
  error(3, 3, 0, "8.8.8.8", other);
  EXPECT_EQ(packet.reason, Reason::no_session);
  site.pass(300s);
  error(3, 3, 0, "8.8.8.8", relay_port);
  EXPECT_EQ(packet.reason, Reason::no_permission);
}

TEST_F(Icmp, M1_WhatIsNoErrorOfARelayPortIsAdmissions) {
  allocate();
  error(0, 0, 0, "8.8.8.8", relay_port);
  EXPECT_EQ(packet.fate, Fate::other);
  error(5, 0, 0, "8.8.8.8", relay_port);
  EXPECT_EQ(packet.fate, Fate::other);
  error(3, 3, 0, "8.8.8.8", 40000);
  EXPECT_EQ(packet.fate, Fate::other);
}

// The router's packet comes by any queue: who it is about is another worker's to find.
TEST_F(Icmp, M1_AnotherWorkersGoToItAsTheyCame) {
  Quotas quotas(1);
  std::array<std::unique_ptr<Sessions>, 2> tables;
  std::array<std::unique_ptr<TurnServer>, 2> servers;
  std::array<std::unique_ptr<IcmpReports>, 2> of;
  for (uint8_t i = 0; i < 2; ++i) {
    const Fd memory(::memfd_create("icmp", MFD_CLOEXEC));
    tables[i] = must(Sessions::open(memory, i, 2, 16, quotas));
    servers[i] = std::make_unique<TurnServer>(*tables[i], quotas, nullptr, TurnServer::Setup{});
    of[i] = std::make_unique<IcmpReports>(*tables[i], *servers[i]);
    tables[i]->use(*site.plan);
  }
  for (uint8_t owner = 0; owner < 2; ++owner) {
    Sessions& table = *tables[owner];
    NewSession what;
    what.client = Address::of(ip("8.1.1.1"));
    do ++what.client_port;
    while (owner_of_client(what.client, what.client_port, 2) != owner);
    what.server = site.local(site.own_v4);
    what.server_port = TurnSite::kPort;
    what.client_realm = "outside";
    const auto port = table.take_port(4, PortWish::any);
    const uint32_t session = table.create(what, site.now);
    ASSERT_TRUE(port && session != kNone);
    table.set_relay(session, *port);
    ASSERT_TRUE(table.permit(session, Address::of(ip("8.8.8.8")), site.now + 60s));

    for (uint8_t first = 0; first < 2; ++first) {
      build(3, 1, 0, "8.8.8.8", port->port);
      const std::string came(as_text(packet.bytes()));
      take(*of[first]);
      if (first != owner) {
        ASSERT_EQ(packet.fate, Fate::hand_over);
        EXPECT_EQ(packet.worker, owner);
        EXPECT_EQ(as_text(packet.bytes()), came);
        take(*of[owner]);
      }
      ASSERT_EQ(packet.fate, Fate::send);
      fedge::ip::PacketView view;
      ASSERT_EQ(fedge::ip::parse_frame(packet.bytes(), view), fedge::ip::Malformed::none);
      EXPECT_EQ(view.destination, ip("8.1.1.1"));
      EXPECT_EQ(view.destination_port, what.client_port);
      Endpoint peer;
      EXPECT_EQ(read(view.transport().subspan(fedge::ip::kUdpSize), peer).type, 3);
      EXPECT_EQ(peer, endpoint("8.8.8.8:9"));
    }
  }
}

}  // namespace
}  // namespace fedge::media
