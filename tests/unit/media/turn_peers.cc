// CreatePermission and ChannelBind, and whom nobody may reach (M5).
#include <gtest/gtest.h>

#include <fstream>

#include "tests/unit/media/turn_site.h"

namespace fedge::media {
namespace {

using stun::Method;
using stun::Type;

struct Peers : testing::Test {
  TurnSite site;
  TurnClient client{site, "8.1.1.1:4000"};
  uint32_t session = kNone;

  void SetUp() override {
    ASSERT_TRUE(client.allocate().is_success());
    session = client.find();
  }
  bool is_permitted(std::string_view address, uint16_t port = 9) {
    return site.sessions->find_peer(session, Address::of(ip(address)), port, site.now) != kNone;
  }
  bool is_bound(uint16_t channel) {
    return site.sessions->find_channel(session, channel, site.now) != kNone;
  }
};

TEST_F(Peers, M1_APermissionLastsFiveMinutes) {
  const Answer answer = client.permit("8.8.8.8:9");
  EXPECT_TRUE(answer.is_success());
  EXPECT_TRUE(client.is_signed(answer));
  EXPECT_TRUE(is_permitted("8.8.8.8", 10));  // the address, whatever port
  EXPECT_FALSE(is_permitted("8.8.8.9"));
  site.pass(299s);
  EXPECT_TRUE(is_permitted("8.8.8.8"));
  site.pass(1s);
  EXPECT_FALSE(is_permitted("8.8.8.8"));
  ASSERT_TRUE(client.permit("8.8.8.8:9").is_success());
  site.pass(200s);
  client.learn(client.be_challenged());
  ASSERT_TRUE(client.permit("8.8.8.8:9").is_success());
  ASSERT_TRUE(client.refresh(3600).is_success());
  site.pass(299s);
  EXPECT_TRUE(is_permitted("8.8.8.8"));
  site.pass(2s);
  EXPECT_EQ(site.sessions->record(session).peers, 0u);
}

TEST_F(Peers, M1_SeveralPeersAtOnceOrNone) {
  EXPECT_TRUE(client.permit({endpoint("8.8.8.8:1"), endpoint("8.8.4.4:2")}).is_success());
  EXPECT_TRUE(is_permitted("8.8.8.8") && is_permitted("8.8.4.4"));
  EXPECT_EQ(client.permit({endpoint("8.8.8.1:1"), endpoint("10.0.0.1:2")}).error(), 403);
  EXPECT_EQ(client.permit({endpoint("8.8.8.1:1"), endpoint("[2620::8]:2")}).error(), 443);
  EXPECT_FALSE(is_permitted("8.8.8.1"));
  EXPECT_EQ(client.ask(Method::create_permission).error(), 400);
  EXPECT_EQ(client
                .ask(Method::create_permission,
                     [](stun::Writer& w) {
                       w.add_xor_address(Type::xor_peer_address, endpoint("8.8.8.1:1"))
                           .add_text(Type::xor_peer_address, "abc");
                     })
                .error(),
            400);
  EXPECT_FALSE(is_permitted("8.8.8.1"));
}

TEST_F(Peers, M6_ASessionHasSoManyPeersAllOrNone) {
  const auto permit = [&](uint32_t from, uint32_t count) {
    std::vector<Endpoint> peers;
    for (uint32_t i = 0; i < count; ++i) peers.push_back({IpAddress::v4(0x08080000 + from + i), 9});
    return client.permit(peers);
  };
  for (uint32_t i = 0; i < 250; i += 25) ASSERT_TRUE(permit(i, 25).is_success()) << i;
  EXPECT_EQ(permit(1000, 7).error(), 508);
  EXPECT_EQ(site.sessions->record(session).peers, 250u);
  EXPECT_FALSE(is_permitted("8.8.3.232"));
  EXPECT_TRUE(permit(1000, 6).is_success());
  EXPECT_TRUE(permit(0, 25).is_success());  // those that are there can be refreshed
}

TEST_F(Peers, M1_AChannelLastsTenMinutesAndItsPermissionFive) {
  const Answer answer = client.bind(0x4000, "8.8.8.8:9");
  EXPECT_TRUE(answer.is_success());
  EXPECT_TRUE(client.is_signed(answer));
  EXPECT_TRUE(is_bound(0x4000));
  EXPECT_TRUE(is_permitted("8.8.8.8"));
  ASSERT_TRUE(client.refresh(3600).is_success());
  site.pass(299s);
  EXPECT_TRUE(is_permitted("8.8.8.8"));
  site.pass(1s);
  EXPECT_FALSE(is_permitted("8.8.8.8"));
  EXPECT_TRUE(is_bound(0x4000));
  ASSERT_TRUE(client.permit("8.8.8.8:9").is_success());
  EXPECT_TRUE(is_permitted("8.8.8.8"));
  site.pass(299s);
  EXPECT_TRUE(is_bound(0x4000));
  site.pass(1s);
  EXPECT_FALSE(is_bound(0x4000));
}

TEST_F(Peers, M1_ARebindIsARefresh) {
  ASSERT_TRUE(client.bind(0x4000, "8.8.8.8:9").is_success());
  ASSERT_TRUE(client.refresh(3600).is_success());
  site.pass(500s);
  ASSERT_TRUE(client.bind(0x4000, "8.8.8.8:9").is_success());
  site.pass(599s);
  EXPECT_TRUE(is_bound(0x4000));
  EXPECT_EQ(site.sessions->record(session).peers, 1u);
}

TEST_F(Peers, M1_OneChannelOnePeer) {
  ASSERT_TRUE(client.bind(0x4000, "8.8.8.8:9").is_success());
  EXPECT_EQ(client.bind(0x4000, "8.8.8.8:10").error(), 400);
  EXPECT_EQ(client.bind(0x4001, "8.8.8.8:9").error(), 400);
  EXPECT_TRUE(client.bind(0x4001, "8.8.8.8:10").is_success());
  EXPECT_TRUE(client.bind(0x4fff, "8.8.4.4:9").is_success());
}

TEST_F(Peers, M1_WhatIsNoChannelIs400) {
  for (const uint16_t channel : {0, 0x3fff, 0x8000, 0xffff})
    EXPECT_EQ(client.bind(channel, "8.8.8.8:9").error(), 400) << channel;
  EXPECT_EQ(client.bind(0x4000, "8.8.8.8:0").error(), 400);
  EXPECT_EQ(
      client.ask(Method::channel_bind, [](stun::Writer& w) { turn::add_channel_number(w, 0x4000); })
          .error(),
      400);
  EXPECT_EQ(client
                .ask(Method::channel_bind,
                     [](stun::Writer& w) {
                       w.add_xor_address(Type::xor_peer_address, endpoint("8.8.8.8:9"));
                     })
                .error(),
            400);
  EXPECT_EQ(client.bind(0x4000, "[2620::8]:9").error(), 443);
  EXPECT_EQ(client.bind(0x4000, "10.0.0.1:9").error(), 403);
  EXPECT_EQ(site.sessions->record(session).peers, 0u);
}

TEST_F(Peers, M1_WithoutAnAllocationThereIsNobodyToPermit) {
  TurnClient stranger(site, "8.1.1.1:4001");
  EXPECT_EQ(stranger.permit("8.8.8.8:9").error(), 437);
  EXPECT_EQ(stranger.bind(0x4000, "8.8.8.8:9").error(), 437);
}

TEST_F(Peers, M1_WhatIsNotUnderstoodIsNamedWithEachRequest) {
  for (const Method method : {Method::refresh, Method::create_permission, Method::channel_bind})
    EXPECT_EQ(
        client.ask(method, [](stun::Writer& w) { w.add_number(static_cast<Type>(0x7abc), 1); })
            .error(),
        420);
}

// Each of them by both requests, from an allocation with both families.
TEST(TurnPeers, M5_SpecialAddressesAreForbidden) {
  std::ifstream list("../shared/conformance/stun/denied-peers.tsv");
  std::vector<std::string> denied{"127.0.0.1", "0.0.0.0",         "169.254.169.254", "10.0.0.1",
                                  "::1",       "::ffff:8.8.8.8",  "fe80::1",         "ff02::1",
                                  "224.0.0.1", "255.255.255.255", "2002:7f00:1::"};
  std::string line;
  std::getline(list, line);
  while (std::getline(list, line))
    if (line[0] != '<') denied.push_back(line.substr(0, line.find('\t')));
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client
                  .allocate([](stun::Writer& w) {
                    turn::add_address_family(w, Type::additional_address_family,
                                             stun::Family::ipv6);
                  })
                  .is_success());
  for (const std::string& address : denied) {
    const std::string peer =
        (address.find(':') == address.npos ? address : "[" + address + "]") + ":9";
    EXPECT_EQ(client.permit(peer).error(), 403) << peer;
    EXPECT_EQ(client.bind(0x4000, peer).error(), 403) << peer;
  }
  EXPECT_EQ(client.permit("9.9.9.2:9").is_success(), true);
  EXPECT_EQ(site.sessions->record(client.find()).peers, 1u);
}

// The box's own relay addresses may be peers: two clients behind it must be able to meet.
TEST(TurnPeers, M5_OurRelayAddressesAreReached) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  EXPECT_TRUE(client.permit("9.9.9.1:50000").is_success());
  EXPECT_TRUE(client.permit("11.0.0.1:50000").is_success());
}

TEST(TurnPeers, M5_RulesOfTheOperatorDecide) {
  TurnSite site([](TurnSite& s) {
    s.rules = {{*Prefix::parse("10.7.0.0/16"), 1}, {*Prefix::parse("8.8.0.0/16"), 0}};
  });
  TurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  EXPECT_TRUE(client.permit("10.7.0.1:9").is_success());
  EXPECT_EQ(client.permit("10.8.0.1:9").error(), 403);
  EXPECT_EQ(client.permit("8.8.8.8:9").error(), 403);
}

TEST(TurnPeers, M1_AnIcmpErrorBecomesADataIndication) {
  TurnSite site;
  std::array<std::byte, 128> out{};
  const size_t size = site.server->write_icmp(out, endpoint("8.8.8.8:9"), 3, 4, 1400);
  stun::Message message;
  ASSERT_EQ(stun::parse(Bytes(out).first(size), message), stun::Malformed::none);
  EXPECT_TRUE(message.is(Method::data, stun::Class::indication));
  EXPECT_EQ(
      stun::read_xor_address(*message.find_value(Type::xor_peer_address), message.transaction),
      endpoint("8.8.8.8:9"));
  const auto icmp = turn::read_icmp(*message.find_value(Type::icmp));
  ASSERT_TRUE(icmp);
  EXPECT_EQ(icmp->type, 3);
  EXPECT_EQ(icmp->code, 4);
  EXPECT_EQ(icmp->data, 1400u);
  EXPECT_FALSE(message.has(Type::data));
  EXPECT_EQ(site.server->write_icmp(MutableBytes(out).first(30), endpoint("8.8.8.8:9"), 3, 4, 0),
            0u);
}

// A publish that takes the realm's address away ends what was on it.
TEST(TurnPeers, M5_AnAllocationOnAnAddressThatIsGoneEnds) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000"), six(site, "[2610::5]:4000");
  ASSERT_TRUE(client.allocate().is_success());
  const auto of_six = [](stun::Writer& w) {
    turn::add_address_family(w, Type::requested_address_family, stun::Family::ipv6);
  };
  ASSERT_TRUE(six.allocate(of_six).is_success());
  site.own_v4 = "9.9.9.5";
  site.publish();
  EXPECT_EQ(site.sessions->size(), 1u);
  EXPECT_TRUE(six.refresh(600).is_success());
}

}  // namespace
}  // namespace fedge::media
