// Next hops that are found by name: what the trunks make of what the directory tells.
#include "tests/unit/signal/site.h"

namespace fedge::signal {
namespace {

class Names : public ::testing::Test {
 protected:
  void start(snapshot::Lookup lookup = snapshot::Lookup::srv) {
    layout.listeners = {{port}};
    layout.front_end = {"fe.example.com", {}, Transport::tcp, lookup, 5060};
    ASSERT_TRUE(site.publish(layout));
    partner = site.connect(port);
  }
  static resolve::Target target(const std::string& endpoint, uint16_t priority = 10,
                                uint16_t weight = 1) {
    return {*Endpoint::parse(endpoint), "a.fe.example.com", priority, weight};
  }
  // As the directory does.
  void tell(std::vector<resolve::Target> targets, const std::string& why = "") {
    const Generation& g = *site.worker().generation();
    site.worker().on_found(std::make_shared<const Found>(
        Found{name_of(g, g.next_hops()[0]), std::move(targets), why}));
  }
  std::string expect_refusal() {
    const std::string refusal = site.expect(partner, "\r\n\r\n");
    EXPECT_TRUE(refusal.starts_with("SIP/2.0 500 ")) << refusal;
    return refusal;
  }
  static std::string dead_endpoint() { return "127.0.0.2:" + std::to_string(free_port()); }

  uint16_t port = free_port();
  Layout layout;
  Site site;
  Peer partner;
};

TEST_F(Names, R4_ARequestWaitsForTheAddressesAndNobodyElseDoes) {
  Server front_end("127.0.0.2");
  start();
  partner.send(message(1));
  site.until([&] { return site.worker().connections().size() == 2; }, "a connection that waits");
  partner.send("\r\n\r\n");
  site.expect(partner, "\r\n");
  partner.send(message(2));
  tell({target(front_end.endpoint())});
  Peer fe = site.expect_connection(front_end);
  const std::string both = site.expect(fe, "call2");
  EXPECT_LT(both.find("call1"), both.find("call2"));
  EXPECT_FALSE(front_end.accept()) << "one connection for both";
}

TEST_F(Names, R4_TheNextTargetServesWhenTheFirstRefuses) {
  Server backup("127.0.0.2");
  start();
  partner.send(message(1));
  site.until([&] { return site.worker().connections().size() == 2; }, "a connection that waits");
  tell({target(backup.endpoint(), 20), target(dead_endpoint(), 10)});
  Peer fe = site.expect_connection(backup);
  site.expect(fe, "call1");
  EXPECT_EQ(site.counter("dials_total{result=\"refused\"}"), 1u);
}

// RFC 2782 for each connection anew: over many, each gets its share.
TEST_F(Names, R4_EachConnectionIsDrawnByWeight) {
  start();
  resolve::KernelRandom random;
  Trunk trunk;
  trunk.name.lookup = snapshot::Lookup::srv;
  trunk.targets = {target("192.0.2.1:5061", 10, 1), target("192.0.2.2:5061", 10, 3)};
  trunk.targets[1].host = "b.fe.example.com";
  unsigned second = 0;
  for (int i = 0; i < 4000; ++i) {
    second += trunk.order(random, site.loop.now())[0].endpoint == trunk.targets[1].endpoint;
  }
  EXPECT_NEAR(second, 3000, 180) << "beyond six standard deviations";
}

TEST_F(Names, R3_WhatFailedAMomentAgoIsTriedLast) {
  resolve::KernelRandom random;
  Trunk trunk;
  trunk.targets = {target("192.0.2.1:5061"), target("192.0.2.2:5061"), target("192.0.2.3:5061")};
  const Instant now = site.loop.now();
  trunk.avoid(trunk.targets[0].endpoint, now + 10s);
  const auto first = [&](Instant at) { return trunk.order(random, at)[0].endpoint.text(); };
  EXPECT_EQ(first(now), "192.0.2.2:5061") << "listed addresses keep their order";
  EXPECT_EQ(trunk.order(random, now).back().endpoint.text(), "192.0.2.1:5061");
  EXPECT_EQ(first(now + 10s), "192.0.2.1:5061");
  trunk.avoid(trunk.targets[0].endpoint, now + 30s);
  trunk.welcome(trunk.targets[0].endpoint);
  EXPECT_EQ(first(now + 11s), "192.0.2.1:5061");
}

TEST_F(Names, R4_ANameThatLeadsNowhereIsRefusedAtOnce) {
  start();
  partner.send(message(1));
  site.until([&] { return site.worker().connections().size() == 2; }, "a connection that waits");
  tell({}, "DNS has no address for it");
  expect_refusal();
  partner.send(message(2));
  site.expect(partner, "call2");
  EXPECT_EQ(site.worker().connections().size(), 1u) << "nothing is waited for any more";
}

TEST_F(Names, R4_ANameThatIsNotResolvedInTimeFailsOver) {
  layout.limits.connect_ms = 50;
  start();
  partner.send(message(1));
  expect_refusal();
  EXPECT_EQ(site.worker().connections().size(), 1u);
}

TEST_F(Names, R4_AnAddressThatIsNotNamedAnyMoreDrains) {
  Server before("127.0.0.2");
  Server after("127.0.0.2");
  start();
  partner.send(message(1));
  site.until([&] { return site.worker().connections().size() == 2; }, "a connection that waits");
  tell({target(before.endpoint())});
  Peer old_fe = site.expect_connection(before);
  const std::string request = site.expect(old_fe, "hello");
  tell({target(after.endpoint())});
  partner.send(message(2));
  Peer new_fe = site.expect_connection(after);
  site.expect(new_fe, "call2");
  std::string none;
  EXPECT_TRUE(old_fe.receive(none));
  EXPECT_EQ(none, "") << "nothing new";
  old_fe.send(answer(request));
  site.expect(partner, "SIP/2.0 200 OK");
  site.expect_closed(old_fe);
}

TEST_F(Names, R4_APublishThatLeavesTheNameLeavesItsConnection) {
  Server front_end("127.0.0.2");
  start();
  partner.send(message(1));
  site.until([&] { return site.worker().connections().size() == 2; }, "a connection that waits");
  tell({target(front_end.endpoint())});
  Peer fe = site.expect_connection(front_end);
  site.expect(fe, "call1");
  layout.generation = 2;
  layout.limits.idle_ms = 500000;
  ASSERT_TRUE(site.publish(layout));
  partner.send(message(2));
  site.expect(fe, "call2");
  // The same name looked up in another way is another next hop.
  layout.front_end.lookup = snapshot::Lookup::address;
  layout.generation = 3;
  ASSERT_TRUE(site.publish(layout));
  partner.send(message(3));
  Server other("127.0.0.2");
  site.until([&] { return site.worker().connections().size() == 3; }, "a connection that waits");
  tell({target(other.endpoint())});
  Peer other_fe = site.expect_connection(other);
  site.expect(other_fe, "call3");
}

TEST_F(Names, R4_OurOwnAddressInTheViaIsOfTheFamilyThatIsUsed) {
  start();
  EXPECT_FALSE(site.worker().reaches_over_v6(0)) << "the realm has both";
  tell({target("[2001:db8::1]:5061", 10), target("192.0.2.1:5061", 20)});
  EXPECT_TRUE(site.worker().reaches_over_v6(0));
  tell({target("[2001:db8::1]:5061", 20), target("192.0.2.1:5061", 10)});
  EXPECT_FALSE(site.worker().reaches_over_v6(0));
}

}  // namespace
}  // namespace fedge::signal
