// Refresh, and clients that move (RFC 8016).
#include <gtest/gtest.h>

#include "tests/unit/media/turn_site.h"

namespace fedge::media {
namespace {

using stun::Method;
using stun::Type;

TEST(TurnRefresh, M1_ExtendsAndEnds) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  EXPECT_EQ(client.refresh(600).error(), 437);
  ASSERT_TRUE(client.allocate().is_success());
  const Answer longer = client.refresh(1800);
  EXPECT_EQ(longer.number(Type::lifetime), 1800u);
  EXPECT_TRUE(client.is_signed(longer));
  EXPECT_EQ(client.refresh(100'000).number(Type::lifetime), 3600u);
  EXPECT_EQ(client.refresh(5).number(Type::lifetime), 600u);
  const Answer plain = client.ask(Method::refresh);
  EXPECT_EQ(plain.number(Type::lifetime), 600u);
  EXPECT_EQ(client.ask(Method::refresh, [](stun::Writer& w) { w.add_text(Type::lifetime, "ab"); })
                .error(),
            400);
  const Answer end = client.refresh(0);
  ASSERT_TRUE(end.is_success());
  EXPECT_EQ(end.number(Type::lifetime), 0u);
  EXPECT_TRUE(client.is_signed(end));
  EXPECT_EQ(site.sessions->size(), 0u);
  EXPECT_EQ(client.refresh(0).error(), 437);
}

TEST(TurnRefresh, M1_TheFamilyMustBeTheAllocations) {
  TurnSite site;
  TurnClient client(site, "8.1.1.1:4000");
  ASSERT_TRUE(client.allocate().is_success());
  const auto with = [&](stun::Family family, uint32_t lifetime) {
    return client.ask(Method::refresh, [&](stun::Writer& w) {
      turn::add_address_family(w, Type::requested_address_family, family);
      w.add_number(Type::lifetime, lifetime);
    });
  };
  EXPECT_EQ(with(stun::Family::ipv6, 600).error(), 443);
  EXPECT_EQ(with(stun::Family::ipv6, 0).error(), 443);
  EXPECT_EQ(with(stun::Family{7}, 600).error(), 443);
  EXPECT_TRUE(with(stun::Family::ipv4, 600).is_success());
  EXPECT_TRUE(with(stun::Family::ipv4, 0).is_success());
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST(TurnRefresh, M1_OneOfTwoFamiliesMayEnd) {
  for (const bool is_v4 : {true, false}) {
    TurnSite site;
    TurnClient client(site, "8.1.1.1:4000");
    const uint32_t free_v4 = site.sessions->free_ports(4), free_v6 = site.sessions->free_ports(6);
    ASSERT_TRUE(client
                    .allocate([](stun::Writer& w) {
                      turn::add_address_family(w, Type::additional_address_family,
                                               stun::Family::ipv6);
                    })
                    .is_success());
    const auto end = [&](bool v4) {
      return client.ask(Method::refresh, [&](stun::Writer& w) {
        turn::add_address_family(w, Type::requested_address_family,
                                 v4 ? stun::Family::ipv4 : stun::Family::ipv6);
        w.add_number(Type::lifetime, 0);
      });
    };
    ASSERT_TRUE(end(is_v4).is_success());
    EXPECT_EQ(site.sessions->size(), 1u);
    EXPECT_EQ(site.sessions->free_ports(4), free_v4 - (is_v4 ? 0 : 1));
    EXPECT_EQ(site.sessions->free_ports(6), free_v6 - (is_v4 ? 1 : 0));
    EXPECT_EQ(client.permit("8.8.8.8:9").is_success(), !is_v4);
    EXPECT_EQ(end(is_v4).error(), 443);
    EXPECT_TRUE(end(!is_v4).is_success());
    EXPECT_EQ(site.sessions->size(), 0u);
    EXPECT_EQ(site.sessions->free_ports(4), free_v4);
    EXPECT_EQ(site.sessions->free_ports(6), free_v6);
  }
}

// --- RFC 8016 ----------------------------------------------------------------------------------

struct Moving : testing::Test {
  TurnSite site;
  TurnClient home{site, "8.1.1.1:4000"};
  TurnClient away{site, "7.7.7.7:999"};
  std::string ticket;

  void SetUp() override {
    const Answer made = home.allocate([](stun::Writer& w) { w.add_flag(Type::mobility_ticket); });
    ASSERT_TRUE(made.is_success()) << made.error();
    ticket = made.text(Type::mobility_ticket);
    ASSERT_FALSE(ticket.empty());
    ASSERT_TRUE(home.permit("8.8.8.8:9").is_success());
  }
  Answer move(TurnClient& to, std::string_view with, uint32_t lifetime = 600) {
    return to.ask(Method::refresh, [&](stun::Writer& w) {
      w.add_number(Type::lifetime, lifetime).add_text(Type::mobility_ticket, with);
    });
  }
};

TEST_F(Moving, M1_TheAllocationFollowsItsClient) {
  const uint32_t session = home.find();
  const Answer moved = move(away, ticket);
  ASSERT_TRUE(moved.is_success()) << moved.error();
  EXPECT_TRUE(away.is_signed(moved));
  EXPECT_NE(moved.text(Type::mobility_ticket), ticket);
  EXPECT_EQ(away.find(), session);
  EXPECT_EQ(home.find(), kNone);
  EXPECT_NE(site.sessions->find_peer(session, Address::of(ip("8.8.8.8")), 9, site.now), kNone);
  EXPECT_EQ(home.refresh(600).error(), 437);
  // Its answer was lost: the same request once more.
  const Answer again = away.ask_again(Method::refresh, [&](stun::Writer& w) {
    w.add_number(Type::lifetime, 600).add_text(Type::mobility_ticket, ticket);
  });
  EXPECT_EQ(as_text(again.octets), as_text(moved.octets));
  EXPECT_TRUE(move(home, moved.text(Type::mobility_ticket)).is_success());
  EXPECT_EQ(home.find(), session);
  EXPECT_EQ(site.server->counts().moves, 2u);
}

TEST_F(Moving, M1_AnOldOrForgedTicketMovesNothing) {
  const std::string old = ticket;
  ASSERT_TRUE(move(away, ticket).is_success());
  TurnClient third(site, "6.6.6.6:1");
  EXPECT_EQ(move(third, old).error(), 400);
  for (size_t i = 0; i < old.size(); ++i) {
    std::string changed = old;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    EXPECT_FALSE(move(third, changed).is_success()) << i;
  }
  EXPECT_EQ(move(third, old.substr(1)).error(), 400);
  EXPECT_EQ(move(third, "").error(), 400);
  EXPECT_NE(away.find(), kNone);
}

TEST_F(Moving, M1_AnothersTicketIs441) {
  away.credentials = site.credentials("eve");
  EXPECT_EQ(move(away, ticket).error(), 441);
  EXPECT_NE(home.find(), kNone);
}

TEST_F(Moving, M1_WhoDidNotAskToBeMobileIsNot) {
  TurnClient fixed(site, "8.1.1.2:4000");
  ASSERT_TRUE(fixed.allocate().is_success());
  std::string forged = ticket;
  forged[7] = static_cast<char>('0' + fixed.find());  // the last digit of the session's number
  EXPECT_EQ(move(away, forged).error(), 405);
}

TEST_F(Moving, M1_ItCanEndFromAway) {
  EXPECT_TRUE(move(away, ticket, 0).is_success());
  EXPECT_EQ(site.sessions->size(), 0u);
}

TEST_F(Moving, M1_OntoAnAllocationItDoesNotMove) {
  ASSERT_TRUE(away.allocate().is_success());
  const uint32_t session = away.find();
  ASSERT_TRUE(move(away, ticket).is_success());  // an ordinary Refresh of its own
  EXPECT_EQ(away.find(), session);
  EXPECT_NE(home.find(), kNone);
}

}  // namespace
}  // namespace fedge::media
