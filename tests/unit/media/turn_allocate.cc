// Allocate: each answer of RFC 8656 section 7.2 and its reason.
#include <gtest/gtest.h>

#include "tests/unit/media/turn_site.h"

namespace fedge::media {
namespace {

using stun::Method;
using stun::Type;

TurnClient::Add with_family(Type type, stun::Family family) {
  return [=](stun::Writer& w) { turn::add_address_family(w, type, family); };
}
TurnClient::Add with_number(Type type, uint32_t value) {
  return [=](stun::Writer& w) { w.add_number(type, value); };
}
void add_octets(stun::Writer& w, Type type, size_t count) {
  const std::array<std::byte, 16> octets{};
  w.add(type, Bytes(octets).first(count));
}

TEST(TurnAllocate, M1_GivesAPortOfThePool) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const Answer answer = client.allocate();
  ASSERT_TRUE(answer.is_success()) << answer.error();
  const Endpoint relayed = answer.xor_address(Type::xor_relayed_address);
  EXPECT_EQ(relayed.address, ip("11.0.0.1"));  // M8: as the outside knows it
  EXPECT_GE(relayed.port, site.first_port);
  EXPECT_LE(relayed.port, site.last_port);
  EXPECT_EQ(answer.xor_address(Type::xor_mapped_address), client.address);
  EXPECT_EQ(answer.number(Type::lifetime), 600u);
  EXPECT_FALSE(answer.message.has(Type::reservation_token));
  EXPECT_FALSE(answer.message.has(Type::mobility_ticket));
  const uint32_t session = client.find();
  ASSERT_NE(session, kNone);
  EXPECT_EQ(site.sessions->find_relay(site.local("9.9.9.1"), relayed.port), session);
  EXPECT_EQ(site.sessions->record(session).client_mac[5], 9);
  EXPECT_EQ(site.server->counts().allocations, 1u);
}

TEST(TurnAllocate, M1_ALostAnswerComesAgain) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const auto add = [](stun::Writer& w) {
    turn::add_transport(w, turn::kUdp);
    turn::add_even_port(w, true);
    w.add_flag(Type::mobility_ticket);
  };
  const Answer first = client.ask(Method::allocate, add);
  ASSERT_TRUE(first.is_success()) << first.error();
  site.pass(500ms);
  const Answer again = client.ask_again(Method::allocate, add);
  EXPECT_EQ(as_text(again.octets), as_text(first.octets));
  EXPECT_EQ(site.sessions->size(), 1u);
  EXPECT_EQ(site.server->counts().allocations, 1u);
  EXPECT_EQ(client.ask(Method::allocate, add).error(), 437);  // another transaction
}

TEST(TurnAllocate, M1_TransportsThatAreNotThere) {
  TurnSite site([](TurnSite&) {}, false);
  TurnClient client(site, "8.1.1.1:4000");
  EXPECT_EQ(client.ask(Method::allocate).error(), 400);
  EXPECT_EQ(client
                .ask(Method::allocate,
                     [](stun::Writer& w) { add_octets(w, Type::requested_transport, 1); })
                .error(),
            400);
  for (const uint8_t protocol : {turn::kTcp, uint8_t{132}}) {
    const Answer answer =
        client.ask(Method::allocate, [&](stun::Writer& w) { turn::add_transport(w, protocol); });
    EXPECT_EQ(answer.error(), 442);
    EXPECT_TRUE(client.is_signed(answer));
  }
}

TEST(TurnAllocate, M1_LifetimesAreKeptWithinBounds) {
  TurnSite site;
  uint16_t port = 4000;
  for (const auto& [wanted, given] : {std::pair(0u, 600u),
                                      {1u, 600u},
                                      {1000u, 1000u},
                                      {3600u, 3600u},
                                      {100'000u, 3600u},
                                      {0xffffffffu, 3600u}}) {
    TurnClient client(site, "8.1.1.1:" + std::to_string(port++));
    const Answer answer = client.allocate(with_number(Type::lifetime, wanted));
    EXPECT_EQ(answer.number(Type::lifetime), given) << wanted;
    EXPECT_EQ(site.sessions->details(client.find()).expires,
              to_ns(site.now + std::chrono::seconds(given)));
  }
  TurnClient client(site, "8.1.1.1:5000");
  EXPECT_EQ(client.allocate([](stun::Writer& w) { add_octets(w, Type::lifetime, 2); }).error(),
            400);
}

TEST(TurnAllocate, M1_AnAllocationEndsUnlessRefreshed) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000"), other(site, "8.1.1.1:4001");
  ASSERT_TRUE(client.allocate().is_success());
  ASSERT_TRUE(other.allocate().is_success());
  site.pass(500s);
  ASSERT_TRUE(client.refresh(600).is_success());
  site.pass(99s);
  EXPECT_EQ(site.sessions->size(), 2u);
  site.pass(2s);
  EXPECT_EQ(site.sessions->size(), 1u);
  EXPECT_NE(client.find(), kNone);
  site.pass(497s);
  EXPECT_NE(client.find(), kNone);
  site.pass(4s);
  EXPECT_EQ(site.sessions->size(), 0u);
}

// Between its end and the beat that notices, it is over already.
TEST(TurnAllocate, M1_WhatIsOverIsOverBeforeTheBeat) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  site.now += 600s;
  ASSERT_EQ(site.sessions->size(), 1u);
  EXPECT_EQ(client.permit("8.8.8.8:9").error(), 437);
  EXPECT_EQ(site.sessions->size(), 0u);
  EXPECT_TRUE(client.allocate().is_success());
}

TEST(TurnAllocate, M1_FamiliesThatAreAskedFor) {
  TurnSite site;
  TurnClient v6(site, "8.1.1.1:4000"), from_v6(site, "[2610::5]:4000"), odd(site, "8.1.1.1:4001");
  const Answer six = v6.allocate(with_family(Type::requested_address_family, stun::Family::ipv6));
  EXPECT_EQ(six.xor_address(Type::xor_relayed_address).address, ip("2600::1"));
  const Answer four = from_v6.allocate();
  EXPECT_EQ(four.xor_address(Type::xor_relayed_address).address, ip("11.0.0.1"));
  EXPECT_EQ(four.xor_address(Type::xor_mapped_address), from_v6.address);
  EXPECT_EQ(odd.allocate(with_family(Type::requested_address_family, stun::Family{9})).error(),
            440);
  EXPECT_EQ(odd.allocate([](stun::Writer& w) { add_octets(w, Type::requested_address_family, 2); })
                .error(),
            400);
}

TEST(TurnAllocate, M1_AFamilyWithoutAPoolIs440) {
  TurnSite site([](TurnSite& s) { s.has_v6_pool = false; });
  TurnClient client(site, "8.1.1.1:4000");
  EXPECT_EQ(
      client.allocate(with_family(Type::requested_address_family, stun::Family::ipv6)).error(),
      440);
  // Of two the one that there is, and why the other is missing.
  const Answer one =
      client.allocate(with_family(Type::additional_address_family, stun::Family::ipv6));
  ASSERT_TRUE(one.is_success());
  EXPECT_EQ(one.xor_address(Type::xor_relayed_address).address, ip("11.0.0.1"));
  const auto why = turn::read_address_error(*one.message.find_value(Type::address_error_code));
  ASSERT_TRUE(why);
  EXPECT_TRUE(turn::is_family(why->family, stun::Family::ipv6));
  EXPECT_EQ(why->error.code, 440);
}

TEST(TurnAllocate, M1_BothFamiliesAtOnce) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const Answer answer =
      client.allocate(with_family(Type::additional_address_family, stun::Family::ipv6));
  ASSERT_TRUE(answer.is_success()) << answer.error();
  std::vector<IpAddress> relayed;
  for (const stun::Attribute& a : answer.message.attributes())
    if (a.type == static_cast<uint16_t>(Type::xor_relayed_address))
      relayed.push_back(
          stun::read_xor_address(answer.message.value(a), answer.message.transaction)->address);
  EXPECT_EQ(relayed, (std::vector{ip("11.0.0.1"), ip("2600::1")}));
  EXPECT_FALSE(answer.message.has(Type::address_error_code));
  EXPECT_TRUE(client.permit("8.8.8.8:9").is_success());
  EXPECT_TRUE(client.permit("[2620::8]:9").is_success());
}

TEST(TurnAllocate, M1_BothFamiliesByTheNumberOfCoturnsClients) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const auto draft = static_cast<Type>(0x8032);
  ASSERT_TRUE(client.allocate(with_family(draft, stun::Family::ipv6)).is_success());
  EXPECT_TRUE(client.permit("8.8.8.8:9").is_success());
  EXPECT_TRUE(client.permit("[2620::8]:9").is_success());
}

TEST(TurnAllocate, M1_WishesThatContradictEachOtherAre400) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const auto requested = with_family(Type::requested_address_family, stun::Family::ipv4);
  const auto both = with_family(Type::additional_address_family, stun::Family::ipv6);
  const auto token = [](stun::Writer& w) { w.add_long_number(Type::reservation_token, 77); };
  const auto even = [](stun::Writer& w) { turn::add_even_port(w, false); };
  const auto pair = [](stun::Writer& w) { turn::add_even_port(w, true); };
  const auto error = [&](const TurnClient::Add& a, const TurnClient::Add& b) {
    return client.allocate([&](stun::Writer& w) { a(w), b(w); }).error();
  };
  EXPECT_EQ(error(requested, both), 400);
  EXPECT_EQ(error(token, even), 400);
  EXPECT_EQ(error(token, requested), 400);
  EXPECT_EQ(error(token, both), 400);
  EXPECT_EQ(error(pair, both), 400);
  const auto nothing = [](stun::Writer&) {};
  EXPECT_EQ(error(with_family(Type::additional_address_family, stun::Family::ipv4), nothing), 400);
  EXPECT_EQ(error([](stun::Writer& w) { add_octets(w, Type::even_port, 2); }, nothing), 400);
  EXPECT_EQ(error([](stun::Writer& w) { add_octets(w, Type::reservation_token, 4); }, nothing),
            400);
  EXPECT_EQ(error([](stun::Writer& w) { add_octets(w, Type::mobility_ticket, 4); }, nothing), 400);
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST(TurnAllocate, M1_APairOfPortsIsReservedForThirtySeconds) {
  TurnSite site([](TurnSite& s) { s.last_port = 50001; });
  TurnClient rtp(site, "8.1.1.1:4000"), rtcp(site, "8.1.1.1:4001"), late(site, "8.1.1.1:4002");
  const Answer even = rtp.allocate([](stun::Writer& w) { turn::add_even_port(w, true); });
  ASSERT_TRUE(even.is_success()) << even.error();
  EXPECT_EQ(even.xor_address(Type::xor_relayed_address).port, 50000);
  const auto token = *turn::read_token(*even.message.find_value(Type::reservation_token));
  EXPECT_EQ(rtcp.allocate().error(), 508);  // the other port is held
  const auto bring = [](uint64_t t) {
    return [=](stun::Writer& w) { w.add_long_number(Type::reservation_token, t); };
  };
  EXPECT_EQ(rtcp.allocate(bring(token + 1)).error(), 508);
  TurnClient eve(site, "8.1.1.2:4003", "eve");
  EXPECT_EQ(eve.allocate(bring(token)).error(), 508);  // another user's, however she got it
  site.pass(29s);
  const Answer odd = rtcp.allocate(bring(token));
  ASSERT_TRUE(odd.is_success()) << odd.error();
  EXPECT_EQ(odd.xor_address(Type::xor_relayed_address).port, 50001);
  EXPECT_EQ(late.allocate(bring(token)).error(), 508);  // once

  rtp.refresh(0), rtcp.refresh(0);
  const Answer anew = rtp.allocate([](stun::Writer& w) { turn::add_even_port(w, true); });
  const auto next = *turn::read_token(*anew.message.find_value(Type::reservation_token));
  site.now += 30s;
  EXPECT_EQ(late.allocate(bring(next)).error(), 508);
  site.pass(1s);
  EXPECT_TRUE(late.allocate().is_success());  // it is anybody's again
}

TEST(TurnAllocate, M1_EvenPortsAreEven) {
  TurnSite site([](TurnSite& s) { s.last_port = 50003; });
  uint16_t port = 4000;
  const auto make = [&] {
    TurnClient client(site, "8.1.1.1:" + std::to_string(port++));
    return client.allocate([](stun::Writer& w) { turn::add_even_port(w, false); });
  };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(make().xor_address(Type::xor_relayed_address).port % 2, 0);
  EXPECT_EQ(make().error(), 508);
}

TEST(TurnAllocate, M6_PortsRunOutWith508) {
  TurnSite site([](TurnSite& s) { s.last_port = 50003; });
  for (int i = 0; i < 4; ++i) {
    TurnClient client(site, "8.1.1.1:" + std::to_string(4000 + i));
    EXPECT_TRUE(client.allocate().is_success());
  }
  TurnClient client(site, "8.1.1.1:4900");
  EXPECT_EQ(client.allocate().error(), 508);
  EXPECT_EQ(site.sessions->size(), 4u);
}

TEST(TurnAllocate, M6_TheTableRunsOutWith508AndPortsComeBack) {
  TurnSite site([](TurnSite& s) {
    s.limits.max_sessions = s.limits.max_sessions_per_user = s.limits.max_sessions_per_source =
        1000;
    s.last_port = 50199;
  });
  for (int i = 0; i < 64; ++i) {
    TurnClient client(site, "8.1.1.1:" + std::to_string(4000 + i));
    ASSERT_TRUE(client.allocate().is_success()) << i;
  }
  TurnClient client(site, "8.1.1.1:4900");
  const uint32_t free = site.sessions->free_ports(4);
  EXPECT_EQ(client.allocate([](stun::Writer& w) { turn::add_even_port(w, true); }).error(), 508);
  EXPECT_EQ(site.sessions->free_ports(4), free);
}

TEST(TurnAllocate, M6_AUserHasSoMany) {
  TurnSite site([](TurnSite& s) { s.limits.max_sessions_per_user = 2; });
  TurnClient a(site, "8.1.1.1:4000"), b(site, "8.1.2.1:4000"), c(site, "8.1.3.1:4000"),
      other(site, "8.1.1.1:4001", "carol");
  EXPECT_TRUE(a.allocate().is_success());
  EXPECT_TRUE(b.allocate().is_success());
  EXPECT_EQ(c.allocate().error(), 486);
  EXPECT_TRUE(other.allocate().is_success());
  EXPECT_TRUE(a.refresh(0).is_success());
  EXPECT_TRUE(c.allocate().is_success());
}

TEST(TurnAllocate, M6_ASourceHasSoMany) {
  TurnSite site([](TurnSite& s) { s.limits.max_sessions_per_source = 1; });
  TurnClient a(site, "8.1.1.1:4000", "a"), b(site, "8.1.1.1:4001", "b"),
      c(site, "8.1.1.2:4000", "c");
  EXPECT_TRUE(a.allocate().is_success());
  EXPECT_EQ(b.allocate().error(), 486);
  EXPECT_TRUE(c.allocate().is_success());
}

TEST(TurnAllocate, M6_TheBoxHasSoMany) {
  TurnSite site([](TurnSite& s) { s.limits.max_sessions = 1; });
  TurnClient a(site, "8.1.1.1:4000", "a"), b(site, "8.2.1.1:4001", "b");
  EXPECT_TRUE(a.allocate().is_success());
  EXPECT_EQ(b.allocate().error(), 508);
}

TEST(TurnAllocate, M1_DrainingSendsNewOnesElsewhere) {
  TurnSite site([](TurnSite& s) { s.alternates = {endpoint("5.5.5.5:3478")}; });
  TurnClient old(site, "8.1.1.1:4000"), fresh(site, "8.1.1.1:4001"), v6(site, "[2610::5]:4000");
  ASSERT_TRUE(old.allocate().is_success());
  site.limits.draining = 1;
  site.publish();
  const Answer answer = fresh.allocate();
  EXPECT_EQ(answer.error(), 300);
  EXPECT_EQ(stun::read_address(*answer.message.find_value(Type::alternate_server)),
            endpoint("5.5.5.5:3478"));
  EXPECT_TRUE(fresh.is_signed(answer));
  EXPECT_EQ(v6.allocate().error(), 508);  // nothing of its family to go to
  EXPECT_TRUE(old.refresh(600).is_success());
  EXPECT_TRUE(old.permit("8.8.8.8:9").is_success());
}

TEST(TurnAllocate, M1_WhatIsNotUnderstoodIsNamed) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  const Answer answer = client.allocate([](stun::Writer& w) {
    w.add_number(static_cast<Type>(0x7abc), 1).add_number(static_cast<Type>(0xfabc), 1);
  });
  EXPECT_EQ(answer.error(), 420);
  std::array<uint16_t, 4> types{};
  ASSERT_EQ(
      stun::read_unknown_attributes(*answer.message.find_value(Type::unknown_attributes), types),
      1u);
  EXPECT_EQ(types[0], 0x7abc);
  EXPECT_TRUE(client.is_signed(answer));
  // Without credentials that is nobody's business.
  EXPECT_EQ(client
                .ask_plainly(Method::allocate,
                             [](stun::Writer& w) { w.add_number(static_cast<Type>(0x7abc), 1); })
                .error(),
            401);
}

}  // namespace
}  // namespace fedge::media
