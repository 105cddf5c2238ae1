// TCP allocations (RFC 6062): what front is asked, and what clients hear of it.
#include <gtest/gtest.h>

#include "tests/unit/media/turn_site.h"

namespace fedge::media {
namespace {

using stun::Method;
using stun::Type;

struct Tcp : testing::Test {
  TurnSite site;
  TurnClient client{site, "8.1.1.1:4000"};

  Tcp() { client.connection = 11; }
  Answer allocate(const TurnClient::Add& add = [](stun::Writer&) {}) {
    return client.ask(Method::allocate, [&](stun::Writer& w) {
      turn::add_transport(w, turn::kTcp);
      add(w);
    });
  }
  Answer connect(std::string_view peer) {
    return client.ask(Method::connect, [&](stun::Writer& w) {
      w.add_xor_address(Type::xor_peer_address, endpoint(peer));
    });
  }
  // The last message that front was given for a client.
  Answer last_sent() {
    Answer answer;
    answer.octets = site.front.sent.back().second;
    EXPECT_EQ(stun::parse(answer.octets, answer.message), stun::Malformed::none);
    return answer;
  }
};

TEST_F(Tcp, M9_AnAllocationOpensAPort) {
  const Answer answer = allocate();
  ASSERT_TRUE(answer.is_success()) << answer.error();
  ASSERT_EQ(site.front.listens.size(), 1u);
  const TcpListen listen = site.front.listens[0];
  EXPECT_EQ(listen.address, Address::of(ip("9.9.9.1")));
  EXPECT_EQ(listen.port, answer.xor_address(Type::xor_relayed_address).port);
  EXPECT_EQ(text_of(listen.realm), "outside");
  EXPECT_EQ(listen.user, user_hash("bob"));
  ASSERT_TRUE(client.refresh(0).is_success());
  ASSERT_EQ(site.front.unlistens.size(), 1u);
  EXPECT_EQ(site.front.unlistens[0].allocation, listen.allocation);
  ASSERT_TRUE(allocate().is_success());
  EXPECT_NE(site.front.listens[1].allocation, listen.allocation);
}

TEST_F(Tcp, M9_WhatIsOfDatagramsIs400) {
  EXPECT_EQ(allocate([](stun::Writer& w) { w.add_flag(Type::dont_fragment); }).error(), 400);
  EXPECT_EQ(allocate([](stun::Writer& w) { turn::add_even_port(w, false); }).error(), 400);
  EXPECT_EQ(
      allocate([](stun::Writer& w) { w.add_long_number(Type::reservation_token, 5); }).error(),
      400);
  client.connection = 0;
  client.be_challenged();  // a nonce of TCP is none of UDP
  EXPECT_EQ(allocate().error(), 400);
  EXPECT_TRUE(site.front.listens.empty());
}

TEST_F(Tcp, M9_AFrontThatCannotListenIs508) {
  site.front.works = false;
  EXPECT_EQ(allocate().error(), 508);
  EXPECT_EQ(site.sessions->size(), 0u);
  EXPECT_EQ(site.sessions->free_ports(4), 20u);
}

TEST_F(Tcp, M9_ConnectIsAnsweredWhenFrontKnows) {
  ASSERT_TRUE(allocate().is_success());
  client.marks = true;
  const Answer none = connect("8.8.8.8:80");
  EXPECT_FALSE(none.arrived());
  EXPECT_EQ(none.reason, Reason::none);
  ASSERT_EQ(site.front.connects.size(), 1u);
  const TcpConnect& asked = site.front.connects[0];
  EXPECT_EQ(asked.allocation, site.front.listens[0].allocation);
  EXPECT_EQ(asked.peer_address, Address::of(ip("8.8.8.8")));
  EXPECT_EQ(asked.peer_port, 80);
  site.server->on_tcp_connected({asked.allocation, 4711, 0, asked.echo});
  ASSERT_EQ(site.front.sent.size(), 1u);
  EXPECT_EQ(site.front.sent[0].first, 11u);
  const Answer answer = last_sent();
  EXPECT_TRUE(answer.message.is(Method::connect, stun::Class::success));
  EXPECT_EQ(answer.message.transaction, client.transaction);
  EXPECT_EQ(answer.number(Type::connection_id), 4711u);
  EXPECT_TRUE(client.is_signed(answer));
  EXPECT_EQ(stun::check_fingerprint(answer.message), stun::Fingerprint::right);
}

TEST_F(Tcp, M9_EachFailureHasItsCode) {
  ASSERT_TRUE(allocate().is_success());
  for (const auto& [failure, code] : {std::pair(TcpFailure::refused, 447),
                                      {TcpFailure::limit, 447},
                                      {TcpFailure::known, 446},
                                      {static_cast<TcpFailure>(99), 447}}) {
    connect("8.8.8.8:80");
    const TcpConnect& asked = site.front.connects.back();
    site.server->on_tcp_failed({asked.allocation, failure, 0, asked.echo});
    EXPECT_EQ(last_sent().error(), code);
    EXPECT_TRUE(client.is_signed(last_sent()));
  }
  site.front.works = false;
  EXPECT_EQ(connect("8.8.8.8:80").error(), 447);
}

TEST_F(Tcp, M9_ConnectIsRefusedBeforeFrontIsAsked) {
  EXPECT_EQ(connect("8.8.8.8:80").error(), 437);
  ASSERT_TRUE(allocate().is_success());
  EXPECT_EQ(connect("10.0.0.1:80").error(), 403);
  EXPECT_EQ(connect("[2620::8]:80").error(), 443);
  EXPECT_EQ(connect("8.8.8.8:0").error(), 400);
  EXPECT_EQ(client.ask(Method::connect).error(), 400);
  EXPECT_TRUE(site.front.connects.empty());
  TurnClient datagrams(site, "8.1.1.1:4001");
  datagrams.connection = 12;
  ASSERT_TRUE(datagrams.allocate().is_success());
  EXPECT_EQ(datagrams
                .ask(Method::connect,
                     [](stun::Writer& w) {
                       w.add_xor_address(Type::xor_peer_address, endpoint("8.8.8.8:80"));
                     })
                .error(),
            437);
}

TEST_F(Tcp, M9_AnAnswerForWhoIsGoneIsDropped) {
  ASSERT_TRUE(allocate().is_success());
  connect("8.8.8.8:80");
  const TcpConnect asked = site.front.connects[0];
  ASSERT_TRUE(client.refresh(0).is_success());
  site.server->on_tcp_connected({asked.allocation, 4711, 0, asked.echo});
  ASSERT_EQ(site.front.drops.size(), 1u);
  EXPECT_EQ(site.front.drops[0].peer, 4711u);
  site.server->on_tcp_failed({asked.allocation, TcpFailure::refused, 0, asked.echo});
  EXPECT_TRUE(site.front.sent.empty());
}

TEST_F(Tcp, M9_PermittedPeersMayConnect) {
  ASSERT_TRUE(allocate().is_success());
  const uint64_t allocation = site.front.listens[0].allocation;
  const auto incoming = [&](std::string_view peer, PeerId id) {
    site.server->on_tcp_incoming(
        {allocation, Address::of(endpoint(peer).address), id, endpoint(peer).port, 0}, *site.plan,
        site.now);
  };
  incoming("8.8.8.8:5000", 1);
  EXPECT_EQ(site.front.drops.size(), 1u);
  EXPECT_TRUE(site.front.sent.empty());
  ASSERT_TRUE(client.permit("8.8.8.8:1").is_success());
  incoming("8.8.8.8:5000", 2);
  EXPECT_EQ(site.front.drops.size(), 1u);
  ASSERT_EQ(site.front.sent.size(), 1u);
  const Answer attempt = last_sent();
  EXPECT_TRUE(attempt.message.is(Method::connection_attempt, stun::Class::indication));
  EXPECT_EQ(attempt.number(Type::connection_id), 2u);
  EXPECT_EQ(attempt.xor_address(Type::xor_peer_address), endpoint("8.8.8.8:5000"));
  site.pass(300s);
  incoming("8.8.8.8:5000", 3);
  EXPECT_EQ(site.front.drops.size(), 2u);
}

// Our own relay ports are peers like others; our listeners, SIP's too, stand on these addresses.
TEST_F(Tcp, M5_M9_NoListenerOfOursIsReached) {
  ASSERT_TRUE(allocate().is_success());
  for (const std::string& ours : {site.own_v4, site.public_v4}) {
    for (const auto* port : {":443", ":3478", ":5061", ":49999", ":50020"}) {
      EXPECT_EQ(connect(ours + port).error(), 403) << ours << port;
    }
    EXPECT_TRUE(site.front.connects.empty());
    EXPECT_FALSE(connect(ours + ":50019").arrived());
    EXPECT_EQ(site.front.connects.size(), 1u);
    site.front.connects.clear();
  }
}

// A published denial holds for what a client permitted before.
TEST_F(Tcp, M5_AForbiddenPeerDoesNotConnect) {
  ASSERT_TRUE(allocate().is_success());
  ASSERT_TRUE(client.permit("8.8.8.8:1").is_success());
  site.rules = {{*Prefix::parse("8.8.0.0/16"), 0}};
  site.publish();
  site.server->on_tcp_incoming(
      {site.front.listens[0].allocation, Address::of(ip("8.8.8.8")), 2, 5000, 0}, *site.plan,
      site.now);
  EXPECT_EQ(site.front.drops.size(), 1u);
}

// … and for who is connected already: front is asked to name them all.
TEST_F(Tcp, M5_APublishedDenialDropsWhoIsThere) {
  ASSERT_TRUE(allocate().is_success());
  const TcpThere there{site.front.listens[0].allocation, Address::of(ip("8.8.8.8")), 7, 0};
  site.server->on_tcp_there(there, *site.plan);
  EXPECT_TRUE(site.front.drops.empty());
  site.rules = {{*Prefix::parse("8.8.0.0/16"), 0}};
  site.publish();
  site.server->on_tcp_there(there, *site.plan);
  ASSERT_EQ(site.front.drops.size(), 1u);
  EXPECT_EQ(site.front.drops[0].peer, 7u);
}

TEST_F(Tcp, M9_FrontHearsWhatIsOursOfAPeer) {
  ASSERT_TRUE(allocate().is_success());
  connect("8.8.8.8:80");
  EXPECT_EQ(site.front.connects.back().is_inside, 0);
  connect(site.public_v4 + ":50019");
  EXPECT_EQ(site.front.connects.back().is_inside, 1);
}

TEST_F(Tcp, M9_ChannelsAreNotForTcp) {
  ASSERT_TRUE(allocate().is_success());
  EXPECT_EQ(client.bind(0x4000, "8.8.8.8:9").error(), 400);
}

TEST_F(Tcp, M9_AConnectionIsBoundByFront) {
  TurnClient data(site, "8.1.1.1:4001");
  data.connection = 12;
  data.marks = true;
  const auto bind = [&](const TurnClient::Add& add) {
    return data.ask(Method::connection_bind, add);
  };
  const auto number = [](stun::Writer& w) { w.add_number(Type::connection_id, 4711); };
  EXPECT_EQ(bind([](stun::Writer&) {}).error(), 400);
  EXPECT_FALSE(bind(number).arrived());
  ASSERT_EQ(site.front.binds.size(), 1u);
  const auto& [asked, success] = site.front.binds[0];
  EXPECT_EQ(asked.connection, 12u);
  EXPECT_EQ(asked.peer, 4711u);
  EXPECT_EQ(asked.user, user_hash("bob"));
  Answer answer;
  answer.octets = success;
  ASSERT_EQ(stun::parse(answer.octets, answer.message), stun::Malformed::none);
  EXPECT_TRUE(answer.message.is(Method::connection_bind, stun::Class::success));
  EXPECT_TRUE(data.is_signed(answer));
  site.server->on_tcp_failed({0, TcpFailure::unknown_peer, 0, asked.echo});
  EXPECT_EQ(site.front.sent.back().first, 12u);
  EXPECT_EQ(last_sent().error(), 400);
  EXPECT_EQ(last_sent().message.transaction, data.transaction);

  site.front.works = false;
  EXPECT_EQ(bind(number).error(), 500);
  data.connection = 0;
  const std::string nonce = data.nonce;
  data.be_challenged();
  EXPECT_EQ(bind(number).error(), 400);
  data.connection = 12;
  data.nonce = nonce;
  data.credentials.password = "guess";
  EXPECT_EQ(bind(number).error(), 401);
}

TEST_F(Tcp, M1_AClosedConnectionEndsItsAllocation) {
  ASSERT_TRUE(allocate().is_success());
  site.server->on_connection_closed(99);
  EXPECT_EQ(site.sessions->size(), 1u);
  site.server->on_connection_closed(11);
  EXPECT_EQ(site.sessions->size(), 0u);
  EXPECT_EQ(site.front.unlistens.size(), 1u);
}

TEST_F(Tcp, M1_AMobileClientComesBackAfterItsConnection) {
  const Answer made = client.allocate([](stun::Writer& w) { w.add_flag(Type::mobility_ticket); });
  ASSERT_TRUE(made.is_success());
  site.server->on_connection_closed(11);
  EXPECT_EQ(site.sessions->size(), 1u);
  TurnClient again(site, "8.1.1.1:4002");
  again.connection = 13;
  const Answer moved = again.ask(Method::refresh, [&](stun::Writer& w) {
    w.add_text(Type::mobility_ticket, made.text(Type::mobility_ticket));
  });
  EXPECT_TRUE(moved.is_success()) << moved.error();
  EXPECT_EQ(site.sessions->find_connection(13), again.find());
  EXPECT_NE(again.find(), kNone);
}

}  // namespace
}  // namespace fedge::media
